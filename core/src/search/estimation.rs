//! What a search asks of an estimator, and what it is told.

use serde::{Deserialize, Serialize};

use crate::{loss::Loss, number, population::IndividualId};

/// Independent candidates to train and validate: those of a pair, or of as many pairs as are estimated at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimation {
    pub stage: Stage,
    pub generation: u32,
    /// Which pair of this generation it is, or the first of those that it is, from 0.
    pub pair: usize,
    /// How often the pair was estimated before, because its losses were too near to each other. Every time
    /// with other draws, and from the same weights.
    #[serde(default)]
    pub repeat: u32,
    pub learning_rate: f64,
    /// Probability that a path is dropped.
    pub drop_path: f64,
    pub candidates: Vec<Candidate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Results are adopted into the weight set, and no individual is judged: candidates are trained, not validated,
    /// and their losses and accuracies are NaN.
    WarmUp,
    /// Results are adopted into the weight set.
    Search,
    /// The last population is ranked; nothing is adopted.
    Ranking,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// In a warm-up, the number of the network among those of its generation.
    pub individual: IndividualId,
    pub position: Vec<f64>,
}

/// What training one epoch and validating gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean cross-entropy on the validation half; lower is better. May be NaN or infinite.
    pub loss: Loss,
    /// Per cent of the validation half.
    #[serde(with = "number")]
    pub accuracy: f64,
    /// Mean cross-entropy over the training epoch.
    pub train_loss: Loss,
    /// Inherited operations that had been trained before.
    pub hits: usize,
    /// Inherited operations that started fresh.
    pub misses: usize,
}

/// A candidate by its place in the estimation, counted from 0. Estimates and trained weights are listed in this
/// order; which individual stands there, [`Candidate::individual`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub usize);

/// Which candidate of a pair learns from which, and whose weights are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub fast: Option<Slot>,
    pub slow: Option<Slot>,
    /// The candidates whose weights enter the weight set: the first gives everything it holds, the others the
    /// operations that none before them held. Empty if no loss was a number.
    pub gives: Vec<Slot>,
}

/// Says whether an estimation may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Go,
    /// Leave the estimation; nothing of it counts.
    Abort,
}

/// How far a network is in its epoch or its validation. Reported between batches; a pause holds the reporter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchDone {
    pub validating: bool,
    /// Batches done and in all, of this stage.
    pub batch: usize,
    pub batches: usize,
    pub images: usize,
    /// Mean loss so far; `None` if it was not read from the device.
    pub loss: Option<Loss>,
}

/// What an estimation found out.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimated<T> {
    /// One a candidate, in their order.
    pub estimates: Vec<Estimate>,
    /// The weights that the candidates hold after it, for [`Estimator::adopt`].
    pub trained: T,
}

/// Finds out how good candidates are. The only thing that libtorch implements.
pub trait Estimator {
    type Error;
    /// The weights of an estimation's candidates.
    type Trained;

    /// Inherits, trains and validates every candidate. `progress` is told of each batch of each candidate, and
    /// may be called from several threads.
    ///
    /// Returns `None` if `progress` said [`Flow::Abort`].
    ///
    /// # Errors
    /// If the device fails. A loss that is not a number is no error.
    fn estimate(
        &mut self,
        estimation: &Estimation,
        progress: &(dyn Fn(Slot, BatchDone) -> Flow + Sync),
    ) -> Result<Option<Estimated<Self::Trained>>, Self::Error>;

    /// Writes weights that `estimation` trained into the weight set, as the verdict on one of its pairs says. Of a
    /// pair that was estimated more than once, they are those of the last time.
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
