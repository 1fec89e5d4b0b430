//! Appending to a run's log, `events.jsonl`, and finding out how much of it is whole.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use relativenas_core::{
    event::{Event, Line},
    protocol::LINE_LIMIT,
};

use crate::{clock, disk::Disk};

/// How much of the log is valid: recorded in checkpoints, and sent to clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Extent {
    /// The number of events, which is also the number of the next one.
    pub events: u64,
    /// The length in bytes.
    pub length: u64,
}

/// The log of a run, opened for appending.
pub struct EventLog {
    file: File,
    extent: Extent,
}

impl EventLog {
    /// Opens or creates the log and cuts it back to `extent`; events beyond it were never confirmed
    /// by a checkpoint and will happen again.
    ///
    /// Returns how many bytes were cut.
    ///
    /// # Errors
    /// If the file cannot be opened, or is shorter than the checkpoint says.
    pub fn open(path: &Path, extent: Extent) -> io::Result<(Self, u64)> {
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        let found = file.metadata()?.len();
        if found < extent.length {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "{} has {found} bytes, but the checkpoint was taken at {}",
                    path.display(),
                    extent.length
                ),
            ));
        }
        file.set_len(extent.length)?;
        file.seek(SeekFrom::End(0))?;
        file.sync_all()?;
        Ok((Self { file, extent }, found - extent.length))
    }

    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Appends events. If that fails, the log is as before, and the same call can be made again.
    ///
    /// # Errors
    /// If the disk refuses, for example because it is full.
    pub fn append(&mut self, disk: &Disk, events: &[Event]) -> io::Result<()> {
        disk.permit()?; // If the claim is lost, the log belongs to another process, and must not even be cut.
        let mut bytes = Vec::new();
        let mut seq = self.extent.events;
        for event in events {
            serde_json::to_writer(&mut bytes, &Line { seq, time: clock::now(), event: event.clone() })?;
            bytes.push(b'\n');
            seq += 1;
        }
        if let Err(error) = disk.write(&mut self.file, &bytes) {
            self.file.set_len(self.extent.length)?;
            self.file.seek(SeekFrom::Start(self.extent.length))?;
            return Err(error);
        }
        self.extent = Extent { events: seq, length: self.extent.length + bytes.len() as u64 };
        Ok(())
    }

    /// Waits until all events that were appended are on the disk.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn sync(&self, disk: &Disk) -> io::Result<()> {
        disk.sync(&self.file)
    }
}

/// The extent of the log's whole lines that can be read and follow each other; a torn last line,
/// as a crash leaves it, does not count.
///
/// # Errors
/// If the file cannot be read.
pub fn whole_lines(path: &Path) -> io::Result<Extent> {
    let mut extent = Extent::default();
    let mut reader = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(extent),
        Err(error) => return Err(error),
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        // A damaged log may be one line without end.
        let read = (&mut reader).take(LINE_LIMIT as u64).read_until(b'\n', &mut line)? as u64;
        let whole = line.ends_with(b"\n");
        let follows = serde_json::from_slice::<Line>(&line).is_ok_and(|l| l.seq == extent.events);
        if read == 0 || !whole || !follows {
            return Ok(extent);
        }
        extent = Extent { events: extent.events + 1, length: extent.length + read };
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::WriteStep;

    fn finished(generation: u32) -> Event {
        Event::GenerationFinished { generation, diversity: 0.1, moves: Vec::new() }
    }

    #[test]
    fn what_a_checkpoint_did_not_confirm_is_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        let (mut log, _) = EventLog::open(&path, Extent::default()).expect("opened");
        log.append(&Disk::default(), &[finished(0)]).expect("written");
        let confirmed = log.extent();
        log.append(&Disk::default(), &[finished(1), finished(2)]).expect("written");
        assert_eq!(whole_lines(&path).expect("read"), log.extent());

        let (mut log, cut) = EventLog::open(&path, confirmed).expect("opened");
        assert!(cut > 0);
        log.append(&Disk::default(), &[finished(9)]).expect("written");
        let text = fs::read_to_string(&path).expect("read");
        assert!(text.contains("\"seq\":1") && text.contains("\"generation\":9"));
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn a_torn_last_line_does_not_count() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        let (mut log, _) = EventLog::open(&path, Extent::default()).expect("opened");
        log.append(&Disk::default(), &[finished(0), finished(1)]).expect("written");
        let bytes = fs::read(&path).expect("read");
        for torn in 1..bytes.len() {
            fs::write(&path, &bytes[..torn]).expect("written");
            let whole = whole_lines(&path).expect("read");
            let complete = bytes[..torn].iter().filter(|b| **b == b'\n').count() as u64;
            assert_eq!(whole.events, complete, "torn at {torn}");
        }
    }

    #[test]
    fn garbage_after_whole_lines_does_not_count() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        let (mut log, _) = EventLog::open(&path, Extent::default()).expect("opened");
        log.append(&Disk::default(), &[finished(0), finished(1)]).expect("written");
        let whole = fs::read(&path).expect("read");
        for garbage in [&b"\0\0\0\0"[..], b"\n", b"{}\n", b"\xff\xfe\n", &whole] {
            fs::write(&path, [&whole, garbage].concat()).expect("written");
            assert_eq!(whole_lines(&path).expect("read"), log.extent(), "{garbage:?}");
        }
        // A gigabyte without a newline, which takes no room on the disk.
        fs::write(&path, &whole).expect("written");
        OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(1 << 30)).expect("made");
        assert_eq!(whole_lines(&path).expect("read"), log.extent());
    }

    #[test]
    fn a_log_shorter_than_its_checkpoint_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        let error = EventLog::open(&path, Extent { events: 3, length: 99 }).err().expect("refused");
        assert!(error.to_string().ends_with("has 0 bytes, but the checkpoint was taken at 99"), "{error}");
    }

    #[test]
    fn a_failed_write_leaves_the_log_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        let (mut log, _) = EventLog::open(&path, Extent::default()).expect("opened");
        log.append(&Disk::default(), &[finished(0)]).expect("written");
        let before = fs::read(&path).expect("read");
        let full = Disk::failing(|step| match step {
            WriteStep::Write => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        });
        log.append(&full, &[finished(1)]).expect_err("the disk is full");
        assert_eq!(fs::read(&path).expect("read"), before);
        log.append(&Disk::default(), &[finished(1)]).expect("there is room again");
        assert_eq!(whole_lines(&path).expect("read").events, 2);
    }
}
