//! What a person can type after `benchmark`.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct BenchmarkArguments {
    #[command(subcommand)]
    pub action: BenchmarkAction,
}

#[derive(Debug, Subcommand)]
pub enum BenchmarkAction {
    /// Compare searchers on NAS-Bench-201, which takes seconds
    Searchers(SearchersArguments),
    /// Measure an all-reduce among ranks (--ranks N); see `relativenas benchmark exchange --help`
    #[command(disable_help_flag = true)]
    Exchange {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Measure how fast this machine decodes photographs; see `relativenas benchmark loader --help`
    #[command(disable_help_flag = true)]
    Loader {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Measure how fast this machine trains and validates; see `relativenas benchmark throughput --help`
    #[command(disable_help_flag = true)]
    Throughput {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

#[derive(Debug, Args)]
pub struct SearchersArguments {
    /// cifar10, cifar100 or imagenet16
    #[arg(long, default_value = "cifar10", value_name = "NAME")]
    pub dataset: relativenas_core::tabular::Dataset,
    /// Architectures that each searcher may look up
    #[arg(long, default_value = "1000", value_name = "N")]
    pub evaluations: std::num::NonZeroU32,
    /// Repetitions, with seeds 0, 1, …
    #[arg(long, default_value = "20", value_name = "N")]
    pub seeds: std::num::NonZeroU32,
    /// Which searchers [default: all]
    #[arg(long, value_delimiter = ',', value_name = "A,B,…")]
    pub searchers: Vec<relativenas_core::searcher::SearcherKind>,
    /// What counts as an evaluation: all, or only those of distinct architectures, which the searcher
    /// has not met before
    #[arg(long, default_value = "all", value_name = "all|distinct")]
    pub charge: relativenas_core::tabular::Charge,
    /// Probability that a gene of a slow learner is drawn anew after its move
    #[arg(long, default_value = "0", value_name = "P", value_parser = probability)]
    pub mutation: f64,
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
}

fn probability(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|p| (0.0..=1.0).contains(p));
    number.ok_or_else(|| "a probability is a number from 0 to 1".to_owned())
}
