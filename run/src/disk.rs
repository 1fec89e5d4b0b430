//! Writing files so that after a crash there is the old or the new content, never a mixture.
//!
//! Everything a run must not lose goes through [`Disk`], so that tests can make any write, fsync or
//! rename fail.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::{claim::Watch, host::this_host};

/// A step of writing that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteStep {
    Write,
    Sync,
    Rename,
}

/// Writes files. Under a claim it refuses to write once the claim is lost; in tests it can be made to fail.
#[derive(Default)]
pub struct Disk {
    fault: Option<Box<dyn Fn(WriteStep) -> io::Result<()> + Send + Sync>>,
    /// The claim that must be held before each write, if there is one.
    watch: Option<Watch>,
}

impl Disk {
    /// A disk whose steps fail where `fault` says so, for tests.
    pub fn failing(fault: impl Fn(WriteStep) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { fault: Some(Box::new(fault)), watch: None }
    }

    /// A disk that is written only as long as the claim is held, if there is one.
    pub fn under(watch: Option<Watch>) -> Self {
        Self { fault: None, watch }
    }

    /// Checks that writing is allowed.
    ///
    /// # Errors
    /// If the claim is lost.
    pub fn permit(&self) -> io::Result<()> {
        self.watch.as_ref().map_or(Ok(()), Watch::check)
    }

    /// Writes all bytes.
    ///
    /// # Errors
    /// If the disk refuses; some of the bytes may be in the file then.
    pub fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        self.permit()?;
        if let Err(error) = self.check(WriteStep::Write) {
            // A full disk takes some of the bytes before it refuses the rest.
            file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        file.write_all(bytes)
    }

    /// Waits until the file is on the disk.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn sync(&self, file: &File) -> io::Result<()> {
        self.check(WriteStep::Sync)?;
        file.sync_all()
    }

    /// Gives a file or folder another name; whatever had that name is replaced.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(WriteStep::Rename)?;
        fs::rename(from, to)
    }

    /// Replaces a file by a new one: temporary sibling, fsync, rename, fsync of the folder.
    ///
    /// # Errors
    /// If the folder is missing or cannot be written, or the disk is full; what was there before stays.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = part_of(path)?;
        let mut file = File::create(&temporary)?;
        let written = self
            .write(&mut file, bytes)
            .and_then(|()| self.sync(&file))
            .and_then(|()| self.rename(&temporary, path))
            .and_then(|()| self.sync_folder(path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary); // Its content is not needed.
        }
        written
    }

    /// Makes a rename within the folder of `path` durable.
    ///
    /// # Errors
    /// If the folder cannot be opened or the disk refuses.
    pub fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.sync(&File::open(folder)?)
    }

    fn check(&self, step: WriteStep) -> io::Result<()> {
        self.permit()?;
        self.fault.as_ref().map_or(Ok(()), |fault| fault(step))
    }
}

/// The ending of the name of a file that is not complete yet.
const PART: &str = ".part";

/// The name under which a file is written before it takes the place of `path`: hidden, and another
/// one for every process, so that two that write the same file do not mix their bytes.
fn part_of(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.{}-{}{PART}", this_host(), std::process::id())))
}

/// Removes incomplete files that killed processes left behind. Only the process that holds the folder may do
/// this, because no other process writes there.
pub fn remove_parts(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') && name.to_string_lossy().ends_with(PART) {
            let _ = fs::remove_file(entry.path()); // A file that cannot be removed does no harm.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All names in a folder.
    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("readable");
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("winner.json");
        Disk::default().replace(&target, b"old").expect("written");
        Disk::default().replace(&target, b"new").expect("written again");
        assert_eq!(fs::read(&target).expect("there"), b"new");
        assert_eq!(names(folder.path()), ["winner.json"], "no part is left behind");
    }

    #[test]
    fn a_failure_at_any_step_leaves_what_was_there() {
        for failing in [WriteStep::Write, WriteStep::Sync, WriteStep::Rename] {
            let folder = tempfile::tempdir().expect("a folder");
            let target = folder.path().join("winner.json");
            Disk::default().replace(&target, b"old").expect("written");
            let disk =
                Disk::failing(
                    move |step| {
                        if step == failing { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
                    },
                );
            disk.replace(&target, b"new").expect_err("the disk is full");
            assert_eq!(fs::read(&target).expect("there"), b"old", "{failing:?}");
            assert_eq!(names(folder.path()), ["winner.json"], "{failing:?}");
            Disk::default().replace(&target, b"new").expect("there is room again");
        }
    }

    #[test]
    fn a_missing_folder_and_a_path_without_a_name_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        Disk::default().replace(&folder.path().join("missing/winner.json"), b"x").expect_err("no folder");
        Disk::default().replace(Path::new("/"), b"x").expect_err("no name");
    }

    #[test]
    fn parts_of_killed_writers_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [".run.toml.123.part", "kept.part", ".hidden"] {
            fs::write(folder.path().join(name), "x").expect("written");
        }
        remove_parts(folder.path());
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, [".hidden", "kept.part"]);
    }
}
