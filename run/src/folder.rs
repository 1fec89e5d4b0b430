//! A run's folder: what is in it, and how it comes to be.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use relativenas_core::{
    manifest::{Manifest, files},
    probe::Probe,
    view::RunView,
};

use crate::{
    RunError,
    aside::{Aside, set_aside},
    clock,
    disk::Disk,
    edits::edits,
    limited::read_text,
    log::{LogFollower, LogReader},
    printable,
    shell::quoted,
    token::token,
};

/// The beginning of the line in which an engine says why it ends with an error.
const COMPLAINT: &str = "relativenas-engine: ";

/// The folder of a run. It may have been removed since this value was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
    /// How the run is named on a command line, quoted for a shell if necessary.
    reference: String,
}

impl RunFolder {
    /// The folder at this path, if there is a run in it.
    pub fn at(path: impl Into<PathBuf>) -> Option<Self> {
        let path = path.into();
        path.join(files::MANIFEST)
            .is_file()
            .then(|| Self { reference: quoted(&path.display().to_string()), path })
    }

    /// The same run, named on command lines by its name, because that is enough to find it.
    pub fn called_by_name(self) -> Self {
        Self { reference: quoted(&self.name()), ..self }
    }

    /// What a person types to mean this run: its name if that is enough, else its path; in quotes where a
    /// shell needs them.
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

    /// The path of one of the [`files`].
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The path of the best weights of a training.
    pub fn best_weights(&self) -> PathBuf {
        self.file(files::WEIGHTS).join(files::BEST_WEIGHTS)
    }

    /// Reads the run's `run.toml`.
    ///
    /// # Errors
    /// If `run.toml` cannot be read, or was made by a program of another version.
    pub fn manifest(&self) -> Result<Manifest, RunError> {
        let path = self.file(files::MANIFEST);
        let text = read_text(&path).map_err(|source| RunError::Read { path: path.clone(), source })?;
        Ok(Manifest::parse(&path.display().to_string(), &text)?)
    }

    /// What was edited in the manifest since an engine first worked on the run: `network.channels was 4, is 8`.
    /// Empty where that is not known.
    pub fn edits(&self) -> Vec<String> {
        let before = read_text(&self.file(files::BEGUN_WITH));
        let before = before.ok().and_then(|text| Manifest::parse(files::BEGUN_WITH, &text).ok());
        match (before, self.manifest()) {
            (Some(before), Ok(now)) => edits(&before, &now),
            _ => Vec::new(),
        }
    }

    /// A reader of the run's log, at its beginning.
    pub fn log(&self) -> LogReader {
        LogReader::of(self.file(files::EVENTS))
    }

    /// A follower of the run's log, at its beginning.
    pub fn follow(&self) -> LogFollower {
        LogFollower::of(self.file(files::EVENTS))
    }

    /// All events so far, folded.
    ///
    /// # Errors
    /// If the log cannot be read or is damaged.
    pub fn view(&self) -> Result<RunView, RunError> {
        let mut view = RunView::default();
        self.log().fold(&mut view)?;
        Ok(view)
    }

    /// What the newest probe of the search found, if there was one.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn probe(&self) -> Result<Option<Probe>, RunError> {
        let path = self.file(files::PROBE);
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RunError::Read { path, source }),
        };
        serde_json::from_str(&text).map(Some).map_err(|source| RunError::Probe { path, source })
    }

    /// The last lines of `engine.log` that begin at this byte or after it.
    pub fn last_words(&self, from: u64, lines: usize) -> Vec<String> {
        let Ok(content) = fs::read(self.file(files::ENGINE_LOG)) else {
            return Vec::new(); // The file is missing or cannot be read.
        };
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(content.len());
        let text = String::from_utf8_lossy(&content[from..]);
        let all: Vec<_> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        all[all.len().saturating_sub(lines)..].iter().map(|l| printable(l)).collect()
    }

    /// The error with which the last failed engine ended, as the engine wrote it to `engine.log` after this byte;
    /// `None` if there is none.
    pub fn complaint(&self, from: u64) -> Option<String> {
        /// The largest number of lines of such an error.
        const LONGEST: usize = 40;
        let words = self.last_words(from, LONGEST);
        let first = words.iter().rposition(|line| line.starts_with(COMPLAINT))?;
        // The launcher prints its own report after the engine's, framed by lines of dashes.
        let is_frame = |line: &&String| line.len() > 20 && line.bytes().all(|byte| byte == b'-');
        let said: Vec<_> =
            words[first..].iter().take_while(|line| !is_frame(line)).map(String::as_str).collect();
        Some(said.join("\n").trim_end().replacen(COMPLAINT, "", 1))
    }

    /// The note that was written about the run; empty if there is none, or it cannot be read.
    pub fn note(&self) -> String {
        read_text(&self.file(files::NOTE)).map(|text| printable(text.trim())).unwrap_or_default()
    }

    /// Writes a note about the run in place of the one before. An empty one takes it away.
    ///
    /// # Errors
    /// If the disk refuses; the note is as before then.
    pub fn annotate(&self, disk: &Disk, note: &str) -> Result<(), RunError> {
        let path = self.file(files::NOTE);
        let written = match note.trim() {
            "" => fs::remove_file(&path).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            }),
            note => disk.replace(&path, format!("{note}\n").as_bytes()),
        };
        written.map_err(|source| RunError::Write { path, source })
    }

    /// Gives the run another name; it stays in the directory where it lies. The caller holds the run's lock,
    /// so that no engine works on it.
    ///
    /// # Errors
    /// If the name is taken, or the folder cannot be renamed.
    pub fn rename(&self, disk: &Disk, name: &str) -> Result<Self, RunError> {
        let path = self.path.with_file_name(name);
        move_to_free_name(&self.path, &path).map_err(|source| match is_taken(&source) {
            true => name_taken(path.clone()),
            false => RunError::Rename { path: self.path.clone(), source },
        })?;
        // The run has its new name already. If the machine crashes now, at worst it has its old name again.
        let _ = disk.sync_folder(&path);
        Self::at(&path).ok_or(RunError::Vanished { path })
    }

    /// Removes the folder. The caller holds the run's lock, so that no engine works on it.
    ///
    /// # Errors
    /// If it cannot be moved, or some of it cannot be deleted.
    pub fn remove(&self) -> Result<(), RunError> {
        self.set_aside()?.delete()
    }

    /// Takes the folder away from where runs are found, see [`set_aside`]. The caller holds the run's lock.
    ///
    /// # Errors
    /// If it cannot be moved; the run is as before then.
    pub fn set_aside(&self) -> Result<Aside, RunError> {
        set_aside(&self.path)
    }

    /// Length of `engine.log` in bytes.
    pub fn log_length(&self) -> u64 {
        fs::metadata(self.file(files::ENGINE_LOG)).map_or(0, |m| m.len())
    }
}

/// The folders of all runs in a directory, the one that was begun last first.
///
/// # Errors
/// If the directory exists but cannot be read.
pub fn all(runs: &Path) -> Result<Vec<RunFolder>, RunError> {
    let mut found: Vec<(i64, RunFolder)> =
        folders(runs)?.into_iter().map(|folder| (place_in_time(&folder), folder)).collect();
    found.sort_by(|(a, left), (b, right)| b.cmp(a).then_with(|| right.path().cmp(left.path())));
    Ok(found.into_iter().map(|(_, folder)| folder).collect())
}

fn folders(runs: &Path) -> Result<Vec<RunFolder>, RunError> {
    let cannot = |source| RunError::Read { path: runs.to_owned(), source };
    let entries = match fs::read_dir(runs) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(cannot(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(cannot)?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        found.extend(RunFolder::at(path).filter(|_| !hidden));
    }
    Ok(found)
}

/// When a run was begun, in milliseconds since 1970 UTC, but always later than all runs before it, even if the
/// clock was set back in between. The time is in the manifest; if that cannot be read, the time of its file is
/// taken.
fn place_in_time(folder: &RunFolder) -> i64 {
    match folder.manifest() {
        Ok(manifest) => manifest.begun(),
        Err(_) => fs::metadata(folder.file(files::MANIFEST))
            .and_then(|m| m.modified())
            .map_or(0, clock::milliseconds),
    }
}

/// How the new run's name is chosen.
pub enum Naming {
    /// This name and no other.
    Fixed(String),
    /// This name, with a number if it is taken.
    Suggested(String),
}

/// The largest number of runs with the same suggested name.
const MOST_OF_A_NAME: usize = 10_000;

/// Makes a run's folder. It is filled under another name and then moved into place, so that no other program sees it
/// incomplete.
///
/// # Errors
/// If the name is taken, or the folder cannot be made.
pub fn create(runs: &Path, naming: Naming, manifest: &Manifest) -> Result<RunFolder, RunError> {
    create_with(runs, naming, manifest, |_| Ok(()))
}

/// As [`create`], with further content: `fill` writes it into the folder before the folder appears.
///
/// # Errors
/// As [`create`], and if `fill` fails.
pub fn create_with<E: From<RunError>>(
    runs: &Path,
    naming: Naming,
    manifest: &Manifest,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<RunFolder, E> {
    create_on(&Disk::default(), runs, naming, manifest, fill)
}

fn create_on<E: From<RunError>>(
    disk: &Disk,
    runs: &Path,
    naming: Naming,
    manifest: &Manifest,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<RunFolder, E> {
    let cannot = |source| RunError::NoRunsHere { path: runs.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(runs).map_err(cannot)?;
    let temporary = runs.join(format!(".new-{}", token()));
    prepare(&temporary, &after_all_others(runs, manifest)).map_err(cannot)?;
    let placed = fill(&temporary).and_then(|()| Ok(place(runs, &temporary, naming)?));
    if placed.is_err() {
        let _ = fs::remove_dir_all(&temporary); // The first error is the one to report.
    }
    let path = placed?;
    // The run is made already. If the machine crashes now, at worst there is no run.
    let _ = disk.sync_folder(&path);
    Ok(RunFolder::at(&path).ok_or(RunError::Vanished { path })?)
}

/// The manifest with a time of beginning after those of all runs in the directory, so that an older run does not
/// become the latest one because the clock was set back.
fn after_all_others(runs: &Path, manifest: &Manifest) -> Manifest {
    let others = folders(runs).unwrap_or_default();
    let last = others.iter().map(place_in_time).max();
    let follows = last.filter(|last| *last >= manifest.created).map(|last| last.saturating_add(1));
    Manifest { follows, ..manifest.clone() }
}

fn prepare(temporary: &Path, manifest: &Manifest) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(temporary)?;
    let path = temporary.join(files::MANIFEST);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(manifest.format().as_bytes())?;
    file.sync_all()?;
    File::open(temporary)?.sync_all()
}

fn place(runs: &Path, temporary: &Path, naming: Naming) -> Result<PathBuf, RunError> {
    let (name, fixed) = match naming {
        Naming::Fixed(name) => (name, true),
        Naming::Suggested(name) => (name, false),
    };
    for number in 1..MOST_OF_A_NAME {
        let candidate = if number == 1 { name.clone() } else { format!("{name}-{number}") };
        let path = runs.join(&candidate);
        match move_to_free_name(temporary, &path) {
            Ok(()) => return Ok(path),
            Err(e) if is_taken(&e) && fixed => return Err(name_taken(path)),
            Err(e) if is_taken(&e) => {}
            Err(source) => return Err(RunError::Make { path, source }),
        }
    }
    Err(RunError::NamesUsedUp { path: runs.to_owned(), name, count: MOST_OF_A_NAME })
}

/// Moves a folder that is not empty to where there is nothing yet; see [`is_taken`].
fn move_to_free_name(folder: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // If a run appears there meanwhile, renaming fails, because its folder is not empty.
    fs::rename(folder, to)
}

fn name_taken(path: PathBuf) -> RunError {
    let by = if RunFolder::at(&path).is_some() { "run" } else { "file or folder" };
    RunError::NameTaken { path, by }
}

/// Whether a folder was not moved because its new name is taken.
fn is_taken(error: &io::Error) -> bool {
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
    fn a_renamed_run_keeps_everything_and_takes_no_other_s_place() {
        let runs = tempfile::tempdir().expect("a folder");
        let (old, other) =
            (crate::fixture::run(runs.path(), "old"), crate::fixture::run(runs.path(), "other"));
        old.annotate(&Disk::default(), " the first\u{1b} try ").expect("written");
        let renamed = |name: &str| old.rename(&Disk::default(), name);
        let error = renamed("other").expect_err("taken").to_string();
        assert_eq!(error, format!("{}: there is a run of this name already", other.path().display()));
        // What is no run is not said to be one.
        let notes = runs.path().join("notes");
        fs::write(&notes, "mine").expect("written");
        let error = renamed("notes").expect_err("taken").to_string();
        assert_eq!(error, format!("{}: there is a file or folder of this name already", notes.display()));
        let renamed = renamed("new").expect("free");
        assert_eq!((renamed.name().as_str(), renamed.note().as_str()), ("new", "the first\\u{1b} try"));
        assert_eq!(renamed.manifest().expect("readable"), manifest());
        assert_eq!(RunFolder::at(old.path()), None);
    }

    #[test]
    fn a_run_that_was_made_is_there_whatever_the_disk_says_then() {
        let runs = tempfile::tempdir().expect("a folder");
        let unsure = Disk::failing(|step| match step {
            crate::disk::WriteStep::Sync => Err(io::ErrorKind::Other.into()),
            _ => Ok(()),
        });
        let named = Naming::Fixed("r".to_owned());
        let made = create_on(&unsure, runs.path(), named, &manifest(), |_| Ok::<_, RunError>(()));
        assert_eq!(made.expect("made").path(), runs.path().join("r"));
    }

    #[test]
    fn a_run_that_has_its_new_name_was_renamed_whatever_the_disk_says_then() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = crate::fixture::run(runs.path(), "old");
        let unsure = Disk::failing(|step| match step {
            crate::disk::WriteStep::Sync => Err(io::ErrorKind::Other.into()),
            _ => Ok(()),
        });
        assert_eq!(folder.rename(&unsure, "new").expect("renamed").path(), runs.path().join("new"));
    }

    #[test]
    fn a_run_that_was_set_aside_is_no_run_any_more_and_goes_when_it_is_deleted() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = crate::fixture::run(runs.path(), "old");
        let aside = folder.set_aside().expect("moved");
        assert_eq!(all(runs.path()).expect("readable"), []);
        assert!(aside.path().join(files::MANIFEST).is_file(), "it is not deleted yet");
        crate::fixture::run(runs.path(), "old");
        aside.delete().expect("deleted");
        assert_eq!(fs::read_dir(runs.path()).expect("readable").count(), 1);
    }

    #[test]
    fn a_note_is_whole_or_as_before_and_an_empty_one_is_none() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = crate::fixture::run(runs.path(), "a");
        assert_eq!(folder.note(), "");
        folder.annotate(&Disk::default(), "before").expect("written");
        let full = Disk::failing(|step| match step {
            crate::disk::WriteStep::Sync => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        });
        folder.annotate(&full, "after").expect_err("the disk is full");
        assert_eq!(folder.note(), "before");
        folder.annotate(&Disk::default(), "  ").expect("taken away");
        folder.annotate(&Disk::default(), "").expect("there is none");
        assert!(!folder.file(files::NOTE).exists());
    }

    #[test]
    fn a_probe_is_read_and_a_damaged_one_named() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = crate::fixture::run(runs.path(), "a");
        let found =
            Probe { pairs: 8, flips: 3, individuals: 4, epochs: 2, tau: Some(0.5), ..Probe::default() };
        let path = folder.file(files::PROBE);
        fs::write(&path, serde_json::to_string(&found).expect("plain data")).expect("written");
        assert_eq!(folder.probe().expect("readable"), Some(found));
        fs::write(&path, "{").expect("written");
        let error = folder.probe().expect_err("half a file").to_string();
        assert_eq!(error, format!("{}: damaged; remove it, and probe the run again", path.display()));
    }

    #[test]
    fn the_run_that_was_begun_last_comes_first_whatever_the_clock_says() {
        let runs = tempfile::tempdir().expect("a folder");
        let make = |name: &str, created| {
            let manifest = Manifest { created, ..manifest() };
            create(runs.path(), Naming::Fixed(name.to_owned()), &manifest).expect("made")
        };
        let names = || all(runs.path()).expect("readable").iter().map(RunFolder::name).collect::<Vec<_>>();
        make("first", 2_000_000_000_000);
        make("clock-went-back", 1_000_000_000_000);
        make("and-still", 1_000_000_000_001);
        assert_eq!(names(), ["and-still", "clock-went-back", "first"]);
        make("clock-is-right-again", 2_100_000_000_000);
        assert_eq!(names()[0], "clock-is-right-again");
        // What a run says of its time stays true.
        let created = |name: &str| {
            RunFolder::at(runs.path().join(name)).expect("there").manifest().expect("readable").created
        };
        assert_eq!(created("clock-went-back"), 1_000_000_000_000);
    }

    #[test]
    fn a_run_that_cannot_be_read_is_listed_by_the_time_of_its_file() {
        let runs = tempfile::tempdir().expect("a folder");
        create(runs.path(), Naming::Fixed("old".to_owned()), &manifest()).expect("made");
        let other = create(runs.path(), Naming::Fixed("other".to_owned()), &manifest()).expect("made");
        fs::write(other.file(files::MANIFEST), "format = 9").expect("written");
        fs::create_dir(runs.path().join("no-run")).expect("made");
        let names: Vec<_> = all(runs.path()).expect("readable").iter().map(RunFolder::name).collect();
        assert_eq!(names, ["other", "old"]);
    }
}
