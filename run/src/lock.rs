//! Whether an engine works on a run, which only its lock can tell: a process id may belong to another process
//! by now.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    thread,
    time::Duration,
};

use relativenas_core::manifest::files;
use rustix::{
    fs::{FlockOperation, fcntl_lock},
    io::Errno,
    process::{Flock, FlockType, fcntl_getlk},
};

use crate::folder::RunFolder;

/// A process that merely asks whether an engine lives holds the lock for an instant. So the lock counts as
/// held only after this many failed tries.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// What the lock of a run's folder says of its engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Liveness {
    Alive,
    Gone,
    /// Locks do not work on the run's file system, or the lock's file may not be read; the reason in words.
    Unknown(String),
}

/// The lock of a run's folder, which this process holds as long as this value lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Whether a process holds the lock of a run's folder. The lock is not kept.
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

/// The process that holds the lock; `None` if there is none, or it is on another machine or in a container of its
/// own.
pub fn holder(folder: &RunFolder) -> Option<u32> {
    let file = File::open(folder.file(files::ENGINE_LOCK)).ok()?;
    let wanted = Flock { length: 0, ..Flock::from(FlockType::WriteLock) };
    let pid = fcntl_getlk(&file, &wanted).ok()??.pid?;
    u32::try_from(pid.as_raw_nonzero().get()).ok()
}

/// Takes the lock, which keeps every engine from starting on the run; `None` where one lives.
///
/// # Errors
/// If locks do not work there, or the lock's file cannot be opened.
pub fn hold(folder: &RunFolder) -> io::Result<Option<Lock>> {
    let path = folder.file(files::ENGINE_LOCK);
    let file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
    for attempt in 0.. {
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(Lock { _file: file })),
            Err(Errno::AGAIN | Errno::ACCESS) if attempt < TRIES => thread::sleep(BETWEEN_TRIES),
            Err(Errno::AGAIN | Errno::ACCESS) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
