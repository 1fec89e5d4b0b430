//! The arguments of the command line.

mod arch;
mod benchmark;
mod study;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use relativenas_core::{manifest::BUILD, network::NetworkKind, population::IndividualId, tasks::Task};

use crate::settings::Choices;
use arch::kind;
pub use arch::{ArchAction, ArchArguments, Architecture, GenotypeText, ShapeArguments};
pub use benchmark::{BenchmarkAction, BenchmarkArguments, SearchersArguments};
pub use study::{
    ExtendArguments, StudyAction, StudyArguments, StudyRunArguments, SubmitArguments, WorkArguments,
};

const EXAMPLES: &str = "\
Examples:
  relativenas search --preset quick                      a minute or two on the embedded Fashion-MNIST
  relativenas search --preset paper --data ~/cifar-10-batches-bin
  relativenas search --headless --json | jq .event       without a screen, an event a line
  relativenas attach latest                              watch and steer a run that is going on
  relativenas export latest --rank 1 --format darts      the winner

Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 75 a study's worker to be
started again, 130 interrupted with a checkpoint.";

/// Search a neural architecture by slow-fast learning, watch it, and understand what was found.
///
/// Without a command: the terminal app, with all runs, to start one and to attach to one.
#[derive(Debug, Parser)]
#[command(name = "relativenas", version = BUILD, after_help = EXAMPLES, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub global: GlobalArguments,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Clone, Debug, Default, Args)]
pub struct GlobalArguments {
    /// A file with settings, over those of your own config.toml
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub config: Option<PathBuf>,
    /// Where runs are kept [setting run.directory; default: in your data directory]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub run_dir: Option<String>,
    /// Colours of the screen: dark, light or contrast [setting screen.theme]
    #[arg(long, global = true, value_name = "THEME", help_heading = "Everywhere")]
    pub theme: Option<String>,
    /// How many colours: auto, truecolor, 256, 16 or none [setting screen.color]
    #[arg(long, global = true, value_name = "DEPTH", help_heading = "Everywhere")]
    pub color: Option<String>,
    /// What curves are drawn with: auto, braille, block or ascii [setting screen.glyphs]
    #[arg(long, global = true, value_name = "GLYPHS", help_heading = "Everywhere")]
    pub glyphs: Option<String>,
}

impl GlobalArguments {
    /// The arguments that are settings: each with its name, the setting's key and the value.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        let given = [
            ("--run-dir", "run.directory", &self.run_dir),
            ("--theme", "screen.theme", &self.theme),
            ("--color", "screen.color", &self.color),
            ("--glyphs", "screen.glyphs", &self.glyphs),
        ];
        given.into_iter().filter_map(|(flag, key, value)| Some((flag, key, value.as_deref()?)))
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a search, and show it
    Search(SearchArguments),
    /// Train a full network of a genotype from scratch, and show it
    Train(TrainArguments),
    /// Evaluate trained weights on images that they were not trained on; see `relativenas evaluate --help`
    #[command(disable_help_flag = true)]
    Evaluate {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Say what a data set was recognised as, and what is wrong with it; see `relativenas data --help`
    #[command(disable_help_flag = true)]
    Data {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Predict what pictures show, as JSON and drawn on the pictures; see `relativenas predict --help`
    #[command(disable_help_flag = true)]
    Predict {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Pack an image folder to LMDB, which a slow or shared disk reads faster; see `relativenas pack --help`
    #[command(disable_help_flag = true)]
    Pack {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Watch and steer a run that is going on
    Attach(AttachArguments),
    /// Go on with a stopped run, from its newest checkpoint
    Resume(ResumeArguments),
    /// Look at a run without touching it
    View(ViewArguments),
    /// Go on for a pair or a generation (in a training run: an epoch), then pause
    Step(StepArguments),
    /// Pause a run that is going on, at the latest after a batch
    Pause(RunArgument),
    /// Let a paused run go on
    Continue(RunArgument),
    /// Stop a run after a checkpoint
    Stop(RunArgument),
    /// Show the state and progress of a run
    Status(StatusArguments),
    /// List all runs, newest first
    Runs(RunsArguments),
    /// Write the architecture or the curves of a run to a file
    Export(ExportArguments),
    /// Measure how reliably a finished or stopped search compares architectures
    Probe(ProbeArguments),
    /// Write a report about one run, or about several of the same or of different searchers
    Report(ReportArguments),
    /// Compare searchers on real images: searches, trainings of their winners, one report
    Study(StudyArguments),
    /// Put two runs side by side; exits with 1 if their protocols differ
    Compare(CompareArguments),
    /// Read, show, count, check and compare architectures
    Arch(ArchArguments),
    /// Check the settings, or show where each came from
    Config(ConfigArguments),
    /// Compare searchers on NAS-Bench-201, or measure the speed of this machine
    Benchmark(BenchmarkArguments),
    /// Say what works on this machine, and what to do about the rest
    Doctor,
    /// Print a script that completes commands in your shell
    Completions { shell: Shell },
}

/// Settings that override those of all files.
#[derive(Clone, Debug, Default, Args)]
pub struct SettingArguments {
    /// A preset, which is a named group of settings in config.toml, such as quick or paper
    #[arg(long, value_name = "NAME", help_heading = "Settings")]
    pub preset: Option<String>,
    /// One setting, such as training.batch=64; `relativenas config show` lists all
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Settings")]
    pub set: Vec<String>,
}

impl SettingArguments {
    pub fn choices(&self) -> Choices<'_> {
        Choices { preset: self.preset.as_deref(), assignments: &self.set }
    }
}

#[derive(Clone, Debug, Default, Args)]
pub struct SearchArguments {
    #[command(flatten)]
    pub settings: SettingArguments,
    /// Folder with CIFAR-10, CIFAR-100, IDX files, images or LMDB [default: the embedded Fashion-MNIST]
    #[arg(long, value_name = "PATH", help_heading = "Settings")]
    pub data: Option<String>,
    /// Skip up to this many photographs that cannot be read; each is named in engine.log
    /// [setting data.skip_faulty]
    #[arg(long, value_name = "N", help_heading = "Settings")]
    pub skip_faulty: Option<String>,
    /// The same seed gives the same search
    #[arg(long, value_name = "N", help_heading = "Settings")]
    pub seed: Option<String>,
    /// auto, cpu, cuda, cuda:N, or cuda:0,cuda:1: a device for each member of a pair
    #[arg(long, value_name = "DEVICE", help_heading = "Settings")]
    pub device: Option<String>,
    /// slow-fast, random, coin-flip, regularized-evolution or largest
    #[arg(long, value_name = "NAME", help_heading = "Settings")]
    pub searcher: Option<String>,
    /// Number of devices that share the learners which are estimated at once, those of search.pairs_at_once pairs.
    /// Each device has an engine that device.launcher starts [setting device.ranks]
    #[arg(long, value_name = "N", help_heading = "Settings")]
    pub ranks: Option<String>,
    /// The run's name [default: data, preset and date]
    #[arg(long)]
    pub name: Option<String>,
    /// Begin paused
    #[arg(long)]
    pub paused: bool,
    /// Probe the search when it is finished, as `relativenas probe` does (with --headless)
    #[arg(long, requires = "headless")]
    pub probe: bool,
    #[command(flatten)]
    pub printing: PrintingArguments,
}

#[derive(Debug, Args)]
pub struct TrainArguments {
    /// A published name (NASNet, AmoebaNet, DARTS_V1, DARTS_V2, RelativeNAS), or a file with a genotype or
    /// an architecture vector
    #[arg(long, value_name = "NAME|FILE")]
    pub arch: String,
    #[command(flatten)]
    pub settings: SettingArguments,
    /// What the network is for: classification, detection, segmentation or keypoints. Without --preset a task
    /// takes the preset of its name, with the published settings [setting retrain.task]
    #[arg(long, value_name = "TASK", help_heading = "Settings")]
    pub task: Option<Task>,
    /// Weights of an ImageNet classifier with which the backbone of a task begins: safetensors or a PyTorch
    /// checkpoint [setting retrain.backbone]
    #[arg(long, value_name = "FILE", help_heading = "Settings")]
    pub backbone: Option<String>,
    /// Folder with CIFAR-10, CIFAR-100, IDX files, images or LMDB [default: the embedded Fashion-MNIST]; for a
    /// task other than classification: with Pascal VOC, Cityscapes or COCO keypoints
    #[arg(long, value_name = "PATH", help_heading = "Settings")]
    pub data: Option<String>,
    /// Which images the network is built for [setting retrain.kind]
    #[arg(long, value_parser = kind(), help_heading = "Settings")]
    pub kind: Option<NetworkKind>,
    /// Channels of a node in the first cells [setting retrain.channels]
    #[arg(long, value_name = "N", help_heading = "Settings")]
    pub channels: Option<usize>,
    /// Cells of the network [setting retrain.cells]
    #[arg(long, value_name = "N", help_heading = "Settings")]
    pub cells: Option<usize>,
    /// Epochs to train for [setting retrain.epochs]
    #[arg(long, value_name = "N", help_heading = "Settings")]
    pub epochs: Option<usize>,
    /// Train with an auxiliary head, a second classifier at two thirds of the depth [setting retrain.auxiliary]
    #[arg(long, help_heading = "Settings", conflicts_with = "no_auxiliary")]
    pub auxiliary: bool,
    /// Train without the auxiliary head
    #[arg(long, help_heading = "Settings")]
    pub no_auxiliary: bool,
    /// Skip up to this many photographs that cannot be read; each is named in engine.log
    /// [setting data.skip_faulty]
    #[arg(long, value_name = "N", help_heading = "Settings")]
    pub skip_faulty: Option<String>,
    /// The same seed gives the same training
    #[arg(long, value_name = "N", help_heading = "Settings")]
    pub seed: Option<String>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", help_heading = "Settings")]
    pub device: Option<String>,
    /// Number of devices that share each batch, each with an engine that device.launcher starts [setting
    /// device.ranks]
    #[arg(long, value_name = "N", help_heading = "Settings")]
    pub ranks: Option<usize>,
    /// The run's name [default: data, architecture and date]
    #[arg(long)]
    pub name: Option<String>,
    /// Begin paused
    #[arg(long)]
    pub paused: bool,
    #[command(flatten)]
    pub printing: PrintingArguments,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct PrintingArguments {
    /// Print progress instead of showing a screen; an engine that this command starts then ends with it
    #[arg(long)]
    pub headless: bool,
    /// Print one event a line, as JSON (with --headless)
    #[arg(long, requires = "headless")]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RunArgument {
    /// A run's name, its folder, or `latest`
    pub run: String,
}

#[derive(Debug, Args)]
pub struct ViewArguments {
    #[command(flatten)]
    pub run: RunArgument,
    /// Replay the run from its beginning, at this many generations (in a training: epochs) per second
    #[arg(long, value_name = "SPEED", num_args = 0..=1, default_missing_value = "1", value_parser = speed)]
    pub replay: Option<f64>,
}

#[derive(Debug, Args)]
pub struct AttachArguments {
    #[command(flatten)]
    pub run: RunArgument,
    #[command(flatten)]
    pub printing: PrintingArguments,
}

#[derive(Debug, Args)]
pub struct ResumeArguments {
    #[command(flatten)]
    pub run: RunArgument,
    /// Begin paused
    #[arg(long)]
    pub paused: bool,
    /// Do without the lock on a file system that has no locks; make sure first that no engine is running
    #[arg(long)]
    pub force: bool,
    /// If no checkpoint can be read, start again from the beginning; what was done is lost
    #[arg(long)]
    pub restart: bool,
    #[command(flatten)]
    pub printing: PrintingArguments,
}

#[derive(Debug, Args)]
pub struct StepArguments {
    #[command(flatten)]
    pub run: RunArgument,
    /// The unit of the step [default: pair; in a training run: epoch]
    #[arg(value_enum)]
    pub unit: Option<Unit>,
    /// How many pairs, generations or epochs
    #[arg(default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub count: u32,
    /// Return when the step is done, not when it is accepted
    #[arg(long)]
    pub wait: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Unit {
    /// In a search
    Pair,
    /// In a search
    Generation,
    /// In a training run
    Epoch,
}

#[derive(Debug, Args)]
pub struct StatusArguments {
    #[command(flatten)]
    pub run: RunArgument,
    /// Print a JSON object with fixed keys
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RunsArguments {
    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
    #[command(subcommand)]
    pub action: Option<RunsAction>,
}

#[derive(Debug, Subcommand)]
pub enum RunsAction {
    /// Remove runs and all that is in their folders; a run that is going on is not removed
    Remove {
        #[arg(required = true)]
        runs: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct ExportArguments {
    /// A run's name, its folder, or `latest`
    #[arg(required_unless_present = "arch")]
    pub run: Option<String>,
    /// With onnx: a published name or a file with a genotype, in place of the genotype of a run
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "run", requires = "weights")]
    pub arch: Option<String>,
    /// With pytorch: also as a backbone, which returns the feature maps at strides 8, 16 and 32
    #[arg(long)]
    pub features: bool,
    /// With onnx: a safetensors file with the weights to write [default: the run's best]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// The individual of this rank, counted from 1; before the end of the search, ranks are by the last losses
    #[arg(long, value_name = "N", conflicts_with = "individual")]
    pub rank: Option<usize>,
    /// This individual, counted from 0
    #[arg(long, value_name = "N")]
    pub individual: Option<IndividualId>,
    /// darts, json, toml, dot and svg hold the genotype, csv the curves, pytorch the full network as one Python file,
    /// onnx the trained network with its weights
    #[arg(long, value_enum, default_value = "darts")]
    pub format: Format,
    /// A file to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Darts,
    Json,
    Toml,
    Dot,
    Svg,
    Pytorch,
    Onnx,
    Csv,
}

/// The run itself is not changed; the result is kept in its folder, for its report
#[derive(Debug, Args)]
pub struct ProbeArguments {
    #[command(flatten)]
    pub run: RunArgument,
    /// Random pairs to estimate twice, with different seeds [default: 50]
    #[arg(long, value_name = "N")]
    pub pairs: Option<std::num::NonZeroU32>,
    /// Epochs to train every architecture for from scratch [default: 4]
    #[arg(long, value_name = "N")]
    pub epochs: Option<std::num::NonZeroU32>,
    /// Which architectures to rank: those of the population, or some drawn from all that the search has had, a
    /// wider range [default: population]
    #[arg(long, value_name = "WHAT", value_parser = ["population", "search"])]
    pub from: Option<String>,
    /// How many to draw, with `--from search`; at least 2 [default: as many as the population has]
    #[arg(long, value_name = "N", requires = "from", value_parser = clap::value_parser!(u32).range(2..))]
    pub architectures: Option<u32>,
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
    /// Do without the lock on a file system that has no locks; make sure first that no engine is running
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct ReportArguments {
    /// Names or folders of runs or of studies; runs of one searcher are repetitions, different searchers are compared
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<String>,
    /// Where to write the page; `-` is standard output [default: a file in the working directory,
    /// or standard output if that is no terminal]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The page's format [default: by the file's extension, else html]
    #[arg(long)]
    pub format: Option<PageFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PageFormat {
    /// One page that needs nothing else: no network, no scripts
    Html,
    Markdown,
    /// The figures alone, a run a line
    Csv,
}

#[derive(Debug, Args)]
pub struct CompareArguments {
    pub first: String,
    pub second: String,
    /// Print a JSON object: both runs, whether they may be compared, and what differs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ConfigArguments {
    #[command(subcommand)]
    pub action: ConfigAction,
}

#[derive(Debug, Subcommand)]
pub enum ConfigAction {
    /// Check that all settings are valid
    Check {
        #[command(flatten)]
        settings: SettingArguments,
    },
    /// Print every setting and where it came from
    Show {
        #[command(flatten)]
        settings: SettingArguments,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
}

fn speed(text: &str) -> Result<f64, String> {
    let found = text.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed > 0.0);
    found.ok_or_else(|| {
        "it must be a number of generations per second, above 0; put the run's name before `--replay`"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn json_lines_need_headless() {
        let error =
            Arguments::try_parse_from(["relativenas", "search", "--json"]).expect_err("no --headless");
        assert_eq!(error.kind(), clap::error::ErrorKind::MissingRequiredArgument);
        assert!(error.to_string().contains("--headless"), "{error}");
        Arguments::try_parse_from(["relativenas", "search", "--headless", "--json"]).expect("valid");
    }

    #[test]
    fn a_study_is_extended_by_seeds_or_searchers() {
        let parse = |words: &[&str]| {
            let command = ["relativenas", "study", "extend", "chance"];
            Arguments::try_parse_from(command.iter().chain(words))
        };
        parse(&["--seeds", "10"]).expect("valid");
        parse(&["--seeds", "10", "--searchers", "coin-flip,largest"]).expect("valid");
        let error = parse(&[]).expect_err("there is nothing to extend it by");
        assert_eq!(error.kind(), clap::error::ErrorKind::MissingRequiredArgument);
        parse(&["--searchers", "coin-flop"]).expect_err("there is no such searcher");
    }

    #[test]
    fn kinds_of_networks_are_those_of_the_settings() {
        let parse =
            |kind| Arguments::try_parse_from(["relativenas", "arch", "cost", "DARTS_V2", "--kind", kind]);
        for kind in ["cifar", "imagenet"] {
            parse(kind).expect(kind);
        }
        let error = parse("mnist").expect_err("another").to_string();
        assert!(error.contains("[possible values: cifar, imagenet]"), "{error}");
    }

    #[test]
    fn a_vector_may_be_written_out() {
        let parsed =
            Arguments::try_parse_from(["relativenas", "arch", "decode", "0.5", "-1", "--format", "json"]);
        let Some(Command::Arch(ArchArguments { action: ArchAction::Decode { architecture, .. } })) =
            parsed.expect("valid").command
        else {
            panic!("another command");
        };
        assert_eq!(architecture.words[..2], ["0.5", "-1"]);
    }
}
