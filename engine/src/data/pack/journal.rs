//! The journal of an unfinished environment: one line for each value that it holds, after a line that
//! identifies the images.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{EncodedImages, PackOptions};
use crate::data::lmdb::writer::Entry;

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the journal of a part, and returns the values that it lists. A journal of other images, or with
    /// other options, lists none.
    pub(super) fn open(
        partial: &Path,
        part: &str,
        images: &EncodedImages,
        options: PackOptions,
    ) -> io::Result<(Self, Vec<Entry>)> {
        let path = path(partial, part);
        let head = head(images, options);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut lines = text.split_inclusive('\n');
        let same = lines.next() == Some(&head);
        let names = images.names().iter();
        let parsed =
            lines.zip(names).map_while(|(line, name)| parse(line).filter(|entry| entry.key == *name));
        let entries: Vec<Entry> = if same { parsed.collect() } else { Vec::new() };
        fs::write(&path, head)?;
        let file = OpenOptions::new().append(true).open(&path)?;
        let mut journal = Self { path, file };
        journal.add(&entries)?;
        Ok((journal, entries))
    }

    /// Removes all entries but the first ones.
    pub(super) fn keep(&mut self, entries: usize) -> io::Result<()> {
        let text = fs::read_to_string(&self.path)?;
        let length: usize = text.split_inclusive('\n').take(1 + entries).map(str::len).sum();
        self.file.set_len(length as u64)
    }

    pub(super) fn add(&mut self, entries: &[Entry]) -> io::Result<()> {
        let line = |entry: &Entry| format!("{} {} {}\n", entry.page, entry.length, entry.key);
        self.file.write_all(entries.iter().map(line).collect::<String>().as_bytes())
    }

    pub(super) fn remove(partial: &Path, part: &str) -> io::Result<()> {
        fs::remove_file(path(partial, part))
    }
}

fn path(partial: &Path, part: &str) -> PathBuf {
    partial.join(format!("{part}.journal"))
}

/// The first line, which identifies the images, their order, and what is done to them.
fn head(images: &EncodedImages, options: PackOptions) -> String {
    let mut hasher = blake3::Hasher::new();
    for name in images.names() {
        hasher.update(name.as_bytes()).update(b"\n");
    }
    format!("relativenas pack 1 {} {:?}\n", hasher.finalize().to_hex(), options.shorter_side)
}

/// Parses an entry from a complete line.
fn parse(line: &str) -> Option<Entry> {
    let mut fields = line.strip_suffix('\n')?.splitn(3, ' ');
    let (page, length) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Entry { key: fields.next()?.to_owned(), page, length })
}
