//! Where a run's engine can be reached, as the engine wrote it down.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use relativenas_core::manifest::{EngineAddress, files};

use crate::folder::RunFolder;

/// The address that the run's engine has written down; `None` if none can be read. An engine that was killed leaves
/// its address behind, so the address does not tell that an engine lives.
pub fn address(folder: &RunFolder) -> Option<EngineAddress> {
    serde_json::from_slice(&fs::read(folder.file(files::ENGINE)).ok()?).ok()
}

/// The folder for this user's sockets, which is made if it is missing. It lies outside of the login's runtime
/// directory, which is removed when the login ends, and its path is short, because a socket's path has at
/// most 107 bytes.
///
/// # Errors
/// If the folder belongs to another user, is not a folder, or cannot be made.
pub fn socket_folder() -> io::Result<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let path = PathBuf::from(format!("/tmp/relativenas-{user}"));
    make_private(&path, user)?;
    Ok(path)
}

/// Makes a folder that only this user may enter. A folder that exists is closed to others, if it belongs to the user.
fn make_private(path: &Path, user: u32) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let refused = |why: String| {
        let message = format!("{} {why}", path.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
    };
    let metadata = fs::symlink_metadata(path)?;
    if metadata.uid() != user {
        let other = metadata.uid();
        return refused(format!("belongs to another user (uid {other}); that user or root has to remove it"));
    }
    if metadata.is_symlink() {
        return refused("is a link, which could be turned elsewhere; remove it".to_owned());
    }
    if !metadata.is_dir() {
        return refused("is no folder; remove it".to_owned());
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_sockets_is_a_folder_of_ones_own_that_nobody_else_may_enter() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, user) = (folder.path().join("sockets"), rustix::process::getuid().as_raw());
        let made = || make_private(&path, user).map_err(|error| error.to_string());
        let refused = |why: &str| Err(format!("{} {why}", path.display()));
        assert_eq!(made(), Ok(()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("opened to others");
        assert_eq!(made(), Ok(()));
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o700);
        let other = make_private(&path, user + 1).expect_err("another's").to_string();
        assert!(other.contains(&format!("belongs to another user (uid {user})")), "{other}");
        fs::remove_dir(&path).expect("empty");
        fs::write(&path, []).expect("written");
        assert_eq!(made(), refused("is no folder; remove it"));
        fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink(folder.path(), &path).expect("linked");
        assert_eq!(made(), refused("is a link, which could be turned elsewhere; remove it"));
    }
}
