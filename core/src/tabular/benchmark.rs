//! Compares searchers on the table of NAS-Bench-201.

use std::{collections::BTreeMap, fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Dataset, Table, TableEstimator};
use crate::{
    cost::Limits,
    search::{Ask, Estimator as _, Flow, Schedule, Search, SearchSettings},
    searcher::{SearcherKind, largest},
    space::Space,
};

/// The population of every searcher, as in the paper.
const POPULATION: u32 = 20;

/// A search ends after this many generations without a new architecture, whatever is left of its budget.
const PATIENCE: u32 = 1000;

/// Which estimations are charged to the budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charge {
    /// All estimations are charged, also those of architectures that the search has met before.
    #[default]
    All,
    /// Only the first estimation of each architecture is charged, because looking it up again costs nothing.
    Distinct,
}

impl Charge {
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Distinct => "distinct",
        }
    }
}

impl fmt::Display for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The error for a text that names no [`Charge`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no choice of the estimations that are charged; there are all and distinct")]
pub struct UnknownCharge(String);

impl FromStr for Charge {
    type Err = UnknownCharge;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::All, Self::Distinct]
            .into_iter()
            .find(|charge| charge.name() == name)
            .ok_or_else(|| UnknownCharge(name.to_owned()))
    }
}

/// The settings that all searchers of a benchmark share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BenchmarkSettings {
    pub dataset: Dataset,
    /// The budget of each search: the number of its evaluations, as `charge` counts them.
    pub evaluations: NonZeroU32,
    /// The number of searches with each searcher, with seeds 0, 1, …
    pub seeds: NonZeroU32,
    pub charge: Charge,
    /// As [`SearchSettings::mutation`], for searchers whose slow learners move.
    pub mutation: f64,
}

/// The results of a searcher over all seeds. Accuracies are in per cent; deviations are those of a sample,
/// and 0 for a single seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearcherResult {
    pub searcher: SearcherKind,
    #[serde(default)]
    pub charge: Charge,
    /// The probability of mutation; 0 also if the searcher moves no slow learners.
    #[serde(default)]
    pub mutation: f64,
    /// The mean of the best accuracy among all evaluations. For [`SearcherKind::Largest`], which does not use
    /// accuracies, it is the accuracy of the largest architecture.
    pub best_mean: f64,
    pub best_sd: f64,
    /// The mean over seeds of the mean accuracy of the final population.
    pub population_mean: f64,
    pub population_sd: f64,
}

/// Runs every searcher with seeds 0, 1, … until its evaluations are spent.
///
/// Reading the accuracies of the final population does not count towards the budget.
///
/// # Panics
/// If the mutation is not between 0 and 1.
pub fn benchmark_searchers(
    table: &Table,
    settings: &BenchmarkSettings,
    searchers: &[SearcherKind],
) -> Vec<SearcherResult> {
    searchers
        .iter()
        .map(|&searcher| {
            let outcomes = (0..settings.seeds.get()).map(|seed| {
                search_once(table, settings, search_settings(settings, searcher, u64::from(seed)))
            });
            let (best, population): (Vec<_>, Vec<_>) = outcomes.unzip();
            let (best_mean, best_sd) = mean_and_deviation(&best);
            let (population_mean, population_sd) = mean_and_deviation(&population);
            SearcherResult {
                searcher,
                charge: settings.charge,
                mutation: if searcher.moves_slow_learners() { settings.mutation } else { 0.0 },
                best_mean,
                best_sd,
                population_mean,
                population_sd,
            }
        })
        .collect()
}

fn search_settings(settings: &BenchmarkSettings, searcher: SearcherKind, seed: u64) -> SearchSettings {
    SearchSettings {
        space: Space::NasBench201,
        searcher,
        population: POPULATION as usize,
        pairs_at_once: 1,
        generations: match settings.charge {
            Charge::All => settings.evaluations.get().div_ceil(POPULATION),
            // The number of generations that it takes to meet that many architectures is not known.
            Charge::Distinct => u32::MAX,
        },
        seed,
        mutation: settings.mutation,
        warm_up: 0,
        one_shot: false,
        inherit: true,
        repeat: Default::default(),
        // The schedule has no effect, because nothing is trained.
        schedule: Schedule::default(),
        limits: Limits::default(),
    }
}

/// The best accuracy within the budget, and the final population's mean.
fn search_once(table: &Table, settings: &BenchmarkSettings, search_settings: SearchSettings) -> (f64, f64) {
    let mut estimator = TableEstimator::new(table, settings.dataset);
    let (searcher, limits) = (search_settings.searcher, search_settings.limits.clone());
    let (mut search, _) = Search::new(search_settings).expect("settings of a search");
    let mut met = BTreeMap::new();
    let mut last_new = 0;
    let (mut best, mut left) = (0.0_f64, settings.evaluations.get());
    while let (1.., Ask::Estimate(estimation)) = (left, search.ask()) {
        if estimation.generation - last_new > PATIENCE {
            break;
        }
        let Ok(found) = estimator.estimate(&estimation, &|_, _| Flow::Go);
        let estimates = found.expect("it was not aborted").estimates;
        for (candidate, estimate) in estimation.candidates.iter().zip(&estimates) {
            let architecture = super::decode(&candidate.position).expect("positions stay in their bounds");
            let number = met.len();
            let is_new = !met.contains_key(&architecture);
            let price = u32::from(is_new || settings.charge == Charge::All);
            if price > left {
                continue; // The second of a pair may lie beyond the budget.
            }
            left -= price;
            met.entry(architecture).or_insert(number);
            last_new = if is_new { estimation.generation } else { last_new };
            best = best.max(estimate.accuracy);
        }
        search.tell(&estimates);
    }
    let accuracy = |position: &Vec<f64>| {
        table.accuracy_at(settings.dataset, position).expect("positions stay in their bounds")
    };
    if searcher == SearcherKind::Largest {
        // The result is the largest architecture that was met, even if the budget ended within a generation.
        let mut in_order: Vec<_> = met.into_iter().map(|(indices, number)| (number, indices)).collect();
        in_order.sort_unstable();
        let drawn = in_order.iter().map(|(_, indices)| Space::encode(indices));
        let kept = largest(Space::NasBench201, &limits, drawn, POPULATION as usize);
        return (accuracy(&kept[0]), kept.iter().map(accuracy).sum::<f64>() / f64::from(POPULATION));
    }
    let population = &search.state().population;
    (best, population.iter().map(|i| accuracy(&i.position)).sum::<f64>() / f64::from(POPULATION))
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

    /// A table in which the accuracy is the number of edges that are 3×3 convolutions.
    fn table() -> Table {
        let accuracy = |number: usize| {
            let edges = (0..6).map(|edge| number / OPERATIONS.len().pow(edge) % OPERATIONS.len());
            10.0 * edges.filter(|&index| index == 3).count() as f64
        };
        Table { accuracies: (0..ARCHITECTURES).map(|number| [accuracy(number); 3]).collect() }
    }

    fn settings(evaluations: u32, seeds: u32) -> BenchmarkSettings {
        let number = |n| NonZeroU32::new(n).expect("not 0");
        BenchmarkSettings {
            dataset: Dataset::Cifar10,
            evaluations: number(evaluations),
            seeds: number(seeds),
            charge: Charge::All,
            mutation: 0.0,
        }
    }

    fn run(evaluations: u32, seeds: u32) -> Vec<SearcherResult> {
        benchmark_searchers(&table(), &settings(evaluations, seeds), &SearcherKind::ALL)
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
        // In a random vector, each of the six edges has a 3×3 convolution with probability 1/5.
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
    fn whoever_is_charged_for_new_architectures_only_goes_further() {
        let all = settings(100, 20);
        let distinct = BenchmarkSettings { charge: Charge::Distinct, ..all };
        let best = |settings| benchmark_searchers(&table(), settings, &[SearcherKind::SlowFast])[0];
        let (all, distinct) = (best(&all), best(&distinct));
        assert_eq!((all.charge, distinct.charge), (Charge::All, Charge::Distinct));
        assert!(distinct.best_mean > all.best_mean, "{distinct:?} {all:?}");
        assert!(distinct.population_mean > all.population_mean, "{distinct:?} {all:?}");
    }

    #[test]
    fn a_search_that_meets_nothing_new_any_more_ends() {
        // Without mutation a population of slow-fast agrees long before it has met everything.
        let run = |evaluations| {
            let settings = BenchmarkSettings { charge: Charge::Distinct, ..settings(evaluations, 1) };
            benchmark_searchers(&table(), &settings, &[SearcherKind::SlowFast])[0]
        };
        assert_eq!(run(ARCHITECTURES as u32 / 2), run(ARCHITECTURES as u32));
    }

    #[test]
    fn mutation_brings_back_what_a_population_lost() {
        let none = BenchmarkSettings { charge: Charge::Distinct, ..settings(400, 10) };
        let some = BenchmarkSettings { mutation: 0.05, ..none };
        let kinds = [SearcherKind::SlowFast, SearcherKind::Random];
        let none = benchmark_searchers(&table(), &none, &kinds);
        let some = benchmark_searchers(&table(), &some, &kinds);
        assert!(some[0].best_mean >= none[0].best_mean, "{some:?} {none:?}");
        assert!(some[0].population_mean < none[0].population_mean, "{some:?} {none:?}");
        assert_eq!(some[1], none[1], "random search moves no individual");
    }

    #[test]
    fn the_largest_is_kept_whatever_its_accuracy() {
        // Here accuracy is size, so the largest architecture is also the best one.
        let results =
            benchmark_searchers(&table(), &settings(400, 20), &[SearcherKind::Random, SearcherKind::Largest]);
        assert_eq!(results[0].best_mean, results[1].best_mean, "both draw the same");
        assert!(results[1].population_mean > results[0].population_mean + 15.0, "{results:?}");
    }

    #[test]
    fn a_single_seed_has_no_deviation() {
        assert_eq!(mean_and_deviation(&[93.0]), (93.0, 0.0));
        assert_eq!(mean_and_deviation(&[1.0, 3.0]), (2.0, 2.0_f64.sqrt()));
    }
}
