//! What the finals of a search are like, and what they take.

use serde::{Deserialize, Serialize};

use crate::number;

/// A round has so many times the epochs of the round before it.
const LONGER: u32 = 3;

/// What the finals of a search are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalsSettings {
    /// How many begin; 0: there are no finals.
    pub architectures: usize,
    /// Of the first round.
    pub epochs: u32,
    /// With how many seeds each is trained in a round. Finals from before there was a choice have one.
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
    /// The number of seeds of each training, where there are several.
    pub fn several_seeds(&self) -> Option<u32> {
        (self.seeds > 1).then_some(self.seeds)
    }

    /// Words for figures of these finals, to be appended: `, means over 3 seeds`. They are empty where each training
    /// has one seed.
    pub fn means(&self) -> String {
        self.several_seeds().map_or_else(String::new, |seeds| format!(", means over {seeds} seeds"))
    }

    /// Epochs of a round, counted from 0.
    pub fn epochs_of(&self, round: u32) -> u32 {
        self.epochs.saturating_mul(LONGER.saturating_pow(round))
    }

    /// What all trainings together take, if so many begin and every loss is a number.
    pub fn work(&self, entrants: usize) -> TrainingWork {
        self.work_from(0, entrants)
    }

    pub(super) fn work_from(&self, first: u32, entrants: usize) -> TrainingWork {
        rounds(entrants).fold(TrainingWork::default(), |work, (round, count)| {
            work + self.trainings(first.saturating_add(round), self.trainings_of(count))
        })
    }

    /// How many trainings a round of so many entrants has.
    pub fn trainings_of(&self, entrants: usize) -> usize {
        entrants.saturating_mul(self.seeds as usize)
    }

    pub(super) fn trainings(&self, round: u32, count: usize) -> TrainingWork {
        let count = count as u64;
        TrainingWork { trainings: count, epochs: count.saturating_mul(u64::from(self.epochs_of(round))) }
    }
}

/// How many rounds there are, if so many begin and every loss is a number.
pub fn rounds_of(entrants: usize) -> u32 {
    rounds(entrants).count() as u32
}

/// What trainings from scratch take: epochs on the training half, and one look at the validation
/// half each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrainingWork {
    pub trainings: u64,
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
    /// What a search takes, its ranking included: every estimation is a training for an epoch, and in the
    /// generations of its warm-up nothing else. After that, one-shot learners are not trained.
    pub fn of_search(population: usize, generations: u32, warm_up: u32, one_shot: bool) -> Self {
        let estimations = |generations| (population as u64).saturating_mul(generations);
        let all = u64::from(generations) + 1;
        let judged = all.saturating_sub(u64::from(warm_up));
        let trained = if one_shot { u64::from(warm_up) } else { all };
        Self { trainings: estimations(judged), epochs: estimations(trained) }
    }

    /// Images that are trained on and validated on, with halves of these sizes.
    pub fn images(self, train: usize, valid: usize) -> (u64, u64) {
        (self.epochs.saturating_mul(train as u64), self.trainings.saturating_mul(valid as u64))
    }

    /// What share of another's images this takes, with halves of these sizes.
    pub fn share_of(self, other: Self, train: usize, valid: usize) -> f64 {
        let all = |work: Self| {
            let (trained, validated) = work.images(train, valid);
            trained as f64 + validated as f64
        };
        all(self) / all(other)
    }
}

/// Every round and how many are trained in it.
fn rounds(entrants: usize) -> impl Iterator<Item = (u32, usize)> {
    let first = (entrants > 0).then_some((0, entrants));
    std::iter::successors(first, |&(round, count)| (count > 2).then(|| (round + 1, count.div_ceil(2))))
}

/// Which figure decides; lower is better.
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
    /// What the judge looks at, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::TrainingLoss => "training loss summed over epochs",
            Self::ValidationLoss => "validation loss",
        }
    }
}
