//! Searchers: slow-fast learning, and the controls that it is compared with.
//!
//! Each is a few pure functions of settings, random streams and state. All else is shared, so two runs that differ in
//! the searcher differ only in the rule by which the population changes.

mod coin_flip;
pub(crate) mod kind;
mod largest;
mod random;
mod regularized_evolution;
mod rule;
mod slow_fast;

pub use kind::{SearcherKind, UnknownSearcher};
pub(crate) use largest::largest;
pub use largest::size;
pub(crate) use rule::{Searcher, compare};

impl SearcherKind {
    /// The rule of this name.
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
