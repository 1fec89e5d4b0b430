//! Durable events: everything that happened in a run, in order.
//!
//! A run's log has one [`Line`] of JSON for each event. The same seed gives the same events, so they contain
//! no times, durations or paths; only the line has a time.

use serde::{Deserialize, Serialize};

use crate::{
    finals::{entrant::Entrant, figures::Figures, settings::FinalsSettings},
    loss::Loss,
    network::NetworkShape,
    number,
    population::IndividualId,
    search::{estimation::Estimate, settings::SearchSettings},
    tasks::Task,
};

/// A line of `events.jsonl`, and of what an engine sends to its clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The number of the event in its run, counted from 0.
    pub seq: u64,
    /// Milliseconds since 1970 UTC.
    pub time: i64,
    pub event: Event,
}

/// Something that happened in a search or a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")] // Tagged outside, because serde parses internally tagged enums twice.
#[allow(clippy::large_enum_variant)] // `SearchStarted` occurs once a run.
pub enum Event {
    SearchStarted {
        settings: SearchSettings,
        /// The network of the search; `None` where losses are read from a table.
        network: Option<NetworkShape>,
        images: Images,
        /// The number of images in a training batch.
        batch: usize,
    },
    /// The first population was drawn; there is a position for each individual.
    PopulationSampled { positions: Vec<Vec<f64>> },
    GenerationStarted {
        generation: u32,
        /// The individuals that are compared with each other, in the order of comparisons. In a warm-up,
        /// they are the numbers of networks.
        pairs: Vec<Vec<IndividualId>>,
        learning_rate: f64,
        /// The probability that a path is dropped.
        drop_path: f64,
    },
    /// Networks of the warm-up were trained for the weight set; they were not compared.
    WeightsWarmed {
        generation: u32,
        pair: usize,
        trained: Vec<Trainee>,
        /// The networks that wrote to the weight set, in order: those whose training loss is finite.
        gives: Vec<usize>,
    },
    /// A pair (for regularized evolution: one individual) was estimated.
    PairCompared {
        generation: u32,
        pair: usize,
        /// The number of times that it was estimated; losses and accuracies are means over them.
        #[serde(default = "number::one", skip_serializing_if = "number::is_one")]
        estimations: u32,
        learners: Vec<Learner>,
        /// The fast learner; `None` if no loss was a number.
        fast: Option<IndividualId>,
        /// The slow learner; `None` also if one individual was estimated alone.
        slow: Option<IndividualId>,
        /// The individuals that wrote to the weight set, in order; empty if no loss was a number, or if
        /// learners were validated without training.
        gives: Vec<IndividualId>,
    },
    GenerationFinished {
        generation: u32,
        /// The diversity of the population before slow learners moved; see [`crate::population::diversity`].
        diversity: f64,
        /// The individuals whose position changed, with their new positions.
        moves: Vec<Move>,
    },
    /// An individual was replaced by an architecture vector that a person chose.
    IndividualInjected { individual: IndividualId, position: Vec<f64> },
    /// A member of the last population was estimated with the final weights.
    IndividualRanked { learner: Learner },
    /// The last population is ranked, and the finals begin: these architectures are trained from scratch.
    FinalsBegan { settings: FinalsSettings, entrants: Vec<Entrant> },
    /// An entrant was trained from scratch for a round's epochs.
    FinalistTrained {
        round: u32,
        /// The entrant, as an index into the entrants.
        entrant: usize,
        /// The number of the seed among those of the round, counted from 0.
        #[serde(default, skip_serializing_if = "is_first")]
        seed: u32,
        epochs: u32,
        figures: Figures,
    },
    FinalsRoundEnded {
        round: u32,
        /// The entrants that go on to the next round, as indices, the best first.
        survivors: Vec<usize>,
    },
    FinalsEnded {
        /// The entrant that won, as an index; `None` if no figure was a number.
        winner: Option<usize>,
    },
    /// The end of a search, after its finals if it has any.
    SearchFinished {
        /// The last population from best to worst, by its losses in the search.
        ranking: Vec<RankedIndividual>,
        /// The number of candidates that were estimated, without those of the ranking.
        evaluations: u64,
    },

    TrainingStarted {
        #[serde(default, skip_serializing_if = "Task::is_classification")]
        task: Task,
        network: NetworkShape,
        genotype: crate::genotype::Genotype,
        epochs: u32,
        images: Images,
        batch: usize,
    },
    EpochFinished {
        epoch: u32,
        learning_rate: f64,
        drop_path: f64,
        train_loss: Loss,
        /// The accuracy in per cent; NaN for tasks other than classification.
        #[serde(with = "number")]
        train_accuracy: f64,
        valid_loss: Loss,
        /// The accuracy, or the metric of the task, in per cent.
        #[serde(with = "number")]
        valid_accuracy: f64,
        /// Whether these are the best weights so far.
        best: bool,
    },
    TrainingFinished {
        best_epoch: u32,
        test_loss: Loss,
        /// The accuracy, or the metric of the task, in per cent.
        #[serde(with = "number")]
        test_top1: f64,
        /// The accuracy among the five highest scores, in per cent; NaN for tasks other than classification.
        #[serde(with = "number")]
        test_top5: f64,
        test_images: usize,
        #[serde(default, skip_serializing_if = "Part::is_test")]
        part: Part,
    },
}

fn is_first(seed: &u32) -> bool {
    *seed == 0
}

/// The part of the images on which the best weights are evaluated in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    #[default]
    Test,
    /// The validation images, for tasks whose data have no test images with annotations.
    Validation,
}

impl Part {
    fn is_test(&self) -> bool {
        *self == Self::Test
    }

    /// The word before "images" in texts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Validation => "validation",
        }
    }
}

/// The data set of a run, and the numbers of its images and classes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// The data set's name, such as `CIFAR-10`.
    pub name: String,
    /// The number of training images.
    pub train: usize,
    /// The number of validation images.
    pub valid: usize,
    pub classes: usize,
}

/// A candidate and its estimate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learner {
    pub individual: IndividualId,
    pub position: Vec<f64>,
    pub estimate: Estimate,
    /// By how much the architecture exceeds the limits; 0 within them.
    #[serde(default, skip_serializing_if = "number::is_zero", with = "number")]
    pub violation: f64,
}

/// A network of the warm-up. It belongs to no individual, and was trained but not validated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trainee {
    /// The number of the network in its generation, counted from 0.
    pub network: usize,
    pub position: Vec<f64>,
    /// The mean cross-entropy over the training epoch.
    pub train_loss: Loss,
    /// The number of operations that inherited trained weights.
    pub hits: usize,
    /// The number of operations that began with fresh weights.
    pub misses: usize,
}

/// The new position and velocity of an individual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Move {
    pub individual: IndividualId,
    pub position: Vec<f64>,
    pub velocity: Vec<f64>,
}

/// A place in the final ranking.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedIndividual {
    /// The rank, counted from 1.
    pub rank: usize,
    pub individual: IndividualId,
    pub loss: Loss,
    /// Accuracy on the validation half, in per cent.
    #[serde(with = "number")]
    pub accuracy: f64,
}
