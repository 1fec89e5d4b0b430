//! What a training is over: a network with its images, what it minimises and how it is judged.

use std::collections::{BTreeMap, BTreeSet};

use relativenas_core::{
    event::Part,
    loss::Loss,
    search::{BatchDone, Flow},
};
use tch::Tensor;

use crate::training::Position;

/// Tensors by their published names.
pub type Named = BTreeMap<String, Tensor>;

/// Photographs that a training goes on without, by their places: training images, then test images.
pub type LeftOut = [BTreeSet<usize>; 2];

/// Called after a batch; says whether to go on.
pub type AfterBatch<'a> = &'a dyn Fn(BatchDone) -> Flow;

/// Called after a step, with what has taken it; says whether to go on.
pub type AfterStep<'a> = &'a mut dyn FnMut(&dyn Subject, BatchDone) -> anyhow::Result<Flow>;

/// What an epoch's training gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    pub loss: Loss,
    /// Per cent; not a number where nobody counts what is right.
    pub accuracy: f64,
}

/// What images said about weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    pub loss: Loss,
    /// Accuracy, or the metric of the task, per cent.
    pub metric: f64,
    /// Accuracy among the first five, per cent; not a number where there is none.
    pub top5: f64,
    pub images: usize,
    pub part: Part,
}

impl Judgement {
    /// Without images nothing is known.
    pub const NOTHING: Self =
        Self { loss: Loss::NAN, metric: f64::NAN, top5: f64::NAN, images: 0, part: Part::Test };
}

/// Everything that a subject needs to go on, as plain values and tensors that nobody changes.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub position: Position,
    pub weights: Named,
    /// What its optimizer remembers.
    pub optimizer: Named,
}

/// A network in training. Whoever trains it decides when to stop, store and judge.
pub trait Subject: Send {
    fn epochs(&self) -> u32;

    /// Epochs that are finished, and batches done of the one after those.
    fn place(&self) -> (u32, usize);

    /// Learning rate and drop path of an epoch.
    fn rates(&self, epoch: u32) -> (f64, f64);

    /// Images to learn from, and to choose the best epoch with.
    fn images(&self) -> (usize, usize);

    /// Before an epoch's first or next step.
    fn begin(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// The steps of the epoch that are left. Says whether nobody ended them.
    fn train(&mut self, after: AfterStep<'_>) -> anyhow::Result<bool>;

    /// What the epoch gave so far.
    fn figures(&self) -> anyhow::Result<Figures>;

    /// The epoch in hand is finished, the next one begins.
    fn next_epoch(&mut self) -> anyhow::Result<()>;

    /// Judges the weights as they are on the images kept apart; `None` if somebody ended it.
    fn validate(&self, after: AfterBatch<'_>) -> anyhow::Result<Option<Judgement>>;

    /// Judges weights in the end; `None` if somebody ended it.
    fn test(&self, weights: &Named, after: AfterBatch<'_>) -> anyhow::Result<Option<Judgement>>;

    /// Copies of the weights.
    fn weights(&self) -> anyhow::Result<Named>;

    fn snapshot(&self) -> anyhow::Result<Snapshot>;

    /// How many photographs there are, of all parts, that may be looked at before hours are spent.
    fn photographs(&self) -> usize {
        0
    }

    /// Looks at them, and goes on without faulty ones as far as the settings allow. Says whether nobody
    /// ended it.
    fn survey(&mut self, _leaving: &(dyn Fn() -> bool + Sync)) -> anyhow::Result<bool> {
        Ok(true)
    }

    fn left_out(&self) -> LeftOut {
        LeftOut::default()
    }

    /// Goes on without these photographs.
    fn leave_out(&mut self, _left_out: LeftOut) -> anyhow::Result<()> {
        Ok(())
    }
}
