//! Whether an engine lives: only its lock says so. A process id may long be somebody else's.

use std::{fs, fs::File, io};

use relativenas_core::manifest::{EngineAddress, files};
use rustix::{
    fs::{FlockOperation, fcntl_lock},
    io::Errno,
};

use crate::folder::RunFolder;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Liveness {
    Alive,
    Gone,
    /// Locks do not work where the run is, or it may not be read.
    Unknown(String),
}

/// Asks the lock of a run's folder, without keeping it.
pub fn liveness(folder: &RunFolder) -> Liveness {
    let file = match File::open(folder.file(files::ENGINE_LOCK)) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Liveness::Gone,
        Err(e) => return Liveness::Unknown(e.to_string()),
    };
    match fcntl_lock(&file, FlockOperation::NonBlockingLockShared) {
        // Closing the file gives the lock back.
        Ok(()) => Liveness::Gone,
        Err(Errno::AGAIN | Errno::ACCESS) => Liveness::Alive,
        Err(e) => Liveness::Unknown(io::Error::from(e).to_string()),
    }
}

/// Keeps engines from starting on a run while it is moved or removed; `None` where one lives.
///
/// # Errors
/// If locks do not work there.
pub fn hold(folder: &RunFolder) -> io::Result<Option<File>> {
    let path = folder.file(files::ENGINE_LOCK);
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Where the run's engine says it is. An engine that was killed leaves its address behind.
pub fn address(folder: &RunFolder) -> Option<EngineAddress> {
    serde_json::from_slice(&fs::read(folder.file(files::ENGINE)).ok()?).ok()
}

/// The name of this machine, as engines write it down.
pub fn this_host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
