//! Naming and removing runs on which no engine works, and studies on which no worker does.

mod study;

use std::{iter, path::Path};

use anyhow::{Result, bail};
use relativenas_run::{
    aside::{Aside, left_aside},
    disk::Disk,
};

pub use self::study::set_study_aside;

use crate::{
    engine::liveness::{Liveness, hold, liveness},
    folder::RunFolder,
    runs,
    study::Study,
};

/// Removes a run's folder.
///
/// # Errors
/// If an engine works on the run, or that cannot be told, or the folder cannot be removed.
pub fn remove(folder: &RunFolder) -> Result<()> {
    Ok(set_aside(folder)?.delete()?)
}

/// Removes a run from where runs are found; its folder is still to be deleted, which may take a while.
///
/// # Errors
/// If an engine works on the run, or that cannot be told, or the folder cannot be moved.
pub fn set_aside(folder: &RunFolder) -> Result<Aside> {
    at_rest(folder, "remove", |folder| Ok(folder.set_aside()?))
}

/// Deletes what is left of runs and studies that were removed from this directory and from its studies, where the
/// program that removed them ended before their folders were deleted. What cannot be deleted stays.
pub fn finish_removals(runs: &Path) {
    let studies = Study::all(runs).unwrap_or_default(); // Those that cannot be read are told of elsewhere.
    let directories = iter::once(runs.to_owned()).chain(studies.iter().map(Study::runs));
    for aside in directories.flat_map(|directory| left_aside(&directory)) {
        let _ = aside.delete(); // It is tried again the next time.
    }
}

/// Gives a run another name; it stays in the directory where it lies.
///
/// # Errors
/// If an engine works on the run, or that cannot be told, or the name is taken or cannot be given.
pub fn rename(folder: &RunFolder, name: &str) -> Result<RunFolder> {
    runs::check_name("the new name", name)?;
    at_rest(folder, "rename", |folder| Ok(folder.rename(&Disk::default(), name)?))
}

/// Does something with a run while its lock is held, so that no engine starts meanwhile. `what` is the word for
/// it in an error.
fn at_rest<T>(folder: &RunFolder, what: &str, act: impl FnOnce(&RunFolder) -> Result<T>) -> Result<T> {
    let name = folder.reference();
    let alive = || format!("{name}: its engine is running; `relativenas stop {name}` first");
    if liveness(folder) == Liveness::Alive {
        bail!(alive());
    }
    match hold(folder) {
        Ok(Some(_lock)) => act(folder),
        Ok(None) => bail!(alive()),
        Err(why) => bail!(
            "{name}: it cannot be told whether an engine works on it ({why}); {what} its folder by hand if none \
             does"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use relativenas_core::manifest::files;

    use super::*;
    use crate::fixture;

    #[test]
    fn a_removed_run_leaves_nothing() {
        let runs = tempfile::tempdir().expect("a folder");
        remove(&fixture::run(runs.path(), "r")).expect("removed");
        assert_eq!(fs::read_dir(runs.path()).expect("readable").count(), 0);
    }

    #[test]
    fn a_run_whose_lock_says_nothing_is_left_alone() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        // No file that can be locked.
        fs::create_dir(folder.file(files::ENGINE_LOCK)).expect("made");
        let expected = |what: &str| {
            format!(
                "{}: it cannot be told whether an engine works on it (Is a directory (os error 21)); {what} its \
                 folder by hand if none does",
                folder.reference()
            )
        };
        assert_eq!(remove(&folder).expect_err("unknown").to_string(), expected("remove"));
        assert_eq!(rename(&folder, "other").expect_err("unknown").to_string(), expected("rename"));
        assert!(folder.file(files::MANIFEST).is_file());
    }

    #[test]
    fn a_run_is_renamed_to_what_a_run_may_be_called() {
        let runs = tempfile::tempdir().expect("a folder");
        let (folder, other) = (fixture::run(runs.path(), "r"), fixture::run(runs.path(), "other"));
        let error = |name: &str| rename(&folder, name).expect_err(name).to_string();
        assert!(error("../r").starts_with("the new name ../r: a run's name has"), "{}", error("../r"));
        assert_eq!(
            error("other"),
            format!("{}: there is a run of this name already", other.path().display())
        );
        assert_eq!(rename(&folder, "mine").expect("free").path(), runs.path().join("mine"));
        assert!(!folder.path().exists());
    }
}
