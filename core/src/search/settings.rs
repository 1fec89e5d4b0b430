//! The settings of a search, and which of them are refused.

use serde::{Deserialize, Serialize};

use super::repeat::Repeat;
use crate::{cost::Limits, number, population::MOST_INDIVIDUALS, searcher::kind::SearcherKind, space::Space};

/// The settings of a search, apart from those of its estimator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchSettings {
    pub space: Space,
    pub searcher: SearcherKind,
    /// The number of individuals, which is even.
    pub population: usize,
    /// The number of pairs that begin with the same weights and are then adopted in order; the paper has 1.
    #[serde(default = "number::one", skip_serializing_if = "number::is_one")]
    pub pairs_at_once: usize,
    pub generations: u32,
    pub seed: u64,
    /// The probability that a gene of a slow learner is drawn anew after its move; the paper has 0.
    #[serde(default, skip_serializing_if = "number::is_zero")]
    pub mutation: f64,
    /// The number of generations at the beginning that only train the weight set and move no individual; the paper
    /// has 0. They are part of [`SearchSettings::generations`] and of the schedule of learning rate and drop path, so
    /// searches with and without a warm-up differ only in the networks that are trained. In a one-shot search, where
    /// no network is trained later, the schedule ends with the warm-up.
    #[serde(default, skip_serializing_if = "number::is_none")]
    pub warm_up: u32,
    /// After the warm-up, learners are validated with the weights that they inherit, without training, and write
    /// nothing to the weight set. The paper trains every learner.
    #[serde(default, skip_serializing_if = "number::is_off")]
    pub one_shot: bool,
    /// Whether learners inherit from the weight set and give their weights to it, as in the paper. Without, every
    /// learner is trained for an epoch from fresh weights, with the rates of the first generation, and the weight set
    /// stays empty; so this says what the weight set is worth. An operation begins with the same fresh weights in all
    /// learners, so that losses of different generations can be compared. Searches from before this setting have it on.
    #[serde(default = "number::on", skip_serializing_if = "number::is_on")]
    pub inherit: bool,
    /// Which pairs are estimated more than once; in the paper none is.
    #[serde(default, skip_serializing_if = "Repeat::is_off")]
    pub repeat: Repeat,
    pub schedule: Schedule,
    /// Architectures that exceed these limits lose against those within them.
    pub limits: Limits,
}

impl SearchSettings {
    /// The number of candidates of an estimation, unless fewer are left in the generation.
    pub fn together(&self) -> usize {
        self.searcher.together().saturating_mul(self.pairs_at_once)
    }

    /// The learning rate of this generation: a cosine over all generations in which the weight set is trained.
    pub fn learning_rate(&self, generation: u32) -> f64 {
        let (generation, annealed) = self.annealed(generation);
        self.schedule.learning_rate(generation, annealed)
    }

    /// The probability of drop path in this generation.
    pub fn drop_path(&self, generation: u32) -> f64 {
        let (generation, annealed) = self.annealed(generation);
        self.schedule.drop_path(generation, annealed)
    }

    /// The generation that decides the rates of this one, and the number of generations over which they change:
    /// those in which the weight set is trained, or the first alone where no weights are inherited.
    fn annealed(&self, generation: u32) -> (u32, u32) {
        let trained = match (self.inherit, self.one_shot) {
            (false, _) => 1,
            (true, true) => self.warm_up,
            (true, false) => self.generations,
        };
        (generation.min(trained.saturating_sub(1)), trained)
    }

    /// The searcher in words, with the number of pairs at once if it is not 1.
    pub fn rule(&self) -> String {
        match self.pairs_at_once {
            1 => self.searcher.to_string(),
            pairs => format!("{}, {pairs} pairs at once", self.searcher),
        }
    }
}

/// The training settings that change from generation to generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The learning rate of the first generation.
    pub learning_rate: f64,
    /// The end of the cosine, which a generation after the last would have.
    pub learning_rate_end: f64,
    /// The probability of drop path that a generation after the last would have; it rises linearly from 0 in the
    /// first.
    pub drop_path: f64,
}

impl Schedule {
    /// The cosine `end + (start − end) (1 + cos(π g / G)) / 2` for generation g of G.
    pub fn learning_rate(&self, generation: u32, generations: u32) -> f64 {
        let progress = f64::from(generation) / f64::from(generations.max(1));
        let cosine = (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0;
        self.learning_rate_end + (self.learning_rate - self.learning_rate_end) * cosine
    }

    /// The linear rise `p g / G` for generation g of G.
    pub fn drop_path(&self, generation: u32, generations: u32) -> f64 {
        self.drop_path * f64::from(generation) / f64::from(generations.max(1))
    }
}

/// Why a search cannot be set up.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    #[error("a population of {0} cannot be paired; it must be even, from 2 to {MOST_INDIVIDUALS}")]
    Population(usize),
    #[error("{pairs} pairs cannot be estimated at once, as a generation has {of}; it must be from 1 to {of}")]
    PairsAtOnce { pairs: usize, of: usize },
    #[error("a search needs at least one generation")]
    Generations,
    #[error("the mutation cannot be {0}; it is a probability, from 0 to 1")]
    Mutation(f64),
    #[error(
        "the warm-up cannot have {0} generations; it must be shorter than the search, and 0 where losses come from a \
         table, because there are no weights to train then"
    )]
    WarmUp(u32),
    #[error("without a warm-up the weights that one-shot learners are judged by would never be trained")]
    OneShot,
    #[error(
        "learners that inherit nothing have no use for a warm-up, which only trains the weights to inherit"
    )]
    Inherit,
    #[error("the noise cannot be {0}; it must be a number, 0 or above")]
    Noise(f64),
    #[error(
        "pairs cannot be estimated again where {0} of them are estimated at once; the noise must be 0 then"
    )]
    RepeatsAtOnce(usize),
    #[error("the stored state is not one of a search with these settings: {0}")]
    State(&'static str),
}

/// Refuses settings that no search can have.
///
/// # Errors
/// If a setting is refused; the error is about the first one.
pub(super) fn check(settings: &SearchSettings) -> Result<(), SettingsError> {
    let paired = settings.population.is_multiple_of(2);
    if !paired || !(2..=MOST_INDIVIDUALS).contains(&settings.population) {
        return Err(SettingsError::Population(settings.population));
    }
    let of = settings.population / settings.searcher.together();
    if !(1..=of).contains(&settings.pairs_at_once) {
        return Err(SettingsError::PairsAtOnce { pairs: settings.pairs_at_once, of });
    }
    if settings.generations == 0 {
        return Err(SettingsError::Generations);
    }
    if !(0.0..=1.0).contains(&settings.mutation) {
        return Err(SettingsError::Mutation(settings.mutation));
    }
    let warms_up = settings.warm_up > 0;
    if settings.warm_up >= settings.generations || warms_up && settings.space != Space::Cells {
        return Err(SettingsError::WarmUp(settings.warm_up));
    }
    if settings.one_shot && !warms_up {
        return Err(SettingsError::OneShot);
    }
    if !settings.inherit && warms_up {
        return Err(SettingsError::Inherit);
    }
    let noise = settings.repeat.noise;
    if !noise.is_finite() || noise < 0.0 {
        return Err(SettingsError::Noise(noise));
    }
    if noise > 0.0 && settings.pairs_at_once > 1 {
        return Err(SettingsError::RepeatsAtOnce(settings.pairs_at_once));
    }
    Ok(())
}
