//! An image in the format of the published packer: the bytes of its file followed by its label, a
//! little-endian u16, wrapped as a msgpack binary.

/// Splits a record into the bytes of the file and the label.
///
/// # Errors
/// If the record is damaged; the text says why, and continues a sentence that begins with the record.
pub(super) fn parse(record: &[u8]) -> Result<(&[u8], u16), String> {
    let (header, length) = header(record).ok_or("is no msgpack binary")?;
    let content = &record[header..];
    if content.len() != length {
        return Err(format!("has {} bytes, its header announces {length}", content.len()));
    }
    let (image, label) = content.split_last_chunk::<2>().ok_or("is too short to hold a label")?;
    Ok((image, u16::from_le_bytes(*label)))
}

/// The length of the header, and the length of the content that it announces. Packers without a binary type
/// write a text.
fn header(record: &[u8]) -> Option<(usize, usize)> {
    let digits = match record.first()? {
        0xa0..=0xbf => return Some((1, usize::from(record[0] & 0x1f))),
        0xc4 | 0xd9 => 1,
        0xc5 | 0xda => 2,
        0xc6 | 0xdb => 4,
        _ => return None,
    };
    let length = record.get(1..=digits)?.iter().fold(0, |n, &byte| n << 8 | usize::from(byte));
    Some((1 + digits, length))
}

/// The record of an image.
pub(super) fn encode(image: &[u8], label: u16) -> Vec<u8> {
    let length = (image.len() + 2) as u32;
    let mut record = Vec::with_capacity(image.len() + 7);
    match length {
        0..=0xff => record.extend([0xc4, length as u8]),
        0x100..=0xffff => {
            record.push(0xc5);
            record.extend((length as u16).to_be_bytes());
        }
        _ => {
            record.push(0xc6);
            record.extend(length.to_be_bytes());
        }
    }
    record.extend(image);
    record.extend(label.to_le_bytes());
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_record_is_said() {
        let check = |record: &[u8], expected: &str| assert_eq!(parse(record), Err(expected.to_owned()));
        check(b"", "is no msgpack binary");
        check(b"\x92\x01\x02", "is no msgpack binary");
        check(b"\xc5\x00", "is no msgpack binary");
        check(b"\xc4\x04abc", "has 3 bytes, its header announces 4");
        check(b"\xc4\x01a", "is too short to hold a label");
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(size in proptest::sample::select(vec![0, 200, 253, 254, 65_533, 65_534]), label: u16) {
            let image = vec![7; size];
            let record = encode(&image, label);
            proptest::prop_assert_eq!(parse(&record), Ok((&image[..], label)));
        }

        #[test]
        fn damage_never_panics(mut record in proptest::collection::vec(proptest::num::u8::ANY, 0..40), first in 0xa0_u8..=0xdb) {
            let _ = parse(&record);
            if let Some(byte) = record.first_mut() {
                *byte = first;
            }
            let _ = parse(&record);
        }
    }
}
