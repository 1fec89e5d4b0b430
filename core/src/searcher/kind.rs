//! The searchers by name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The rule that a search follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SearcherKind {
    /// RelativeNAS: slow learners move towards fast ones.
    #[default]
    SlowFast,
    /// Random search: new random vectors in every generation; pairs and weights as in slow-fast.
    Random,
    /// Slow-fast learning in which lots decide which learner of a pair is fast.
    CoinFlip,
    /// Regularized evolution: a child of the winner of a tournament, with one mutation, replaces the oldest
    /// individual.
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

    /// The number of candidates that the searcher compares with each other: 2, or 1 if it has no pairs.
    pub fn together(self) -> usize {
        if self == Self::RegularizedEvolution { 1 } else { 2 }
    }

    /// Whether slow learners move, so that [`crate::search::SearchSettings::mutation`] has an effect.
    pub fn moves_slow_learners(self) -> bool {
        matches!(self, Self::SlowFast | Self::CoinFlip)
    }

    /// Whether the last population is ranked by losses; otherwise it is ranked by a rule of the searcher.
    pub fn ranks_by_loss(self) -> bool {
        self != Self::Largest
    }
}

impl fmt::Display for SearcherKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The error for a name that is no searcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no searcher; there are slow-fast, random, coin-flip, regularized-evolution and largest")]
pub struct UnknownSearcher(String);

impl FromStr for SearcherKind {
    type Err = UnknownSearcher;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.name() == name).ok_or_else(|| UnknownSearcher(name.to_owned()))
    }
}
