//! The entries of a claim, and how one comes to be at its number.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rustix::{
    fs::{Timespec, Timestamps, UTIME_NOW, futimens},
    io::Errno,
};
use serde::{Deserialize, Serialize};

use super::names;
use crate::{clock, host::this_host};

/// The size of the largest entry, in bytes.
const LONGEST: u64 = 1 << 16;

/// The process that holds a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub host: String,
    pub pid: u32,
    /// What started the process, such as `Slurm job 12_3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}

impl Holder {
    /// This process as a holder.
    pub fn this(job: Option<String>) -> Self {
        Self { host: this_host(), pid: std::process::id(), job }
    }
}

/// What the process that wrote an entry did with the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimAction {
    Took,
    GaveBack,
    /// The holder gave the claim back after a failure, which may well happen to the next holder too.
    Failed,
}

/// An entry of a claim, which is a file with one JSON object.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClaimEntry {
    #[serde(rename = "did")]
    pub action: ClaimAction,
    #[serde(flatten)]
    pub holder: Holder,
    /// Milliseconds since 1970 UTC, by the clock of the holder.
    pub time: i64,
    lease_milliseconds: u64,
}

impl ClaimEntry {
    pub fn new(action: ClaimAction, holder: &Holder, lease: Duration) -> Self {
        let lease_milliseconds = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        Self { action, holder: holder.clone(), time: clock::now(), lease_milliseconds }
    }

    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_milliseconds)
    }

    pub fn format(&self) -> io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Reads an entry; `None` if it is damaged.
    pub fn read(file: File) -> io::Result<Option<Self>> {
        let mut text = Vec::new();
        file.take(LONGEST).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text).ok())
    }
}

/// A file under a unique name, which is removed when this value is dropped.
pub struct Draft {
    pub file: File,
    path: PathBuf,
    content: Vec<u8>,
}

impl Draft {
    pub fn new(folder: &Path, content: &[u8]) -> io::Result<Self> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let (host, pid, time) = (this_host(), std::process::id(), clock::now());
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".{host}-{pid}-{time}-{number}"));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let draft = |file| Self { file, path, content: content.to_owned() };
        let written = file.write_all(content).and_then(|()| touch(&file));
        let draft = draft(file);
        written?;
        if !content.is_empty() {
            draft.file.sync_all()?;
        }
        Ok(draft)
    }

    /// Gives the file its lasting name; `None` if there is a file of that name.
    pub fn place(self, target: &Path) -> io::Result<Option<File>> {
        match fs::hard_link(&self.path, target) {
            Ok(()) => {}
            // The answer of an NFS server may have been lost, so that the client sent its request twice.
            Err(_) if names(&self.file).is_ok_and(|names| names == 2) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            Err(error) if has_no_links(&error) => return place_without_links(&self.content, target),
            Err(error) => return Err(error),
        }
        Ok(Some(self.file.try_clone()?))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // A file that cannot be removed does no harm.
    }
}

fn has_no_links(error: &io::Error) -> bool {
    let none = [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| none.contains(&code))
}

/// As [`Draft::place`], for file systems without hard links. The file is empty for a moment; a reader then
/// takes it for an entry that cannot be read, and waits.
pub fn place_without_links(content: &[u8], target: &Path) -> io::Result<Option<File>> {
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(target) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => return Err(error),
    };
    file.write_all(content)?;
    file.sync_all()?;
    Ok(Some(file))
}

/// Gives a file the present time of its file system: on NFS, that of the server.
pub fn touch(file: &File) -> io::Result<()> {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    Ok(futimens(file, &Timestamps { last_access: now, last_modification: now })?)
}
