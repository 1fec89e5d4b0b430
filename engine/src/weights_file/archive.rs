//! Zip archives as PyTorch writes them, or repacked by other programs: entries are stored as they are, or
//! deflated.
//!
//! Source: APPNOTE.TXT of PKWARE, sections 4.3.7, 4.3.12 and 4.3.14 to 4.3.16.

use std::{borrow::Cow, collections::BTreeMap, io::Read as _};

use flate2::{Crc, read::DeflateDecoder};

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const END_64_LOCATOR: &[u8] = b"PK\x06\x07";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// The greatest length in bytes of the comment that follows the end record.
const LONGEST_COMMENT: usize = u16::MAX as usize;
/// The methods of compression that are supported.
const STORED: usize = 0;
const DEFLATED: usize = 8;

/// An archive in memory.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    /// The entries by their whole names.
    entries: BTreeMap<String, ArchiveEntry>,
}

impl<'a> Archive<'a> {
    /// Reads the directory at the end of an archive.
    ///
    /// # Errors
    /// If the archive is damaged; the text says how and continues the name of the file.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let (count, directory) =
            find_directory(bytes).ok_or("the archive has no directory: it is truncated")?;
        let mut archive = Self { bytes, entries: BTreeMap::new() };
        let mut rest = bytes.get(directory..).unwrap_or_default();
        for _ in 0..count {
            let (name, entry) = ArchiveEntry::parse(rest).ok_or("the archive's directory is damaged")?;
            if archive.stored(&entry).is_none() {
                return Err(format!("entry `{name}` does not lie in the file: it is truncated or damaged"));
            }
            rest = &rest[entry.length..];
            archive.entries.insert(name, entry);
        }
        Ok(archive)
    }

    /// The folder, with its slash, of the entry with this name that is nearest to the top.
    pub(super) fn folder_of(&self, name: &str) -> Option<&str> {
        let folders = self.entries.keys().filter_map(|entry| entry.strip_suffix(name));
        folders.filter(|folder| folder.is_empty() || folder.ends_with('/')).min_by_key(|folder| folder.len())
    }

    /// The first name with one of these endings.
    pub(super) fn name_ending_in(&self, endings: &[&str]) -> Option<&str> {
        self.entries.keys().map(String::as_str).find(|name| endings.iter().any(|end| name.ends_with(end)))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The content of an entry. The size of what is inflated is subtracted from `most`, the number of bytes
    /// that may still be inflated.
    ///
    /// # Errors
    /// If the entry is compressed in an unsupported way, is damaged, or is larger than `most`.
    pub(super) fn content(&self, name: &str, most: &mut usize) -> Result<Option<Cow<'a, [u8]>>, String> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        let stored = self.stored(entry).ok_or_else(|| format!("entry `{name}` does not lie in the file"))?;
        match entry.method {
            _ if entry.encrypted => Err(format!("entry `{name}` is encrypted")),
            STORED => Ok(Some(Cow::Borrowed(stored))),
            DEFLATED => inflate(stored, entry, most)
                .map(|bytes| Some(Cow::Owned(bytes)))
                .map_err(|problem| format!("entry `{name}` {problem}")),
            method => Err(format!(
                "entry `{name}` is compressed by method {method}, which is not known here; unzip the file and zip \
                 it again with `zip -0`"
            )),
        }
    }

    /// The bytes of an entry in the file, which follow a header whose length only that header gives.
    fn stored(&self, entry: &ArchiveEntry) -> Option<&'a [u8]> {
        let local = self.bytes.get(entry.offset..)?;
        local.starts_with(LOCAL).then_some(())?;
        let (name, extra) = (number(local, 26, 2)?, number(local, 28, 2)?);
        let start = entry.offset.checked_add(30)?.checked_add(name)?.checked_add(extra)?;
        self.bytes.get(start..start.checked_add(entry.stored)?)
    }
}

/// Inflates an entry, and checks its length and checksum against the directory.
fn inflate(stored: &[u8], entry: &ArchiveEntry, most: &mut usize) -> Result<Vec<u8>, String> {
    if entry.size > *most {
        return Err(format!(
            "inflates to {} bytes, and only {most} more are accepted for a file of this size; unzip it and zip it \
             again with `zip -0`",
            entry.size
        ));
    }
    // The memory grows with the actual content, not with what the directory says.
    let mut bytes = Vec::new();
    let read = DeflateDecoder::new(stored).take(entry.size as u64 + 1).read_to_end(&mut bytes);
    *most -= entry.size;
    let mut crc = Crc::new();
    crc.update(&bytes);
    let whole = read.is_ok() && bytes.len() == entry.size && crc.sum() as usize == entry.checksum;
    if whole {
        Ok(bytes)
    } else {
        Err("is damaged: its inflated content has another length or checksum than the archive states".into())
    }
}

/// The number of entries, and the offset of the directory.
fn find_directory(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = bytes.len().saturating_sub(LONGEST_COMMENT + 22);
    let end = first + bytes[first..].windows(4).rposition(|window| window == END)?;
    let locator = end.checked_sub(20).filter(|&at| bytes[at..].starts_with(END_64_LOCATOR));
    if let Some(locator) = locator {
        // Archives beyond 4 GiB have a second, longer record.
        let end = bytes.get(number(bytes, locator + 8, 8)?..)?;
        end.starts_with(END_64).then_some(())?;
        return Some((number(end, 32, 8)?, number(end, 48, 8)?));
    }
    Some((number(bytes, end + 10, 2)?, number(bytes, end + 16, 4)?))
}

/// One entry of the directory.
#[derive(Debug)]
struct ArchiveEntry {
    encrypted: bool,
    method: usize,
    checksum: usize,
    /// The size in the file, in bytes.
    stored: usize,
    /// The size once inflated, in bytes.
    size: usize,
    /// The offset of the entry's local header.
    offset: usize,
    /// The length of the directory entry itself.
    length: usize,
}

impl ArchiveEntry {
    /// Parses an entry; returns its name and the entry.
    fn parse(bytes: &[u8]) -> Option<(String, Self)> {
        bytes.starts_with(ENTRY).then_some(())?;
        let (name, extra, comment) = (number(bytes, 28, 2)?, number(bytes, 30, 2)?, number(bytes, 32, 2)?);
        let (mut stored, mut size, mut offset) =
            (number(bytes, 20, 4)?, number(bytes, 24, 4)?, number(bytes, 42, 4)?);
        // Numbers that do not fit 32 bits are in an extra field: size, stored size and offset, each if it
        // does not fit.
        let mut wide = wide_numbers(bytes.get(46 + name..46 + name + extra)?).into_iter();
        let too_large = u32::MAX as usize;
        for number in [&mut size, &mut stored, &mut offset] {
            if *number == too_large {
                *number = wide.next()?;
            }
        }
        let length = 46 + name + extra + comment;
        bytes.get(..length)?;
        let name = String::from_utf8_lossy(&bytes[46..46 + name]).into_owned();
        let (flags, method, checksum) = (number(bytes, 8, 2)?, number(bytes, 10, 2)?, number(bytes, 16, 4)?);
        Some((name, Self { encrypted: flags & 1 == 1, method, checksum, stored, size, offset, length }))
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
