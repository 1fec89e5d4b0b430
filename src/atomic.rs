//! Writing a file so that it is there completely or not at all.

use std::path::Path;

use anyhow::{Context as _, Result};
use relativenas_run::disk::Disk;

/// Writes a file next to where it belongs, and moves it there when it is safely on the disk.
///
/// # Errors
/// If the folder is missing or cannot be written, or the disk is full; what was there before stays.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    Disk::default().replace(path, content).with_context(|| format!("{}: cannot be written", path.display()))
}
