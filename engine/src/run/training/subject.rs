//! What is trained in a training: a network with its images, its loss and its evaluation.

use std::collections::{BTreeMap, BTreeSet};

use relativenas_core::{
    event::Part,
    loss::Loss,
    search::{BatchDone, Flow},
};
use tch::Tensor;

use crate::training::Position;

/// Tensors by their published names.
pub type NamedTensors = BTreeMap<String, Tensor>;

/// Indices of photographs that are left out: of training images, then of test images.
pub type LeftOut = [BTreeSet<usize>; 2];

/// Called after a batch; returns whether to go on.
pub type AfterBatch<'a> = &'a dyn Fn(BatchDone) -> Flow;

/// Called after a step with the subject; returns whether to go on.
pub type AfterStep<'a> = &'a mut dyn FnMut(&dyn Subject, BatchDone) -> anyhow::Result<Flow>;

/// The results of training for an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingFigures {
    pub loss: Loss,
    /// Training accuracy in per cent; NaN where it is not counted.
    pub accuracy: f64,
}

/// The results of validating or testing weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    pub loss: Loss,
    /// The accuracy, or the metric of the task, in per cent.
    pub metric: f64,
    /// The accuracy among the five highest scores, in per cent; NaN where it is not defined.
    pub top5: f64,
    pub images: usize,
    /// The part of the data that the images belong to. It is read after tests only.
    pub part: Part,
}

impl Judgement {
    /// The results without any images.
    pub const NOTHING: Self =
        Self { loss: Loss::NAN, metric: f64::NAN, top5: f64::NAN, images: 0, part: Part::Test };
}

/// Everything that a subject needs to continue, as plain values and tensors that are never changed in place.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub position: Position,
    pub weights: NamedTensors,
    /// The tensors of the optimizer.
    pub optimizer: NamedTensors,
}

/// A network in training. The caller decides when to stop, store and validate.
pub trait Subject: Send {
    fn epochs(&self) -> u32;

    /// The number of epochs that are finished, and of batches that are done in the current one.
    fn place(&self) -> (u32, usize);

    /// The learning rate and the drop path probability of an epoch.
    fn rates(&self, epoch: u32) -> (f64, f64);

    /// The numbers of training and validation images.
    fn images(&self) -> (usize, usize);

    /// Called before the first or next step of an epoch.
    fn begin(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Carries out the remaining steps of the epoch; returns false if `after` ended them.
    fn train(&mut self, after: AfterStep<'_>) -> anyhow::Result<bool>;

    /// The results of the epoch so far.
    fn figures(&self) -> anyhow::Result<TrainingFigures>;

    /// Ends the current epoch and begins the next one.
    fn next_epoch(&mut self) -> anyhow::Result<()>;

    /// Validates the current weights; returns `None` if `after` ended it.
    fn validate(&self, after: AfterBatch<'_>) -> anyhow::Result<Option<Judgement>>;

    /// Tests weights in the end; returns `None` if `after` ended it.
    fn test(&self, weights: &NamedTensors, after: AfterBatch<'_>) -> anyhow::Result<Option<Judgement>>;

    /// Copies of the weights.
    fn weights(&self) -> anyhow::Result<NamedTensors>;

    /// What is stored in a checkpoint now.
    fn snapshot(&self) -> anyhow::Result<Snapshot>;

    /// The number of photographs, of all parts, that can be checked before the training begins.
    fn photographs(&self) -> usize {
        0
    }

    /// Reads all photographs, and leaves out faulty ones as far as the settings allow. Returns false if it
    /// was ended early.
    fn survey(&mut self, _leaving: &(dyn Fn() -> bool + Sync)) -> anyhow::Result<bool> {
        Ok(true)
    }

    /// The photographs that were left out so far.
    fn left_out(&self) -> LeftOut {
        LeftOut::default()
    }

    /// Leaves out these photographs; from now on [`Subject::left_out`] returns them.
    fn leave_out(&mut self, _left_out: LeftOut) -> anyhow::Result<()> {
        Ok(())
    }
}
