//! The settings of finals, and the work that they take.

use serde::{Deserialize, Serialize};

use crate::number;

/// A round has this many times the epochs of the round before it.
const LONGER: u32 = 3;

/// The settings of finals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalsSettings {
    /// The number of entrants of the first round; with 0 there are no finals.
    pub architectures: usize,
    /// The number of epochs in the first round.
    pub epochs: u32,
    /// The number of seeds with which each entrant is trained in a round; finals from before this setting have one.
    #[serde(default = "number::one", skip_serializing_if = "number::is_one")]
    pub seeds: u32,
    pub judge: Judge,
}

impl Default for FinalsSettings {
    fn default() -> Self {
        Self { architectures: 0, epochs: 0, seeds: 1, judge: Judge::default() }
    }
}

impl FinalsSettings {
    /// The number of seeds for each entrant, if it is more than one.
    pub fn several_seeds(&self) -> Option<u32> {
        (self.seeds > 1).then_some(self.seeds)
    }

    /// A text to append to figures of these finals, such as `, means over 3 seeds`; empty if there is one seed.
    pub fn means(&self) -> String {
        self.several_seeds().map_or_else(String::new, |seeds| format!(", means over {seeds} seeds"))
    }

    /// The number of epochs in a round; rounds are counted from 0.
    pub fn epochs_of(&self, round: u32) -> u32 {
        self.epochs.saturating_mul(LONGER.saturating_pow(round))
    }

    /// The work of all trainings, if this number of entrants begins and every loss is finite.
    pub fn work(&self, entrants: usize) -> TrainingWork {
        self.work_from(0, entrants)
    }

    pub(super) fn work_from(&self, first: u32, entrants: usize) -> TrainingWork {
        rounds(entrants).fold(TrainingWork::default(), |work, (round, count)| {
            work + self.trainings(first.saturating_add(round), self.trainings_of(count))
        })
    }

    /// The number of trainings in a round with this number of entrants.
    pub fn trainings_of(&self, entrants: usize) -> usize {
        entrants.saturating_mul(self.seeds as usize)
    }

    pub(super) fn trainings(&self, round: u32, count: usize) -> TrainingWork {
        let count = count as u64;
        TrainingWork { trainings: count, epochs: count.saturating_mul(u64::from(self.epochs_of(round))) }
    }
}

/// The number of rounds, if this number of entrants begins and every loss is finite.
pub fn rounds_of(entrants: usize) -> u32 {
    rounds(entrants).count() as u32
}

/// An amount of training. Every training ends with one validation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrainingWork {
    /// The number of trainings, each with one validation.
    pub trainings: u64,
    /// The number of epochs of all trainings together.
    pub epochs: u64,
}

impl std::ops::Add for TrainingWork {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            trainings: self.trainings.saturating_add(other.trainings),
            epochs: self.epochs.saturating_add(other.epochs),
        }
    }
}

impl TrainingWork {
    /// The work of a search with its ranking: every candidate is trained for an epoch and validated. In the warm-up,
    /// candidates are not validated; after it, those of a one-shot search are not trained.
    pub fn of_search(population: usize, generations: u32, warm_up: u32, one_shot: bool) -> Self {
        let estimations = |generations| (population as u64).saturating_mul(generations);
        let all = u64::from(generations) + 1;
        let judged = all.saturating_sub(u64::from(warm_up));
        let trained = if one_shot { u64::from(warm_up) } else { all };
        Self { trainings: estimations(judged), epochs: estimations(trained) }
    }

    /// The number of images in all epochs and in all validations, with halves of these sizes.
    pub fn images(self, train: usize, valid: usize) -> (u64, u64) {
        (self.epochs.saturating_mul(train as u64), self.trainings.saturating_mul(valid as u64))
    }

    /// The number of images of this work as a share of those of other work, with halves of these sizes.
    pub fn share_of(self, other: Self, train: usize, valid: usize) -> f64 {
        let all = |work: Self| {
            let (trained, validated) = work.images(train, valid);
            trained as f64 + validated as f64
        };
        all(self) / all(other)
    }
}

/// The rounds, each with the number of its entrants.
fn rounds(entrants: usize) -> impl Iterator<Item = (u32, usize)> {
    let first = (entrants > 0).then_some((0, entrants));
    std::iter::successors(first, |&(round, count)| (count > 2).then(|| (round + 1, count.div_ceil(2))))
}

/// The figure that decides which entrants go on; lower is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// The training losses of all epochs, added up.
    #[default]
    TrainingLoss,
    /// The loss on the validation half after the last epoch.
    ValidationLoss,
}

impl Judge {
    /// A description of the figure for texts.
    pub fn words(self) -> &'static str {
        match self {
            Self::TrainingLoss => "training loss summed over epochs",
            Self::ValidationLoss => "validation loss",
        }
    }
}
