//! What finds losses for a search: networks that are trained, or a table.

use relativenas_core::search::{BatchDone, Estimate, Estimation, Estimator, Flow, Verdict};

use super::shared_estimation::SharedEstimator;
use crate::table::PacedTable;

/// Answers a search in its own space.
pub enum SearchEstimator {
    Network(Box<SharedEstimator>),
    /// There are no weights to inherit or adopt.
    Table(PacedTable),
}

impl Estimator for SearchEstimator {
    type Error = anyhow::Error;

    fn estimate(
        &mut self,
        estimation: &Estimation,
        progress: &(dyn Fn(BatchDone) -> Flow + Sync),
    ) -> anyhow::Result<Option<Vec<Estimate>>> {
        match self {
            Self::Network(network) => network.estimate(estimation, progress),
            Self::Table(table) => Ok(table.estimate(estimation, progress)),
        }
    }

    fn adopt(&mut self, estimation: &Estimation, verdict: &Verdict) -> anyhow::Result<()> {
        match self {
            Self::Network(network) => network.adopt(estimation, verdict),
            Self::Table(_) => Ok(()),
        }
    }
}
