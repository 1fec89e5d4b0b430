//! Checks whether a JPEG file is whole, and which of its bytes to decode.
//!
//! The decoder fills what is missing with grey, and takes bytes between segments for damage. libjpeg, and
//! with it most programs, skips such bytes with a warning, so [`check`] leaves them out. It also reads
//! through all scans without computing pixels, so that a scan that ends early is found even where an end
//! marker or a restart marker follows the cut.
//!
//! Source: ITU-T T.81, annexes B, F and G.

mod bits;
mod huffman;
mod scan;

use std::{borrow::Cow, ops::Range};

use huffman::Huffman;

const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;
const HUFFMAN_TABLES: u8 = 0xc4;
const ARITHMETIC_CONDITIONING: u8 = 0xcc;
const RESTART_INTERVAL: u8 = 0xdd;

/// A file that is whole.
#[derive(Debug)]
pub(super) struct Checked<'a> {
    /// The bytes for a strict decoder: the file without stray bytes.
    pub(super) bytes: Cow<'a, [u8]>,
    /// The number of stray bytes that were left out.
    pub(super) stray: usize,
}

/// The description of one component in a frame's header.
#[derive(Clone, Debug)]
struct Component {
    id: u8,
    /// The sampling factors.
    horizontal: usize,
    vertical: usize,
    /// For each coefficient, in zigzag order, the lowest bit that scans have given so far; `None` if they
    /// have given none.
    known: [Option<u8>; 64],
    /// In a progressive frame, the coefficients of each block that are not 0 so far, one bit each.
    nonzero: Vec<u64>,
}

#[derive(Debug)]
struct Frame {
    progressive: bool,
    width: usize,
    height: usize,
    components: Vec<Component>,
}

/// The tables and the interval that a scan is read with.
#[derive(Debug, Default)]
struct Tables {
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    /// The restart interval in units of a scan; 0 if there are no restarts.
    restart: usize,
}

/// Reads the markers and segments of a file in order.
struct MarkerReader<'a> {
    bytes: &'a [u8],
    /// The index at which the next marker is looked for.
    at: usize,
    /// The ranges of bytes that belong to the image.
    kept: Vec<Range<usize>>,
    stray: usize,
}

/// Reads through a file that begins as JPEG.
///
/// # Errors
/// If the file is damaged; the text says what is wrong with it.
pub(super) fn check(bytes: &[u8]) -> Result<Checked<'_>, String> {
    let mut walk = MarkerReader { bytes, at: 2, kept: Vec::new(), stray: 0 };
    walk.keep(0..2);
    let mut tables = Tables::default();
    let mut frame = None;
    loop {
        let (marker, start) = walk.next_marker().ok_or("it ends before its end-of-image marker")?;
        match marker {
            END_OF_IMAGE => {
                walk.keep(start..walk.at);
                break;
            }
            // Markers without content where none is due, which libjpeg skips.
            0x01 | 0xd0..=0xd7 => {
                walk.stray += 2;
                continue;
            }
            START_OF_IMAGE => return Err("a second image begins in the middle of it".into()),
            _ => {}
        }
        let content = walk.content(marker)?;
        walk.keep(start..walk.at);
        match marker {
            HUFFMAN_TABLES => tables.define(content)?,
            RESTART_INTERVAL => {
                let &[high, low] = content else { return Err("its restart interval is damaged".into()) };
                tables.restart = usize::from(u16::from_be_bytes([high, low]));
            }
            0xc0..=0xc2 => {
                if frame.is_some() {
                    return Err("it has two frames".into());
                }
                frame = Some(Frame::read(marker, content)?);
            }
            ARITHMETIC_CONDITIONING => {}
            0xc3..=0xcf => {
                return Err(format!(
                    "it is compressed in a way that is not read (SOF{}); save it again as baseline or \
                     progressive JPEG",
                    marker & 0xf
                ));
            }
            START_OF_SCAN => {
                let frame: &mut Frame = frame.as_mut().ok_or("a scan begins before its frame")?;
                scan::walk(&mut walk, frame, &tables, content)?;
            }
            _ => {}
        }
    }
    frame.ok_or("it has no frame")?.check_whole()?;
    let bytes = match walk.stray {
        0 => Cow::Borrowed(bytes),
        _ => Cow::Owned(walk.kept.iter().flat_map(|range| &bytes[range.clone()]).copied().collect()),
    };
    Ok(Checked { bytes, stray: walk.stray })
}

impl<'a> MarkerReader<'a> {
    fn keep(&mut self, range: Range<usize>) {
        match self.kept.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.kept.push(range),
        }
    }

    /// The next marker and the index where it begins; bytes before it are stray. `None` at the end of the
    /// file.
    fn next_marker(&mut self) -> Option<(u8, usize)> {
        loop {
            let skipped = self.bytes.get(self.at..)?.iter().position(|&byte| byte == 0xff)?;
            let start = self.at + skipped;
            // Any number of 0xff bytes may precede the marker.
            let fill = self.bytes[start..].iter().position(|&byte| byte != 0xff)?;
            let marker = self.bytes[start + fill];
            self.at = start + fill + 1;
            self.stray += skipped;
            if marker != 0 {
                return Some((marker, start));
            }
            self.stray += fill + 1;
        }
    }

    /// The content of the segment that follows a marker.
    fn content(&mut self, marker: u8) -> Result<&'a [u8], String> {
        let damaged = || format!("it ends within the segment of marker 0x{marker:02x}");
        let length = self.bytes.get(self.at..self.at + 2).ok_or_else(damaged)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length < 2 {
            return Err(format!("the segment of marker 0x{marker:02x} has a length of {length}"));
        }
        let content = self.bytes.get(self.at + 2..self.at + length).ok_or_else(damaged)?;
        self.at += length;
        Ok(content)
    }
}

impl Tables {
    fn define(&mut self, mut content: &[u8]) -> Result<(), String> {
        while let Some((&which, rest)) = content.split_first() {
            let (table, length) = Huffman::read(rest)?;
            let slots = if which & 0x10 == 0 { &mut self.dc } else { &mut self.ac };
            let slot = slots.get_mut(usize::from(which & 0xf)).filter(|_| which < 0x20);
            *slot.ok_or("a Huffman table has a number that there is not")? = Some(table);
            content = &rest[length..];
        }
        Ok(())
    }
}

impl Frame {
    fn read(marker: u8, content: &[u8]) -> Result<Self, String> {
        let damaged = || "its frame header is damaged".to_owned();
        let (&[_precision, h0, h1, w0, w1, count], rest) = content.split_first_chunk().ok_or_else(damaged)?;
        let component = |&[id, sampling, _]: &[u8; 3]| Component {
            id,
            horizontal: usize::from(sampling >> 4),
            vertical: usize::from(sampling & 0xf),
            known: [None; 64],
            nonzero: Vec::new(),
        };
        let components: Vec<_> = rest.as_chunks().0.iter().map(component).collect();
        let sampled = |c: &Component| (1..=4).contains(&c.horizontal) && (1..=4).contains(&c.vertical);
        let frame = Self {
            progressive: marker == 0xc2,
            height: u16::from_be_bytes([h0, h1]).into(),
            width: u16::from_be_bytes([w0, w1]).into(),
            components,
        };
        if frame.width == 0 || frame.height == 0 {
            return Err("it has no pixels".into());
        }
        if frame.components.len() != usize::from(count)
            || !(1..=4).contains(&count)
            || !frame.components.iter().all(sampled)
        {
            return Err(damaged());
        }
        Ok(frame)
    }

    /// The number of units, of all components together, across and down.
    fn units(&self) -> (usize, usize) {
        let most = |of: fn(&Component) -> usize| self.components.iter().map(of).max().unwrap_or(1);
        let (horizontal, vertical) = (most(|c| c.horizontal), most(|c| c.vertical));
        (self.width.div_ceil(8 * horizontal), self.height.div_ceil(8 * vertical))
    }

    /// The number of blocks of a component that hold pixels, across and down.
    fn blocks(&self, component: usize) -> (usize, usize) {
        let most = |of: fn(&Component) -> usize| self.components.iter().map(of).max().unwrap_or(1);
        let (horizontal, vertical) = (most(|c| c.horizontal), most(|c| c.vertical));
        let Component { horizontal: h, vertical: v, .. } = self.components[component];
        let width = (self.width * h).div_ceil(horizontal);
        let height = (self.height * v).div_ceil(vertical);
        (width.div_ceil(8), height.div_ceil(8))
    }

    /// Checks that every coefficient of every component was sent, down to its last bit. The standard lets an
    /// encoder leave some out, but no encoder does, and a file that was cut between two scans looks the same.
    fn check_whole(&self) -> Result<(), String> {
        let mut known = self.components.iter().flat_map(|component| component.known);
        if known.all(|bit| bit == Some(0)) {
            return Ok(());
        }
        Err("it is cut off: scans are missing".into())
    }
}

#[cfg(test)]
mod tests;
