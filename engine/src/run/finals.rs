//! The finals of a search: after its last generation and the ranking, the best architectures are trained from
//! scratch.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use relativenas_core::{
    event::Event,
    finals::{
        EntrantHistory, Figures, Finals, FinalsSettings, FinalsState, FinalsStateError, TrainingSeeds,
        Trainings,
    },
    search::{BatchDone, Candidate, Flow, Search, Slot},
};

use super::control::Control;
use crate::estimator::{EstimateError, NetworkEstimator};

/// The finals of a search: during the search, the architectures that may enter them; after it, their rounds, up to
/// the winner.
pub struct SearchFinals {
    settings: FinalsSettings,
    history: EntrantHistory,
    finals: Option<Finals>,
}

impl SearchFinals {
    pub fn new(settings: FinalsSettings) -> Self {
        Self { settings, history: EntrantHistory::default(), finals: None }
    }

    /// Restores the finals from a checkpoint.
    ///
    /// # Errors
    /// If the stored finals contradict themselves.
    pub fn resume(
        settings: FinalsSettings,
        history: EntrantHistory,
        finals: Option<FinalsState>,
    ) -> Result<Self, FinalsStateError> {
        Ok(Self { settings, history, finals: finals.map(Finals::resume).transpose()? })
    }

    pub fn settings(&self) -> FinalsSettings {
        self.settings
    }

    pub fn history(&self) -> &EntrantHistory {
        &self.history
    }

    pub fn finals(&self) -> Option<&Finals> {
        self.finals.as_ref()
    }

    pub fn finals_mut(&mut self) -> Option<&mut Finals> {
        self.finals.as_mut()
    }

    /// Notes what events of the search add to the history. If the search ends and has finals, these begin: the
    /// event that they have begun replaces the last one, which is written after the finals.
    pub fn follow(&mut self, events: &mut Vec<Event>, search: &Search) {
        let (count, generations) = (self.settings.architectures, search.settings().generations);
        if count == 0 {
            return;
        }
        for event in events.iter() {
            self.history.note(event, count, generations);
        }
        let Some(Event::SearchFinished { ranking, .. }) = events.last() else {
            return;
        };
        if let Some((finals, began)) = Finals::begin(self.settings, search, ranking, &self.history) {
            events.pop();
            events.push(began);
            self.finals = Some(finals);
        }
    }
}

/// The entrants of these trainings, as candidates for the estimator.
pub fn candidates(finals: &Finals, trainings: &Trainings) -> Vec<Candidate> {
    let candidate = |&place: &usize| {
        let entrant = &finals.state().entrants[place];
        Candidate { individual: entrant.individual, position: entrant.position.clone() }
    };
    trainings.entrants.iter().map(candidate).collect()
}

/// Trains entrants from fresh weights drawn with the round's seed; the batches that are reported count over
/// all epochs. Returns `None` if the run was aborted.
///
/// # Errors
/// If the device fails.
pub fn train(
    estimator: &mut NetworkEstimator,
    search: &Search,
    candidates: &[Candidate],
    trainings: &Trainings,
    control: &Control,
) -> anyhow::Result<Option<Vec<Figures>>> {
    let Trainings { round, seed, epochs, entrants } = trainings;
    let settings = search.settings();
    let seeds = TrainingSeeds::of(settings.seed, *round, *seed);
    estimator.reseed_draws(seeds.draws);
    estimator.reseed_fresh_weights(seeds.weights);
    let trained: Vec<_> = candidates.iter().map(|_| AtomicUsize::new(0)).collect();
    let progress = |slot: Slot, done: BatchDone| -> Flow {
        if done.validating {
            return control.member_batch_done(slot, done);
        }
        let batch = trained[slot].fetch_add(1, Ordering::Relaxed) + 1;
        control.member_batch_done(slot, BatchDone { batch, batches: done.batches * *epochs as usize, ..done })
    };
    let found: Result<_, EstimateError> =
        estimator.train_from_scratch(candidates, settings.schedule, *epochs, &progress);
    let names: Vec<_> = entrants.iter().map(ToString::to_string).collect();
    found.with_context(|| format!("finals, round {}: training entrant {}", round + 1, names.join(" and ")))
}

#[cfg(test)]
mod tests;
