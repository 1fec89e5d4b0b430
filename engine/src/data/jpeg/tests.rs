use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::*;
use crate::data::picture::Picture;

const END: [u8; 2] = [0xff, END_OF_IMAGE];

/// Photographs in the formats that programs write, each with a name.
fn photographs() -> Vec<(&'static str, Vec<u8>)> {
    let encode = |(width, height): (u16, u16), set: &dyn Fn(&mut Encoder<&mut Vec<u8>>)| {
        let rgb: Vec<u8> =
            (0..3 * usize::from(width) * usize::from(height)).map(|i| (i * i / 7 % 251) as u8).collect();
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 60);
        set(&mut encoder);
        encoder.encode(&rgb, width, height, ColorType::Rgb).expect("encoded");
        bytes
    };
    vec![
        ("baseline", encode((40, 24), &|_| {})),
        ("colours of half the size", encode((37, 19), &|e| e.set_sampling_factor(SamplingFactor::F_2_2))),
        ("own tables", encode((33, 17), &|e| e.set_optimized_huffman_tables(true))),
        ("restart markers", encode((64, 40), &|e| e.set_restart_interval(3))),
        ("progressive", encode((40, 24), &|e| e.set_progressive(true))),
        ("progressive in many scans", encode((37, 40), &|e| e.set_progressive_scans(20))),
        (
            "progressive with restart markers",
            encode((48, 40), &|e| {
                e.set_progressive(true);
                e.set_restart_interval(2);
            }),
        ),
    ]
}

/// The index at which the data of the first scan begin.
fn first_scan(bytes: &[u8]) -> usize {
    let marker = bytes.windows(2).position(|two| two == [0xff, START_OF_SCAN]).expect("a scan");
    marker + 2 + usize::from(bytes[marker + 3])
}

#[test]
fn what_is_whole_is_taken_as_it_is() {
    for (what, bytes) in photographs() {
        let checked = check(&bytes).unwrap_or_else(|problem| panic!("{what}: {problem}"));
        assert!(checked.stray == 0 && *checked.bytes == *bytes, "{what}");
        assert!(Picture::decode(&bytes).is_ok(), "{what}");
    }
}

#[test]
fn no_end_marker_and_no_restart_marker_hides_a_cut() {
    for (what, bytes) in photographs() {
        for length in first_scan(&bytes)..bytes.len() - END.len() {
            let cut = &bytes[..length];
            assert!(check(cut).is_err(), "{what}: {length}");
            assert!(check(&[cut, &END].concat()).is_err(), "{what}: {length}, with an end");
            let restarted = [cut, &[0xff, 0xd0, 0xff, 0xd1], &END].concat();
            assert!(check(&restarted).is_err(), "{what}: {length}, with restart markers and an end");
        }
        assert!(check(&bytes[..bytes.len() - 1]).is_err(), "{what}: half an end");
    }
    let (_, baseline) = photographs().swap_remove(0);
    let half = [&baseline[..first_scan(&baseline) + 40], &END].concat();
    let problem = check(&half).expect_err("cut");
    assert!(problem.starts_with("it is cut off: a scan ends after "), "{problem}");
}

#[test]
fn a_restart_interval_that_is_missing_is_found() {
    let (_, bytes) = photographs().into_iter().find(|(what, _)| *what == "restart markers").expect("above");
    let marker = |number: u8| bytes.windows(2).position(|two| two == [0xff, number]).expect("a marker");
    let without = [&bytes[..marker(0xd1)], &bytes[marker(0xd2)..]].concat();
    assert!(check(&without).is_err());
}

#[test]
fn bytes_that_belong_nowhere_are_left_out() {
    for (what, bytes) in photographs() {
        // Bytes are added before the second marker and before the last one; a zero byte behind a byte of ones
        // makes no marker.
        let last = bytes.len() - END.len();
        for (at, stray) in [(2, &[7_u8, 8, 9][..]), (last, &[0, 0, 0]), (last, &[1, 0xff, 0, 2])] {
            let mut padded = bytes.clone();
            padded.splice(at..at, stray.iter().copied());
            let checked = check(&padded).unwrap_or_else(|problem| panic!("{what}: {problem}"));
            assert!(*checked.bytes == *bytes, "{what}: {stray:?} at {at}");
            assert!(checked.stray > 0, "{what}: {stray:?} at {at}");
            assert_eq!(Picture::decode(&padded), Picture::decode(&bytes), "{what}: {stray:?} at {at}");
        }
        // Bytes behind the end marker are ignored.
        assert!(check(&[&bytes[..], b"anything"].concat()).is_ok(), "{what}");
    }
}

#[test]
fn a_header_that_promises_more_than_the_file_can_hold_is_found_out() {
    for (what, mut bytes) in photographs() {
        let frame = bytes.windows(2).position(|two| matches!(two, [0xff, 0xc0..=0xc2])).expect("a frame");
        bytes[frame + 5..frame + 9].copy_from_slice(&[0x3f, 0xff, 0x3f, 0xff]);
        let problem = check(&bytes).expect_err("too large");
        assert!(problem.contains("a scan ends after 0 of"), "{what}: {problem}");
    }
}

proptest::proptest! {
    #[test]
    fn damage_never_panics(which in 0_usize..7, at in 0_usize..4000, byte: u8, cut in 2_usize..4000) {
        let mut bytes = photographs().swap_remove(which).1;
        let at = 2 + at % (bytes.len() - 2);
        bytes[at] = byte;
        bytes.truncate(cut);
        let _ = check(&bytes);
    }
}
