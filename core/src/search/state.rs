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

/// The state of a search, from which it can go on. It can be serialised, and contains no tensors, threads or files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchState {
    pub generation: u32,
    /// The pairs of this generation, in order, each as its individuals; empty after the last generation. Of searchers
    /// that estimate one candidate at a time, each "pair" is one individual.
    pub pairs: Vec<Vec<IndividualId>>,
    /// The number of pairs of this generation that are done.
    pub done: usize,
    /// The estimates of the present pair so far, if it is estimated more than once: a list for each estimation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Vec<Estimate>>,
    pub population: Vec<Individual>,
    /// The slow and the fast learner of every pair of this generation that is done and had a verdict.
    pub lessons: Vec<PendingMove>,
    /// The last loss of every individual; `None` before its first estimate.
    pub losses: Vec<Option<Loss>>,
    /// The estimates of the last population with the final weights, by individual, as far as they are known.
    pub ranking: Vec<Estimate>,
    /// The number of candidates that were estimated. Architectures that were met before count again; the ranking in
    /// the end does not count.
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
