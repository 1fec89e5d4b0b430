//! A probe of a search, which finds out how reliable the comparison of pairs is.
//!
//! A verdict rests on one epoch of training with inherited weights. A probe estimates random pairs twice,
//! with other shuffles, augmentation and drop path, and counts how often the verdict changes. It also ranks
//! architectures twice, by the shared weights and by short training from scratch, and measures how well both
//! rankings agree, and, for comparison, how well a ranking by size alone agrees.

mod searched;

use serde::{Deserialize, Serialize};

use crate::{
    loss::Loss,
    population::IndividualId,
    randomness::{Purpose, Stream, Streams},
    search::{Estimate, Slot},
    searcher::compare,
};

pub use searched::Searched;

/// The number of resamples of the bootstrap.
const RESAMPLES: usize = 2000;

/// Second numbers of streams of [`Purpose::Probe`], which are greater than the number of any pair.
const SCRATCH: u64 = u64::MAX;
const BOOTSTRAP: u64 = u64::MAX - 1;
const DRAWN: u64 = u64::MAX - 2;

/// The content of `probe.json`: two experiments on a search.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The number of pairs that were estimated again with other seeds.
    pub pairs: usize,
    /// The number of those pairs whose fast and slow learner changed places.
    pub flips: usize,
    /// The standard deviation, over draws, of the difference between the losses of a pair, which
    /// `search.noise` takes. `None` if no pair had two differences that are numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// The number of architectures that were also trained from scratch.
    pub individuals: usize,
    /// Where these architectures come from.
    #[serde(default)]
    pub from: ArchitectureSource,
    /// The number of epochs of each training from scratch.
    pub epochs: u32,
    /// Kendall's rank correlation of both rankings, from −1 to 1; `None` if none can be computed.
    pub tau: Option<f64>,
    /// The 95 % interval of `tau`.
    pub tau_interval: Option<(f64, f64)>,
    /// The agreement of a ranking by parameters, the largest network first. Older programs did not compute
    /// it.
    #[serde(default)]
    pub by_parameters: Agreement,
    /// The agreement of a ranking by multiply-adds.
    #[serde(default)]
    pub by_multiply_adds: Agreement,
}

/// The architectures that a probe ranks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArchitectureSource {
    /// The population as it is.
    #[default]
    Population,
    /// Architectures that are drawn from all that individuals had during the search.
    Search {
        /// The number of distinct architectures to draw from.
        distinct: usize,
    },
}

/// How well a ranking agrees with the one by training from scratch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Kendall's τ-b; see [`tau_b`].
    pub tau: Option<f64>,
    /// The 95 % interval of `tau`.
    pub interval: Option<(f64, f64)>,
}

impl Agreement {
    /// The agreement of two lists of losses of the same architectures. With equal streams, intervals are
    /// computed from the same resamples.
    ///
    /// # Panics
    /// If the lists are not equally long.
    pub fn of(first: &[f64], second: &[f64], mut stream: Stream) -> Self {
        Self { tau: tau_b(first, second), interval: tau_interval(first, second, &mut stream) }
    }

    /// The agreement of a ranking by size, the largest first, with one by losses.
    ///
    /// # Panics
    /// If the lists are not equally long.
    pub fn of_sizes(sizes: &[u64], losses: &[f64], stream: Stream) -> Self {
        let negative: Vec<_> = sizes.iter().map(|&size| -(size as f64)).collect();
        Self::of(&negative, losses, stream)
    }
}

impl Probe {
    /// The share of pairs whose verdict changed, from 0 to 1; `None` without a pair.
    pub fn flip_rate(&self) -> Option<f64> {
        (self.pairs > 0).then(|| self.flips as f64 / self.pairs as f64)
    }

    /// The 95 % interval of the flip rate.
    pub fn flip_interval(&self) -> Option<(f64, f64)> {
        share_interval(self.flips, self.pairs)
    }
}

/// A pair of the population, and the seeds of its two estimations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawnPair {
    pub members: [IndividualId; 2],
    pub seeds: [u64; 2],
}

impl DrawnPair {
    /// Draws two individuals, each pair with the same probability, independently of earlier draws: so flips
    /// are independent, as the interval of their rate supposes. For the same reason a pair is estimated again
    /// once, not several times: its further verdicts would share the first one.
    ///
    /// # Panics
    /// If the population has fewer than two individuals.
    pub fn draw(streams: &Streams, generation: u32, pair: usize, population: usize) -> Self {
        let mut stream = streams.stream(Purpose::Probe, u64::from(generation), pair as u64);
        let first = stream.below(population);
        let other = stream.below(population - 1);
        let second = if other < first { other } else { other + 1 };
        Self { members: [first, second].map(IndividualId), seeds: [stream.bits(), stream.bits()] }
    }
}

/// The seed for the random draws of trainings from scratch.
pub fn scratch_seed(streams: &Streams, generation: u32) -> u64 {
    streams.stream(Purpose::Probe, u64::from(generation), SCRATCH).bits()
}

/// The stream from which [`tau_interval`] draws.
pub fn bootstrap_stream(streams: &Streams, generation: u32) -> Stream {
    streams.stream(Purpose::Probe, u64::from(generation), BOOTSTRAP)
}

/// Which of two candidates is fast by the rule of slow-fast learning, whatever the run's searcher;
/// `None` if neither loss is a number. `violations` says by how much each exceeds the limits.
pub fn fast(estimates: &[Estimate], violations: &[f64]) -> Option<Slot> {
    compare(estimates, violations).fast
}

/// The standard deviation, over draws, of the difference between the losses of a pair, from pairs whose
/// difference was measured twice; differences that are not numbers are left out. `None` if none is left.
///
/// Half the mean square of the change is the variance of one measurement, whatever the true differences are.
pub fn noise(gaps: &[[f64; 2]]) -> Option<f64> {
    let squares: Vec<_> =
        gaps.iter().map(|[first, second]| (first - second).powi(2)).filter(|s| s.is_finite()).collect();
    let count = squares.len() as f64;
    (count > 0.0).then(|| (squares.iter().sum::<f64>() / (2.0 * count)).sqrt())
}

/// Wilson's 95 % interval for a share of `hits` in `of`; both from 0 to 1. `None` if `of` is 0.
pub fn share_interval(hits: usize, of: usize) -> Option<(f64, f64)> {
    if of == 0 {
        return None;
    }
    const Z: f64 = 1.96;
    let (n, share) = (of as f64, hits as f64 / of as f64);
    let centre = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    Some(((centre - half).max(0.0), (centre + half).min(1.0)))
}

/// Kendall's τ-b of two lists of losses of the same individuals: 1 if they rank them alike, −1 if they rank
/// them in opposite order. Losses that are not finite are tied, behind all others. `None` if all losses of a
/// list are tied.
///
/// # Panics
/// If the lists are not equally long.
pub fn tau_b(first: &[f64], second: &[f64]) -> Option<f64> {
    assert_eq!(first.len(), second.len(), "losses of the same individuals");
    tau_of((0..first.len()).collect::<Vec<_>>().as_slice(), first, second)
}

/// The 95 % interval of [`tau_b`]: the middle of its values for individuals drawn with replacement
/// (percentile bootstrap). `None` if there is no τ; also if both rankings are the same or opposite,
/// because every resample of them is too, however few they are.
///
/// # Panics
/// If the lists are not equally long.
pub fn tau_interval(first: &[f64], second: &[f64], stream: &mut Stream) -> Option<(f64, f64)> {
    if tau_b(first, second)?.abs() >= 1.0 {
        return None;
    }
    let count = first.len();
    let mut found: Vec<_> = (0..RESAMPLES)
        .filter_map(|_| {
            let drawn: Vec<_> = (0..count).map(|_| stream.below(count)).collect();
            tau_of(&drawn, first, second)
        })
        .collect();
    found.sort_by(f64::total_cmp);
    Some((quantile(&found, 0.025)?, quantile(&found, 0.975)?))
}

/// τ-b of the individuals in `chosen`, which may contain one several times.
fn tau_of(chosen: &[usize], first: &[f64], second: &[f64]) -> Option<f64> {
    let order = |losses: &[f64], a: usize, b: usize| Loss(losses[a]).order(Loss(losses[b])) as i64;
    // The number of pairs in the same order less those in opposite orders, and the numbers of pairs that are
    // not tied in each list.
    let (mut agreement, mut apart) = (0, [0_i64; 2]);
    for (place, &a) in chosen.iter().enumerate() {
        for &b in &chosen[place + 1..] {
            let (one, other) = (order(first, a, b), order(second, a, b));
            agreement += one * other;
            apart[0] += one.abs();
            apart[1] += other.abs();
        }
    }
    let most = (apart[0] as f64 * apart[1] as f64).sqrt();
    (most > 0.0).then(|| agreement as f64 / most)
}

/// A quantile of ascending values, interpolated linearly between neighbours.
fn quantile(ascending: &[f64], share: f64) -> Option<f64> {
    let place = share * ascending.len().checked_sub(1)? as f64;
    let (below, above) = (ascending[place.floor() as usize], ascending[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-4
    }

    #[test]
    fn noise_is_what_draws_do_to_a_gap_whatever_the_gap_is() {
        // Differences of 0.2 and 0.1: √((0.04 + 0.01) / 4).
        let gaps = [[5.0, 5.2], [-1.0, -1.1], [f64::NAN, 1.0]];
        assert!((noise(&gaps).expect("two pairs") - 0.0125_f64.sqrt()).abs() < 1e-12);
        assert_eq!(noise(&gaps[2..]), None);
        // Many draws of a known deviation find it again.
        let mut stream = Streams::new(1).stream(Purpose::Probe, 0, 0);
        let mut draw = || (0..12).map(|_| stream.unit()).sum::<f64>() - 6.0;
        let drawn: Vec<_> =
            (0..4000).map(|pair| [f64::from(pair) + draw(), f64::from(pair) + draw()]).collect();
        assert!((noise(&drawn).expect("pairs") - 1.0).abs() < 0.05);
    }

    #[test]
    fn a_share_of_few_has_a_wide_interval() {
        let (low, high) = share_interval(0, 10).expect("ten");
        assert!(low == 0.0 && near(high, 0.2775), "{high}");
        // By hand: (0.375 + 0.2401) / 1.4802 ± 1.3241 · √(0.029297 + 0.015006).
        let (low, high) = share_interval(3, 8).expect("eight");
        assert!(near(low, 0.1368) && near(high, 0.6943), "{low} {high}");
        assert_eq!(share_interval(0, 0), None);
    }

    #[test]
    fn tau_counts_pairs_in_the_same_and_in_opposite_orders() {
        let check = |first: &[f64], second: &[f64], expected: f64| {
            let tau = tau_b(first, second).expect("both rank");
            assert!(near(tau, expected), "{first:?} {second:?}: {tau}, not {expected}");
        };
        check(&[1.0, 2.0, 3.0, 4.0], &[0.1, 0.2, 0.4, 0.3], 4.0 / 6.0);
        check(&[1.0, 2.0, 3.0], &[9.0, 8.0, 7.0], -1.0);
        // Five pairs in the same order; the first list ties one of six.
        check(&[1.0, 2.0, 2.0, 3.0], &[1.0, 3.0, 2.0, 4.0], 5.0 / 30_f64.sqrt());
        // Losses that are not finite come last, and are tied.
        check(&[f64::NAN, f64::INFINITY, 1.0], &[3.0, 2.0, 1.0], 2.0 / 6_f64.sqrt());
    }

    #[test]
    fn there_is_no_tau_where_nobody_comes_first() {
        assert_eq!(tau_b(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]), None);
        assert_eq!(tau_b(&[1.0], &[1.0]), None);
        assert_eq!(tau_b(&[], &[]), None);
    }

    fn interval(first: &[f64], second: &[f64]) -> Option<(f64, f64)> {
        tau_interval(first, second, &mut bootstrap_stream(&Streams::new(1), 3))
    }

    #[test]
    fn three_individuals_say_nothing_about_tau() {
        // Of the 24 resamples of 27 that rank, 6 give −1, 6 give 1/3 and 12 give 1.
        assert_eq!(interval(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0]), Some((-1.0, 1.0)));
        assert_eq!(interval(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), None, "a perfect order");
    }

    #[test]
    fn more_individuals_say_more_about_tau() {
        let width = |count: usize| {
            let first: Vec<_> = (0..count).map(|i| i as f64).collect();
            // Neighbours change places in groups of four.
            let second: Vec<_> = (0..count).map(|i| (i / 4 * 4 + 3 - i % 4) as f64).collect();
            let (low, high) = interval(&first, &second).expect("no perfect order");
            let tau = tau_b(&first, &second).expect("both rank");
            assert!(low < tau && tau < high, "{low} {tau} {high}");
            high - low
        };
        let (few, many) = (width(12), width(60));
        assert!(many < 0.5 * few, "{few} {many}");
    }

    #[test]
    fn a_ranking_by_size_has_the_largest_first() {
        let stream = || bootstrap_stream(&Streams::new(1), 3);
        let of = |sizes: &[u64]| Agreement::of_sizes(sizes, &[0.1, 0.2, 0.3, 0.4], stream());
        assert_eq!(of(&[9, 7, 5, 2]), Agreement { tau: Some(1.0), interval: None });
        assert_eq!(of(&[2, 5, 7, 9]).tau, Some(-1.0));
        assert_eq!(of(&[4; 4]), Agreement::default(), "equal sizes are tied");
        let some = of(&[9, 5, 7, 2]);
        assert_eq!(some, Agreement::of(&[1.0, 3.0, 2.0, 4.0], &[0.1, 0.2, 0.3, 0.4], stream()));
        assert!(some.interval.is_some());
    }

    #[test]
    fn a_probe_of_an_older_program_is_read() {
        let old = r#"{"pairs":8,"flips":3,"individuals":4,"epochs":2,"tau":0.5,"tau_interval":[-0.1,0.9]}"#;
        let probe: Probe = serde_json::from_str(old).expect("readable");
        let tau_interval = Some((-0.1, 0.9));
        let expected = Probe {
            pairs: 8,
            flips: 3,
            individuals: 4,
            epochs: 2,
            tau: Some(0.5),
            tau_interval,
            ..Probe::default()
        };
        assert_eq!(probe, expected);
        let new = Probe {
            from: ArchitectureSource::Search { distinct: 70 },
            by_parameters: Agreement { tau: Some(0.25), interval: Some((0.0, 0.5)) },
            ..expected
        };
        let text = serde_json::to_string(&new).expect("plain data");
        assert!(text.contains(r#""from":{"search":{"distinct":70}}"#), "{text}");
        assert_eq!(serde_json::from_str::<Probe>(&text).expect("readable"), new);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn pairs_are_two_individuals_with_seeds_of_their_own() {
        let draw = |pair| DrawnPair::draw(&Streams::new(5), 2, pair, 3);
        assert_eq!(draw(7), draw(7));
        let mut met = [[0; 3]; 3];
        for pair in 0..600 {
            let DrawnPair { members: [a, b], seeds } = draw(pair);
            assert_ne!(seeds[0], seeds[1]);
            met[a.0][b.0] += 1;
        }
        // Each of the six pairs is expected 100 times, with a standard deviation of 9.
        for (a, row) in met.iter().enumerate() {
            assert!(row.iter().enumerate().all(|(b, &n)| if a == b { n == 0 } else { n > 60 }), "{met:?}");
        }
    }
}
