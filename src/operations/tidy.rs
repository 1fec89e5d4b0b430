//! Naming and removing runs on which no engine works.

use anyhow::{Result, bail};

use crate::{
    engine::liveness::{Liveness, hold, liveness},
    folder::RunFolder,
    runs,
};

/// Removes a run's folder.
///
/// # Errors
/// If an engine works on the run, or the folder cannot be removed.
pub fn remove(folder: &RunFolder) -> Result<()> {
    at_rest(folder, |folder| Ok(folder.remove()?))
}

/// Gives a run another name; it stays where it lies.
///
/// # Errors
/// If an engine works on the run, the name is taken or cannot be given.
pub fn rename(folder: &RunFolder, name: &str) -> Result<RunFolder> {
    runs::check_name("the new name", name)?;
    at_rest(folder, |folder| Ok(folder.rename(name)?))
}

/// Does something with a run while its lock is held, so that no engine starts meanwhile.
fn at_rest<T>(folder: &RunFolder, act: impl FnOnce(&RunFolder) -> Result<T>) -> Result<T> {
    let name = folder.reference();
    let alive = || format!("{name}: its engine is running; `relativenas stop {name}` first");
    if liveness(folder) == Liveness::Alive {
        bail!(alive());
    }
    let lock = match hold(folder) {
        Ok(Some(lock)) => Some(lock),
        Ok(None) => bail!(alive()),
        Err(_) => None, // Locks do not work there, so no engine that minds them can live there.
    };
    let done = act(folder);
    drop(lock);
    done
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::fixture;

    #[test]
    fn a_removed_run_leaves_nothing() {
        let runs = tempfile::tempdir().expect("a folder");
        remove(&fixture::run(runs.path(), "r")).expect("removed");
        assert_eq!(fs::read_dir(runs.path()).expect("readable").count(), 0);
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
