//! The sessions of a run, `sessions.jsonl`: what each engine did, one entry a line, appended by the engine.
//!
//! Every entry states the action twice: in `did` for programs, and in `what` in words. Older versions wrote and read
//! the words alone; this module is the only one that interprets them.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
};

use relativenas_core::{
    manifest::{farewell, files},
    protocol::Command,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{clock, disk::Disk, folder::RunFolder};

/// An entry: what an engine did, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Milliseconds since 1970 UTC.
    pub time: i64,
    /// The engine's process id.
    pub pid: u32,
    pub did: Did,
}

/// What an engine did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Did {
    /// It began to work, at the beginning or from a checkpoint.
    Started,
    /// It left because the run is done.
    Finished,
    /// It ended because it was asked to, after a checkpoint.
    Stopped,
    /// It ended because of an error.
    Failed,
    /// It accepted a command.
    Steered(Command),
    /// It refused a command, for the reason `why`.
    Refused { command: Command, why: String },
    /// An action that this version does not know, in the words of the entry.
    #[serde(skip)]
    Other(String),
}

/// Words of entries that are not in [`farewell`].
const STARTED: &str = "engine started";
const FAILED: &str = "engine failed";
const STEERED: &str = "steered: ";

impl Did {
    /// Whether an engine whose last action this is has ended in order.
    pub fn is_farewell(&self) -> bool {
        matches!(self, Self::Finished | Self::Stopped)
    }

    fn words(&self) -> String {
        let text = |command| serde_json::to_string(command).unwrap_or_default();
        match self {
            Self::Started => STARTED.to_owned(),
            Self::Finished => farewell::FINISHED.to_owned(),
            Self::Stopped => farewell::STOPPED.to_owned(),
            Self::Failed => FAILED.to_owned(),
            Self::Steered(command) => format!("{STEERED}{}", text(command)),
            Self::Refused { command, why } => format!("refused: {} ({why})", text(command)),
            Self::Other(words) => words.clone(),
        }
    }

    /// What an entry of an older program means.
    fn of_words(words: &str) -> Self {
        let steered = || words.strip_prefix(STEERED).and_then(|text| serde_json::from_str(text).ok());
        match words {
            STARTED => Self::Started,
            farewell::FINISHED => Self::Finished,
            farewell::STOPPED => Self::Stopped,
            FAILED => Self::Failed,
            _ => steered().map_or_else(|| Self::Other(words.to_owned()), Self::Steered),
        }
    }
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct SessionLine {
    #[serde(default)]
    time: i64,
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    did: Option<Value>,
}

impl From<SessionLine> for Session {
    fn from(SessionLine { time, pid, what, did }: SessionLine) -> Self {
        let known = did.and_then(|did| serde_json::from_value(did).ok());
        Self { time, pid, did: known.unwrap_or_else(|| Did::of_words(&what)) }
    }
}

/// All entries of a run, oldest first. Lines that are incomplete or damaged are passed over.
pub fn sessions(folder: &RunFolder) -> Vec<Session> {
    let diary = fs::read(folder.file(files::SESSIONS)).unwrap_or_default();
    let lines = diary.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice::<SessionLine>(line).ok()).map(Session::from).collect()
}

/// Whether the last engine on the run ended in order, or no engine ever began to work on it.
pub fn was_left_in_order(folder: &RunFolder) -> bool {
    sessions(folder).last().is_none_or(|session| session.did.is_farewell())
}

/// Appends what this process did.
///
/// # Errors
/// If it cannot be written; half an entry may be there then, which readers pass over.
pub fn note(disk: &Disk, folder: &RunFolder, did: Did) -> io::Result<()> {
    let entry = SessionLine {
        time: clock::now(),
        pid: std::process::id(),
        what: did.words(),
        did: serde_json::to_value(&did).ok(),
    };
    let path = folder.file(files::SESSIONS);
    let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
    let mut line = serde_json::to_vec(&entry)?;
    line.push(b'\n');
    if ends_within_a_line(&mut file)? {
        line.insert(0, b'\n'); // The entry before is incomplete, so this one begins on a new line.
    }
    disk.write(&mut file, &line)
}

fn ends_within_a_line(file: &mut fs::File) -> io::Result<bool> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// A run whose `sessions.jsonl` is this text.
    fn with(text: &str) -> (tempfile::TempDir, RunFolder) {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fs::write(folder.file(files::SESSIONS), text).expect("written");
        (runs, folder)
    }

    fn last(folder: &RunFolder) -> Did {
        sessions(folder).pop().expect("an entry").did
    }

    #[test]
    fn entries_are_read_back() {
        let (_runs, folder) = with("");
        let refused = Did::Refused {
            command: Command::PauseAt { generation: Some(9) },
            why: "it is behind".to_owned(),
        };
        let all =
            [Did::Started, Did::Steered(Command::Pause), refused, Did::Stopped, Did::Failed, Did::Finished];
        for did in &all {
            note(&Disk::default(), &folder, did.clone()).expect("written");
        }
        let read: Vec<_> = sessions(&folder).into_iter().map(|session| session.did).collect();
        assert_eq!(read, all);
        assert!(sessions(&folder).iter().all(|s| s.pid == std::process::id() && s.time > 0));
    }

    #[test]
    fn entries_of_older_programs_are_understood_by_their_words() {
        let entry = |what: &str| format!("{{\"time\":0,\"pid\":2,\"what\":{what:?}}}\n");
        for (what, did, in_order) in [
            ("engine started", Did::Started, false),
            ("engine finished the run", Did::Finished, true),
            ("engine stopped", Did::Stopped, true),
            ("engine failed", Did::Failed, false),
            ("steered: {\"do\":\"pause\"}", Did::Steered(Command::Pause), false),
            (
                "refused: {\"do\":\"stop\"} (no)",
                Did::Other("refused: {\"do\":\"stop\"} (no)".to_owned()),
                false,
            ),
        ] {
            let (_runs, folder) = with(&entry(what));
            assert_eq!(last(&folder), did);
            assert_eq!(was_left_in_order(&folder), in_order, "{what}");
        }
    }

    #[test]
    fn older_programs_find_the_words_that_they_compare() {
        let (_runs, folder) = with("");
        for (did, words) in [(Did::Finished, farewell::FINISHED), (Did::Stopped, farewell::STOPPED)] {
            note(&Disk::default(), &folder, did).expect("written");
            let text = fs::read_to_string(folder.file(files::SESSIONS)).expect("there");
            let entry: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
            assert_eq!(entry["what"], words);
        }
    }

    #[test]
    fn what_a_later_program_did_is_known_by_its_words() {
        let (_runs, folder) = with("{\"time\":1,\"pid\":2,\"what\":\"slept\",\"did\":{\"slept\":{}}}\n");
        assert_eq!(last(&folder), Did::Other("slept".to_owned()));
        assert!(!was_left_in_order(&folder));
    }

    #[test]
    fn a_torn_entry_does_not_count_and_hides_no_other() {
        let (_runs, folder) = with("");
        note(&Disk::default(), &folder, Did::Started).expect("written");
        let full = Disk::failing(|_| Err(io::ErrorKind::StorageFull.into()));
        note(&full, &folder, Did::Stopped).expect_err("the disk is full");
        assert_eq!(last(&folder), Did::Started);
        assert!(!was_left_in_order(&folder), "half a farewell is none");
        note(&Disk::default(), &folder, Did::Finished).expect("there is room again");
        assert_eq!(sessions(&folder).len(), 2);
        assert!(was_left_in_order(&folder));
    }

    #[test]
    fn a_run_that_nobody_was_on_is_in_order() {
        let runs = tempfile::tempdir().expect("a folder");
        assert!(was_left_in_order(&fixture::run(runs.path(), "r")));
    }
}
