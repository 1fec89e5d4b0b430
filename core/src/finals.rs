//! Finals: after a search, its best distinct architectures are trained from scratch, side by side,
//! and halved until one is left.
//!
//! The first round trains everybody for a few epochs. The better half goes on to a round with three
//! times as many, and so on. Every round begins anew with fresh weights: its learning rate falls
//! along a cosine that ends with the round, and a training that was annealed to its end cannot be
//! continued as if it had been longer.
//!
//! Where every entrant has several seeds, all are trained with the first, then all with the second, and so
//! on; the round is decided by the means over them.
//!
//! [`Finals::ask`] names trainings, [`Finals::tell`] takes what they gave. As in a search, the state
//! is plain data: whoever stores it after a `tell` can go on from there, to exactly the same end.

mod entrants;

use serde::{Deserialize, Serialize};

pub use entrants::{Entrant, EntrantSource, History};

use crate::{
    event::{Event, Ranked},
    number,
    randomness::{Purpose, Streams},
    search::{Loss, Search},
};

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
    pub fn work(&self, entrants: usize) -> Work {
        self.work_from(0, entrants)
    }

    fn work_from(&self, first: u32, entrants: usize) -> Work {
        rounds(entrants).fold(Work::default(), |work, (round, count)| {
            work + self.trainings(first.saturating_add(round), self.trainings_of(count))
        })
    }

    /// How many trainings a round of so many entrants has.
    pub fn trainings_of(&self, entrants: usize) -> usize {
        entrants.saturating_mul(self.seeds as usize)
    }

    fn trainings(&self, round: u32, count: usize) -> Work {
        let count = count as u64;
        Work { trainings: count, epochs: count.saturating_mul(u64::from(self.epochs_of(round))) }
    }
}

/// How many rounds there are, if so many begin and every loss is a number.
pub fn rounds_of(entrants: usize) -> u32 {
    rounds(entrants).count() as u32
}

/// What trainings from scratch take: epochs on the training half, and one look at the validation
/// half each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub trainings: u64,
    pub epochs: u64,
}

impl std::ops::Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            trainings: self.trainings.saturating_add(other.trainings),
            epochs: self.epochs.saturating_add(other.epochs),
        }
    }
}

impl Work {
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

/// What a training from scratch gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Mean cross-entropy of every epoch on the training half.
    pub train_losses: Vec<Loss>,
    /// Mean cross-entropy on the validation half after the last epoch.
    #[serde(with = "number")]
    pub loss: f64,
    /// Per cent of the validation half.
    #[serde(with = "number")]
    pub accuracy: f64,
}

impl Figures {
    /// The figure that decides.
    pub fn judged(&self, judge: Judge) -> Loss {
        match judge {
            Judge::TrainingLoss => Loss(self.train_losses.iter().map(|loss| loss.0).sum()),
            Judge::ValidationLoss => Loss(self.loss),
        }
    }

    /// The mean of an architecture's figures over its seeds; `None` if there are none. If a figure is NaN for one
    /// seed, its mean is NaN.
    pub fn mean<'a>(of: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut seeds = of.into_iter();
        let (mut sum, mut count) = (seeds.next()?.clone(), 1.0);
        for figures in seeds {
            for (sum, loss) in sum.train_losses.iter_mut().zip(&figures.train_losses) {
                sum.0 += loss.0;
            }
            sum.loss += figures.loss;
            sum.accuracy += figures.accuracy;
            count += 1.0;
        }
        let train_losses = sum.train_losses.into_iter().map(|loss| Loss(loss.0 / count)).collect();
        Some(Self { train_losses, loss: sum.loss / count, accuracy: sum.accuracy / count })
    }
}

/// One or two trainings that are independent of each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Trainings {
    pub round: u32,
    /// Which of the round's seeds, counted from 0.
    pub seed: u32,
    pub epochs: u32,
    /// Places of the entrants.
    pub entrants: Vec<usize>,
}

/// Everything that must be stored of finals to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinalsState {
    pub settings: FinalsSettings,
    pub entrants: Vec<Entrant>,
    pub round: u32,
    /// Places of those who are still in.
    pub going: Vec<usize>,
    /// What this round's trainings gave so far: with the first seed in the order of `going`, then with the next.
    pub told: Vec<Figures>,
    /// Trainings of all rounds that were told.
    pub trainings: usize,
    pub ended: bool,
}

/// Finals in progress.
#[derive(Clone, Debug)]
pub struct Finals {
    state: FinalsState,
}

/// Why stored finals cannot be gone on with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored state is not one of finals: {0}")]
pub struct FinalsStateError(&'static str);

impl Finals {
    /// The finals of a search that has ranked its last population, and the event that tells them.
    /// `None` if the settings want none, or no architecture had a loss that is a number.
    pub fn begin(
        settings: FinalsSettings,
        search: &Search,
        ranking: &[Ranked],
        history: &History,
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
            (!state.ended && state.going.is_empty(), "nobody is left"),
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

    /// What to train next; `None` when the finals have ended. Asking again gives the same answer.
    pub fn ask(&self) -> Option<Trainings> {
        let FinalsState { settings, round, ref going, ref told, ended, .. } = self.state;
        if ended {
            return None;
        }
        let (seed, place) = (told.len() / going.len(), told.len() % going.len());
        let entrants = going.iter().skip(place).take(2).copied().collect();
        Some(Trainings { round, seed: seed as u32, epochs: settings.epochs_of(round), entrants })
    }

    /// Takes what the last [`Finals::ask`] gave; says what happened. Where trainings are done one
    /// after another, the first alone may be told, and asking again names what follows it.
    ///
    /// # Panics
    /// If the finals have ended, or there are no figures, or more than trainings were asked for.
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

    /// What is left after the next so many trainings of this round, if every loss is a number.
    pub fn left_after(&self, trainings: usize) -> Work {
        let FinalsState { settings, round, ref going, ref told, ended, .. } = self.state;
        if ended {
            return Work::default();
        }
        let now = settings.trainings_of(going.len()).saturating_sub(told.len() + trainings);
        let now = settings.trainings(round, now);
        if going.len() <= 2 {
            return now;
        }
        now + settings.work_from(round.saturating_add(1), going.len().div_ceil(2))
    }
}

/// The better half by the means over seeds, the best first; a tie goes to who stood earlier. Who has no number
/// for a figure with any of the seeds is out.
fn halved(going: &[usize], told: &[Figures], judge: Judge) -> Vec<usize> {
    let judged = |place: usize| {
        let mean = Figures::mean(told.iter().skip(place).step_by(going.len()));
        mean.map_or(Loss(f64::NAN), |figures| figures.judged(judge))
    };
    let mut order: Vec<_> =
        going.iter().enumerate().map(|(place, entrant)| (entrant, judged(place))).collect();
    order.retain(|(_, figure)| figure.0.is_finite());
    order.sort_by(|(_, a), (_, b)| a.order(*b)); // Stable.
    order.truncate(going.len().div_ceil(2));
    order.into_iter().map(|(&entrant, _)| entrant).collect()
}

/// The seeds of a training in the finals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainingSeeds {
    /// Fresh weights: the same in every round, those of the search with the first seed.
    pub weights: u64,
    /// Shuffles, augmentation and drop path.
    pub draws: u64,
}

impl TrainingSeeds {
    /// Of a round and one of its seeds, counted from 0, in the finals of a search of this seed.
    pub fn of(search: u64, round: u32, seed: u32) -> Self {
        let drawn = |a: u64| Streams::new(search).stream(Purpose::Finals, a, u64::from(seed)).bits();
        Self { weights: if seed == 0 { search } else { drawn(u64::MAX) }, draws: drawn(u64::from(round)) }
    }
}

#[cfg(test)]
mod tests;
