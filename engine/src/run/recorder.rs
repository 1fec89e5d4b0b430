//! The thread that writes: events to the log, checkpoints beside it, in the order they were sent.
//!
//! The log is the stream: clients read the file, and are told how far it reaches. A checkpoint is
//! taken off the thread that trains; the log is on the disk before a checkpoint names its length.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use relativenas_core::{event::Event, manifest::files, trained_network::TrainedNetwork};
use tch::Tensor;
use tokio::sync::watch;

use super::{
    checkpoint::{self, Progress, State},
    control::Control,
    disk::Disk,
    log::{EventLog, Extent},
    tensors,
};

/// Between tries while the disk is full.
const RETRY: Duration = Duration::from_millis(500);

/// Records that may wait: the thread that trains is at most so far ahead of the disk.
const QUEUE: usize = 4;

/// What the thread that searches wants written.
pub enum Record {
    Events(Vec<Event>),
    /// Nobody changes the tensors in place, not even the thread that trains on.
    Checkpoint {
        progress: Box<Progress>,
        weights: BTreeMap<String, Tensor>,
    },
    /// Replaces a file of weights for other programs to read; the run itself never does.
    Weights {
        /// In the run's folder `weights`.
        file: &'static str,
        weights: BTreeMap<String, Tensor>,
        /// What they are of.
        network: Box<TrainedNetwork>,
    },
}

/// The sending side, and the thread behind it.
pub struct Recorder {
    /// `None` writes nothing.
    writer: Option<(mpsc::SyncSender<Record>, thread::JoinHandle<io::Result<()>>)>,
}

/// The recorder's thread is gone; joining it says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the run's folder cannot be written any more")]
pub struct RecorderGone;

impl Recorder {
    /// Starts the thread. `extent` follows the log, for those who serve it.
    pub fn start(
        disk: Disk,
        log: EventLog,
        folder: &Path,
        control: Arc<Control>,
        extent: watch::Sender<Extent>,
    ) -> io::Result<Self> {
        let (records, inbox) = mpsc::sync_channel(QUEUE);
        let (checkpoints, weights) = (folder.join(files::CHECKPOINTS), folder.join(files::WEIGHTS));
        let mut writer = Writer { disk, log, checkpoints, weights, control, extent };
        let thread = thread::Builder::new().name("recorder".into()).spawn(move || {
            for record in inbox {
                writer.record(&record)?;
            }
            writer.log.sync(&writer.disk)
        })?;
        Ok(Self { writer: Some((records, thread)) })
    }

    /// Of a rank that leaves writing to another.
    pub fn nowhere() -> Self {
        Self { writer: None }
    }

    /// # Errors
    /// If the thread had to give up; [`Recorder::finish`] says why.
    pub fn send(&self, record: Record) -> Result<(), RecorderGone> {
        match &self.writer {
            Some((records, _)) => records.send(record).map_err(|_| RecorderGone),
            None => Ok(()),
        }
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// What made the thread give up.
    pub fn finish(self) -> io::Result<()> {
        let Some((records, thread)) = self.writer else { return Ok(()) };
        drop(records);
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the recorder's thread panicked")))
    }
}

struct Writer {
    disk: Disk,
    log: EventLog,
    checkpoints: PathBuf,
    weights: PathBuf,
    control: Arc<Control>,
    extent: watch::Sender<Extent>,
}

impl Writer {
    /// Writes one record; while the disk is full the run is stalled, says so, and this tries again.
    fn record(&mut self, record: &Record) -> io::Result<()> {
        let mut stalled = false;
        loop {
            match self.try_record(record) {
                Ok(()) => break,
                Err(error) if passes(&error) && !self.control.aborted() => {
                    if !stalled {
                        super::say(&format!("cannot write ({error}); waiting"));
                        self.control.stall(Some(format!(
                            "cannot write: {error}; the run waits and goes on by itself"
                        )));
                        stalled = true;
                    }
                    thread::sleep(RETRY);
                }
                Err(error) => return Err(error),
            }
        }
        if stalled {
            super::say("writing works again");
            self.control.stall(None);
        }
        Ok(())
    }

    fn try_record(&mut self, record: &Record) -> io::Result<()> {
        self.disk.permit()?;
        match record {
            Record::Events(events) => {
                self.log.append(&self.disk, events)?;
                self.extent.send_replace(self.log.extent());
            }
            Record::Checkpoint { progress, weights } => {
                self.log.sync(&self.disk)?;
                let state = State { log: self.log.extent(), progress: (**progress).clone() };
                checkpoint::write(&self.disk, &self.checkpoints, &state, weights)?;
            }
            Record::Weights { file, weights, network } => {
                let bytes = tensors::of_network(weights, network).map_err(io::Error::other)?;
                fs::create_dir_all(&self.weights)?;
                self.disk.replace(&self.weights.join(file), &bytes)?;
            }
        }
        Ok(())
    }
}

/// Whether an error passes when somebody makes room.
fn passes(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::Interrupted
    )
}
