//! Following a run's log, `events.jsonl`, while it grows, also when the run is resumed and the log cut back.

use std::path::PathBuf;

use relativenas_core::event::{Event, Line};

use super::LogReader;
use crate::RunError;

/// Reads a log from its beginning, and then what is added to it.
pub struct LogFollower {
    path: PathBuf,
    reader: LogReader,
    /// The number of events that are known.
    events: u64,
    /// The time of the last of them, in milliseconds since 1970 UTC.
    time: i64,
    finished: bool,
}

/// What became of a log since the last look.
#[derive(Debug, PartialEq)]
pub enum Growth {
    /// There are further events: these, in order, and perhaps more.
    Lines(Vec<Line>),
    /// There are no further events yet.
    Nothing,
    /// The log was cut back, because the run goes on from an earlier event. What was read of it is void, and it is
    /// read again from its beginning.
    CutBack,
}

impl LogFollower {
    /// The follower of the log in this file; [`crate::folder::RunFolder::follow`] knows where a run has it.
    pub fn of(path: PathBuf) -> Self {
        let reader = LogReader::of(path.clone());
        Self { path, reader, events: 0, time: 0, finished: false }
    }

    /// The number of events that are known.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether the last event of the run is known, so that nothing will follow.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Takes an event that came another way, from the engine's socket; returns whether it was unknown. The file
    /// holds it too, but it is not returned again.
    pub fn take(&mut self, line: &Line) -> bool {
        if line.seq < self.events {
            return false;
        }
        (self.events, self.time) = (line.seq + 1, line.time);
        self.finished |= matches!(line.event, Event::SearchFinished { .. } | Event::TrainingFinished { .. });
        true
    }

    /// Forgets everything, so that the log is read again from its beginning.
    pub fn start_over(&mut self) {
        *self = Self::of(std::mem::take(&mut self.path));
    }

    /// What was written since the last look. It does not wait.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is no event.
    pub fn look(&mut self) -> Result<Growth, RunError> {
        loop {
            if self.reader.was_cut_back()? {
                return Ok(self.cut_back());
            }
            self.reader.forget_half_line()?;
            let batch = match self.reader.batch() {
                Ok(batch) => batch,
                // It may have been cut between the two.
                Err(_) if self.reader.was_cut_back()? => return Ok(self.cut_back()),
                Err(error) => return Err(error),
            };
            // An engine writes every event before it sends it.
            if batch.is_empty() && self.reader.lines() < self.events {
                return Ok(self.cut_back());
            }
            if batch.is_empty() {
                return Ok(Growth::Nothing);
            }
            let is_another = |line: &Line| line.seq + 1 == self.events && line.time != self.time;
            if batch.iter().any(is_another) {
                return Ok(self.cut_back());
            }
            let new: Vec<_> = batch.into_iter().filter(|line| self.take(line)).collect();
            if !new.is_empty() {
                return Ok(Growth::Lines(new));
            }
        }
    }

    fn cut_back(&mut self) -> Growth {
        self.start_over();
        Growth::CutBack
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write as _};

    use relativenas_core::manifest::files;

    use super::*;
    use crate::{fixture, folder::RunFolder};

    /// A run, and the lines of a log whose times differ.
    fn run() -> (tempfile::TempDir, RunFolder, Vec<Line>) {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        let lines = later(fixture::log(2), 0);
        (runs, folder, lines)
    }

    /// The same events, so many hours later, a second apart.
    fn later(lines: Vec<Line>, hours: i64) -> Vec<Line> {
        let at = |line: Line| Line { time: line.time + 3_600_000 * hours + 1000 * line.seq as i64, ..line };
        lines.into_iter().map(at).collect()
    }

    fn append(folder: &RunFolder, text: &str) {
        let path = folder.file(files::EVENTS);
        let mut file = OpenOptions::new().create(true).append(true).open(path).expect("opened");
        file.write_all(text.as_bytes()).expect("written");
    }

    fn text(lines: &[Line]) -> String {
        let text = |line| serde_json::to_string(line).expect("plain data") + "\n";
        lines.iter().map(text).collect()
    }

    /// Cuts the log back to this many events, as an engine does that resumes the run; the file stays the same.
    fn cut(folder: &RunFolder, events: usize) {
        let path = folder.file(files::EVENTS);
        let before = std::fs::read_to_string(&path).expect("there");
        let length: usize = before.split_inclusive('\n').take(events).map(str::len).sum();
        OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(length as u64)).expect("cut");
    }

    fn look(follower: &mut LogFollower) -> Growth {
        follower.look().expect("readable")
    }

    #[test]
    fn what_is_added_is_returned_once() {
        let (_runs, folder, lines) = run();
        let mut follower = folder.follow();
        assert_eq!(look(&mut follower), Growth::Nothing, "a run that has not begun has no log");
        append(&folder, &text(&lines[..3]));
        assert_eq!(look(&mut follower), Growth::Lines(lines[..3].to_vec()));
        assert_eq!(look(&mut follower), Growth::Nothing);
        append(&folder, &text(&lines[3..]));
        assert_eq!(look(&mut follower), Growth::Lines(lines[3..].to_vec()));
        assert_eq!((follower.events(), follower.is_finished()), (lines.len() as u64, false));
    }

    #[test]
    fn two_followers_do_not_disturb_each_other() {
        let (_runs, folder, lines) = run();
        let (mut one, mut other) = (folder.follow(), folder.follow());
        append(&folder, &text(&lines[..2]));
        assert_eq!(look(&mut one), Growth::Lines(lines[..2].to_vec()));
        append(&folder, &text(&lines[2..4]));
        assert_eq!(look(&mut other), Growth::Lines(lines[..4].to_vec()));
        assert_eq!(look(&mut one), Growth::Lines(lines[2..4].to_vec()));
    }

    #[test]
    fn a_log_that_was_cut_back_is_read_again_however_long_it_is_by_then() {
        for (kept, written) in [(2, 3), (2, 5), (4, 5), (2, 7), (0, 5)] {
            let (_runs, folder, lines) = run();
            append(&folder, &text(&lines[..5]));
            let mut follower = folder.follow();
            assert_eq!(look(&mut follower), Growth::Lines(lines[..5].to_vec()));
            cut(&folder, kept);
            let again = later(lines.clone(), 1);
            append(&folder, &text(&again[kept..written]));
            assert_eq!(look(&mut follower), Growth::CutBack, "{kept} kept of 5, {written} by now");
            let expected = [&lines[..kept], &again[kept..written]].concat();
            assert_eq!(look(&mut follower), Growth::Lines(expected));
            assert_eq!(look(&mut follower), Growth::Nothing);
        }
    }

    #[test]
    fn a_half_line_that_another_line_replaces_is_not_mixed_with_it() {
        let (_runs, folder, lines) = run();
        let half = text(&lines[2..3]);
        append(&folder, &(text(&lines[..2]) + &half[..half.len() / 2]));
        let mut follower = folder.follow();
        assert_eq!(look(&mut follower), Growth::Lines(lines[..2].to_vec()));
        // The line differs from the half of it that was there in nothing but its time, which has as many digits.
        let again = later(lines, 1);
        cut(&folder, 2);
        append(&folder, &text(&again[2..3]));
        assert_eq!(look(&mut follower), Growth::Lines(again[2..3].to_vec()));
    }

    #[test]
    fn what_came_from_the_engine_is_not_read_again_unless_the_log_was_cut() {
        let (_runs, folder, lines) = run();
        append(&folder, &text(&lines[..2]));
        let mut follower = folder.follow();
        assert_eq!(look(&mut follower), Growth::Lines(lines[..2].to_vec()));
        append(&folder, &text(&lines[2..5]));
        assert!(lines[2..4].iter().all(|line| follower.take(line)));
        assert!(!follower.take(&lines[3]), "it is known");
        assert_eq!(look(&mut follower), Growth::Lines(lines[4..5].to_vec()));
        // What was read stays, what came from the engine is cut, and other events have taken its place.
        append(&folder, &text(&lines[5..7]));
        assert!(lines[5..7].iter().all(|line| follower.take(line)));
        cut(&folder, 5);
        let again = later(lines, 1);
        append(&folder, &text(&again[5..]));
        assert_eq!(look(&mut follower), Growth::CutBack);
    }

    #[test]
    fn events_that_came_from_the_engine_and_are_gone_from_the_file_were_cut() {
        let (_runs, folder, lines) = run();
        append(&folder, &text(&lines[..2]));
        let mut follower = folder.follow();
        assert_eq!(look(&mut follower), Growth::Lines(lines[..2].to_vec()));
        assert!(follower.take(&lines[2]));
        assert_eq!(look(&mut follower), Growth::CutBack);
        assert_eq!(look(&mut follower), Growth::Lines(lines[..2].to_vec()));
    }

    #[test]
    fn damage_is_no_cut() {
        let (_runs, folder, lines) = run();
        append(&folder, &text(&lines[..2]));
        let mut follower = folder.follow();
        assert_eq!(look(&mut follower), Growth::Lines(lines[..2].to_vec()));
        append(&folder, "{}\n");
        let error = follower.look().expect_err("damaged").to_string();
        assert!(
            error
                .ends_with("events.jsonl, line 3: not an event that this version knows; the file is damaged"),
            "{error}"
        );
    }
}
