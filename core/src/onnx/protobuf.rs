//! Writes protobuf messages: fields one after the other, each behind its number and kind.

/// A message that is being written.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(pub(super) Vec<u8>);

impl Message {
    /// A number in groups of seven bits, one to a byte, the lowest first.
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn key(&mut self, field: u32, kind: u64) {
        self.varint(u64::from(field) << 3 | kind);
    }

    pub(super) fn integer(&mut self, field: u32, number: i64) {
        self.key(field, 0);
        self.varint(number as u64);
    }

    pub(super) fn float(&mut self, field: u32, number: f32) {
        self.key(field, 5);
        self.0.extend(number.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    pub(super) fn text(&mut self, field: u32, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    pub(super) fn message(&mut self, field: u32, message: &Self) {
        self.bytes(field, &message.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_the_format_s_documentation_shows() {
        let mut message = Message::default();
        message.integer(1, 150);
        message.text(2, "testing");
        message.integer(3, -1);
        let minus_one = [&[0x18][..], &[0xff; 9], &[1]].concat();
        assert_eq!(message.0, [&b"\x08\x96\x01\x12\x07testing"[..], &minus_one].concat());
    }
}
