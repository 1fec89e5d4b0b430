//! What a run does: it searches, or it trains.

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

/// Work that can begin, or go on where it was.
pub enum Work {
    Search(Box<SearchJob>),
    Train(Box<TrainingJob>),
}

impl Work {
    /// Reads the data, finds the device, and puts the run where it was.
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

    /// What latencies are summed by, if they have a limit.
    pub fn latencies(&self) -> Option<Arc<LatencyTable>> {
        match self {
            Self::Search(job) => job.latencies(),
            Self::Train(_) => None,
        }
    }

    /// What commands are checked against.
    pub fn bounds(&self) -> Bounds {
        match self {
            Self::Search(job) => job.bounds(),
            Self::Train(job) => job.bounds(),
        }
    }

    /// Goes on until the work is done or somebody ends it; says which.
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
