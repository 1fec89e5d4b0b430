//! Damage to a file: what a bad disk, a broken download or an enemy does.

/// Numbers that look random and are the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Below a limit that is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}

/// Values that lengths, counts and offsets go wrong at.
const EXTREMES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// Damages a file in one to four places. Half of the places lie where formats keep their structure:
/// in the first or the last 512 bytes.
pub fn damage(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        let at = match dice.below(4) {
            0 => dice.below(length.min(512)),
            1 => length - 1 - dice.below(length.min(512)),
            _ => dice.below(length),
        };
        let run = (1 + dice.below(64)).min(length - at);
        match dice.below(10) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = dice.below(256) as u8,
            2 | 3 => {
                // A number of 1, 2, 4 or 8 bytes, in either byte order.
                let width = (1_usize << dice.below(4)).min(length - at);
                let value = EXTREMES[dice.below(EXTREMES.len())];
                let written = value.to_le_bytes();
                bytes[at..at + width].copy_from_slice(&written[..width]);
                if dice.below(2) == 0 {
                    bytes[at..at + width].reverse();
                }
            }
            4 => bytes.truncate(at),
            5 => {
                let chunk = bytes[at..at + run].to_vec();
                bytes.splice(at..at, chunk);
            }
            6 => drop(bytes.drain(at..at + run)),
            7 => {
                // A number in text.
                let start = bytes[at..].iter().position(u8::is_ascii_digit).map_or(length, |d| at + d);
                let digits = bytes[start..].iter().take_while(|b| b.is_ascii_digit()).count();
                let value = EXTREMES[dice.below(EXTREMES.len())].to_string();
                bytes.splice(start..start + digits, value.into_bytes());
            }
            8 => {
                // The end of another file.
                let from = at.min(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let to = dice.below(length - run + 1);
                bytes.copy_within(at..at + run, to);
            }
        }
    }
}
