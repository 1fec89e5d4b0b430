//! Where a run's engine can be reached, as the engine wrote it down.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
};

use relativenas_core::manifest::{EngineAddress, files};

use crate::folder::RunFolder;

/// Where the run's engine says it is. An engine that was killed leaves its address behind.
pub fn address(folder: &RunFolder) -> Option<EngineAddress> {
    serde_json::from_slice(&fs::read(folder.file(files::ENGINE)).ok()?).ok()
}

/// The folder for this user's sockets, which is made if it is missing. It lies outside of the login's runtime
/// directory, which is removed when the login ends, and its path is short, because a socket's path has at
/// most 107 bytes.
///
/// # Errors
/// If the folder belongs to another user, or cannot be made.
pub fn socket_folder() -> io::Result<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let path = PathBuf::from(format!("/tmp/relativenas-{user}"));
    match fs::DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = fs::symlink_metadata(&path)?;
    if !metadata.is_dir() || metadata.uid() != user {
        let message = format!("{} belongs to another user; have it removed", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(path)
}
