//! What a person can type about studies.

use clap::{Args, Subcommand};
use relativenas_core::searcher::SearcherKind;

use super::SettingArguments;

const EXAMPLES: &str = "\
Example:
  relativenas study run chance --searchers slow-fast,random --seeds 5 --preset quick \\
    --set retrain.channels=4 --set retrain.cells=5 --set retrain.epochs=6
  relativenas report chance -o chance.html

The searches take their settings as `relativenas search` does; the winners are trained from scratch with the
settings retrain.* and judged on the test images, which nothing chooses by.";

/// Searchers against each other on real images: searches, trainings of their winners, one report
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct StudyArguments {
    #[command(subcommand)]
    pub action: StudyAction,
}

#[derive(Debug, Subcommand)]
pub enum StudyAction {
    /// Make a study, and work on it until it is done
    Run(StudyRunArguments),
    /// Go on with a study; several may work on one at once
    Work {
        /// The study's name or folder
        study: String,
        #[command(flatten)]
        work: WorkArguments,
    },
    /// Say how far a study is
    Status {
        /// The study's name or folder
        study: String,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct StudyRunArguments {
    /// The study's name: that of its folder among the runs
    pub name: String,
    /// The searchers to compare; the first is the one that the others are controls of
    #[arg(long, value_delimiter = ',', value_name = "A,B,…", required = true)]
    pub searchers: Vec<SearcherKind>,
    /// Searches of each searcher, with seeds 1, 2, …
    #[arg(long, default_value = "5", value_name = "N")]
    pub seeds: std::num::NonZeroU32,
    /// Trainings from scratch of each winner, with seeds 1, 2, …; 0: the winners are not trained
    #[arg(long, default_value = "1", value_name = "N")]
    pub judge_seeds: u32,
    #[command(flatten)]
    pub settings: SettingArguments,
    /// Folder with CIFAR-10, CIFAR-100, IDX files, images or LMDB [default: the embedded Fashion-MNIST]
    #[arg(long, value_name = "PATH", help_heading = "Settings")]
    pub data: Option<String>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", help_heading = "Settings")]
    pub device: Option<String>,
    #[command(flatten)]
    pub work: WorkArguments,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct WorkArguments {
    /// Runs at once. A new study gives each its share of the cores, unless device.threads is set
    #[arg(long, default_value = "1", value_name = "N")]
    pub jobs: std::num::NonZeroUsize,
    /// A worker that was not heard of for so long has lost its runs to the others
    #[arg(long, default_value = "120", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(2..))]
    pub lease: u32,
}
