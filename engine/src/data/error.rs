//! Errors of reading data sets; each message says what can be done about it.

use std::{io, path::PathBuf};

use super::faults::first_of;

/// The address of the official CIFAR-10 archive.
pub(super) const CIFAR_10_ADDRESS: &str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";

/// Why a data set could not be read.
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
        "no data set is known in `{}`{}; looked there, and in the folders that official archives unpack to, for {}: \
         set `data.path` to a folder with one of them, or leave it empty to use the embedded Fashion-MNIST",
        path.display(), .hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default(), looked_for.join("; ")
    )]
    UnknownLayout { path: PathBuf, hint: Option<String>, looked_for: Vec<String> },
    #[error(
        "`{}` holds more than one data set ({}): set `data.path` to one of these folders",
        path.display(), found.join(", ")
    )]
    SeveralLayouts { path: PathBuf, found: Vec<String> },
    #[error(
        "`{}` holds LMDB environments of several sizes ({}): move all but one size away, or to \
         another folder with the lists",
        path.display(), found.join(", ")
    )]
    SeveralPacked { path: PathBuf, found: Vec<String> },
    #[error("cannot read `{}`: {reason}", path.display())]
    Read { path: PathBuf, reason: io::Error },
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
    LabelOutOfRange { path: PathBuf, record: usize, label: i128, name: &'static str, classes: usize },
    #[error(
        "`{}` holds more than one set of IDX files ({}): move all others away, or set `data.path` to `{}`",
        path.display(), prefixes.join(", "), path.join(&prefixes[0]).display()
    )]
    SeveralIdxSets { path: PathBuf, prefixes: Vec<String> },
    #[error("`{}` has {total} faults:{}", path.display(), first_of(faults, *total))]
    Several {
        path: PathBuf,
        total: usize,
        /// The faults in the order in which they were found; fewer than `total` where there are very many.
        faults: Vec<DataError>,
    },
    #[error(
        "{}\n{total} photographs are faulty, and --skip-faulty {allowed} allows for fewer: repair them, or allow for \
         {total}",
        faults.as_ref().map(ToString::to_string).unwrap_or_default()
    )]
    TooManyFaulty { allowed: usize, total: usize, faults: Option<Box<DataError>> },
    #[error("`{}` is not what its name promises: {problem}", path.display())]
    Malformed { path: PathBuf, problem: String },
    #[error(
        "`{}` holds small images in batches, not photographs: `data.path` is a folder with train and val here, \
         or what `relativenas pack` made of one",
        path.display()
    )]
    NotPhotographs { path: PathBuf },
    #[error("image `{name}`: {problem}; repair or remove it")]
    Undecodable { name: String, problem: String },
    #[error(
        "`{key}` is listed in `{}` but not in `{}`: pack the images again, or correct the list",
        list.display(), environment.display()
    )]
    MissingKey { key: String, list: PathBuf, environment: PathBuf },
    #[error(
        "training and validation images have different classes ({}): give both the same class folders",
        describe_difference(only_train, only_valid)
    )]
    DifferingClasses { only_train: Vec<String>, only_valid: Vec<String> },
    #[error(
        "image `{name}` has label {found}, but class `{class}` has label {expected}: pack both splits with \
         the same class names"
    )]
    DifferingLabel { name: String, class: String, found: u16, expected: u16 },
    #[error(
        "{images} images of side {side} take {} GiB, which is more memory than there is: ask for a smaller side",
        (*images as u128 * 3 * (*side as u128).pow(2)) >> 30
    )]
    TooLarge { images: usize, side: usize },
    #[error(
        "{setting} = {asked}, but the {part} of the {total} training images has {available}: \
         ask for at most {available}, or for 0, which is all of them"
    )]
    TooFewImages { setting: &'static str, asked: usize, part: &'static str, total: usize, available: usize },
}

fn describe_difference(only_train: &[String], only_valid: &[String]) -> String {
    let list = |part: &str, names: &[String]| match names.len() {
        0 => None,
        1..=5 => Some(format!("only in {part}: {}", names.join(", "))),
        more => Some(format!("only in {part}: {} and {} more", names[..5].join(", "), more - 5)),
    };
    let lists = [list("training", only_train), list("validation", only_valid)];
    lists.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
