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

    /// Whether slow learners move, so that [`crate::search::SearchSettings::mutation`] has an effect.
    pub fn moves_slow_learners(self) -> bool {
        matches!(self, Self::SlowFast | Self::CoinFlip)
    }

    /// Whether losses rank the last population; otherwise a rule of the searcher's own does.
    pub fn ranks_by_loss(self) -> bool {
        self != Self::Largest
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
