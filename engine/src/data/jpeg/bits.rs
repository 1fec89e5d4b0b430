//! Reading bits of entropy-coded data.

/// Why the bits of a scan cannot be decoded further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A marker follows, or the file ends.
    RanOut,
    /// No code of the table begins with these bits.
    NoCode,
}

/// Reads bits from the most significant on, up to the next marker.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The index of the first byte that is not in `buffer`.
    at: usize,
    /// Unread bits, the next one in the most significant place.
    buffer: u64,
    count: u32,
    /// Whether a marker or the end of the file is at `at`.
    ended: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, buffer: 0, count: 0, ended: false }
    }

    fn fill(&mut self) {
        while self.count <= 56 && !self.ended {
            let Some(&byte) = self.bytes.get(self.at) else {
                self.ended = true;
                return;
            };
            let mut next = self.at + 1;
            if byte == 0xff {
                // A byte of ones is followed by a zero byte, with any number of other bytes of ones in
                // between.
                while self.bytes.get(next) == Some(&0xff) {
                    next += 1;
                }
                if self.bytes.get(next) != Some(&0) {
                    self.ended = true;
                    return;
                }
                next += 1;
            }
            self.at = next;
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next sixteen bits, padded with zeros behind the last.
    pub(super) fn peek(&mut self) -> u16 {
        if self.count < 16 {
            self.fill();
        }
        (self.buffer >> 48) as u16
    }

    /// Skips up to sixteen bits.
    pub(super) fn skip(&mut self, bits: u32) -> Result<(), Stop> {
        if self.count < bits {
            self.fill();
            if self.count < bits {
                return Err(Stop::RanOut);
            }
        }
        self.buffer <<= bits;
        self.count -= bits;
        Ok(())
    }

    /// Reads up to sixteen bits as a number.
    pub(super) fn take(&mut self, bits: u32) -> Result<u32, Stop> {
        let next = u32::from(self.peek());
        self.skip(bits)?;
        Ok(if bits == 0 { 0 } else { next >> (16 - bits) })
    }

    /// The index of the first whole byte that was not read.
    pub(super) fn position(&self) -> usize {
        let mut at = self.at;
        for _ in 0..self.count / 8 {
            let stuffed = at >= 2 && self.bytes[at - 2..at] == [0xff, 0];
            at -= if stuffed { 2 } else { 1 };
        }
        at
    }
}
