//! Huffman codes of up to sixteen bits.

use super::bits::{Bits, Stop};

/// Codes of up to this many bits are looked up in one step.
const QUICK: u32 = 9;

#[derive(Debug)]
pub(super) struct Huffman {
    /// By the next bits: length and symbol of the code that they begin with; length 0 if the code is longer.
    quick: Vec<(u8, u8)>,
    /// By length: the first code that is too large for it, and what to add to a code to get the index of its
    /// symbol.
    longer: [(u32, i32); 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// Reads a table from its segment, and returns the number of bytes that it takes.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), String> {
        let damaged = || "a Huffman table is damaged".to_owned();
        let (counts, rest) = bytes.split_first_chunk::<16>().ok_or_else(damaged)?;
        let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
        let symbols = rest.get(..total).filter(|_| total <= 256).ok_or_else(damaged)?.to_vec();
        let mut quick = vec![(0, 0); 1 << QUICK];
        let mut longer = [(0, 0); 17];
        let (mut code, mut first) = (0_u32, 0_usize);
        for (length, &count) in (1..=16_u32).zip(counts) {
            let end = code + u32::from(count);
            if end > 1 << length {
                return Err(damaged());
            }
            if length <= QUICK {
                let spread = 1 << (QUICK - length);
                for (code, &symbol) in (code..end).zip(&symbols[first..]) {
                    let start = (code * spread) as usize;
                    quick[start..start + spread as usize].fill((length as u8, symbol));
                }
            }
            longer[length as usize] = (end, first as i32 - code as i32);
            first += usize::from(count);
            code = end << 1;
        }
        Ok((Self { quick, longer, symbols }, 16 + total))
    }

    pub(super) fn decode(&self, bits: &mut Bits<'_>) -> Result<u8, Stop> {
        let next = u32::from(bits.peek());
        let (length, symbol) = self.quick[(next >> (16 - QUICK)) as usize];
        if length > 0 {
            bits.skip(length.into())?;
            return Ok(symbol);
        }
        for length in QUICK + 1..=16 {
            let (code, (end, offset)) = (next >> (16 - length), self.longer[length as usize]);
            if code < end {
                bits.skip(length)?;
                let symbol = usize::try_from(code as i32 + offset).ok().and_then(|at| self.symbols.get(at));
                return symbol.copied().ok_or(Stop::NoCode);
            }
        }
        // The zeros behind the last bit may look like a code that does not exist.
        bits.skip(16)?;
        Err(Stop::NoCode)
    }
}
