//! Slow-fast learning with verdicts drawn by lot, as a control: it shows what slow-fast learning does without the
//! information in losses.

use super::{
    rule::{Searcher, compare, verdict},
    slow_fast::SlowFast,
};
use crate::{
    population::{Individual, IndividualId},
    randomness::{Purpose, Streams},
    search::{
        estimation::{Estimate, Estimation, Slot, Verdict},
        settings::SearchSettings,
        state::SearchState,
    },
};

pub(super) struct CoinFlip;

impl Searcher for CoinFlip {
    fn judge(
        &self,
        streams: &Streams,
        estimation: &Estimation,
        estimates: &[Estimate],
        violations: &[f64],
    ) -> Verdict {
        if estimates.iter().any(|e| !e.loss.is_finite()) {
            // A learner whose loss is not a number is never the fast one, not even by lot.
            return compare(estimates, violations);
        }
        let mut lot = streams.stream(Purpose::Lot, u64::from(estimation.generation), estimation.pair as u64);
        let fast = lot.below(2);
        verdict(Slot(fast), Slot(1 - fast), estimates)
    }

    fn advance(
        &self,
        settings: &SearchSettings,
        streams: &Streams,
        state: &SearchState,
    ) -> Vec<(IndividualId, Individual)> {
        SlowFast.advance(settings, streams, state)
    }
}
