//! Finals: after a search, its best distinct architectures are trained from scratch, side by side,
//! and halved until one is left.
//!
//! The first round trains all of them for a few epochs. The better half goes on to a round with three times as many
//! epochs, and so on. Every round begins anew with fresh weights: its learning rate falls along a cosine that ends
//! with the round, and a training that was annealed to its end cannot be continued as if it had been longer.
//!
//! If every entrant has several seeds, all are trained with the first, then all with the second, and so on. The means
//! over seeds decide the round.
//!
//! [`Finals::ask`] gives the trainings that come next, and [`Finals::tell`] takes their results. As in a search, the
//! state is plain data: finals that go on from the state that was stored after a `tell` come to exactly the same end.

pub(crate) mod entrant;
mod entrants;
pub(crate) mod figures;
pub(crate) mod settings;

use serde::{Deserialize, Serialize};

pub use entrant::{Entrant, EntrantSource};
pub use entrants::EntrantHistory;
pub use figures::Figures;
pub use settings::{FinalsSettings, Judge, TrainingWork, rounds_of};

use crate::{
    event::{Event, RankedIndividual},
    loss::Loss,
    randomness::{Purpose, Streams},
    search::Search,
};

/// One or two trainings that are independent of each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Trainings {
    pub round: u32,
    /// The number of the seed among those of the round, counted from 0.
    pub seed: u32,
    pub epochs: u32,
    /// The entrants to train, as indices into [`FinalsState::entrants`].
    pub entrants: Vec<usize>,
}

/// The state of finals, from which they can go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinalsState {
    pub settings: FinalsSettings,
    pub entrants: Vec<Entrant>,
    pub round: u32,
    /// The entrants that take part in this round, as indices.
    pub going: Vec<usize>,
    /// The results of this round's trainings so far: those with the first seed in the order of `going`, then those
    /// with the next seed.
    pub told: Vec<Figures>,
    /// The number of finished trainings in all rounds.
    pub trainings: usize,
    pub ended: bool,
}

/// Finals in progress.
#[derive(Clone, Debug)]
pub struct Finals {
    state: FinalsState,
}

/// Why finals cannot go on from a stored state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored state is not one of finals: {0}")]
pub struct FinalsStateError(&'static str);

impl Finals {
    /// Begins the finals of a search that has ranked its last population. Returns them with their first event; `None`
    /// if the settings have no finals, no architecture had a finite loss, or the search space has no networks.
    pub fn begin(
        settings: FinalsSettings,
        search: &Search,
        ranking: &[RankedIndividual],
        history: &EntrantHistory,
    ) -> Option<(Self, Event)> {
        let entrants = entrants::choose(settings.architectures, search, ranking, history);
        if entrants.is_empty() {
            return None;
        }
        let began = Event::FinalsBegan { settings, entrants: entrants.clone() };
        let going = (0..entrants.len()).collect();
        let state =
            FinalsState { settings, entrants, round: 0, going, told: Vec::new(), trainings: 0, ended: false };
        Some((Self { state }, began))
    }

    /// Finals that go on from a stored state.
    ///
    /// # Errors
    /// If the state contradicts itself.
    pub fn resume(state: FinalsState) -> Result<Self, FinalsStateError> {
        let problems = [
            (state.going.iter().any(|&place| place >= state.entrants.len()), "it names an unknown entrant"),
            (!state.ended && state.going.is_empty(), "no entrant is left"),
            (
                !state.ended && state.told.len() >= state.settings.trainings_of(state.going.len()),
                "its round has no training left",
            ),
            (!state.ended && state.settings.epochs == 0, "it trains for no epochs"),
        ];
        match problems.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, problem)) => Err(FinalsStateError(problem)),
            None => Ok(Self { state }),
        }
    }

    pub fn state(&self) -> &FinalsState {
        &self.state
    }

    /// The trainings that come next; `None` if the finals have ended. Asking again gives the same answer.
    pub fn ask(&self) -> Option<Trainings> {
        let FinalsState { settings, round, ref going, ref told, ended, .. } = self.state;
        if ended {
            return None;
        }
        let (seed, place) = (told.len() / going.len(), told.len() % going.len());
        let entrants = going.iter().skip(place).take(2).copied().collect();
        Some(Trainings { round, seed: seed as u32, epochs: settings.epochs_of(round), entrants })
    }

    /// Takes the results of the trainings of the last [`Finals::ask`], and returns the events. If trainings are done
    /// one after the other, it may be called with the result of the first alone; the next [`Finals::ask`] then begins
    /// with the second.
    ///
    /// # Panics
    /// If the finals have ended, or there are no results, or more than there were trainings.
    pub fn tell(&mut self, figures: Vec<Figures>) -> Vec<Event> {
        let Some(Trainings { round, seed, epochs, entrants }) = self.ask() else {
            panic!("the finals have ended");
        };
        assert!((1..=entrants.len()).contains(&figures.len()), "figures of what was asked for");
        let trained = |(&entrant, figures): (&usize, &Figures)| Event::FinalistTrained {
            round,
            entrant,
            seed,
            epochs,
            figures: figures.clone(),
        };
        let mut events: Vec<_> = entrants.iter().zip(&figures).map(trained).collect();
        self.state.trainings += figures.len();
        self.state.told.extend(figures);
        if self.state.told.len() == self.state.settings.trainings_of(self.state.going.len()) {
            self.end_round(&mut events);
        }
        events
    }

    fn end_round(&mut self, events: &mut Vec<Event>) {
        let state = &mut self.state;
        let going = halved(&state.going, &state.told, state.settings.judge);
        events.push(Event::FinalsRoundEnded { round: state.round, survivors: going.clone() });
        state.ended = going.len() <= 1;
        state.going = going;
        if state.ended {
            events.push(Event::FinalsEnded { winner: state.going.first().copied() });
        } else {
            state.told.clear();
            state.round += 1;
        }
    }

    /// The work that is left after this number of further trainings of this round, if every loss will be finite.
    pub fn left_after(&self, trainings: usize) -> TrainingWork {
        let FinalsState { settings, round, ref going, ref told, ended, .. } = self.state;
        if ended {
            return TrainingWork::default();
        }
        let now = settings.trainings_of(going.len()).saturating_sub(told.len() + trainings);
        let now = settings.trainings(round, now);
        if going.len() <= 2 {
            return now;
        }
        now + settings.work_from(round.saturating_add(1), going.len().div_ceil(2))
    }
}

/// The better half of the entrants by the means over seeds, the best first. Of equal ones, the earlier goes on. An
/// entrant is out if its figure is not finite with any of the seeds.
fn halved(going: &[usize], told: &[Figures], judge: Judge) -> Vec<usize> {
    let judged = |place: usize| {
        let mean = Figures::mean(told.iter().skip(place).step_by(going.len()));
        mean.map_or(Loss::NAN, |figures| figures.judged(judge))
    };
    let mut order: Vec<_> =
        going.iter().enumerate().map(|(place, entrant)| (entrant, judged(place))).collect();
    order.retain(|(_, figure)| figure.0.is_finite());
    order.sort_by(|(_, a), (_, b)| a.order(*b)); // Stable, so equal ones keep their order.
    order.truncate(going.len().div_ceil(2));
    order.into_iter().map(|(&entrant, _)| entrant).collect()
}

/// The seeds of a training in the finals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainingSeeds {
    /// The seed of initial weights. It is the same in every round; with the first seed it is that of the search.
    pub weights: u64,
    /// The seed of shuffles, augmentation and drop path.
    pub draws: u64,
}

impl TrainingSeeds {
    /// The seeds for a round and the number of one of its seeds, both counted from 0, in the finals of a search with
    /// the seed `search`.
    pub fn of(search: u64, round: u32, seed: u32) -> Self {
        let drawn = |a: u64| Streams::new(search).stream(Purpose::Finals, a, u64::from(seed)).bits();
        Self { weights: if seed == 0 { search } else { drawn(u64::MAX) }, draws: drawn(u64::from(round)) }
    }
}

#[cfg(test)]
mod tests;
