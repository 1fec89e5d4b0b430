//! Why an operation on a run's folder failed.

use std::{io, path::PathBuf};

use relativenas_core::{manifest::ManifestError, view::ViewError};

/// Why an operation on a run's folder failed. The source of the error is that of the system.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{path}: cannot be read", path = .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}: cannot be written", path = .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("{path}, line {line}: longer than any event", path = .path.display())]
    LineTooLong { path: PathBuf, line: usize },
    #[error("{path}, line {line}: not an event that this version knows; the file is damaged", path = .path.display())]
    NoEvent { path: PathBuf, line: usize, source: serde_json::Error },
    #[error("{path}: damaged", path = .path.display())]
    Log { path: PathBuf, source: ViewError },
    #[error("{path}: damaged; remove it, and probe the run again", path = .path.display())]
    Probe { path: PathBuf, source: serde_json::Error },
    #[error("{path}: cannot be renamed", path = .path.display())]
    Rename { path: PathBuf, source: io::Error },
    #[error("{path}: cannot be removed", path = .path.display())]
    Remove { path: PathBuf, source: io::Error },
    #[error("{path}: cannot be removed completely", path = .path.display())]
    RemoveCompletely { path: PathBuf, source: io::Error },
    #[error("{path}: no run can be made here; choose another folder with --run-dir", path = .path.display())]
    NoRunsHere { path: PathBuf, source: io::Error },
    #[error("{path}: cannot be made", path = .path.display())]
    Make { path: PathBuf, source: io::Error },
    #[error("{path}: there is a {by} of this name already", path = .path.display())]
    NameTaken { path: PathBuf, by: &'static str },
    #[error("{path}: {count} runs are named {name} already; choose another name", path = .path.display())]
    NamesUsedUp { path: PathBuf, name: String, count: usize },
    #[error("{path}: vanished as soon as it was made", path = .path.display())]
    Vanished { path: PathBuf },
}
