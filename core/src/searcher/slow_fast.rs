//! Slow-fast learning, the searcher of RelativeNAS.

use super::rule::{Searcher, compare};
use crate::{
    population::{Individual, IndividualId},
    randomness::{Purpose, Streams},
    search::{
        estimation::{Estimate, Estimation, Verdict},
        settings::SearchSettings,
        state::SearchState,
    },
    slow_fast::{learn, mutate},
};

pub(super) struct SlowFast;

impl Searcher for SlowFast {
    fn judge(&self, _: &Streams, _: &Estimation, estimates: &[Estimate], violations: &[f64]) -> Verdict {
        compare(estimates, violations)
    }

    fn advance(
        &self,
        settings: &SearchSettings,
        streams: &Streams,
        state: &SearchState,
    ) -> Vec<(IndividualId, Individual)> {
        let genes = settings.space.genes();
        state
            .lessons
            .iter()
            .map(|lesson| {
                let mut stream =
                    streams.stream(Purpose::Learning, u64::from(state.generation), lesson.slow.0 as u64);
                let lambda1: Vec<_> = (0..genes).map(|_| stream.unit()).collect();
                let lambda2: Vec<_> = (0..genes).map(|_| stream.unit()).collect();
                let mut slow = state.population[lesson.slow].clone();
                // Fast learners do not move, so their positions are still those that were estimated.
                learn(settings.space, &mut slow, &state.population[lesson.fast].position, &lambda1, &lambda2);
                let mut mutation =
                    streams.stream(Purpose::SlowMutation, u64::from(state.generation), lesson.slow.0 as u64);
                mutate(settings.space, &mut slow, settings.mutation, &mut mutation);
                (lesson.slow, slow)
            })
            .collect()
    }
}
