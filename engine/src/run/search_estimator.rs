//! What a search obtains losses from: networks that are trained, or a table.

use relativenas_core::search::{BatchDone, Estimated, Estimation, Estimator, Flow, Slot, Verdict};

use super::shared_estimation::SharedEstimator;
use crate::{estimator::TrainedWeights, table::PacedTable};

/// Estimates the candidates of a search in its own space.
pub enum SearchEstimator {
    Network(Box<SharedEstimator>),
    /// A table, which has no weights to inherit or adopt.
    Table(PacedTable),
}

impl Estimator for SearchEstimator {
    type Error = anyhow::Error;
    /// Empty where a table is used.
    type Trained = TrainedWeights;

    fn estimate(
        &mut self,
        estimation: &Estimation,
        progress: &(dyn Fn(Slot, BatchDone) -> Flow + Sync),
    ) -> anyhow::Result<Option<Estimated<TrainedWeights>>> {
        match self {
            Self::Network(network) => network.estimate(estimation, progress),
            Self::Table(table) => {
                let found = table.estimate(estimation, progress);
                Ok(found.map(|estimates| Estimated { estimates, trained: TrainedWeights::default() }))
            }
        }
    }

    fn adopt(
        &mut self,
        estimation: &Estimation,
        trained: &TrainedWeights,
        verdict: &Verdict,
    ) -> anyhow::Result<()> {
        match self {
            Self::Network(network) => network.adopt(estimation, trained, verdict),
            Self::Table(_) => Ok(()),
        }
    }
}
