//! Arguments that say how many engines work together.

use std::time::Duration;

use clap::builder::{RangedU64ValueParser, TypedValueParser};

use crate::ranks::RankLayout;

#[derive(Clone, Copy, Debug, clap::Args)]
pub struct RanksArguments {
    /// Number of devices that share the work, each with an engine of its own that device.launcher starts
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number())]
    ranks: usize,
    /// Number of devices that share the work, each with a thread of this process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number(), hide = true, conflicts_with = "ranks")]
    rank_threads: usize,
    /// Seconds that ranks wait for each other
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..), hide = true)]
    rank_timeout: u64,
}

fn number() -> impl TypedValueParser<Value = usize> {
    RangedU64ValueParser::from(1..=4096)
}

impl RanksArguments {
    pub fn ranked(&self) -> RankLayout {
        match (self.ranks, self.rank_threads) {
            (1, 1) => RankLayout::Alone,
            (1, threads) => RankLayout::Threads(threads),
            (processes, _) => RankLayout::Processes(processes),
        }
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.rank_timeout)
    }
}
