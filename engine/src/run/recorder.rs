//! The thread that writes a run's files: events to the log, checkpoints and weights beside it, in the order in which
//! they were sent.
//!
//! Clients read the log as a file, and are told its length. A checkpoint is written in this thread instead of
//! the one that trains; the log is on the disk before a checkpoint refers to its length.

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
    checkpoint::{self, CheckpointProgress, CheckpointState},
    control::Control,
    disk::Disk,
    log::{EventLog, Extent},
    tensors,
};

/// The time between attempts to write while the disk is full.
const RETRY: Duration = Duration::from_millis(500);

/// The number of records that may wait, by which the work may be ahead of the disk.
const QUEUE: usize = 4;

/// What the thread that does the work has written.
pub enum Record {
    Events(Vec<Event>),
    /// A checkpoint. Its tensors are never changed in place, although the training continues.
    Checkpoint {
        progress: Box<CheckpointProgress>,
        weights: BTreeMap<String, Tensor>,
    },
    /// A file of weights, which replaces the one before. It is for other programs; the run itself never reads
    /// it.
    Weights {
        /// The name of the file in the folder `weights` of the run.
        file: &'static str,
        weights: BTreeMap<String, Tensor>,
        /// The description of the network that the weights belong to.
        network: Box<TrainedNetwork>,
    },
}

/// The sender of records to the thread that writes them.
pub struct Recorder {
    /// The sender and the thread; `None` writes nothing.
    writer: Option<(mpsc::SyncSender<Record>, thread::JoinHandle<io::Result<()>>)>,
}

/// The error that the recorder's thread has ended; [`Recorder::finish`] gives the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the run's folder cannot be written any more")]
pub struct RecorderGone;

impl Recorder {
    /// Starts the thread. `extent` is updated with the length of the log, for the server.
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

    /// The recorder of a rank other than the first, which writes nothing.
    pub fn nowhere() -> Self {
        Self { writer: None }
    }

    /// Passes a record to the thread.
    ///
    /// # Errors
    /// If the thread had to give up; [`Recorder::finish`] gives the reason.
    pub fn send(&self, record: Record) -> Result<(), RecorderGone> {
        match &self.writer {
            Some((records, _)) => records.send(record).map_err(|_| RecorderGone),
            None => Ok(()),
        }
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// The error because of which the thread gave up.
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
    /// Writes one record. While the disk is full, the run is paused with a notice, and writing is tried
    /// again.
    fn record(&mut self, record: &Record) -> io::Result<()> {
        let mut stalled = false;
        loop {
            match self.try_record(record) {
                Ok(()) => break,
                Err(error) if passes(&error) && !self.control.aborted() => {
                    if !stalled {
                        super::log_line(&format!("cannot write ({error}); waiting"));
                        self.control.stall(Some(format!(
                            "cannot write: {error}; the run waits, and continues once it can"
                        )));
                        stalled = true;
                    }
                    thread::sleep(RETRY);
                }
                Err(error) => return Err(error),
            }
        }
        if stalled {
            super::log_line("writing works again");
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
                let state = CheckpointState { log: self.log.extent(), progress: (**progress).clone() };
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

/// Whether an error may pass once space is freed.
fn passes(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::Interrupted
    )
}
