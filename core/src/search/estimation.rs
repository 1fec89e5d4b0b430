//! What a search asks an estimator for, and what the estimator returns.

use serde::{Deserialize, Serialize};

use crate::{loss::Loss, number, population::IndividualId};

/// A request to train and validate independent candidates: those of one pair, or of all pairs that are estimated at
/// once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimation {
    pub stage: Stage,
    pub generation: u32,
    /// The number of the pair in its generation, counted from 0; of several pairs, that of the first.
    pub pair: usize,
    /// How often the pair was estimated before, because its losses were too near to each other. Each time it begins
    /// with the same weights, and its random draws are different.
    #[serde(default)]
    pub repeat: u32,
    pub learning_rate: f64,
    /// The probability that a path is dropped.
    pub drop_path: f64,
    pub candidates: Vec<Candidate>,
}

/// The part of a search that an estimation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Candidates are trained and their weights adopted into the weight set. They are not validated, so their losses
    /// and accuracies are NaN, and no individuals are compared.
    WarmUp,
    /// Candidates are compared, and their weights are adopted into the weight set.
    Search,
    /// The last population is ranked; no weights are adopted.
    Ranking,
}

/// An architecture vector that is to be estimated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The individual that has this position; in a warm-up, the number of the network among those of its generation.
    pub individual: IndividualId,
    pub position: Vec<f64>,
}

/// The result of training a candidate for one epoch and validating it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean cross-entropy that the candidate is judged by; lower is better. It is that on the validation half or,
    /// where `search.judge` is training-loss, that over the training epoch. It may be NaN or infinite.
    pub loss: Loss,
    /// The accuracy on the validation half, in per cent.
    #[serde(with = "number")]
    pub accuracy: f64,
    /// The mean cross-entropy over the training epoch; NaN if the candidate was not trained.
    pub train_loss: Loss,
    /// The number of operations that inherited trained weights.
    pub hits: usize,
    /// The number of operations that no learner had trained before, and that began with fresh weights.
    pub misses: usize,
}

/// The index of a candidate in its estimation, counted from 0. Estimates and trained weights are in the same order.
/// [`Candidate::individual`] tells which individual the candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub usize);

/// The result of comparing a pair: which candidate learns from which, and which weights are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The fast learner; `None` if no loss was a number, and in a warm-up.
    pub fast: Option<Slot>,
    /// The slow learner; `None` also for searchers that estimate one candidate at a time.
    pub slow: Option<Slot>,
    /// The candidates whose weights enter the weight set: the first gives all its modules, the others only the
    /// operations that no candidate before them has. Empty if no loss was a number, or if nothing was trained.
    pub gives: Vec<Slot>,
}

/// Whether an estimation or a training may go on after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Go,
    /// It ends here, and its results are not used.
    Abort,
}

/// How far a network is in its epoch or its validation. It is reported after each batch; while the run is paused, the
/// call that reports it does not return.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchDone {
    pub validating: bool,
    /// The number of batches of this epoch or validation that are done.
    pub batch: usize,
    /// The number of all its batches.
    pub batches: usize,
    /// The number of images in this batch.
    pub images: usize,
    /// The mean loss so far; `None` if it was not read from the device.
    pub loss: Option<Loss>,
}

/// The results of an estimation.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimated<T> {
    /// One estimate for each candidate, in the order of the candidates.
    pub estimates: Vec<Estimate>,
    /// The weights of the candidates after training, for [`Estimator::adopt`].
    pub trained: T,
}

/// Performance estimation: finds the losses of candidates. The engine has an implementation with libtorch;
/// [`TableEstimator`](crate::tabular::TableEstimator) takes losses from a table.
pub trait Estimator {
    type Error;
    /// The weights of an estimation's candidates.
    type Trained;

    /// Trains every candidate from inherited weights and validates it. `progress` is called after each batch of each
    /// candidate, possibly from several threads.
    ///
    /// Returns `None` if `progress` returned [`Flow::Abort`].
    ///
    /// # Errors
    /// If the device fails. A loss that is not a number is no error.
    fn estimate(
        &mut self,
        estimation: &Estimation,
        progress: &(dyn Fn(Slot, BatchDone) -> Flow + Sync),
    ) -> Result<Option<Estimated<Self::Trained>>, Self::Error>;

    /// Writes weights that were trained in `estimation` to the weight set, as the verdict on one of its pairs says.
    /// If a pair was estimated more than once, these are the weights of the last time.
    ///
    /// # Errors
    /// If the device fails.
    fn adopt(
        &mut self,
        estimation: &Estimation,
        trained: &Self::Trained,
        verdict: &Verdict,
    ) -> Result<(), Self::Error>;
}
