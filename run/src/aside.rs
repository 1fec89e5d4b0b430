//! Removing a folder in two steps: it is renamed as a whole, so that it is no longer found, and then deleted, which
//! may take a while.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{RunError, token::token};

/// The beginning of the name under which a folder waits to be deleted.
const PREFIX: &str = ".removed-";
/// Hexadecimal digits at the end of that name, see [`token`].
const DIGITS: usize = 32;

/// A folder that was moved out of the way and is still to be deleted.
#[derive(Debug)]
#[must_use = "the folder takes its place on the disk until it is deleted"]
pub struct Aside(PathBuf);

/// Moves a folder out of the way, so that it can be deleted. A program that looks for it meanwhile sees the whole
/// folder or none. The caller makes sure that no process works in it.
///
/// # Errors
/// If it cannot be moved; it is as before then.
pub fn set_aside(folder: &Path) -> Result<Aside, RunError> {
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
    let aside = folder.with_file_name(format!("{PREFIX}{name}-{}", token()));
    match fs::rename(folder, &aside) {
        Ok(()) => Ok(Aside(aside)),
        Err(source) => Err(RunError::Remove { path: folder.to_owned(), source }),
    }
}

/// The folders in a directory that were set aside and never deleted completely, because the program ended meanwhile.
/// Another process may be deleting one of them.
pub fn left_aside(directory: &Path) -> Vec<Aside> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    // A link is no folder here, whatever it leads to.
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders
        .filter(|entry| entry.file_name().to_str().is_some_and(is_of_one_aside))
        .map(|e| Aside(e.path()))
        .collect()
}

/// Whether a name has the form of those that [`set_aside`] gives.
fn is_of_one_aside(name: &str) -> bool {
    let Some((name, digits)) = name.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('-')) else {
        return false;
    };
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    !name.is_empty() && digits.len() == DIGITS && digits.bytes().all(is_digit)
}

impl Aside {
    /// The path at which the folder waits to be deleted.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Deletes the folder, which may take a while.
    ///
    /// # Errors
    /// If some of it cannot be deleted.
    pub fn delete(self) -> Result<(), RunError> {
        match fs::remove_dir_all(&self.0) {
            Ok(()) => Ok(()),
            // Another process has deleted it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.0.exists() => Ok(()),
            Err(source) => Err(RunError::RemoveCompletely { path: self.0, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("readable").flatten();
        let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_left_aside_is_found_and_deleted_and_nothing_else() {
        let runs = tempfile::tempdir().expect("a folder");
        let at = |name: &str| runs.path().join(name);
        let digits = token();
        let others = [
            "kept".to_owned(),
            ".removed-mine".to_owned(),
            format!(".removed-{digits}"),
            format!(".removed-r-{}", &digits[1..]),
            format!(".removed-r-{}", digits.replace(|_| true, "G")),
            format!("removed-r-{digits}"),
        ];
        others.iter().for_each(|name| fs::create_dir(at(name)).expect("made"));
        fs::write(at(&format!(".removed-file-{digits}")), "mine").expect("written");
        symlink(at("kept"), at(&format!(".removed-link-{digits}"))).expect("linked");
        let before = names(runs.path());

        fs::create_dir_all(at("with-dashes-1/weights")).expect("made");
        fs::write(at("with-dashes-1/weights/best"), "1").expect("written");
        let aside = set_aside(&at("with-dashes-1")).expect("moved");
        assert!(!at("with-dashes-1").exists());
        // The program ends here.
        drop(aside);
        let left = left_aside(runs.path());
        assert_eq!(left.len(), 1, "{left:?}");
        left.into_iter().for_each(|aside| aside.delete().expect("deleted"));
        assert_eq!(names(runs.path()), before);
        assert!(left_aside(&at("missing")).is_empty());
    }

    #[test]
    fn a_folder_that_another_process_deletes_is_deleted() {
        let runs = tempfile::tempdir().expect("a folder");
        fs::create_dir(runs.path().join("r")).expect("made");
        let aside = set_aside(&runs.path().join("r")).expect("moved");
        left_aside(runs.path()).into_iter().for_each(|same| same.delete().expect("deleted"));
        aside.delete().expect("it is gone");
    }
}
