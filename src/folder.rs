//! A run's folder: what is in it, and how it comes to be.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use relativenas_core::{
    manifest::{Manifest, farewell, files},
    probe::Probe,
    view::RunView,
};

use crate::{atomic::sync_folder, failure::misuse, log::LogReader};

/// The folder of a run that exists, or existed a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
    /// What a person types to mean this run.
    reference: String,
}

impl RunFolder {
    /// The folder at this path, if there is a run in it.
    pub fn at(path: impl Into<PathBuf>) -> Option<Self> {
        let path = path.into();
        path.join(files::MANIFEST).is_file().then(|| Self { reference: path.display().to_string(), path })
    }

    /// The same, where its name alone is enough to find it.
    pub fn called_by_name(self) -> Self {
        Self { reference: self.name(), ..self }
    }

    /// What a person types to mean this run: its name if that is enough, else its path.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The run's name: that of its folder.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One of [`files`].
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// # Errors
    /// If `run.toml` cannot be read, or was made by a program of another version.
    pub fn manifest(&self) -> Result<Manifest> {
        let path = self.file(files::MANIFEST);
        let text =
            fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
        Ok(Manifest::parse(&path.display().to_string(), &text)?)
    }

    /// All events so far, folded.
    ///
    /// # Errors
    /// If the log cannot be read or is damaged.
    pub fn view(&self) -> Result<RunView> {
        let mut view = RunView::default();
        LogReader::new(self).fold(&mut view)?;
        Ok(view)
    }

    /// What the newest probe of the search found, if there was one.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn probe(&self) -> Result<Option<Probe>> {
        let path = self.file(files::PROBE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).with_context(|| format!("{}: cannot be read", path.display())),
        };
        let damaged = || format!("{}: damaged; remove it, and probe the run again", path.display());
        serde_json::from_str(&text).map(Some).with_context(damaged)
    }

    /// The last lines of `engine.log` that begin at this byte or after it.
    pub fn last_words(&self, from: u64, lines: usize) -> Vec<String> {
        let Ok(content) = fs::read(self.file(files::ENGINE_LOG)) else {
            return Vec::new(); // Nothing was said, or nothing that can still be read.
        };
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(content.len());
        let text = String::from_utf8_lossy(&content[from..]);
        let all: Vec<_> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        all[all.len().saturating_sub(lines)..].iter().map(|l| crate::written::printable(l)).collect()
    }

    /// Whether the last engine said good-bye, or none ever began.
    pub fn was_left_in_order(&self) -> bool {
        let diary = fs::read_to_string(self.file(files::SESSIONS)).unwrap_or_default();
        let what = diary.lines().next_back().and_then(|line| {
            let entry: serde_json::Value = serde_json::from_str(line).ok()?;
            Some(entry.get("what")?.as_str()?.to_owned())
        });
        what.is_none_or(|what| [farewell::FINISHED, farewell::STOPPED].contains(&what.as_str()))
    }

    /// Removes the folder. Whoever looks for runs meanwhile sees all of it or nothing.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(&self) -> Result<()> {
        let aside = self.path.with_file_name(format!(".removed-{}-{}", self.name(), std::process::id()));
        fs::rename(&self.path, &aside)
            .with_context(|| format!("{}: cannot be removed", self.path.display()))?;
        fs::remove_dir_all(&aside)
            .with_context(|| format!("{}: cannot be removed completely", aside.display()))
    }

    /// Length of `engine.log` in bytes.
    pub fn log_length(&self) -> u64 {
        fs::metadata(self.file(files::ENGINE_LOG)).map_or(0, |m| m.len())
    }
}

/// How the new run's name is chosen.
pub enum Naming {
    /// This name and no other.
    Fixed(String),
    /// This name, with a number if it is taken.
    Suggested(String),
}

/// Makes a run's folder. It appears complete: under another name first, then moved into place.
///
/// # Errors
/// If the name is taken, or the folder cannot be made.
pub fn create(runs: &Path, naming: Naming, manifest: &Manifest) -> Result<RunFolder> {
    create_with(runs, naming, manifest, |_| Ok(()))
}

/// The same, with more in it than the manifest: `fill` puts it into the folder before it appears.
///
/// # Errors
/// As [`create`], and if `fill` fails.
pub fn create_with(
    runs: &Path,
    naming: Naming,
    manifest: &Manifest,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<RunFolder> {
    let cannot = || format!("{}: no run can be made here; --run-dir names another folder", runs.display());
    DirBuilder::new().recursive(true).mode(0o700).create(runs).with_context(cannot)?;
    let temporary = runs.join(format!(".new-{}", std::process::id()));
    prepare(&temporary, manifest).with_context(cannot)?;
    let placed = fill(&temporary).and_then(|()| place(runs, &temporary, naming));
    if placed.is_err() {
        let _ = fs::remove_dir_all(&temporary); // The first error is the one to report.
    }
    let path = placed?;
    sync_folder(runs).with_context(cannot)?;
    RunFolder::at(&path).with_context(|| format!("{}: vanished as soon as it was made", path.display()))
}

fn prepare(temporary: &Path, manifest: &Manifest) -> io::Result<()> {
    if temporary.exists() {
        fs::remove_dir_all(temporary)?; // Left by a program of the same process id that was killed.
    }
    DirBuilder::new().mode(0o700).create(temporary)?;
    let path = temporary.join(files::MANIFEST);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(manifest.format().as_bytes())?;
    file.sync_all()?;
    File::open(temporary)?.sync_all()
}

fn place(runs: &Path, temporary: &Path, naming: Naming) -> Result<PathBuf> {
    let (name, fixed) = match naming {
        Naming::Fixed(name) => (name, true),
        Naming::Suggested(name) => (name, false),
    };
    for number in 1..10_000 {
        let candidate = if number == 1 { name.clone() } else { format!("{name}-{number}") };
        let path = runs.join(&candidate);
        // A rename onto a folder with anything in it fails, and every run has something in it.
        let moved = if path.exists() {
            Err(io::ErrorKind::AlreadyExists.into())
        } else {
            fs::rename(temporary, &path)
        };
        match moved {
            Ok(()) => return Ok(path),
            Err(e) if taken(&e) && fixed => {
                return Err(misuse(format!("{}: there is a run of this name already", path.display())));
            }
            Err(e) if taken(&e) => {}
            Err(e) => return Err(e).with_context(|| format!("{}: cannot be made", path.display())),
        }
    }
    bail!("{}: 10000 runs are named {name} already; give one with --name", runs.display())
}

fn taken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::fixture::manifest;

    #[test]
    fn a_run_appears_complete_and_private() {
        let runs = tempfile::tempdir().expect("a folder");
        let suggested = || Naming::Suggested("fashion-quick-0412".to_owned());
        let first = create(runs.path(), suggested(), &manifest()).expect("made");
        let second = create(runs.path(), suggested(), &manifest()).expect("made");
        assert_eq!(
            (first.name().as_str(), second.name().as_str()),
            ("fashion-quick-0412", "fashion-quick-0412-2")
        );
        assert_eq!(first.manifest().expect("readable"), manifest());
        let mode = fs::metadata(first.path()).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(fs::read_dir(runs.path()).expect("readable").count(), 2, "nothing temporary is left");
    }

    #[test]
    fn a_given_name_that_is_taken_is_refused() {
        let runs = tempfile::tempdir().expect("a folder");
        let fixed = || Naming::Fixed("mine".to_owned());
        create(runs.path(), fixed(), &manifest()).expect("made");
        let error = create(runs.path(), fixed(), &manifest()).expect_err("taken").to_string();
        let path = runs.path().join("mine");
        assert_eq!(error, format!("{}: there is a run of this name already", path.display()));
        assert_eq!(fs::read_dir(runs.path()).expect("readable").count(), 1, "nothing temporary is left");
    }

    #[test]
    fn a_probe_is_read_and_a_damaged_one_named() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = crate::fixture::run(runs.path(), "a");
        let found =
            Probe { pairs: 8, flips: 3, individuals: 4, epochs: 2, tau: Some(0.5), tau_interval: None };
        let path = folder.file(files::PROBE);
        fs::write(&path, serde_json::to_string(&found).expect("plain data")).expect("written");
        assert_eq!(folder.probe().expect("readable"), Some(found));
        fs::write(&path, "{").expect("written");
        let error = folder.probe().expect_err("half a file").to_string();
        assert_eq!(error, format!("{}: damaged; remove it, and probe the run again", path.display()));
    }
}
