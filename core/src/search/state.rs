//! The state of a search that is stored in checkpoints.

use serde::{Deserialize, Serialize};

use super::{
    estimation::Estimate,
    settings::{SearchSettings, SettingsError},
    warm_up,
};
use crate::{
    loss::Loss,
    population::{Individual, IndividualId},
};

/// The state of a search, from which it can go on. It can be serialised, and holds no tensors, threads or
/// files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchState {
    pub generation: u32,
    /// Estimations of this generation, as individuals; empty before the generation began.
    pub pairs: Vec<Vec<IndividualId>>,
    /// Estimations of this generation that were told.
    pub done: usize,
    /// What the pair in hand was told so far, if it is estimated more than once: a list an estimation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Vec<Estimate>>,
    pub population: Vec<Individual>,
    /// Slow and fast individual of every pair told in this generation.
    pub lessons: Vec<PendingMove>,
    /// The last loss of every individual; `None` before its first estimate.
    pub losses: Vec<Option<Loss>>,
    /// Estimates after the last generation, by individual.
    pub ranking: Vec<Estimate>,
    /// The number of all estimations, in which repeated genotypes count again.
    pub evaluations: u64,
    pub finished: bool,
}

/// A slow learner and the fast one towards which it moves when the generation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingMove {
    pub slow: IndividualId,
    pub fast: IndividualId,
}

/// Whether a stored state belongs to a search with these settings.
pub(super) fn check_state(settings: &SearchSettings, state: &SearchState) -> Result<(), SettingsError> {
    let members = settings.population;
    let exists = |individual: &IndividualId| individual.0 < members;
    let fits =
        |i: &Individual| settings.space.decode(&i.position).is_ok() && i.velocity.len() == i.position.len();
    let searching = state.generation < settings.generations;
    let warming_up = state.generation < settings.warm_up;
    let together = if warming_up { warm_up::TOGETHER } else { settings.searcher.together() };
    let problems = [
        (
            state.population.len() != members || state.losses.len() != members,
            "it has another number of individuals",
        ),
        (!state.population.iter().all(fits), "a position lies outside the space"),
        (state.generation > settings.generations, "it has seen more generations"),
        (searching && state.pairs.len() != members / together, "its generation has another number of pairs"),
        (searching && state.done >= state.pairs.len(), "its generation has no pair left"),
        (
            state.pairs.iter().any(|pair| pair.len() != together || !pair.iter().all(exists))
                || !state.lessons.iter().all(|l| exists(&l.slow) && exists(&l.fast)),
            "its pairs are not those of this searcher and population",
        ),
        (
            !state.told.is_empty() && (!searching || state.told.len() >= settings.repeat.estimates as usize)
                || state.told.iter().any(|told| told.len() != together),
            "its pair in hand was estimated more often than it is to be",
        ),
        (
            !searching && (state.ranking.len() >= members) != state.finished,
            "its ranking is not as long as it should be",
        ),
    ];
    match problems.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, problem)) => Err(SettingsError::State(problem)),
        None => Ok(()),
    }
}
