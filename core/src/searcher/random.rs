//! Random search: new random vectors in every generation, and all else as in slow-fast.

use super::rule::{Searcher, compare};
use crate::{
    population::{Individual, IndividualId, sample_position},
    randomness::Streams,
    search::{
        estimation::{Estimate, Estimation, Verdict},
        settings::SearchSettings,
        state::SearchState,
    },
};

pub(super) struct Random;

impl Searcher for Random {
    fn judge(&self, _: &Streams, _: &Estimation, estimates: &[Estimate], violations: &[f64]) -> Verdict {
        compare(estimates, violations)
    }

    fn advance(
        &self,
        settings: &SearchSettings,
        streams: &Streams,
        state: &SearchState,
    ) -> Vec<(IndividualId, Individual)> {
        let next = state.generation + 1;
        if next == settings.generations {
            // The last population is ranked as it was estimated.
            return Vec::new();
        }
        IndividualId::all(settings.population)
            .map(|i| (i, Individual::at(sample_position(settings.space, streams, next, i))))
            .collect()
    }
}
