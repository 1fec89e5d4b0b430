//! The run's folder as the engine holds it: lock, manifest, address, sessions.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use relativenas_core::manifest::{EngineAddress, EngineFacts, Manifest, ManifestError, files};
use rustix::{
    fs::{FlockOperation, fcntl_lock},
    io::Errno,
};
use serde::Serialize;

use super::{clock, disk::Disk};

/// A run's folder, held by this engine alone.
pub struct RunFolder {
    pub path: PathBuf,
    pub manifest: Manifest,
    device_and_inode: (u64, u64),
    /// The lock lives as long as this file is open.
    _lock: Option<File>,
}

/// Why a folder cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{path}: {reason}", path = .path.display())]
    Read { path: PathBuf, reason: io::Error },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(
        "another engine ({holder}) is on this run already; `relativenas attach {run}` takes it over, \
         `relativenas stop {run}` ends it"
    )]
    Held { run: String, holder: String },
    #[error(
        "{path}: this file system has no locks ({reason}); if no other engine is on this run, start with --force",
        path = .path.display()
    )]
    NoLocks { path: PathBuf, reason: io::Error },
}

impl RunFolder {
    /// Reads the manifest and takes the lock (unless `force`d past a file system without locks).
    ///
    /// # Errors
    /// If the folder is none, of another version, or held by another engine.
    pub fn hold(path: &Path, force: bool) -> Result<Self, FolderError> {
        let path = fs::canonicalize(path)
            .map_err(|source| FolderError::Read { path: path.to_owned(), reason: source })?;
        let manifest_path = path.join(files::MANIFEST);
        let text = fs::read_to_string(&manifest_path)
            .map_err(|source| FolderError::Read { path: manifest_path.clone(), reason: source })?;
        let manifest = Manifest::parse(&manifest_path.display().to_string(), &text)?;
        let read = |source| FolderError::Read { path: path.clone(), reason: source };
        let metadata = fs::metadata(&path).map_err(read)?;
        let lock = match lock(&path.join(files::ENGINE_LOCK)) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let run = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                return Err(FolderError::Held { run, holder: holder(&path) });
            }
            Err(_) if force => None,
            Err(source) => return Err(FolderError::NoLocks { path, reason: source }),
        };
        Ok(Self { path, manifest, device_and_inode: (metadata.dev(), metadata.ino()), _lock: lock })
    }

    /// Whether the folder is still where it was.
    pub fn exists(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == self.device_and_inode)
    }

    /// Completes the manifest, once: a run that was completed before is left as it is.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn complete(&mut self, disk: &Disk, facts: EngineFacts) -> io::Result<()> {
        if self.manifest.engine.is_some() {
            return Ok(());
        }
        self.manifest.engine = Some(facts);
        disk.replace(&self.path.join(files::MANIFEST), self.manifest.format().as_bytes())
    }

    /// Tells others where the engine can be reached.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn publish_address(&self, disk: &Disk, address: &EngineAddress) -> io::Result<()> {
        disk.replace(&self.path.join(files::ENGINE), &serde_json::to_vec(address)?)
    }

    /// Appends to `sessions.jsonl` who did what.
    pub fn note(&self, what: &str) {
        #[derive(Serialize)]
        struct Session<'a> {
            time: i64,
            pid: u32,
            what: &'a str,
        }
        let session = Session { time: clock::now(), pid: std::process::id(), what };
        let written = serde_json::to_vec(&session).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(self.path.join(files::SESSIONS))?
                .write_all(&line)
        });
        if let Err(error) = written {
            super::say(&format!("{}: {error}", files::SESSIONS)); // A diary; the run does not depend on it.
        }
    }
}

/// Takes the lock. Somebody who merely asks whether an engine lives holds it for an instant, so a
/// refusal counts only when it lasts.
fn lock(path: &Path) -> io::Result<File> {
    let file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
    let mut tries = 20;
    loop {
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::AGAIN | Errno::ACCESS) if tries > 0 => {
                tries -= 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(Errno::AGAIN | Errno::ACCESS) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whoever wrote `engine.json`, in words.
fn holder(path: &Path) -> String {
    let address = fs::read(path.join(files::ENGINE)).ok();
    let address = address.and_then(|bytes| serde_json::from_slice::<EngineAddress>(&bytes).ok());
    address.map_or_else(|| "an unknown one".to_owned(), |a| format!("process {} on {}", a.pid, a.host))
}

/// The folder for sockets of this user, which is made if it is missing: a login's runtime
/// directory vanishes with the login, and a socket's path may have 107 bytes at most.
///
/// # Errors
/// If somebody else owns it, or others may enter it.
pub fn socket_folder() -> io::Result<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let path = PathBuf::from(format!("/tmp/relativenas-{user}"));
    match fs::DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = fs::symlink_metadata(&path)?;
    if !metadata.is_dir() || metadata.uid() != user {
        let message = format!("{} belongs to somebody else; remove it", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(path)
}
