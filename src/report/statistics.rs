//! The spread of values over repetitions, and tests of whether a difference is more than chance.

use super::figures;

/// Some values of the same kind, one a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub count: usize,
    pub mean: f64,
    /// The sample standard deviation; `None` for a single value.
    pub deviation: Option<f64>,
    pub low: f64,
    pub high: f64,
}

impl Spread {
    /// The spread of the finite values; `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<_> = values.into_iter().filter(|v| v.is_finite()).collect();
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        let deviation = (count > 1).then(|| (squares / (count - 1) as f64).sqrt());
        let (low, high) =
            values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        Some(Self { count, mean, deviation, low, high })
    }

    /// `mean ± standard deviation`, or the single value.
    pub fn written(&self, decimals: usize) -> String {
        match self.deviation {
            Some(deviation) => format!("{:.decimals$} ± {deviation:.decimals$}", self.mean),
            None => figures::fixed(self.mean, decimals),
        }
    }

    /// `lowest – highest`; [`figures::UNKNOWN`] for a single value.
    pub fn range(&self, decimals: usize) -> String {
        if self.count == 1 {
            return figures::UNKNOWN.to_owned();
        }
        format!("{:.decimals$} – {:.decimals$}", self.low, self.high)
    }
}

/// Two samples compared by ranks (Wilcoxon, Mann and Whitney).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankSum {
    /// How many pairs of a value on the left and one on the right have the lower one on the left;
    /// ties count half.
    pub lower: f64,
    pub pairs: usize,
    /// The p-value, exact and two-sided: the share of all assignments of the values to two samples that differ at least as
    /// much.
    pub p: f64,
    /// The smallest `p` that so few values can give.
    pub smallest_p: f64,
}

/// The largest number of values: beyond it the exact distribution takes too long.
const MOST_VALUES: usize = 120;

/// Compares two samples; `None` if one is empty, or they are too large to count exactly.
pub fn rank_sum(left: &[f64], right: &[f64]) -> Option<RankSum> {
    let (n, m) = (left.len(), right.len());
    if n == 0 || m == 0 || n + m > MOST_VALUES {
        return None;
    }
    let lower = left.iter().flat_map(|l| right.iter().map(move |r| beats(*l, *r))).sum();
    let all: Vec<_> = left.iter().chain(right).copied().collect();
    // Twice the rank, so that ties, which share the mean rank, have whole numbers.
    let ranks: Vec<usize> = all
        .iter()
        .map(|v| {
            let below = all.iter().filter(|o| o.total_cmp(v).is_lt()).count();
            let equal = all.iter().filter(|o| o.total_cmp(v).is_eq()).count();
            2 * below + equal + 1
        })
        .collect();
    let counts = subset_sums(&ranks, n);
    let total: f64 = counts.iter().sum();
    // Twice the expected sum: n (n + m + 1) is the mean of doubled ranks.
    let centre = (n * (n + m + 1)) as i64;
    let share_beyond = |distance: i64| {
        let beyond = counts.iter().enumerate().filter(|(sum, _)| (*sum as i64 - centre).abs() >= distance);
        beyond.map(|(_, count)| count).sum::<f64>() / total
    };
    let observed = ranks[..n].iter().sum::<usize>() as i64;
    let farthest = counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0.0)
        .map(|(sum, _)| (sum as i64 - centre).abs())
        .max()
        .unwrap_or(0);
    Some(RankSum {
        lower,
        pairs: n * m,
        p: share_beyond((observed - centre).abs()),
        smallest_p: share_beyond(farthest),
    })
}

/// A test of whether the differences of pairs are centred on zero, by all choices of their signs (Fisher's
/// permutation test).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// How many differences are above zero; a difference of zero counts half.
    pub better: f64,
    pub mean: f64,
    /// The mean divided by the sample standard deviation; `None` where that is zero or unknown.
    pub effect: Option<f64>,
    /// The p-value, exact and two-sided: the share of all choices of signs under which the mean is as far from zero.
    pub p: f64,
    /// The smallest `p` that so many pairs can give.
    pub smallest_p: f64,
}

/// The largest number of pairs: all choices of signs are counted one by one.
const MOST_PAIRS: usize = 20;

/// Tests whether differences are centred on zero; `None` if there are none or too many of them, or one is not
/// finite.
pub fn paired(differences: &[f64]) -> Option<Paired> {
    let count = differences.len();
    if count == 0 || count > MOST_PAIRS || differences.iter().any(|d| !d.is_finite()) {
        return None;
    }
    let spread = Spread::of(differences.iter().copied())?;
    let observed = differences.iter().sum::<f64>().abs();
    // Sums of the same numbers in another order differ in their last bits.
    let as_far = observed * (1.0 - 1e-12);
    let signed_sum = |signs: u32| {
        let signed = differences.iter().enumerate().map(|(i, d)| if signs >> i & 1 == 1 { -d } else { *d });
        signed.sum::<f64>()
    };
    let choices = 1_u32 << count;
    let beyond = (0..choices).filter(|&signs| signed_sum(signs).abs() >= as_far).count();
    Some(Paired {
        better: differences.iter().map(|d| beats(0.0, *d)).sum(),
        mean: spread.mean,
        effect: spread
            .deviation
            .filter(|&deviation| deviation > 0.0)
            .map(|deviation| spread.mean / deviation),
        p: beyond as f64 / f64::from(choices),
        smallest_p: (2.0 / f64::from(choices)).min(1.0),
    })
}

fn beats(left: f64, right: f64) -> f64 {
    match left.total_cmp(&right) {
        std::cmp::Ordering::Less => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Greater => 0.0,
    }
}

/// For every sum, from 0, the number of ways in which `size` of the values add up to it.
fn subset_sums(values: &[usize], size: usize) -> Vec<f64> {
    let most = values.iter().sum::<usize>() + 1;
    let mut ways = vec![vec![0.0; most]; size + 1];
    ways[0][0] = 1.0;
    for &value in values {
        for taken in (1..=size).rev() {
            let (fewer, now) = ways.split_at_mut(taken);
            for sum in value..most {
                now[0][sum] += fewer[taken - 1][sum - value];
            }
        }
    }
    ways.swap_remove(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_leaves_out_what_is_no_number() {
        let spread = Spread::of([1.0, f64::NAN, 3.0, f64::INFINITY]).expect("two values");
        assert_eq!((spread.count, spread.mean, spread.low, spread.high), (2, 2.0, 1.0, 3.0));
        assert_eq!(spread.written(2), "2.00 ± 1.41");
        assert_eq!(Spread::of([4.0]).expect("one").written(1), "4.0");
        assert_eq!(Spread::of([f64::NAN]), None);
    }

    /// Values from the published tables of the exact distribution.
    #[test]
    fn rank_sums_are_exact() {
        let apart = rank_sum(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0]).expect("small");
        assert_eq!((apart.lower, apart.pairs), (25.0, 25));
        assert!((apart.p - 2.0 / 252.0).abs() < 1e-12 && apart.p == apart.smallest_p, "{apart:?}");
        // U = 2 of 9: four of the twenty arrangements are as low, and as many as high.
        let near = rank_sum(&[1.0, 2.0, 5.0], &[3.0, 4.0, 6.0]).expect("small");
        assert!((near.p - 8.0 / 20.0).abs() < 1e-12 && near.lower == 7.0, "{near:?}");
        let same = rank_sum(&[1.0, 1.0], &[1.0, 1.0]).expect("small");
        assert_eq!((same.lower, same.p), (2.0, 1.0));
        assert_eq!(rank_sum(&[], &[1.0]), None);
    }

    #[test]
    fn paired_differences_are_tested_by_all_choices_of_signs() {
        let all_better = paired(&[1.0, 2.0, 3.0, 4.0]).expect("small");
        assert_eq!((all_better.better, all_better.mean), (4.0, 2.5));
        assert_eq!((all_better.p, all_better.smallest_p), (2.0 / 16.0, 2.0 / 16.0));
        // The eight sums of ±1, ±2 and ±3 are 6, 4, 2 and 0, each twice without its sign; 1 − 2 + 3 is 2.
        let mixed = paired(&[1.0, -2.0, 3.0]).expect("small");
        assert_eq!((mixed.better, mixed.p), (2.0, 6.0 / 8.0));
        let same = paired(&[0.0, 0.0]).expect("small");
        assert_eq!((same.better, same.p, same.effect), (1.0, 1.0, None));
        assert_eq!((paired(&[]), paired(&[f64::NAN]), paired(&[1.0; 21])), (None, None, None));
    }
}
