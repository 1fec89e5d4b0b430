//! The settings of an estimator, its errors, and the weights that it returns.

use std::collections::BTreeMap;

use relativenas_core::{
    config::Precision, finals::Judge, network::NetworkShape, population::IndividualId, search::Slot,
    space::VectorError, weight_set::WeightKey,
};
use tch::TchError;

use crate::{
    device::Sharing,
    learner::LearnerSettings,
    network::{ModuleWeights, WeightsError},
    optimizer::SgdSettings,
};

/// The settings of a [`super::NetworkEstimator`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EstimatorSettings {
    pub shape: NetworkShape,
    /// Whether the batch norms in the cells of networks with shared weights have a factor and an offset.
    /// Networks that are trained from scratch always have them.
    pub affine: bool,
    pub learner: LearnerSettings,
    /// Whether the candidates of a search and its ranking are validated with the weights that they inherit,
    /// without training. Those of a warm-up are trained.
    pub one_shot: bool,
    /// The loss that the estimates of a search have.
    pub judge: Judge,
    /// The number of batches on which batch norm's statistics are estimated anew before a network with shared
    /// weights is validated; 0 keeps the running statistics of training.
    pub statistics: usize,
    pub sgd: SgdSettings,
    pub seed: u64,
    /// The precision of libtorch's kernels; the kernels in [`crate::cpu`] compute in f32 only.
    pub precision: Precision,
    pub sharing: Sharing,
}

/// Why learners cannot be trained.
#[derive(Debug, thiserror::Error)]
pub enum EstimateError {
    #[error("individual {individual}: {error}")]
    Vector { individual: IndividualId, error: VectorError },
    #[error("the stored weight set does not fit: {0}")]
    Weights(WeightsError),
    #[error("the device failed: {0}")]
    Device(#[from] TchError),
    #[error("there are no images for `data.{half}_images`; use a data set with more images")]
    NoImages { half: &'static str },
    #[error(
        "images of {side} pixels do not fit the search network, which halves them twice: resize them to {below} or \
         {above} pixels (multiples of 4 from 36 on fit; images of 32 or fewer pixels fit too, because they are framed \
         in black)",
        below = below(*side), above = side.next_multiple_of(4)
    )]
    Side { side: usize },
}

impl From<WeightsError> for EstimateError {
    fn from(error: WeightsError) -> Self {
        match error {
            WeightsError::Device(error) => Self::Device(error),
            error @ (WeightsError::Missing(_) | WeightsError::Shape { .. }) => Self::Weights(error),
        }
    }
}

/// The largest side that fits, below one that does not.
fn below(side: usize) -> usize {
    side / 4 * 4
}

/// The weights of one learner, by module.
pub type LearnerWeights = BTreeMap<WeightKey, ModuleWeights>;

/// The weights of all candidates after an estimation.
#[derive(Debug, Default)]
pub struct TrainedWeights(pub(super) Vec<LearnerWeights>);

impl TrainedWeights {
    /// The weights of a candidate, by its index among those that were trained by this estimator.
    ///
    /// # Panics
    /// If there is no such candidate.
    pub fn held(&self, slot: Slot) -> &LearnerWeights {
        &self.0[slot]
    }
}
