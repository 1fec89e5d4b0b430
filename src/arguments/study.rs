//! The arguments of `relativenas study`.

use clap::{ArgGroup, Args, Subcommand};
use relativenas_core::searcher::SearcherKind;

use super::SettingArguments;

const EXAMPLES: &str = "\
Example:
  relativenas study run chance --searchers slow-fast,random --seeds 5 --preset quick \\
    --set retrain.channels=4 --set retrain.cells=5 --set retrain.epochs=6
  relativenas report chance -o chance.html

The searches take their settings as `relativenas search` does; the winners are trained from scratch with the
settings retrain.* and judged on the test images, by which nothing is chosen.";

/// Compare searchers on real images: searches, trainings of their winners, one report
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct StudyArguments {
    #[command(subcommand)]
    pub action: StudyAction,
}

const WORK_CODES: &str = "\
Signals: SIGINT stops runs after the work in progress; SIGTERM and SIGUSR1 make them stop at once. Either way they
leave a checkpoint, and other workers may take them.

Exit codes: 0 nothing is left to do here, 1 runs failed, 75 ended by SIGTERM or SIGUSR1: start it again, 130 ended
by SIGINT.";

const SUBMIT_EXAMPLES: &str = "\
Example:
  relativenas study run chance --searchers slow-fast,random --seeds 5 --preset quick --no-work
  relativenas study submit chance --slurm --workers 4 --partition gpu --gpus 1 --time 12:00:00
  relativenas study status chance

Each worker is a task of a job array. Before the time limit Slurm signals it; it leaves a checkpoint, and the job script
queues it again. The script, slurm.sh in the study's folder, may be changed and submitted by hand.";

const EXTEND_EXAMPLES: &str = "\
Example:
  relativenas study extend chance --seeds 10
  relativenas study extend chance --searchers coin-flip
  relativenas study extend chance --judge-seeds 3
  relativenas study work chance";

#[derive(Debug, Subcommand)]
pub enum StudyAction {
    /// Make a study, and work on it until it is done
    Run(StudyRunArguments),
    /// Go on with a study: take the next free run, until none is left
    ///
    /// Any number of workers may work on one study, on all machines that share its folder: a run is claimed in the
    /// folder `claims` by the worker that takes it, and no other worker does it. A worker renews its claims; if it
    /// does not for the length of its lease, it loses them, and other workers go on from its checkpoints. A worker
    /// that finds no free run ends, unless it may still be needed; then it waits.
    #[command(after_help = WORK_CODES)]
    Work {
        /// The study's name or folder
        study: String,
        #[command(flatten)]
        work: WorkArguments,
    },
    /// Give a study more seeds, searchers or trainings of its winners; the runs that it has stay
    ///
    /// Workers that are running take the new runs too; `study work` and `study submit` start others. Nothing else
    /// of a study can be changed: another protocol needs another study.
    #[command(after_help = EXTEND_EXAMPLES)]
    Extend(ExtendArguments),
    /// Write a job script for a cluster with Slurm, and submit it
    Submit(SubmitArguments),
    /// Show the progress of a study, and which worker has which run
    Status {
        /// The study's name or folder
        study: String,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove a study with all its runs, after asking; refused while a worker or an engine is on one of them
    Remove {
        /// The study's name or folder
        study: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct StudyRunArguments {
    /// The study's name: that of its folder among the runs
    pub name: String,
    /// The searchers to compare; all others are controls for the first
    #[arg(long, value_delimiter = ',', value_name = "A,B,…", required = true)]
    pub searchers: Vec<SearcherKind>,
    /// Searches of each searcher, with seeds 1, 2, …
    #[arg(long, default_value = "5", value_name = "N", value_parser = seeds)]
    pub seeds: std::num::NonZeroU32,
    /// Trainings from scratch of each winner, with seeds 1, 2, …; 0: the winners are not trained
    #[arg(long, default_value = "1", value_name = "N", value_parser = clap::value_parser!(u32).range(..=i64::from(MOST_SEEDS)))]
    pub judge_seeds: u32,
    /// Images that every winner is trained on; 0: all of the training half [default: as many as the
    /// searches train on]
    #[arg(long, value_name = "N")]
    pub judge_images: Option<u32>,
    #[command(flatten)]
    pub settings: SettingArguments,
    /// Only make the study; `study work` and `study submit` do the rest
    #[arg(long)]
    pub no_work: bool,
    /// Folder with CIFAR-10, CIFAR-100, IDX files, images or LMDB [default: the embedded Fashion-MNIST]
    #[arg(long, value_name = "PATH", help_heading = "Settings")]
    pub data: Option<String>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", help_heading = "Settings")]
    pub device: Option<String>,
    #[command(flatten)]
    pub work: WorkArguments,
}

/// The largest number of seeds of a study; a larger one is taken for a typing mistake.
const MOST_SEEDS: u32 = 10_000;

fn seeds(text: &str) -> Result<std::num::NonZeroU32, String> {
    let seeds = text.parse().ok().filter(|seeds: &std::num::NonZeroU32| seeds.get() <= MOST_SEEDS);
    seeds.ok_or_else(|| format!("it must be a whole number from 1 to {MOST_SEEDS}"))
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("more").args(["seeds", "searchers", "judge_seeds"]).required(true).multiple(true)))]
pub struct ExtendArguments {
    /// The study's name or folder
    pub study: String,
    /// Searches of each searcher in all, with seeds 1, 2, …; at least as many as before
    #[arg(long, value_name = "N", value_parser = seeds)]
    pub seeds: Option<std::num::NonZeroU32>,
    /// Trainings from scratch of each winner in all, with seeds 1, 2, …; at least as many as before
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=i64::from(MOST_SEEDS)))]
    pub judge_seeds: Option<u32>,
    /// Searchers to compare beside those that the study has
    #[arg(long, value_delimiter = ',', value_name = "A,B,…")]
    pub searchers: Vec<SearcherKind>,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct WorkArguments {
    /// Runs at once. A new study gives each its share of the cores, unless device.threads is set
    #[arg(long, default_value = "1", value_name = "N")]
    pub jobs: std::num::NonZeroUsize,
    /// A worker that does not renew its claims for so long loses its runs to other workers
    #[arg(long, default_value = "120", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(2..))]
    pub lease: u32,
}

#[derive(Debug, Args)]
#[command(after_help = SUBMIT_EXAMPLES)]
pub struct SubmitArguments {
    /// The study's name or folder
    pub study: String,
    /// For Slurm, the only batch system that is supported so far
    #[arg(long, required = true)]
    pub slurm: bool,
    /// Write the script and print it, but do not submit it
    #[arg(long)]
    pub print: bool,
    /// Workers: tasks of the job array
    #[arg(long, default_value = "4", value_name = "N")]
    pub workers: std::num::NonZeroU32,
    /// The partition in which workers run [default: the cluster's default partition]
    #[arg(long, value_name = "NAME")]
    pub partition: Option<String>,
    /// How long a worker may run before it is queued again, as Slurm reads it: 30, 12:00:00, 1-12
    #[arg(long, value_name = "TIME")]
    pub time: Option<String>,
    /// GPUs of each worker
    #[arg(long, value_name = "N")]
    pub gpus: Option<u32>,
    /// Cores of each worker
    #[arg(long, value_name = "N")]
    pub cpus: Option<std::num::NonZeroU32>,
    /// One more option of sbatch, such as account=lab
    #[arg(long = "option", value_name = "NAME=VALUE")]
    pub options: Vec<String>,
    /// How long before the time limit a worker leaves a checkpoint and is queued again
    #[arg(long, default_value = "300", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=65535))]
    pub requeue_before: u32,
    #[command(flatten)]
    pub work: WorkArguments,
}
