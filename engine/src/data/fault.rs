//! What is wrong with one file of an annotated data set.

use std::{
    fs, panic,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{faults::first_of, junk::Junk, picture::Picture};

/// A file, and what is wrong with it or with an object in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("`{}`: {what}", file.display())]
pub struct Fault {
    pub file: PathBuf,
    /// What is wrong, and with which object if only one is concerned.
    pub what: String,
}

/// Why the data set of a task is refused: it has more faults than the settings allow. Metrics on the images without
/// faults could not be compared with published ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` has faults:{}", folder.display(), first_of(faults, faults.len()))]
pub struct RefusedDataSet {
    pub folder: PathBuf,
    pub faults: Vec<Fault>,
}

impl Fault {
    pub(super) fn new(file: &Path, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), what: what.into() }
    }
}

/// Reads the bytes of a file.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Fault::new(file, "it is missing"),
        _ => Fault::new(file, format!("it cannot be read: {error}")),
    })
}

/// Reads a text file.
pub(super) fn read_text(file: &Path) -> Result<String, Fault> {
    String::from_utf8(read(file)?).map_err(|_| Fault::new(file, "it is not UTF-8"))
}

/// Decodes a photograph, and checks that it has the width and height in its annotations.
pub(super) fn read_picture(file: &Path, size: Option<[usize; 2]>) -> Result<Picture, Fault> {
    let bytes = read(file)?;
    // A decoder that panics on an image has met damage that it does not recognise.
    let picture = panic::catch_unwind(|| Picture::decode(&bytes))
        .unwrap_or_else(|_| Err("the decoder failed on it".into()))
        .map_err(|problem| Fault::new(file, problem))?;
    match size {
        Some([width, height]) if [picture.width, picture.height] != [width, height] => Err(Fault::new(
            file,
            format!(
                "it has {}×{} pixels, but its annotation says {width}×{height}",
                picture.width, picture.height
            ),
        )),
        _ => Ok(picture),
    }
}

/// The files and folders in a folder, in alphabetical order; empty if it cannot be read.
pub(super) fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    let mut junk = Junk::default();
    found.retain(|path| !junk.skips(&path.file_name().unwrap_or_default().to_string_lossy()));
    found.sort();
    found
}
