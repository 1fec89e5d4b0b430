//! Reading a run's log, `events.jsonl`, while an engine may be writing it.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom},
    path::PathBuf,
};

use anyhow::{Context as _, Result, bail};
use relativenas_core::{event::Line, manifest::files, protocol::LINE_LIMIT, view::RunView};

use crate::folder::RunFolder;

/// Lines read at a time: few enough that a screen moves meanwhile.
const BATCH: usize = 1000;

/// Reads a log from its beginning, batch by batch.
pub struct LogReader {
    path: PathBuf,
    file: Option<BufReader<File>>,
    /// Where the next line begins.
    offset: u64,
    lines: u64,
}

impl LogReader {
    pub fn new(folder: &RunFolder) -> Self {
        Self { path: folder.file(files::EVENTS), file: None, offset: 0, lines: 0 }
    }

    /// The next lines; none at the end of what is written so far.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is no event. The last line may be written at this
    /// moment: without its newline it does not count yet.
    pub fn batch(&mut self) -> Result<Vec<Line>> {
        let cannot = |path: &PathBuf| format!("{}: cannot be read", path.display());
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(BufReader::with_capacity(1 << 18, file)),
                // A run that has not begun has no log.
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(e) => return Err(e).with_context(|| cannot(&self.path)),
            }
        }
        let Some(file) = &mut self.file else {
            return Ok(Vec::new());
        };
        let mut batch = Vec::new();
        let mut text = Vec::new();
        while batch.len() < BATCH {
            text.clear();
            let length = file.read_until(b'\n', &mut text).with_context(|| cannot(&self.path))?;
            if length > LINE_LIMIT {
                bail!("{}, line {}: longer than any event", self.path.display(), self.lines + 1);
            }
            if text.last() != Some(&b'\n') {
                file.seek(SeekFrom::Start(self.offset)).with_context(|| cannot(&self.path))?;
                break;
            }
            self.lines += 1;
            self.offset += length as u64;
            let line = serde_json::from_slice(&text).with_context(|| {
                let path = self.path.display();
                format!("{path}, line {}: no event of this version; the file is damaged", self.lines)
            })?;
            batch.push(line);
        }
        Ok(batch)
    }

    /// Folds all that is written so far into a view.
    ///
    /// # Errors
    /// As [`LogReader::batch`], and if events are missing.
    pub fn fold(&mut self, view: &mut RunView) -> Result<()> {
        loop {
            let batch = self.batch()?;
            if batch.is_empty() {
                return Ok(());
            }
            for line in &batch {
                view.apply(line).with_context(|| format!("{}: damaged", self.path.display()))?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write as _};

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
        let mut reader = LogReader::new(&folder);
        let (head, tail) = text[1].split_at(20);
        write!(file, "{}\n{head}", text[0]).expect("written");
        assert_eq!(reader.batch().expect("readable"), lines[..1]);
        writeln!(file, "{tail}").expect("written");
        assert_eq!(reader.batch().expect("readable"), lines[1..2]);
        assert_eq!(reader.batch().expect("readable"), []);
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
            format!("{}, line {line}: no event of this version; the file is damaged", path.display())
        );
    }
}
