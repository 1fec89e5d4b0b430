//! Searchers against each other on the table.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{Dataset, Table, TableEstimator};
use crate::{
    cost::Limits,
    search::{Ask, Estimator as _, Flow, Schedule, Search, SearchSettings},
    searcher::SearcherKind,
    space::Space,
};

/// Individuals of every searcher, as in the paper.
const POPULATION: u32 = 20;

/// How a searcher did over all seeds. Accuracies are per cent; deviations are those of a sample, and
/// 0 for a single seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearcherResult {
    pub searcher: SearcherKind,
    /// Of the best accuracy among all evaluations.
    pub best_mean: f64,
    pub best_sd: f64,
    /// Of the mean accuracy of the final population.
    pub population_mean: f64,
    pub population_sd: f64,
}

/// Runs every searcher with seeds 0, 1, … until its evaluations are spent.
///
/// Looking at the final population is free: it is looked up, not estimated.
pub fn benchmark_searchers(
    table: &Table,
    dataset: Dataset,
    evaluations: NonZeroU32,
    seeds: NonZeroU32,
    searchers: &[SearcherKind],
) -> Vec<SearcherResult> {
    searchers
        .iter()
        .map(|&searcher| {
            let outcomes = (0..seeds.get()).map(|seed| {
                search_once(table, dataset, settings(searcher, evaluations, u64::from(seed)), evaluations)
            });
            let (best, population): (Vec<_>, Vec<_>) = outcomes.unzip();
            let (best_mean, best_sd) = mean_and_deviation(&best);
            let (population_mean, population_sd) = mean_and_deviation(&population);
            SearcherResult { searcher, best_mean, best_sd, population_mean, population_sd }
        })
        .collect()
}

fn settings(searcher: SearcherKind, evaluations: NonZeroU32, seed: u64) -> SearchSettings {
    SearchSettings {
        space: Space::NasBench201,
        searcher,
        population: POPULATION as usize,
        generations: evaluations.get().div_ceil(POPULATION),
        seed,
        // Nothing is trained.
        schedule: Schedule::default(),
        limits: Limits::default(),
    }
}

/// The best accuracy within the budget, and the final population's mean.
fn search_once(
    table: &Table,
    dataset: Dataset,
    settings: SearchSettings,
    evaluations: NonZeroU32,
) -> (f64, f64) {
    let mut estimator = TableEstimator::new(table, dataset);
    let (mut search, _) = Search::new(settings).expect("an even population and at least one generation");
    let (mut best, mut left) = (0.0_f64, evaluations.get() as usize);
    while let (1.., Ask::Estimate(estimation)) = (left, search.ask()) {
        let Ok(estimates) = estimator.estimate(&estimation, &|_| Flow::Go);
        let estimates = estimates.expect("nobody aborted");
        // The second of a pair may lie beyond an odd budget.
        best = estimates.iter().take(left).map(|estimate| estimate.accuracy).fold(best, f64::max);
        left -= left.min(estimates.len());
        search.tell(&estimates);
    }
    let population = &search.state().population;
    let accuracies = population.iter().map(|individual| {
        table.accuracy_at(dataset, &individual.position).expect("positions stay in their bounds")
    });
    (best, accuracies.sum::<f64>() / f64::from(POPULATION))
}

/// Mean, and the standard deviation of a sample.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (values.len() - 1).max(1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tabular::{ARCHITECTURES, OPERATIONS};

    /// A table in which accuracy is how many edges are 3×3 convolutions.
    fn table() -> Table {
        let accuracy = |number: usize| {
            let edges = (0..6).map(|edge| number / OPERATIONS.len().pow(edge) % OPERATIONS.len());
            10.0 * edges.filter(|&index| index == 3).count() as f64
        };
        Table { accuracies: (0..ARCHITECTURES).map(|number| [accuracy(number); 3]).collect() }
    }

    fn run(evaluations: u32, seeds: u32) -> Vec<SearcherResult> {
        let number = |n| NonZeroU32::new(n).expect("not 0");
        benchmark_searchers(
            &table(),
            Dataset::Cifar10,
            number(evaluations),
            number(seeds),
            &SearcherKind::ALL,
        )
    }

    #[test]
    fn searchers_that_look_at_losses_beat_those_that_do_not() {
        let results = run(400, 20);
        let population =
            |searcher| results.iter().find(|r| r.searcher == searcher).expect("ran").population_mean;
        for learning in [SearcherKind::SlowFast, SearcherKind::RegularizedEvolution] {
            for blind in [SearcherKind::Random, SearcherKind::CoinFlip] {
                assert!(population(learning) > population(blind) + 5.0, "{results:?}");
            }
        }
        // A fresh vector has a 3×3 convolution on every fifth of six edges.
        assert!((population(SearcherKind::Random) - 12.0).abs() < 2.0, "{results:?}");
    }

    #[test]
    fn only_the_budget_counts() {
        // With one evaluation all searchers see the same vector or one of its population.
        for result in run(1, 200) {
            assert!((result.best_mean - 12.0).abs() < 3.0, "{result:?}");
        }
        for (one, two) in run(1, 50).iter().zip(run(2, 50)) {
            assert!(one.best_mean <= two.best_mean);
        }
    }

    #[test]
    fn a_single_seed_has_no_deviation() {
        assert_eq!(mean_and_deviation(&[93.0]), (93.0, 0.0));
        assert_eq!(mean_and_deviation(&[1.0, 3.0]), (2.0, 2.0_f64.sqrt()));
    }
}
