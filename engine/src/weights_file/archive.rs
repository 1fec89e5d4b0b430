//! The zip archives that PyTorch writes: entries are stored as they are, never compressed.
//!
//! Source: APPNOTE.TXT of PKWARE, sections 4.3.7, 4.3.12 and 4.3.14 to 4.3.16.

use std::{collections::BTreeMap, ops::Range};

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const END_64_LOCATOR: &[u8] = b"PK\x06\x07";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// The end record is followed by a comment of at most this length.
const LONGEST_COMMENT: usize = u16::MAX as usize;

/// An archive in memory.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    /// Where every entry's content is, by the name within the folder that holds everything.
    entries: BTreeMap<String, Range<usize>>,
}

impl<'a> Archive<'a> {
    /// Reads the directory at the end of an archive.
    ///
    /// # Errors
    /// What is wrong, to follow on the file's name.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let (count, directory) =
            find_directory(bytes).ok_or("the archive has no directory: it is truncated")?;
        let mut archive = Self { bytes, entries: BTreeMap::new() };
        let mut rest = bytes.get(directory..).unwrap_or_default();
        for _ in 0..count {
            let entry = Entry::parse(rest).ok_or("the archive's directory is damaged")?;
            if entry.compressed {
                return Err(format!(
                    "entry `{}` is compressed; PyTorch stores entries as they are",
                    entry.name
                ));
            }
            let range = archive.content(&entry).ok_or_else(|| {
                format!("entry `{}` does not lie in the file: it is truncated or damaged", entry.name)
            })?;
            rest = &rest[entry.length..];
            // Whatever folder the archive has put everything in.
            if let Some((_, name)) = entry.name.split_once('/') {
                archive.entries.insert(name.to_owned(), range);
            }
        }
        Ok(archive)
    }

    /// Content of the entry of this name within the archive's folder.
    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.bytes.get(self.entries.get(name)?.clone())
    }

    /// Where an entry's content is, after a header whose length only that header knows.
    fn content(&self, entry: &Entry) -> Option<Range<usize>> {
        let local = self.bytes.get(entry.offset..)?;
        local.starts_with(LOCAL).then_some(())?;
        let (name, extra) = (number(local, 26, 2)?, number(local, 28, 2)?);
        let start = entry.offset.checked_add(30)?.checked_add(name)?.checked_add(extra)?;
        let end = start.checked_add(entry.size)?;
        (end <= self.bytes.len()).then_some(start..end)
    }
}

/// How many entries there are, and where their directory starts.
fn find_directory(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = bytes.len().saturating_sub(LONGEST_COMMENT + 22);
    let end = first + bytes[first..].windows(4).rposition(|window| window == END)?;
    let locator = end.checked_sub(20).filter(|&at| bytes[at..].starts_with(END_64_LOCATOR));
    if let Some(locator) = locator {
        // Archives beyond 4 GiB say so in a second, longer record.
        let end = bytes.get(number(bytes, locator + 8, 8)?..)?;
        end.starts_with(END_64).then_some(())?;
        return Some((number(end, 32, 8)?, number(end, 48, 8)?));
    }
    Some((number(bytes, end + 10, 2)?, number(bytes, end + 16, 4)?))
}

/// One entry of the directory.
struct Entry {
    name: String,
    compressed: bool,
    size: usize,
    /// Where its local header is.
    offset: usize,
    /// Of the entry itself.
    length: usize,
}

impl Entry {
    fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.starts_with(ENTRY).then_some(())?;
        let (name, extra, comment) = (number(bytes, 28, 2)?, number(bytes, 30, 2)?, number(bytes, 32, 2)?);
        let (stored, mut size, mut offset) =
            (number(bytes, 20, 4)?, number(bytes, 24, 4)?, number(bytes, 42, 4)?);
        // What does not fit 32 bits is in an extra field: size, stored size and offset, each if it does not fit.
        let mut wide = wide_numbers(bytes.get(46 + name..46 + name + extra)?).into_iter();
        let too_large = u32::MAX as usize;
        if size == too_large {
            size = wide.next()?;
        }
        if stored == too_large {
            wide.next()?;
        }
        if offset == too_large {
            offset = wide.next()?;
        }
        let length = 46 + name + extra + comment;
        bytes.get(..length)?;
        let name = String::from_utf8(bytes[46..46 + name].to_vec()).ok()?;
        Some(Self { name, compressed: number(bytes, 10, 2)? != 0, size, offset, length })
    }
}

/// The numbers in the extra field for 64 bits, if there is one.
fn wide_numbers(mut extra: &[u8]) -> Vec<usize> {
    while let (Some(kind), Some(length)) = (number(extra, 0, 2), number(extra, 2, 2)) {
        let Some(content) = extra.get(4..4 + length) else { break };
        if kind == 1 {
            return content.chunks_exact(8).filter_map(|bytes| number(bytes, 0, 8)).collect();
        }
        extra = &extra[4 + length..];
    }
    Vec::new()
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    let number = bytes.iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    number.try_into().ok()
}
