//! A search that asks for the losses of candidates and is told them.
//!
//! [`Search::ask`] gives independent candidates, those of one pair or of several. An [`Estimator`] finds their
//! losses. [`Search::tell`] takes these and decides which learner of each pair is fast and which is slow. The state
//! is plain data: a search that goes on from the state that was stored after a `tell` comes to exactly the same end.
//!
//! ```
//! use relativenas_core::{
//!     cost::Limits,
//!     event::Event,
//!     loss::Loss,
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
//!     inherit: true,
//!     repeat: Default::default(),
//!     schedule: Schedule::default(),
//!     limits: Limits::default(),
//! };
//! let (mut search, mut events) = Search::new(settings)?;
//! while let Ask::Estimate(estimation) = search.ask() {
//!     // An engine would train and validate here; in this example the loss is the sum of all genes.
//!     let losses = estimation.candidates.iter().map(|c| Loss(c.position.iter().sum()));
//!     let estimates: Vec<_> = losses
//!         .map(|loss| Estimate { loss, accuracy: 0.0, train_loss: loss, hits: 0, misses: 0 })
//!         .collect();
//!     let (_verdicts, told) = search.tell(&estimates);
//!     events.extend(told);
//! }
//! let Some(Event::SearchFinished { ranking, .. }) = events.last() else { panic!("a search ends") };
//! assert_eq!(ranking.len(), 10);
//! assert!(ranking[0].loss.order(ranking[9].loss).is_lt());
//! # Ok::<(), relativenas_core::search::SettingsError>(())
//! ```

pub(crate) mod estimation;
mod repeat;
pub(crate) mod settings;
pub(crate) mod state;
mod warm_up;

pub use estimation::{
    BatchDone, Candidate, Estimate, Estimated, Estimation, Estimator, Flow, Slot, Stage, Verdict,
};
pub use repeat::Repeat;
pub use settings::{Schedule, SearchSettings, SettingsError};
pub use state::{PendingMove, SearchState};

use crate::{
    event::{Event, Learner, Move, RankedIndividual, Trainee},
    loss::Fitness,
    population::{Individual, IndividualId, diversity, sample_position},
    randomness::Streams,
    searcher::Searcher,
};

/// An answer of [`Search::ask`].
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// These candidates are to be estimated; [`Search::tell`] takes their estimates.
    Estimate(Estimation),
    /// The last population is ranked, and nothing is left to estimate.
    Done,
}

/// A search in progress.
#[derive(Clone, Debug)]
pub struct Search {
    settings: SearchSettings,
    streams: Streams,
    state: SearchState,
}

impl Search {
    /// Begins a search. Returns it with its first events: the population that was drawn, and the beginning of
    /// generation 0.
    ///
    /// # Errors
    /// If no search can have these settings.
    pub fn new(settings: SearchSettings) -> Result<(Self, Vec<Event>), SettingsError> {
        settings::check(&settings)?;
        let streams = Streams::new(settings.seed);
        let population: Vec<_> = IndividualId::all(settings.population)
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
    /// If no search can have these settings, or the state is not one of a search with them.
    pub fn resume(settings: SearchSettings, state: SearchState) -> Result<Self, SettingsError> {
        settings::check(&settings)?;
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
            let candidates = IndividualId::all(self.settings.population)
                .skip(first)
                .take(together)
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
            // One pair at a time, even if the search estimates several at once: only the two networks of a pair
            // are sure to have no operation in common.
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
                    .map(|&network| warm_up::candidate(&self.streams, population, generation, network.0))
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

    /// Takes the estimates of the candidates of the last [`Search::ask`], in their order. Returns the verdict on each
    /// pair, in order, and the events. A ranking has no verdicts. If a pair is to be estimated again, its verdict is
    /// empty and there are no events.
    ///
    /// # Panics
    /// If the search is done, or there are not as many estimates as candidates.
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

    /// Whether the search is in its warm-up, in which networks are trained for the weight set and no individuals are
    /// compared.
    pub fn is_warming_up(&self) -> bool {
        self.state.generation < self.settings.warm_up
    }

    /// Whether [`Search::inject`] may still be called: not once the last generation has ended.
    pub fn accepts_injections(&self) -> bool {
        self.state.generation < self.settings.generations
    }

    /// Replaces an individual by another vector, with velocity 0.
    ///
    /// The vector is estimated with the next pair that the individual belongs to. Lessons of this generation that the
    /// individual took part in are dropped, because they were about its former vector.
    ///
    /// # Panics
    /// If there is no such individual, the position has another length, or [`Search::accepts_injections`] is false.
    pub fn inject(&mut self, individual: IndividualId, position: Vec<f64>) -> Event {
        assert!(self.accepts_injections(), "the last population is being ranked");
        assert_eq!(position.len(), self.settings.space.genes(), "a vector of this space");
        self.state.population[individual] = Individual::at(position.clone());
        self.state.losses[individual] = None;
        if self.state.pairs.get(self.state.done).is_some_and(|pair| pair.contains(&individual)) {
            self.state.told.clear(); // These estimates were of the former vector too.
        }
        self.state.lessons.retain(|l| l.slow != individual && l.fast != individual);
        Event::IndividualInjected { individual, position }
    }

    /// Counts a pair as done, and ends the generation after its last pair.
    fn end_pair(&mut self, events: &mut Vec<Event>) {
        self.state.done += 1;
        if self.state.done == self.state.pairs.len() {
            self.end_generation(events);
        }
    }

    /// Takes the estimates of a warm-up: weights are adopted, and no individuals are compared.
    fn tell_warm_up(
        &mut self,
        estimation: &Estimation,
        estimates: &[Estimate],
        events: &mut Vec<Event>,
    ) -> Verdict {
        let verdict = warm_up::verdict(estimation, estimates);
        let network = |slot: Slot| estimation.candidates[slot].individual.0;
        let trained = estimation.candidates.iter().zip(estimates).map(|(candidate, estimate)| Trainee {
            network: candidate.individual.0,
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

    /// Takes the estimates of each pair as if the pair had been asked for alone. The slots of its verdict are those
    /// of the whole estimation.
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
                let of_all = |slot: Slot| Slot(index * together + slot.0);
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
        if self.settings.one_shot || !self.settings.inherit {
            verdict.gives.clear(); // No weights were trained, or nobody would inherit them.
        }
        let individual = |slot: Slot| estimation.candidates[slot].individual;
        for (candidate, estimate) in estimation.candidates.iter().zip(estimates) {
            self.state.losses[candidate.individual] = Some(estimate.loss);
            let place = &mut self.state.population[candidate.individual];
            if place.position != candidate.position {
                // Regularized evolution: the child takes the place of the oldest.
                *place = Individual::at(candidate.position.clone());
            }
        }
        if let (Some(slow), Some(fast)) = (verdict.slow, verdict.fast) {
            self.state.lessons.push(PendingMove { slow: individual(slow), fast: individual(fast) });
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

    /// All individuals, the best first by the searcher's rule; equal ones are in the order of their numbers.
    fn ranking(&self) -> Vec<RankedIndividual> {
        let SearchSettings { limits, space, .. } = &self.settings;
        let fitness = self.state.ranking.iter().zip(&self.state.population).map(|(estimate, individual)| {
            Fitness { loss: estimate.loss, violation: limits.violation(*space, &individual.position) }
        });
        let mut order: Vec<_> = IndividualId::all(self.state.ranking.len()).zip(fitness).collect();
        if self.settings.searcher.ranks_by_loss() {
            order.sort_by(|(_, a), (_, b)| a.order(*b));
        }
        let place = |(index, (individual, _)): (usize, (IndividualId, Fitness))| {
            let Estimate { loss, accuracy, .. } = self.state.ranking[individual];
            RankedIndividual { rank: index + 1, individual, loss, accuracy }
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
