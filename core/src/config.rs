//! The settings of a run: which there are, where each value came from, and what is wrong with it.
//!
//! `config.toml` in the repository is the only place that holds defaults; it is embedded here. Other layers may only
//! set keys that it has, to values of the same type. It has a section for each struct and a key for each field, and
//! its comments tell what they mean and in which units they are; so most fields here have a comment only for what
//! differs in runs of older programs.

mod layers;
mod ranks;
mod setting;
mod toml_file;

use std::{collections::BTreeSet, str::FromStr};

use serde::{Deserialize, Serialize};

pub use layers::Layers;
pub use ranks::UnevenRanks;
pub use setting::{ConfigError, Origin, Setting};

use crate::{
    cost::Limits,
    finals::{FinalsSettings, Judge},
    network::{NetworkKind, NetworkShape},
    number,
    population::MOST_INDIVIDUALS,
    search::{Repeat, Schedule, SearchSettings},
    searcher::SearcherKind,
    space::Space,
    tabular::Dataset,
    tasks::Task,
};

/// The text of `config.toml`, which has every setting with its default and a comment.
pub const DEFAULTS: &str = include_str!("../../config.toml");

/// All settings, after they were checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub search: SearchConfig,
    pub data: DataConfig,
    pub network: NetworkConfig,
    pub training: TrainingConfig,
    /// The settings of the finals; runs from before there were finals have none.
    #[serde(default, serialize_with = "in_full")]
    pub finals: FinalsSettings,
    /// The settings of the table; runs from before there was a table have none.
    #[serde(default)]
    pub table: TableConfig,
    pub device: DeviceConfig,
    pub retrain: RetrainConfig,
    pub run: RunConfig,
    pub screen: ScreenConfig,
    /// The keys of those actions of the screen that do not have their default key, by the name of the action.
    pub keys: std::collections::BTreeMap<String, String>,
}

/// Serializes every setting of the finals; events leave out those that have their default.
fn in_full<S: serde::Serializer>(settings: &FinalsSettings, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct InFull {
        architectures: usize,
        epochs: u32,
        seeds: u32,
        judge: Judge,
    }
    let FinalsSettings { architectures, epochs, seeds, judge } = *settings;
    InFull { architectures, epochs, seeds, judge }.serialize(serializer)
}

/// The settings of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchConfig {
    #[serde(default)]
    pub space: Space,
    pub searcher: SearcherKind,
    pub population: usize,
    #[serde(default = "number::one")]
    pub pairs_at_once: usize,
    pub generations: u32,
    pub seed: u64,
    #[serde(default)]
    pub mutation: f64,
    #[serde(default)]
    pub warm_up: u32,
    #[serde(default)]
    pub one_shot: bool,
    #[serde(default = "number::on")]
    pub inherit: bool,
    /// The loss that an estimate is judged by; runs from before this setting were judged by the validation loss.
    #[serde(default = "by_validation")]
    pub judge: Judge,
    #[serde(default)]
    pub noise: f64,
    /// The greatest number of estimations of a pair; runs from before this setting estimated each pair once.
    #[serde(default = "number::one")]
    pub estimates: u32,
    pub max_parameters: u64,
    pub max_multiply_adds: u64,
    /// The greatest latency in milliseconds, or 0 for no limit; runs from before this setting have none.
    #[serde(default)]
    pub max_latency: f64,
}

/// The judge of searches from before `search.judge`.
fn by_validation() -> Judge {
    Judge::ValidationLoss
}

/// The data of a run, and the augmentation of images in a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataConfig {
    pub path: String,
    pub train_images: usize,
    pub valid_images: usize,
    pub crop_padding: usize,
    pub flip: bool,
    pub cutout: usize,
    pub augment_validation: bool,
    #[serde(default)]
    pub skip_faulty: usize,
}

/// The network of a search; that of a training is in [`RetrainConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    pub channels: usize,
    pub cells: usize,
    #[serde(default = "number::on")]
    pub affine: bool,
}

/// How networks are trained in a search; the settings of a training from scratch are in [`RetrainConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingConfig {
    pub batch: usize,
    pub validation_batch: usize,
    pub learning_rate: f64,
    pub learning_rate_end: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    pub gradient_clip: f64,
    pub drop_path: f64,
    #[serde(default)]
    pub statistics: usize,
}

/// The table from which a search of [`Space::NasBench201`] takes its losses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableConfig {
    pub dataset: Dataset,
    /// The least time that an estimation takes, in milliseconds.
    pub milliseconds: u64,
}

/// The devices that compute, and how they share the work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceConfig {
    pub kind: String,
    pub threads: usize,
    pub parallel_learners: bool,
    pub precision: Precision,
    #[serde(default = "number::one")]
    pub ranks: usize,
    #[serde(default)]
    pub launcher: String,
    #[serde(default)]
    pub rank_timeout: u64,
}

/// The precision of feature maps and convolutions; weights and statistics are f32 in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    F32,
    /// bfloat16, which has the range of f32 in two bytes, with 8 bits of precision.
    Bf16,
}

/// The error for a name that is no precision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no precision; there are f32 and bf16")]
pub struct UnknownPrecision(String);

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            _ => Err(UnknownPrecision(name.to_owned())),
        }
    }
}

/// The settings of `train`, which trains the full network of a genotype.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetrainConfig {
    /// The task, which is classification in runs from before there were others.
    #[serde(default)]
    pub task: Task,
    /// A file with the weights that the backbone of a task begins with; empty for fresh weights.
    #[serde(default)]
    pub backbone: String,
    pub kind: NetworkKind,
    pub channels: usize,
    pub cells: usize,
    pub epochs: u32,
    pub batch: usize,
    #[serde(default)]
    pub optimizer: OptimizerKind,
    pub schedule: RateSchedule,
    pub learning_rate: f64,
    pub warmup_epochs: u32,
    #[serde(default)]
    pub warmup_steps: u32,
    #[serde(default)]
    pub milestones: Vec<u32>,
    pub momentum: f64,
    pub weight_decay: f64,
    pub gradient_clip: f64,
    pub label_smoothing: f64,
    pub auxiliary: bool,
    pub auxiliary_weight: f64,
    pub drop_path: f64,
    pub cutout: usize,
    #[serde(default = "augmented")]
    pub augmentation: bool,
    #[serde(default = "published_crop")]
    pub crop: usize,
    pub valid_share: f64,
    pub checkpoint_seconds: u64,
    pub seed: u64,
}

/// How the learning rate of a training changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateSchedule {
    /// Half a cosine over all epochs.
    Cosine,
    /// A linear fall, which is flatter in the last five epochs.
    Linear,
    /// The rate is divided by ten at every milestone.
    Steps,
    /// The rate is proportional to a power of the share of steps that is left.
    Polynomial,
}

/// How weights are updated from their gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    #[default]
    Sgd,
    Adam,
}

/// The value of `augmentation` in runs from before this setting: images are augmented.
fn augmented() -> bool {
    true
}

/// Rows and columns, in pixels, of the crops with which the published segmentation is trained.
fn published_crop() -> usize {
    1024
}

/// The folders of runs, and what is kept of their logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    pub directory: String,
    pub keep_log_lines: usize,
}

/// The settings of the screen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScreenConfig {
    pub theme: Theme,
    pub color: ColorDepth,
    pub glyphs: GlyphSet,
    pub frames_per_second: u32,
    /// Whether the terminal's bell rings when a run ends or waits; runs from before this setting do not ring it.
    #[serde(default)]
    pub bell: bool,
    #[serde(default)]
    pub title: bool,
    #[serde(default)]
    pub mouse: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    #[default]
    Dark,
    Light,
    Contrast,
}

/// How many colours the screen uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorDepth {
    /// As many as COLORTERM, TERM and NO_COLOR tell.
    #[default]
    Auto,
    Truecolor,
    #[serde(rename = "256")]
    Indexed,
    #[serde(rename = "16")]
    Ansi,
    None,
}

/// The characters with which the screen draws.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GlyphSet {
    /// The characters that the locale allows.
    #[default]
    Auto,
    Braille,
    Block,
    Ascii,
}

impl SearchConfig {
    /// When pairs are estimated again.
    pub fn repeat(&self) -> Repeat {
        match self.noise > 0.0 {
            true => Repeat { noise: self.noise, estimates: self.estimates },
            false => Repeat::default(),
        }
    }
}

impl Config {
    /// The search network for a data set with this many classes.
    pub fn search_network(&self, classes: usize) -> NetworkShape {
        NetworkShape {
            kind: NetworkKind::Cifar,
            channels: self.network.channels,
            cells: self.network.cells,
            classes,
        }
    }

    /// The settings of [`crate::search`], apart from the table of latencies, which is in the manifest of a
    /// run.
    pub fn search_settings(&self, classes: usize) -> SearchSettings {
        let (schedule, limits) = match self.search.space {
            Space::Cells => (
                Schedule {
                    learning_rate: self.training.learning_rate,
                    learning_rate_end: self.training.learning_rate_end,
                    drop_path: self.training.drop_path,
                },
                Limits {
                    max_parameters: self.search.max_parameters,
                    max_multiply_adds: self.search.max_multiply_adds,
                    max_latency: self.search.max_latency,
                    latencies: None,
                    shape: Some(self.search_network(classes)),
                },
            ),
            // Nothing is trained.
            Space::NasBench201 => (Schedule::default(), Limits::default()),
        };
        SearchSettings {
            space: self.search.space,
            searcher: self.search.searcher,
            population: self.search.population,
            pairs_at_once: self.search.pairs_at_once,
            generations: self.search.generations,
            seed: self.search.seed,
            mutation: self.search.mutation,
            warm_up: self.search.warm_up,
            one_shot: self.search.one_shot,
            inherit: self.search.inherit,
            repeat: self.search.repeat(),
            schedule,
            limits,
        }
    }

    /// The first value that is out of range: its key, and what is expected.
    fn out_of_range(&self) -> Option<(&'static str, &'static str)> {
        let share = |x: f64| (0.0..1.0).contains(&x);
        let rate = |x: f64| x.is_finite() && x > 0.0;
        let weight = |x: f64| x.is_finite() && x >= 0.0;
        let (t, r) = (&self.training, &self.retrain);
        let network = self.search.space == Space::Cells;
        let rules = [
            (
                (2..=MOST_INDIVIDUALS).contains(&self.search.population)
                    && self.search.population.is_multiple_of(2),
                "search.population",
                "an even number from 2 to 10000, because individuals meet in pairs",
            ),
            (
                (1..=self.search.population / 2).contains(&self.search.pairs_at_once),
                "search.pairs_at_once",
                "from 1 to half of search.population, which is all pairs of a generation",
            ),
            ((1..=1_000_000).contains(&self.search.generations), "search.generations", "from 1 to 1000000"),
            ((0.0..=1.0).contains(&self.search.mutation), "search.mutation", "from 0 to 1"),
            (
                network || self.search.warm_up == 0,
                "search.warm_up",
                "0 where search.space is nas-bench-201, which has no weights to train",
            ),
            (
                !self.search.one_shot || self.search.warm_up > 0,
                "search.one_shot",
                "false without search.warm_up, because nothing else would train the weights",
            ),
            (
                self.search.inherit || self.search.warm_up == 0,
                "search.warm_up",
                "0 where search.inherit is false, because a warm-up only trains the weights to inherit",
            ),
            (
                self.search.judge == Judge::ValidationLoss || network && !self.search.one_shot,
                "search.judge",
                "validation-loss where no network is trained: with search.one_shot, or where search.space is \
                 nas-bench-201",
            ),
            (weight(self.search.noise), "search.noise", "0 or above"),
            (
                self.search.noise == 0.0 || self.search.pairs_at_once == 1,
                "search.noise",
                "0 where search.pairs_at_once is above 1, because only single pairs can be estimated again",
            ),
            (
                network || self.search.noise == 0.0,
                "search.noise",
                "0 where search.space is nas-bench-201, whose table gives the same answer each time",
            ),
            ((1..=100).contains(&self.search.estimates), "search.estimates", "from 1 to 100"),
            (
                self.search.warm_up < self.search.generations,
                "search.warm_up",
                "fewer than search.generations, which it is a part of",
            ),
            (
                network || self.search.max_parameters == 0,
                "search.max_parameters",
                "0 where search.space is nas-bench-201, whose table holds no costs",
            ),
            (
                network || self.search.max_multiply_adds == 0,
                "search.max_multiply_adds",
                "0 where search.space is nas-bench-201, whose table holds no costs",
            ),
            (weight(self.search.max_latency), "search.max_latency", "0 (no limit), or milliseconds above 0"),
            (
                network || self.search.max_latency == 0.0,
                "search.max_latency",
                "0 where search.space is nas-bench-201, in which no network is computed",
            ),
            (
                network || self.finals.architectures == 0,
                "finals.architectures",
                "0 where search.space is nas-bench-201, whose table has the figures of full trainings",
            ),
            (
                self.finals.architectures == 0 || (2..=1000).contains(&self.finals.architectures),
                "finals.architectures",
                "0 (no finals), or from 2 to 1000",
            ),
            ((1..=1000).contains(&self.finals.epochs), "finals.epochs", "from 1 to 1000"),
            ((1..=20).contains(&self.finals.seeds), "finals.seeds", "from 1 to 20"),
            (self.table.milliseconds <= 60_000, "table.milliseconds", "from 0 to 60000"),
            (self.data.crop_padding <= 16, "data.crop_padding", "from 0 to 16 pixels"),
            (self.data.cutout <= 64, "data.cutout", "from 0 to 64 pixels"),
            ((1..=1024).contains(&self.network.channels), "network.channels", "from 1 to 1024"),
            ((1..=100).contains(&self.network.cells), "network.cells", "from 1 to 100"),
            ((1..=65_536).contains(&t.batch), "training.batch", "from 1 to 65536"),
            (t.validation_batch <= 65_536, "training.validation_batch", "from 0 to 65536"),
            (rate(t.learning_rate), "training.learning_rate", "a number above 0"),
            (weight(t.learning_rate_end), "training.learning_rate_end", "0 or above"),
            (share(t.momentum), "training.momentum", "from 0 to below 1"),
            (weight(t.weight_decay), "training.weight_decay", "0 or above"),
            (weight(t.gradient_clip), "training.gradient_clip", "0 (no clipping) or above"),
            (share(t.drop_path), "training.drop_path", "from 0 to below 1"),
            (t.statistics <= 100_000, "training.statistics", "from 0 to 100000 batches"),
            (self.device.threads <= 1024, "device.threads", "from 0 to 1024"),
            ((1..=4096).contains(&self.device.ranks), "device.ranks", "from 1 to 4096"),
            (
                (1..=86_400).contains(&self.device.rank_timeout),
                "device.rank_timeout",
                "from 1 to 86400 seconds",
            ),
            (
                device_kind(&self.device.kind),
                "device.kind",
                "auto, cpu, cuda or cuda:N, or for a search several as cuda:0,cuda:1, each once",
            ),
            (
                r.task.is_classification() || r.kind == NetworkKind::Imagenet,
                "retrain.kind",
                "imagenet where retrain.task is not classification: its backbone has strides of 8, 16 and 32",
            ),
            (
                !r.task.is_classification() || r.backbone.is_empty(),
                "retrain.backbone",
                "an empty text where retrain.task is classification, which begins with fresh weights",
            ),
            (
                !r.task.is_classification() || r.optimizer == OptimizerKind::Sgd,
                "retrain.optimizer",
                "sgd where retrain.task is classification",
            ),
            (
                !r.task.is_classification()
                    || matches!(r.schedule, RateSchedule::Cosine | RateSchedule::Linear),
                "retrain.schedule",
                "cosine or linear where retrain.task is classification",
            ),
            (
                r.task.is_classification() || self.device.precision == Precision::F32,
                "device.precision",
                "f32 where retrain.task is not classification",
            ),
            (
                r.task.is_classification() || self.device.ranks == 1,
                "device.ranks",
                "1 where retrain.task is not classification: only classification is shared among ranks",
            ),
            (
                r.task != Task::Segmentation || (r.batch >= 2 && r.crop >= 32 && r.crop.is_multiple_of(32)),
                if r.batch < 2 { "retrain.batch" } else { "retrain.crop" },
                if r.batch < 2 {
                    TWO_IMAGES
                } else {
                    "a multiple of 32 pixels, because the network halves the resolution five times"
                },
            ),
            (r.task != Task::Detection || r.batch >= 2, "retrain.batch", TWO_IMAGES),
            (
                r.milestones.windows(2).all(|pair| pair[0] < pair[1]),
                "retrain.milestones",
                "ascending epochs, such as [90, 120]",
            ),
            ((1..=1024).contains(&r.channels), "retrain.channels", "from 1 to 1024"),
            ((1..=100).contains(&r.cells), "retrain.cells", "from 1 to 100"),
            ((1..=100_000).contains(&r.epochs), "retrain.epochs", "from 1 to 100000"),
            ((1..=65_536).contains(&r.batch), "retrain.batch", "from 1 to 65536"),
            (rate(r.learning_rate), "retrain.learning_rate", "a number above 0"),
            (r.warmup_epochs < r.epochs, "retrain.warmup_epochs", "fewer than retrain.epochs"),
            (share(r.momentum), "retrain.momentum", "from 0 to below 1"),
            (weight(r.weight_decay), "retrain.weight_decay", "0 or above"),
            (weight(r.gradient_clip), "retrain.gradient_clip", "0 (no clipping) or above"),
            (share(r.label_smoothing), "retrain.label_smoothing", "from 0 to below 1"),
            (weight(r.auxiliary_weight), "retrain.auxiliary_weight", "0 or above"),
            (share(r.drop_path), "retrain.drop_path", "from 0 to below 1"),
            (r.cutout <= 64, "retrain.cutout", "from 0 to 64 pixels"),
            (share(r.valid_share), "retrain.valid_share", "from 0 to below 1"),
            ((1..=60).contains(&self.screen.frames_per_second), "screen.frames_per_second", "from 1 to 60"),
        ];
        rules.into_iter().find(|(holds, ..)| !holds).map(|(_, key, expected)| (key, expected))
    }
}

/// What is expected of a batch for tasks in which a step needs more than one image, with the reason.
const TWO_IMAGES: &str =
    "2 or more, because batch norm after a mean over all pixels has no variance over one image";

/// Whether the text names a device, or several that work together: different CUDA devices, or `cpu` any number of
/// times.
fn device_kind(kind: &str) -> bool {
    let number = |name: &str| match name {
        "cuda" => Some(0),
        _ => name.strip_prefix("cuda:")?.parse::<u16>().ok(),
    };
    let names: Vec<_> = kind.split(',').map(str::trim).collect();
    let numbers: BTreeSet<_> = names.iter().filter_map(|name| number(name)).collect();
    kind == "auto" || names.iter().all(|name| *name == "cpu") || numbers.len() == names.len()
}
