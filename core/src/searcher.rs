//! Searchers: slow-fast learning, and the controls it must be better than.
//!
//! Each is a few pure functions over settings, random streams and state. They share everything
//! else, so two runs that differ in the searcher differ in nothing but the rule.

mod coin_flip;
mod largest;
mod random;
mod regularized_evolution;
mod slow_fast;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub(crate) use largest::largest;
pub use largest::size;

use crate::{
    population::Individual,
    randomness::{Purpose, Streams},
    search::{Estimate, Estimation, Fitness, Loss, SearchSettings, SearchState, Verdict},
};

/// The rule that a search follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SearcherKind {
    /// RelativeNAS: slow learners move towards fast ones.
    #[default]
    SlowFast,
    /// Fresh vectors every generation; pairs and weights as in slow-fast.
    Random,
    /// Slow-fast with the verdict drawn by lot.
    CoinFlip,
    /// Regularized evolution: tournament, one mutation, the oldest dies.
    RegularizedEvolution,
    /// Random search that keeps the largest networks within the limits, whatever their losses.
    Largest,
}

impl SearcherKind {
    pub const ALL: [Self; 5] =
        [Self::SlowFast, Self::Random, Self::CoinFlip, Self::RegularizedEvolution, Self::Largest];

    pub fn name(self) -> &'static str {
        match self {
            Self::SlowFast => "slow-fast",
            Self::Random => "random",
            Self::CoinFlip => "coin-flip",
            Self::RegularizedEvolution => "regularized-evolution",
            Self::Largest => "largest",
        }
    }

    /// How many candidates are estimated together.
    pub fn together(self) -> usize {
        if self == Self::RegularizedEvolution { 1 } else { 2 }
    }

    /// Whether slow learners move, so that [`SearchSettings::mutation`] has an effect.
    pub fn moves_slow_learners(self) -> bool {
        matches!(self, Self::SlowFast | Self::CoinFlip)
    }

    /// Whether losses rank the last population; otherwise a rule of the searcher's own does.
    pub fn ranks_by_loss(self) -> bool {
        self.searcher().ranks_by_loss()
    }

    pub(crate) fn searcher(self) -> &'static dyn Searcher {
        match self {
            Self::SlowFast => &slow_fast::SlowFast,
            Self::Random => &random::Random,
            Self::CoinFlip => &coin_flip::CoinFlip,
            Self::RegularizedEvolution => &regularized_evolution::RegularizedEvolution,
            Self::Largest => &largest::Largest,
        }
    }
}

impl fmt::Display for SearcherKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no searcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no searcher; there are slow-fast, random, coin-flip, regularized-evolution and largest")]
pub struct UnknownSearcher(String);

impl FromStr for SearcherKind {
    type Err = UnknownSearcher;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.name() == name).ok_or_else(|| UnknownSearcher(name.to_owned()))
    }
}

/// What a searcher decides. The defaults are what slow-fast and its controls share.
pub(crate) trait Searcher: Sync {
    /// Who is estimated together in a generation, in order.
    fn pairs(&self, settings: &SearchSettings, streams: &Streams, generation: u32) -> Vec<Vec<usize>> {
        let order = streams.stream(Purpose::Pairing, u64::from(generation), 0).order(settings.population);
        order.chunks(2).map(<[usize]>::to_vec).collect()
    }

    /// Where an individual is estimated.
    fn position(&self, _: &SearchSettings, _: &Streams, state: &SearchState, individual: usize) -> Vec<f64> {
        state.population[individual].position.clone()
    }

    /// Who is fast and who is slow; `violations` says by how much each exceeds the limits.
    fn judge(
        &self,
        streams: &Streams,
        estimation: &Estimation,
        estimates: &[Estimate],
        violations: &[f64],
    ) -> Verdict;

    /// Who is where in the next generation, for those who change.
    fn advance(
        &self,
        settings: &SearchSettings,
        streams: &Streams,
        state: &SearchState,
    ) -> Vec<(usize, Individual)>;

    /// Whether the last population is ranked by what it was estimated at; otherwise it stands in
    /// order already.
    fn ranks_by_loss(&self) -> bool {
        true
    }
}

/// The verdict on a pair by violation first, then loss; a tie goes to the first member.
///
/// A learner whose loss is not a number is slow and gives nothing; if both are, there is no verdict.
pub(crate) fn compare(estimates: &[Estimate], violations: &[f64]) -> Verdict {
    if estimates.iter().all(|e| !e.loss.is_finite()) {
        return Verdict::default();
    }
    let fitness = |slot: usize| Fitness { loss: Loss(estimates[slot].loss), violation: violations[slot] };
    let second_wins = fitness(1).order(fitness(0)).is_lt();
    let (fast, slow) = if second_wins { (1, 0) } else { (0, 1) };
    verdict(fast, slow, estimates)
}

/// `fast` gives its weights first, then `slow`, unless its loss is not a number.
fn verdict(fast: usize, slow: usize, estimates: &[Estimate]) -> Verdict {
    let gives = [fast, slow].into_iter().filter(|&slot| estimates[slot].loss.is_finite()).collect();
    Verdict { fast: Some(fast), slow: Some(slow), gives }
}
