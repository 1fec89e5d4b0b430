//! Reading a run's log, `events.jsonl`, while an engine may be writing it.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    num::NonZeroUsize,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::mpsc::sync_channel,
    thread,
};

use memchr::{memchr, memchr_iter, memrchr};
use relativenas_core::{event::Line, protocol::LINE_LIMIT, view::RunView};

use crate::RunError;

/// The number of bytes that are read at a time. It is so small that a screen stays responsive while a log is read.
const BATCH: usize = 4 << 20;
/// The fewest bytes for a thread: most of the time goes into parsing, but less text than this is not worth a
/// thread.
const WORTH_A_THREAD: usize = 128 << 10;
/// The largest number of threads; more would wait for the disk.
const MOST_THREADS: usize = 8;
/// The number of bytes of a line by which it is recognised: they hold its number and its time.
const MARK: usize = 64;

/// Reads a log from its beginning, batch by batch.
pub struct LogReader {
    path: PathBuf,
    file: Option<File>,
    /// The beginning of a line whose end is not written yet.
    partial: Vec<u8>,
    /// Whole lines that were read.
    lines: usize,
    /// The length of these lines in bytes.
    length: u64,
    last: Option<Mark>,
}

/// The last line that was read.
struct Mark {
    /// Where it begins in the file.
    at: u64,
    /// Its first bytes.
    bytes: Vec<u8>,
}

impl LogReader {
    /// The reader of the log in this file; [`crate::folder::RunFolder::log`] knows where a run has it.
    pub fn of(path: PathBuf) -> Self {
        Self { path, file: None, partial: Vec::new(), lines: 0, length: 0, last: None }
    }

    /// The next lines; none at the end of what is written so far.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is no event. The last line may be written at this
    /// moment: without its newline it does not count yet.
    pub fn batch(&mut self) -> Result<Vec<Line>, RunError> {
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                // A run that has not begun has no log.
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(source) => return Err(self.unreadable(source)),
            }
        }
        let Some(file) = &mut self.file else {
            return Ok(Vec::new());
        };
        let mut text = std::mem::take(&mut self.partial);
        let whole = loop {
            let read = file.take(BATCH as u64).read_to_end(&mut text);
            let read = read.map_err(|source| RunError::Read { path: self.path.clone(), source })?;
            if let Some(end) = memrchr(b'\n', &text) {
                break end + 1;
            }
            // A line of a large population may be longer than a batch.
            if read < BATCH || text.len() > LINE_LIMIT {
                break 0;
            }
        };
        self.partial = text.split_off(whole);
        if self.partial.len() > LINE_LIMIT {
            return Err(RunError::LineTooLong { path: self.path.clone(), line: self.lines + 1 });
        }
        let lines = self.parse(&text)?;
        self.mark(&text);
        Ok(lines)
    }

    /// The number of whole lines that were read so far.
    pub(super) fn lines(&self) -> u64 {
        self.lines as u64
    }

    /// Whether the file no longer begins with what was read of it, because the engine that resumed the run has cut
    /// it back. The time that every line holds tells a new line from the one that stood in its place.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn was_cut_back(&self) -> Result<bool, RunError> {
        let (Some(file), Some(last)) = (&self.file, &self.last) else {
            return Ok(false);
        };
        if file.metadata().map_err(|source| self.unreadable(source))?.len() < self.length {
            return Ok(true);
        }
        let mut found = vec![0; last.bytes.len()];
        match file.read_exact_at(&mut found, last.at) {
            Ok(()) => Ok(found != last.bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
            Err(source) => Err(self.unreadable(source)),
        }
    }

    /// Forgets the beginning of a line that is not written completely, so that it is read again: another line may
    /// stand in its place when it is whole.
    ///
    /// # Errors
    /// If there is no such place in the file.
    pub(super) fn forget_half_line(&mut self) -> Result<(), RunError> {
        if self.partial.is_empty() {
            return Ok(());
        }
        self.partial.clear();
        let sought = self.file.as_mut().map_or(Ok(0), |file| file.seek(SeekFrom::Start(self.length)));
        sought.map(drop).map_err(|source| self.unreadable(source))
    }

    /// Remembers the last of these whole lines, which were just read.
    fn mark(&mut self, text: &[u8]) {
        let Some((b'\n', before)) = text.split_last() else {
            return;
        };
        let begin = memrchr(b'\n', before).map_or(0, |end| end + 1);
        let bytes = text[begin..].iter().copied().take(MARK).collect();
        self.last = Some(Mark { at: self.length + begin as u64, bytes });
        self.length += text.len() as u64;
    }

    fn unreadable(&self, source: io::Error) -> RunError {
        RunError::Read { path: self.path.clone(), source }
    }

    /// Parses whole lines, on several threads where there are many.
    fn parse(&mut self, text: &[u8]) -> Result<Vec<Line>, RunError> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST_THREADS);
        let parts = split(text, (text.len() / WORTH_A_THREAD).clamp(1, cores));
        let parsed: Vec<Part> = match parts[..] {
            [only] => vec![parse_part(only)],
            _ => thread::scope(|scope| {
                let workers: Vec<_> = parts.iter().map(|part| scope.spawn(|| parse_part(part))).collect();
                let join =
                    |worker: thread::ScopedJoinHandle<'_, Part>| worker.join().expect("parsing never panics");
                workers.into_iter().map(join).collect()
            }),
        };
        let mut lines = Vec::new();
        for part in parsed {
            self.lines += part.lines.len();
            lines.extend(part.lines);
            if let Some(source) = part.error {
                return Err(RunError::NoEvent { path: self.path.clone(), line: self.lines + 1, source });
            }
        }
        Ok(lines)
    }

    /// Folds all that is written so far into a view.
    ///
    /// # Errors
    /// As [`LogReader::batch`], and if events are missing.
    pub fn fold(mut self, view: &mut RunView) -> Result<(), RunError> {
        let path = self.path.clone();
        thread::scope(|scope| {
            // The next batch is read while this one is folded.
            let (sender, batches) = sync_channel(1);
            scope.spawn(move || {
                loop {
                    let batch = self.batch();
                    let last = batch.as_ref().map_or(true, Vec::is_empty);
                    if sender.send(batch).is_err() || last {
                        return;
                    }
                }
            });
            for batch in batches {
                for line in &batch? {
                    view.apply(line).map_err(|source| RunError::Log { path: path.clone(), source })?;
                }
            }
            Ok(())
        })
    }
}

/// What was read of some lines: all, or those before the first that is no event.
struct Part {
    lines: Vec<Line>,
    error: Option<serde_json::Error>,
}

fn parse_part(text: &[u8]) -> Part {
    let mut part = Part { lines: Vec::new(), error: None };
    let mut start = 0;
    for end in memchr_iter(b'\n', text) {
        match serde_json::from_slice(&text[start..end]) {
            Ok(line) => part.lines.push(line),
            Err(error) => {
                part.error = Some(error);
                break;
            }
        }
        start = end + 1;
    }
    part
}

/// Cuts whole lines into about equal parts of whole lines.
fn split(mut text: &[u8], parts: usize) -> Vec<&[u8]> {
    let mut cut = Vec::with_capacity(parts);
    for left in (2..=parts).rev() {
        let middle = text.len() / left;
        let end = memchr(b'\n', &text[middle..]).map_or(text.len(), |at| middle + at + 1);
        let (part, rest) = text.split_at(end);
        cut.push(part);
        text = rest;
    }
    cut.push(text);
    cut
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write as _};

    use relativenas_core::{event::Event, manifest::files, population::IndividualId};

    use super::*;
    use crate::fixture;

    #[test]
    fn half_a_line_is_read_when_it_is_whole() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        let lines = fixture::log(2);
        let text: Vec<_> = lines.iter().map(|l| serde_json::to_string(l).expect("plain data")).collect();
        let mut file =
            OpenOptions::new().create(true).append(true).open(folder.file(files::EVENTS)).expect("opened");
        let mut reader = folder.log();
        let (head, tail) = text[1].split_at(20);
        write!(file, "{}\n{head}", text[0]).expect("written");
        assert_eq!(reader.batch().expect("readable"), lines[..1]);
        writeln!(file, "{tail}").expect("written");
        assert_eq!(reader.batch().expect("readable"), lines[1..2]);
        assert_eq!(reader.batch().expect("readable"), []);
    }

    #[test]
    fn a_long_log_is_read_in_order_on_several_threads() {
        let text = b"1\n22\n333\n4444\n55555\n";
        for parts in 1..9 {
            let cut = split(text, parts);
            assert_eq!(cut.len(), parts);
            assert_eq!(cut.concat(), text);
            assert!(cut.iter().all(|part| part.is_empty() || part.ends_with(b"\n")), "{parts}");
        }
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        let event = &fixture::log(1)[1];
        let lines: Vec<_> = (0..4000).map(|seq| Line { seq, ..event.clone() }).collect();
        fixture::write_log(&folder, &lines);
        let mut reader = folder.log();
        let mut read = Vec::new();
        while let batch @ [_, ..] = &reader.batch().expect("readable")[..] {
            read.extend_from_slice(batch);
        }
        assert_eq!(read, lines);
    }

    #[test]
    fn a_line_longer_than_a_batch_is_read_whole() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        let first = &fixture::log(1)[0];
        let positions = vec![vec![0.123_456_789_012_345_6; 32]; 8000];
        let long = Line { seq: 1, event: Event::PopulationSampled { positions }, ..first.clone() };
        assert!(serde_json::to_vec(&long).expect("plain data").len() > BATCH);
        fixture::write_log(&folder, &[first.clone(), long.clone()]);
        let mut reader = folder.log();
        assert_eq!(reader.batch().expect("readable"), std::slice::from_ref(first));
        assert_eq!(reader.batch().expect("readable"), [long]);
        assert_eq!(reader.batch().expect("readable"), []);
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        let path = folder.file(files::EVENTS);
        // A gigabyte that takes no room on the disk.
        File::create(&path).and_then(|file| file.set_len(1 << 30)).expect("made");
        let mut reader = folder.log();
        let error = reader.batch().expect_err("no event").to_string();
        assert_eq!(error, format!("{}, line 1: longer than any event", path.display()));
        assert!(reader.partial.len() <= LINE_LIMIT + BATCH);
    }

    #[test]
    fn an_event_that_names_what_the_run_has_not_is_refused() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        let mut lines = fixture::log(1);
        for line in &mut lines {
            if let Event::PairCompared { learners, .. } = &mut line.event {
                learners[0].individual = IndividualId(99);
            }
        }
        fixture::write_log(&folder, &lines);
        let error = std::error::Error::source(&folder.view().expect_err("damaged")).map(ToString::to_string);
        let error = error.expect("a reason");
        assert!(error.contains("is not of this run: it names individual 99 of"), "{error}");
    }

    #[test]
    fn damage_is_reported_with_file_and_line() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fixture::write_log(&folder, &fixture::log(1));
        let path = folder.file(files::EVENTS);
        writeln!(OpenOptions::new().append(true).open(&path).expect("opened"), "{{}}").expect("written");
        let error = folder.view().expect_err("damaged").to_string();
        let line = fixture::log(1).len() + 1;
        assert_eq!(
            error,
            format!(
                "{}, line {line}: not an event that this version knows; the file is damaged",
                path.display()
            )
        );
    }
}
