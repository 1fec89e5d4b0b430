//! What can be wrong with data, and the way out.

use std::{io, path::PathBuf};

/// Where the official CIFAR-10 archive is.
pub(super) const CIFAR_10_ADDRESS: &str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";

/// Why no data set could be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error(
        "the data folder `{}` does not exist: unpack {CIFAR_10_ADDRESS} and set `data.path` to the folder \
         `cifar-10-batches-bin`, or leave `data.path` empty to use the embedded Fashion-MNIST",
        path.display()
    )]
    MissingFolder { path: PathBuf },
    #[error(
        "`{}` is a file; `data.path` is the folder that holds a data set (an archive has to be unpacked first)",
        path.display()
    )]
    NotAFolder { path: PathBuf },
    #[error(
        "no data set is known in `{}`; looked there, and in the folders that official archives unpack to, for {}: \
         set `data.path` to a folder with one of them, or leave it empty to use the embedded Fashion-MNIST",
        path.display(), looked_for.join("; ")
    )]
    UnknownLayout { path: PathBuf, looked_for: Vec<String> },
    #[error(
        "`{}` holds more than one data set ({}): set `data.path` to one of these folders",
        path.display(), found.join(", ")
    )]
    SeveralLayouts { path: PathBuf, found: Vec<String> },
    #[error("cannot read `{}`: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "`{}` is missing: {layout} needs it beside `{beside}`; unpack the archive again",
        path.display()
    )]
    MissingFile { path: PathBuf, layout: &'static str, beside: String },
    #[error(
        "`{}` is truncated: it has {found} bytes, expected {expected}; download or copy it again",
        path.display()
    )]
    Truncated { path: PathBuf, found: u64, expected: String },
    #[error(
        "record {record} of `{}` has label {label}; {name} has labels 0 to {}",
        path.display(), classes - 1
    )]
    LabelOutOfRange { path: PathBuf, record: usize, label: u64, name: &'static str, classes: usize },
    #[error("`{}` is not what its name promises: {problem}", path.display())]
    Malformed { path: PathBuf, problem: String },
    #[error(
        "{setting} = {asked}, but the {part} of the {total} training images has {available}: \
         ask for at most {available}, or for 0, which is all of them"
    )]
    TooFewImages { setting: &'static str, asked: usize, part: &'static str, total: usize, available: usize },
}
