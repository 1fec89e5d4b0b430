//! A search as a machine that asks for losses and is told them.
//!
//! [`Search::ask`] names independent candidates, a pair or a few, an [`Estimator`] finds their losses,
//! [`Search::tell`] says who is fast and who is slow. The state is plain data: whoever stores it
//! after a `tell` can go on from there, to exactly the same end.
//!
//! ```
//! use relativenas_core::{
//!     cost::Limits,
//!     event::Event,
//!     search::{Ask, Estimate, Schedule, Search, SearchSettings},
//!     searcher::SearcherKind,
//!     space::Space,
//! };
//!
//! let settings = SearchSettings {
//!     space: Space::Cells,
//!     searcher: SearcherKind::SlowFast,
//!     population: 10,
//!     pairs_at_once: 1,
//!     generations: 20,
//!     seed: 1,
//!     mutation: 0.0,
//!     warm_up: 0,
//!     one_shot: false,
//!     repeat: Default::default(),
//!     schedule: Schedule::default(),
//!     limits: Limits::default(),
//! };
//! let (mut search, mut events) = Search::new(settings)?;
//! while let Ask::Estimate(estimation) = search.ask() {
//!     // Where an engine trains and validates, this counts how far all genes are from their lower bound.
//!     let losses = estimation.candidates.iter().map(|candidate| candidate.position.iter().sum());
//!     let estimates: Vec<_> = losses
//!         .map(|loss| Estimate { loss, accuracy: 0.0, train_loss: loss, hits: 0, misses: 0 })
//!         .collect();
//!     let (_verdicts, told) = search.tell(&estimates);
//!     events.extend(told);
//! }
//! let Some(Event::SearchFinished { ranking, .. }) = events.last() else { panic!("a search ends") };
//! assert_eq!(ranking.len(), 10);
//! assert!(ranking[0].loss < ranking[9].loss);
//! # Ok::<(), relativenas_core::search::SettingsError>(())
//! ```

mod repeat;
mod state;
mod warm_up;

use serde::{Deserialize, Serialize};

pub use repeat::Repeat;
pub use state::{Fitness, Lesson, Loss, SearchState};

use crate::{
    cost::Limits,
    event::{Event, Learner, Move, Ranked, Trainee},
    number,
    population::{Individual, MOST_INDIVIDUALS, diversity, sample_position},
    randomness::Streams,
    searcher::{Searcher, SearcherKind},
    space::Space,
};

/// What defines a search, apart from how losses are found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchSettings {
    pub space: Space,
    pub searcher: SearcherKind,
    /// Individuals; even.
    pub population: usize,
    /// Pairs of a generation that start from the same weights and are then adopted in order; the paper has 1.
    #[serde(default = "one_pair", skip_serializing_if = "is_one_pair")]
    pub pairs_at_once: usize,
    pub generations: u32,
    pub seed: u64,
    /// With which probability a gene of a slow learner is drawn anew after its move; the paper has 0.
    #[serde(default, skip_serializing_if = "number::is_zero")]
    pub mutation: f64,
    /// Generations, the first of all, that train the weight set and move nobody; the paper has 0. They count
    /// in the budget, and learning rate and drop path go over them as over all others: it is the weight set
    /// that is annealed, and searches with and without a warm-up differ in nothing but who is trained. In a
    /// one-shot search, where nobody is trained after them, the rates reach their ends within the warm-up.
    #[serde(default, skip_serializing_if = "number::is_none")]
    pub warm_up: u32,
    /// After the warm-up, learners are judged by what they inherit, without training, and write nothing to
    /// the weight set. The paper trains every learner.
    #[serde(default, skip_serializing_if = "number::is_off")]
    pub one_shot: bool,
    /// Pairs that are estimated more than once; in the paper none is.
    #[serde(default, skip_serializing_if = "Repeat::is_off")]
    pub repeat: Repeat,
    pub schedule: Schedule,
    /// Architectures beyond these lose against those within.
    pub limits: Limits,
}

/// Searches from before there were more have this many.
fn one_pair() -> usize {
    1
}

fn is_one_pair(pairs: &usize) -> bool {
    *pairs == one_pair()
}

impl SearchSettings {
    /// How many candidates are estimated together in a generation, unless fewer are left.
    pub fn together(&self) -> usize {
        self.searcher.together().saturating_mul(self.pairs_at_once)
    }

    /// Of the networks that are trained in this generation; a true cosine over all generations that train any.
    pub fn learning_rate(&self, generation: u32) -> f64 {
        let trained = self.trained_generations();
        self.schedule.learning_rate(generation.min(trained.saturating_sub(1)), trained)
    }

    /// The probability that an operation is dropped in the networks that are trained in this generation.
    pub fn drop_path(&self, generation: u32) -> f64 {
        let trained = self.trained_generations();
        self.schedule.drop_path(generation.min(trained.saturating_sub(1)), trained)
    }

    /// Generations in which networks are trained; the weight set is annealed over these.
    fn trained_generations(&self) -> u32 {
        if self.one_shot { self.warm_up } else { self.generations }
    }

    /// The rule that it follows, in words.
    pub fn rule(&self) -> String {
        match self.pairs_at_once {
            1 => self.searcher.to_string(),
            pairs => format!("{}, {pairs} pairs at once", self.searcher),
        }
    }
}

/// What changes from generation to generation in how learners are trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    pub learning_rate: f64,
    pub learning_rate_end: f64,
    /// Reached linearly; 0 in the first generation.
    pub drop_path: f64,
}

impl Schedule {
    /// A true cosine: `end + (start − end) (1 + cos(π g / G)) / 2`.
    pub fn learning_rate(&self, generation: u32, generations: u32) -> f64 {
        let progress = f64::from(generation) / f64::from(generations.max(1));
        let cosine = (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0;
        self.learning_rate_end + (self.learning_rate - self.learning_rate_end) * cosine
    }

    pub fn drop_path(&self, generation: u32, generations: u32) -> f64 {
        self.drop_path * f64::from(generation) / f64::from(generations.max(1))
    }
}

/// Independent candidates to train and validate: those of a pair, or of as many pairs as are estimated at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimation {
    pub stage: Stage,
    pub generation: u32,
    /// Which pair of this generation it is, or the first of those that it is, from 0.
    pub pair: usize,
    /// How often the pair was estimated before, because its losses were too near to each other. Every time
    /// with other draws, and from the same weights.
    #[serde(default)]
    pub repeat: u32,
    pub learning_rate: f64,
    /// Probability that a path is dropped.
    pub drop_path: f64,
    pub candidates: Vec<Candidate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Results are adopted into the weight set, and nobody is judged: candidates are trained, not validated,
    /// and their losses and accuracies are NaN.
    WarmUp,
    /// Results are adopted into the weight set.
    Search,
    /// The last population is ranked; nothing is adopted.
    Ranking,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub individual: usize,
    pub position: Vec<f64>,
}

/// What training one epoch and validating gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean cross-entropy on the validation half; lower is better. May be NaN or infinite.
    #[serde(with = "number")]
    pub loss: f64,
    /// Per cent of the validation half.
    #[serde(with = "number")]
    pub accuracy: f64,
    /// Mean cross-entropy over the training epoch.
    #[serde(with = "number")]
    pub train_loss: f64,
    /// Inherited operations that somebody had trained before.
    pub hits: usize,
    /// Inherited operations that started fresh.
    pub misses: usize,
}

/// Who of a pair learns from whom. Indices count all candidates of the estimation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub fast: Option<usize>,
    pub slow: Option<usize>,
    /// Whose weights enter the weight set: the first gives everything it holds, the others the
    /// operations that nobody before them held. Empty if no loss was a number.
    pub gives: Vec<usize>,
}

/// An answer of [`Search::ask`].
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    Estimate(Estimation),
    Done,
}

/// Says whether an estimation may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Go,
    /// Leave the estimation; nothing of it counts.
    Abort,
}

/// Where an estimation is. Reported between batches; a pause holds the reporter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchDone {
    /// Which candidate of the estimation.
    pub candidate: usize,
    pub validating: bool,
    /// Batches done and in all, of this stage.
    pub batch: usize,
    pub batches: usize,
    pub images: usize,
    /// Mean loss so far, if somebody read it from the device.
    pub loss: Option<f64>,
}

/// What an estimation found out.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimated<T> {
    /// One a candidate, in their order.
    pub estimates: Vec<Estimate>,
    /// The weights that the candidates hold after it, for [`Estimator::adopt`].
    pub trained: T,
}

/// Finds out how good candidates are. The only thing that libtorch implements.
pub trait Estimator {
    type Error;
    /// The weights of an estimation's candidates.
    type Trained;

    /// Inherits, trains and validates every candidate. `progress` may be called from several threads.
    ///
    /// Returns `None` if `progress` said [`Flow::Abort`].
    ///
    /// # Errors
    /// If the device fails. A loss that is not a number is no error.
    fn estimate(
        &mut self,
        estimation: &Estimation,
        progress: &(dyn Fn(BatchDone) -> Flow + Sync),
    ) -> Result<Option<Estimated<Self::Trained>>, Self::Error>;

    /// Writes weights that `estimation` trained into the weight set, as the verdict on one of its pairs says. Of a
    /// pair that was estimated more than once, they are those of the last time.
    ///
    /// # Errors
    /// If the device fails.
    fn adopt(
        &mut self,
        estimation: &Estimation,
        trained: &Self::Trained,
        verdict: &Verdict,
    ) -> Result<(), Self::Error>;
}

/// Why a search cannot be set up.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    #[error("a population of {0} cannot be paired; it must be even, from 2 to {MOST_INDIVIDUALS}")]
    Population(usize),
    #[error("{pairs} pairs at once are no part of a generation, which has {of}; it must be from 1 to {of}")]
    PairsAtOnce { pairs: usize, of: usize },
    #[error("a search needs at least one generation")]
    Generations,
    #[error("a mutation of {0} is no probability; it must be from 0 to 1")]
    Mutation(f64),
    #[error(
        "a warm-up of {0} generations leaves none to search in, or there are no weights to warm up; it must be \
         shorter than the search, and 0 where a table answers"
    )]
    WarmUp(u32),
    #[error("without a warm-up nobody would ever train the weights that one-shot learners are judged by")]
    OneShot,
    #[error("a noise of {0} is none; it must be a number, 0 or above")]
    Noise(f64),
    #[error("pairs cannot be estimated again where {0} are estimated at once; the noise must be 0 then")]
    RepeatsAtOnce(usize),
    #[error("the stored state is not one of a search with these settings: {0}")]
    State(&'static str),
}

/// A search in progress.
#[derive(Clone, Debug)]
pub struct Search {
    settings: SearchSettings,
    streams: Streams,
    state: SearchState,
}

impl Search {
    /// A search at its beginning, and the event that tells the first population.
    ///
    /// # Errors
    /// If the settings make no search.
    pub fn new(settings: SearchSettings) -> Result<(Self, Vec<Event>), SettingsError> {
        check(&settings)?;
        let streams = Streams::new(settings.seed);
        let population: Vec<_> = (0..settings.population)
            .map(|i| Individual::at(sample_position(settings.space, &streams, 0, i)))
            .collect();
        let positions = population.iter().map(|i| i.position.clone()).collect();
        let state = SearchState {
            generation: 0,
            pairs: Vec::new(),
            done: 0,
            told: Vec::new(),
            lessons: Vec::new(),
            losses: vec![None; population.len()],
            population,
            ranking: Vec::new(),
            evaluations: 0,
            finished: false,
        };
        let mut search = Self { settings, streams, state };
        let mut events = vec![Event::PopulationSampled { positions }];
        search.begin_generation(&mut events);
        Ok((search, events))
    }

    /// A search that goes on from a stored state.
    ///
    /// # Errors
    /// If the settings make no search, or the state belongs to another one.
    pub fn resume(settings: SearchSettings, state: SearchState) -> Result<Self, SettingsError> {
        check(&settings)?;
        state::check_state(&settings, &state)?;
        Ok(Self { streams: Streams::new(settings.seed), settings, state })
    }

    pub fn settings(&self) -> &SearchSettings {
        &self.settings
    }

    pub fn state(&self) -> &SearchState {
        &self.state
    }

    /// What to estimate next. Asking again before telling gives the same answer.
    pub fn ask(&self) -> Ask {
        let SearchState { generation, done, .. } = self.state;
        let settings = &self.settings;
        if self.state.finished {
            return Ask::Done;
        }
        if generation == settings.generations {
            let first = self.state.ranking.len();
            let together = self.settings.pairs_at_once.saturating_mul(2);
            let candidates = (first..self.settings.population.min(first.saturating_add(together)))
                .map(|i| Candidate { individual: i, position: self.state.population[i].position.clone() })
                .collect();
            return Ask::Estimate(Estimation {
                stage: Stage::Ranking,
                generation,
                pair: first / 2,
                repeat: 0,
                learning_rate: settings.learning_rate(generation),
                drop_path: settings.drop_path(generation),
                candidates,
            });
        }
        if self.is_warming_up() {
            // One pair at a time, also where the search has several at once: networks that are trained at once
            // hold nothing in common.
            let SearchSettings { population, .. } = self.settings;
            let networks = self.state.pairs[done].iter();
            return Ask::Estimate(Estimation {
                stage: Stage::WarmUp,
                generation,
                pair: done,
                repeat: 0,
                learning_rate: settings.learning_rate(generation),
                drop_path: settings.drop_path(generation),
                candidates: networks
                    .map(|&network| warm_up::candidate(&self.streams, population, generation, network))
                    .collect(),
            });
        }
        let candidates = (self.state.pairs[done..].iter())
            .take(self.settings.pairs_at_once)
            .flatten()
            .map(|&i| Candidate {
                individual: i,
                position: self.searcher().position(&self.settings, &self.streams, &self.state, i),
            })
            .collect();
        Ask::Estimate(Estimation {
            stage: Stage::Search,
            generation,
            pair: done,
            repeat: self.state.told.len() as u32,
            learning_rate: settings.learning_rate(generation),
            drop_path: settings.drop_path(generation),
            candidates,
        })
    }

    /// Takes the estimates of the last [`Search::ask`]. Returns the verdict on each of its pairs, in order, and
    /// the events. A ranking has no verdicts. There are no events where a pair is to be estimated again.
    ///
    /// # Panics
    /// If the search is done, or the estimates are not as many as the candidates.
    pub fn tell(&mut self, estimates: &[Estimate]) -> (Vec<Verdict>, Vec<Event>) {
        let Ask::Estimate(estimation) = self.ask() else {
            panic!("the search is done");
        };
        assert_eq!(estimates.len(), estimation.candidates.len(), "one estimate a candidate");
        let mut events = Vec::new();
        let verdicts = match estimation.stage {
            Stage::WarmUp => vec![self.tell_warm_up(&estimation, estimates, &mut events)],
            Stage::Search => self.tell_pairs(&estimation, estimates, &mut events),
            Stage::Ranking => {
                self.tell_ranking(&estimation, estimates, &mut events);
                Vec::new()
            }
        };
        (verdicts, events)
    }

    /// The event that ends the search; `None` until its last population is ranked.
    pub fn conclusion(&self) -> Option<Event> {
        let SearchState { finished, evaluations, .. } = self.state;
        finished.then(|| Event::SearchFinished { ranking: self.ranking(), evaluations })
    }

    /// Whether the weight set is trained and nobody is judged yet.
    pub fn is_warming_up(&self) -> bool {
        self.state.generation < self.settings.warm_up
    }

    /// Whether individuals may still be replaced: not once the last population is ranked.
    pub fn accepts_injections(&self) -> bool {
        self.state.generation < self.settings.generations
    }

    /// Puts a genotype's vector in an individual's place, at rest.
    ///
    /// It takes part from the next pair on that the individual belongs to; lessons of this
    /// generation that it was part of are forgotten, because they were about another vector.
    ///
    /// # Panics
    /// If there is no such individual, the position has another length, or
    /// [`Search::accepts_injections`] says no.
    pub fn inject(&mut self, individual: usize, position: Vec<f64>) -> Event {
        assert!(self.accepts_injections(), "the last population is being ranked");
        assert_eq!(position.len(), self.settings.space.genes(), "a vector of this space");
        self.state.population[individual] = Individual::at(position.clone());
        self.state.losses[individual] = None;
        if self.state.pairs.get(self.state.done).is_some_and(|pair| pair.contains(&individual)) {
            self.state.told.clear(); // That was about another vector too.
        }
        self.state.lessons.retain(|l| l.slow != individual && l.fast != individual);
        Event::IndividualInjected { individual, position }
    }

    fn tell_warm_up(
        &mut self,
        estimation: &Estimation,
        estimates: &[Estimate],
        events: &mut Vec<Event>,
    ) -> Verdict {
        let verdict = warm_up::verdict(estimation, estimates);
        let network = |slot: usize| estimation.candidates[slot].individual;
        let trained = estimation.candidates.iter().zip(estimates).map(|(candidate, estimate)| Trainee {
            network: candidate.individual,
            position: candidate.position.clone(),
            train_loss: estimate.train_loss,
            hits: estimate.hits,
            misses: estimate.misses,
        });
        events.push(Event::WeightsWarmed {
            generation: estimation.generation,
            pair: estimation.pair,
            trained: trained.collect(),
            gives: verdict.gives.iter().copied().map(network).collect(),
        });
        self.state.evaluations += estimates.len() as u64;
        self.end_pair(events);
        verdict
    }

    /// Ends the generation with its last pair.
    fn end_pair(&mut self, events: &mut Vec<Event>) {
        self.state.done += 1;
        if self.state.done == self.state.pairs.len() {
            self.end_generation(events);
        }
    }

    /// Each pair as if it had been asked for alone, and its verdict in places of the whole estimation.
    fn tell_pairs(
        &mut self,
        estimation: &Estimation,
        estimates: &[Estimate],
        events: &mut Vec<Event>,
    ) -> Vec<Verdict> {
        let together = self.settings.searcher.together();
        let pairs = estimation.candidates.chunks(together).zip(estimates.chunks(together)).enumerate();
        pairs
            .map(|(index, (candidates, estimates))| {
                let pair = Estimation {
                    pair: estimation.pair + index,
                    candidates: candidates.to_vec(),
                    ..*estimation
                };
                let of_all = |slot: usize| index * together + slot;
                let Verdict { fast, slow, gives } = self.tell_pair(&pair, estimates, events);
                Verdict {
                    fast: fast.map(of_all),
                    slow: slow.map(of_all),
                    gives: gives.into_iter().map(of_all).collect(),
                }
            })
            .collect()
    }

    fn tell_pair(
        &mut self,
        estimation: &Estimation,
        estimates: &[Estimate],
        events: &mut Vec<Event>,
    ) -> Verdict {
        let violations = self.violations(estimation);
        self.state.evaluations += estimates.len() as u64;
        self.state.told.push(estimates.to_vec());
        if self.settings.repeat.wants_more(estimation, &self.state.told, &violations) {
            return Verdict::default();
        }
        let told = std::mem::take(&mut self.state.told);
        let estimates = &repeat::mean(&told)[..];
        let mut verdict = self.searcher().judge(&self.streams, estimation, estimates, &violations);
        if self.settings.one_shot {
            verdict.gives.clear(); // Nobody has learned anything.
        }
        let individual = |slot: usize| estimation.candidates[slot].individual;
        for (candidate, estimate) in estimation.candidates.iter().zip(estimates) {
            self.state.losses[candidate.individual] = Some(Loss(estimate.loss));
            let place = &mut self.state.population[candidate.individual];
            if place.position != candidate.position {
                // Regularized evolution: the child takes the place of the oldest.
                *place = Individual::at(candidate.position.clone());
            }
        }
        if let (Some(slow), Some(fast)) = (verdict.slow, verdict.fast) {
            self.state.lessons.push(Lesson { slow: individual(slow), fast: individual(fast) });
        }
        events.push(Event::PairCompared {
            generation: estimation.generation,
            pair: estimation.pair,
            estimations: told.len() as u32,
            learners: learners(estimation, estimates, &violations),
            fast: verdict.fast.map(individual),
            slow: verdict.slow.map(individual),
            gives: verdict.gives.iter().copied().map(individual).collect(),
        });
        self.end_pair(events);
        verdict
    }

    fn end_generation(&mut self, events: &mut Vec<Event>) {
        let before = diversity(self.state.population.iter().map(|i| i.position.as_slice()));
        let moved = match self.is_warming_up() {
            true => Vec::new(),
            false => self.searcher().advance(&self.settings, &self.streams, &self.state),
        };
        let moves = moved
            .into_iter()
            .map(|(individual, new)| {
                let place = &mut self.state.population[individual];
                *place = new.clone();
                Move { individual, position: new.position, velocity: new.velocity }
            })
            .collect();
        events.push(Event::GenerationFinished {
            generation: self.state.generation,
            diversity: before,
            moves,
        });
        self.state.generation += 1;
        self.state.done = 0;
        self.state.lessons.clear();
        self.state.pairs.clear();
        if self.state.generation < self.settings.generations {
            self.begin_generation(events);
        }
    }

    fn begin_generation(&mut self, events: &mut Vec<Event>) {
        let generation = self.state.generation;
        self.state.pairs = match self.is_warming_up() {
            true => warm_up::pairs(self.settings.population),
            false => self.searcher().pairs(&self.settings, &self.streams, generation),
        };
        events.push(Event::GenerationStarted {
            generation,
            pairs: self.state.pairs.clone(),
            learning_rate: self.settings.learning_rate(generation),
            drop_path: self.settings.drop_path(generation),
        });
    }

    fn tell_ranking(&mut self, estimation: &Estimation, estimates: &[Estimate], events: &mut Vec<Event>) {
        let violations = self.violations(estimation);
        self.state.ranking.extend_from_slice(estimates);
        let ranked = learners(estimation, estimates, &violations).into_iter();
        events.extend(ranked.map(|learner| Event::IndividualRanked { learner }));
        if self.state.ranking.len() == self.settings.population {
            self.state.finished = true;
            events.extend(self.conclusion());
        }
    }

    /// Everybody, the best first by the searcher's rule; equals in the order of their numbers.
    fn ranking(&self) -> Vec<Ranked> {
        let SearchSettings { limits, space, .. } = &self.settings;
        let fitness = self.state.ranking.iter().zip(&self.state.population).map(|(estimate, individual)| {
            Fitness { loss: Loss(estimate.loss), violation: limits.violation(*space, &individual.position) }
        });
        let mut order: Vec<_> = fitness.enumerate().collect();
        if self.searcher().ranks_by_loss() {
            order.sort_by(|(_, a), (_, b)| a.order(*b));
        }
        let place = |(index, (individual, _)): (usize, (usize, Fitness))| {
            let Estimate { loss, accuracy, .. } = self.state.ranking[individual];
            Ranked { rank: index + 1, individual, loss, accuracy }
        };
        order.into_iter().enumerate().map(place).collect()
    }

    fn violations(&self, estimation: &Estimation) -> Vec<f64> {
        let SearchSettings { limits, space, .. } = &self.settings;
        estimation.candidates.iter().map(|c| limits.violation(*space, &c.position)).collect()
    }

    fn searcher(&self) -> &'static dyn Searcher {
        self.settings.searcher.searcher()
    }
}

fn check(settings: &SearchSettings) -> Result<(), SettingsError> {
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
    let noise = settings.repeat.noise;
    if !noise.is_finite() || noise < 0.0 {
        return Err(SettingsError::Noise(noise));
    }
    if noise > 0.0 && settings.pairs_at_once > 1 {
        return Err(SettingsError::RepeatsAtOnce(settings.pairs_at_once));
    }
    Ok(())
}

fn learners(estimation: &Estimation, estimates: &[Estimate], violations: &[f64]) -> Vec<Learner> {
    estimation
        .candidates
        .iter()
        .zip(estimates)
        .zip(violations)
        .map(|((candidate, &estimate), &violation)| Learner {
            individual: candidate.individual,
            position: candidate.position.clone(),
            estimate,
            violation,
        })
        .collect()
}
