//! Files that are there completely or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::{Context as _, Result};

/// Writes a file next to where it belongs, and moves it there when it is safely on the disk.
///
/// # Errors
/// If the folder is missing or cannot be written, or the disk is full; what was there before stays.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    let name = path.file_name().with_context(|| format!("{}: no file name", path.display()))?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let temporary = folder.join(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
    let written = write_and_move(&temporary, path, content).and_then(|()| sync_folder(folder));
    if written.is_err() {
        let _ = fs::remove_file(&temporary); // The first error is the one to report.
    }
    written.with_context(|| format!("{}: cannot be written", path.display()))
}

fn write_and_move(temporary: &Path, path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

/// Makes names in a folder durable.
pub fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("winner.json");
        write(&target, b"old").expect("written");
        write(&target, b"new").expect("written again");
        assert_eq!(fs::read(&target).expect("there"), b"new");
        assert!(write(&folder.path().join("missing/winner.json"), b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1, "no part is left behind");
    }
}
