//! The work of a run: a search or a training.

use std::sync::Arc;

use relativenas_core::{
    latency::LatencyTable,
    manifest::{EngineFacts, Job, Manifest},
};

use super::{
    checkpoint::Checkpoint,
    control::{Bounds, Control},
    outcome::Outcome,
    recorder::Recorder,
    searching::SearchJob,
    training::TrainingJob,
};
use crate::ranks::Ranks;

/// The work of a run, ready to begin or to be resumed from a checkpoint.
pub enum RunJob {
    Search(Box<SearchJob>),
    Train(Box<TrainingJob>),
}

impl RunJob {
    /// Reads the data, finds the device, and begins the run or restores it from the checkpoint.
    ///
    /// # Errors
    /// If the data, the device or the checkpoint is not what the manifest asks for.
    pub fn prepare(
        manifest: &Manifest,
        checkpoint: Option<Checkpoint>,
        ranks: &Arc<dyn Ranks>,
    ) -> anyhow::Result<(Self, EngineFacts)> {
        match manifest.job {
            Job::Search => SearchJob::prepare(manifest, checkpoint, ranks)
                .map(|(job, facts)| (Self::Search(Box::new(job)), facts)),
            Job::Train => TrainingJob::prepare(manifest, checkpoint, Arc::clone(ranks))
                .map(|(job, facts)| (Self::Train(Box::new(job)), facts)),
        }
    }

    /// The latency table, if latencies have a limit.
    pub fn latencies(&self) -> Option<Arc<LatencyTable>> {
        match self {
            Self::Search(job) => job.latencies(),
            Self::Train(_) => None,
        }
    }

    /// The bounds against which commands are checked.
    pub fn bounds(&self) -> Bounds {
        match self {
            Self::Search(job) => job.bounds(),
            Self::Train(job) => job.bounds(),
        }
    }

    /// Works until the work is done or the run is stopped; returns which of these happened.
    ///
    /// # Errors
    /// If the device fails, or the folder cannot be written any more.
    pub fn go_on(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<Outcome> {
        match self {
            Self::Search(job) => job.go_on(control, recorder),
            Self::Train(job) => job.go_on(control, recorder),
        }
    }
}
