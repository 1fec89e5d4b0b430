//! A run as it is shown: the fold over its events.
//!
//! Live, attached, finished and replayed runs are all drawn from a [`RunView`]. There is no other kind of
//! snapshot: the events determine the view.

mod finals;
mod fit;
#[cfg(test)]
mod fixture;
mod history;
mod log;
mod map;
mod state;
mod summary;
mod warm_up;

use std::collections::VecDeque;

pub use finals::{Finalist, FinalsView, Winner, WinnerSource};
pub use fit::ViewError;
pub use history::{History, Stop};
pub use log::{LogLine, Tone};
pub use map::{KEPT_GENERATIONS, MapMove, MapView, Window};
pub use state::{Phase, RunState};
pub use summary::{EpochSummary, GenerationSummary, TestSummary, TrainingView};

use crate::{
    event::{Event, Images, Learner, Line, RankedIndividual, Trainee},
    genotype::Genotype,
    loss::{Fitness, Loss},
    network::NetworkShape,
    population::IndividualId,
    search::SearchSettings,
    space::Space,
    tabular,
    weight_set::{Hits, WeightKey, WeightSet},
};

/// How many lines of the log a view keeps by default.
const KEPT_LOG_LINES: usize = 2000;

/// The state of a run as its events tell it.
#[derive(Clone, Debug)]
pub struct RunView {
    /// The number of events that were folded, which is the number of the next event.
    pub events: u64,
    /// When the first event was written, in milliseconds since 1970 UTC.
    pub started_at: i64,
    /// When the last event was written, in milliseconds since 1970 UTC.
    pub changed_at: i64,
    /// The search; `None` in a training run, and before the first event.
    pub search: Option<SearchView>,
    /// The training; `None` in a search, and before the first event.
    pub training: Option<TrainingView>,
    /// The latest events in words, the newest last.
    pub log: VecDeque<LogLine>,
    kept_log_lines: usize,
}

/// The state of a search as its events tell it.
#[derive(Clone, Debug)]
pub struct SearchView {
    pub settings: SearchSettings,
    pub network: Option<NetworkShape>,
    pub images: Images,
    pub batch: usize,
    pub generation: u32,
    /// The learning rate of the current generation, from the event of its beginning.
    pub learning_rate: f64,
    /// The members of every pair of the current generation, in order.
    pub pairs: Vec<Vec<IndividualId>>,
    /// The pairs of the current generation that were compared, in order.
    pub compared: Vec<Comparison>,
    /// The compared pairs of the generation before. The moves of their slow learners are in `population`.
    pub compared_before: Vec<Comparison>,
    /// The pairs of the current generation that trained the weight set in a warm-up, in order.
    pub warmed: Vec<Vec<Trainee>>,
    pub population: Vec<IndividualView>,
    /// Summaries of the finished generations.
    pub generations: Vec<GenerationSummary>,
    /// The best estimate so far by [`Fitness`]: if there are limits, those decide before the loss.
    pub best: Option<Best>,
    /// How often each module was trained, and when and by which individual it was trained last.
    pub weights: WeightSet<()>,
    /// The hits and misses of all learners so far.
    pub hits: Hits,
    /// The number of candidates that were estimated, without those of the ranking.
    pub evaluations: u64,
    /// Every injection of an architecture: the generation, and the individual that was replaced.
    pub injections: Vec<(u32, IndividualId)>,
    /// Estimates of the last population with the final weights, as far as they are known.
    pub ranked: Vec<Learner>,
    /// The finals after the ranking; `None` before they begin, and if there are none.
    pub finals: Option<FinalsView>,
    /// The search's own ranking, before any finals; empty until the search, with its finals, is finished.
    pub ranking: Vec<RankedIndividual>,
    /// The population projected on a plane.
    pub map: MapView,
}

/// A pair (or, in regularized evolution, one individual) after its comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub generation: u32,
    pub pair: usize,
    /// The number of its estimations; losses and accuracies are means over them.
    pub estimations: u32,
    pub learners: Vec<Learner>,
    pub fast: Option<IndividualId>,
    pub slow: Option<IndividualId>,
}

impl Comparison {
    /// The learner that is this individual; `None` if the pair does not have it.
    pub fn learner(&self, individual: Option<IndividualId>) -> Option<&Learner> {
        self.learners.iter().find(|l| Some(l.individual) == individual)
    }

    /// The loss of the slow learner less that of the fast one; `None` without a fast and a slow learner.
    pub fn gap(&self) -> Option<f64> {
        Some(self.learner(self.slow)?.estimate.loss - self.learner(self.fast)?.estimate.loss)
    }

    /// The hits and misses of all its learners.
    pub fn hits(&self) -> Hits {
        let mut sum = Hits::default();
        for learner in &self.learners {
            sum += Hits { hits: learner.estimate.hits, misses: learner.estimate.misses };
        }
        sum
    }
}

/// The state of an individual of the population.
#[derive(Clone, Debug, PartialEq)]
pub struct IndividualView {
    pub position: Vec<f64>,
    /// Its position before the last move, if it moved when the last generation ended.
    pub moved_from: Option<Vec<f64>>,
    /// Its last estimate.
    pub learner: Option<Learner>,
    /// The loss of its estimate before that.
    pub loss_before: Option<Loss>,
    /// Every generation in which it was the slow learner, with the individual that it moved towards.
    pub lessons: Vec<(u32, IndividualId)>,
    /// The generation in which it was replaced by an architecture that was injected, if that happened.
    pub injected: Option<u32>,
}

/// The best estimate of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    pub generation: u32,
    pub learner: Learner,
}

/// The best vector that a search has found so far, or its winner, with the loss that was estimated for it.
///
/// Its individual may be different by now: it may have moved, it may have been replaced by an architecture that was
/// injected, or it may have been estimated again with a higher loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BestFound<'a> {
    pub individual: IndividualId,
    /// The generation of the estimate; `None` if it is that of the final ranking.
    pub generation: Option<u32>,
    /// What decided that it won; `None` before the end.
    pub source: Option<WinnerSource>,
    pub loss: Loss,
    pub accuracy: f64,
    pub position: &'a [f64],
}

impl Default for RunView {
    fn default() -> Self {
        Self::new(KEPT_LOG_LINES)
    }
}

impl RunView {
    /// The view of a run without events; its log keeps this many lines.
    pub fn new(kept_log_lines: usize) -> Self {
        Self {
            events: 0,
            started_at: 0,
            changed_at: 0,
            search: None,
            training: None,
            log: VecDeque::new(),
            kept_log_lines,
        }
    }

    /// Folds the next line into the view. A line that was folded before changes nothing.
    ///
    /// # Errors
    /// If lines are missing in between, or the line names an individual, a gene or a network that the run
    /// does not have. The view is unchanged then.
    pub fn apply(&mut self, line: &Line) -> Result<(), ViewError> {
        if line.seq < self.events {
            return Ok(());
        }
        if line.seq > self.events {
            return Err(ViewError::Gap { expected: self.events, found: line.seq });
        }
        fit::check(self, line)?;
        if self.events == 0 {
            self.started_at = line.time;
        }
        self.events += 1;
        self.changed_at = line.time;
        if let Some(entry) = LogLine::of(line, self.search.as_ref(), self.training.as_ref()) {
            self.log.push_back(entry);
            if self.log.len() > self.kept_log_lines {
                self.log.pop_front();
            }
        }
        match &line.event {
            Event::SearchStarted { settings, network, images, batch } => {
                self.search = Some(SearchView::new(settings.clone(), *network, images.clone(), *batch));
            }
            Event::TrainingStarted { task, network, genotype, epochs, images, batch } => {
                let (genotype, images) = (genotype.clone(), images.clone());
                self.training = Some(TrainingView::new(*task, *network, genotype, *epochs, images, *batch));
            }
            event => {
                if let Some(search) = &mut self.search {
                    search.apply(event);
                }
                if let Some(training) = &mut self.training {
                    training.apply(event);
                }
            }
        }
        Ok(())
    }

    pub fn phase(&self) -> Phase {
        match (&self.search, &self.training) {
            (Some(search), _) if !search.ranking.is_empty() => Phase::Finished,
            (Some(search), _) if search.finals.is_some() => Phase::Finals,
            (Some(search), _) if search.generation >= search.settings.generations => Phase::Ranking,
            (Some(search), _) if search.is_warming_up() => Phase::WarmUp,
            (Some(_), _) => Phase::Searching,
            (None, Some(training)) if training.test.is_some() => Phase::Finished,
            (None, Some(_)) => Phase::Training,
            (None, None) => Phase::Empty,
        }
    }
}

impl SearchView {
    fn new(settings: SearchSettings, network: Option<NetworkShape>, images: Images, batch: usize) -> Self {
        Self {
            map: MapView::new(settings.space),
            settings,
            network,
            images,
            batch,
            generation: 0,
            learning_rate: 0.0,
            pairs: Vec::new(),
            compared: Vec::new(),
            compared_before: Vec::new(),
            warmed: Vec::new(),
            population: Vec::new(),
            generations: Vec::new(),
            best: None,
            weights: WeightSet::default(),
            hits: Hits::default(),
            evaluations: 0,
            injections: Vec::new(),
            ranked: Vec::new(),
            finals: None,
            ranking: Vec::new(),
        }
    }

    /// An individual of the current population; `None` if there is none of this number.
    pub fn individual(&self, individual: IndividualId) -> Option<&IndividualView> {
        self.population.get(individual.0)
    }

    /// All individuals of the current population in the order of their numbers.
    pub fn individuals(&self) -> impl Iterator<Item = (IndividualId, &IndividualView)> {
        IndividualId::all(self.population.len()).zip(&self.population)
    }

    /// The genotype of an individual, in [`Space::Cells`]; `None` in other spaces.
    pub fn genotype(&self, individual: IndividualId) -> Option<Genotype> {
        Genotype::decode(&self.individual(individual)?.position).ok()
    }

    /// The operation of every edge of an individual, as an index into [`tabular::OPERATIONS`], in
    /// [`Space::NasBench201`]; `None` in other spaces.
    pub fn edges(&self, individual: IndividualId) -> Option<[usize; tabular::EDGES]> {
        if self.settings.space != Space::NasBench201 {
            return None;
        }
        tabular::decode(&self.individual(individual)?.position).ok()
    }

    /// The diversity of the current population.
    pub fn diversity(&self) -> f64 {
        crate::population::diversity(self.population.iter().map(|i| i.position.as_slice()))
    }

    /// Whether the search is done and has no winner, because no loss of its ranking is a number.
    pub fn has_no_winner(&self) -> bool {
        !self.ranking.is_empty() && self.ranking.iter().all(|place| !place.loss.is_finite())
    }

    /// Individuals from best to worst: by the final ranking if there is one, else by last loss.
    pub fn order(&self) -> Vec<IndividualId> {
        if !self.ranking.is_empty() {
            return self.ranking.iter().map(|r| r.individual).collect();
        }
        let loss = |i: &IndividualId| {
            let learner = self.population[*i].learner.as_ref();
            learner.map_or(Loss::NAN, |l| l.estimate.loss)
        };
        let mut order: Vec<_> = IndividualId::all(self.population.len()).collect();
        order.sort_by(|a, b| loss(a).order(loss(b)).then(a.cmp(b)));
        order
    }

    /// The winner of the finals; before there is one, the first of the final ranking; before that, the best estimate
    /// so far.
    pub fn leader(&self) -> Option<BestFound<'_>> {
        if let Some((entrant, figures)) = self.finals.as_ref().and_then(FinalsView::won) {
            return Some(BestFound {
                individual: entrant.individual,
                generation: Some(entrant.generation),
                source: Some(WinnerSource::Finals),
                loss: figures.loss,
                accuracy: figures.accuracy,
                position: &entrant.position,
            });
        }
        if let Some(winner) = self.ranking.first() {
            let place = self.individual(winner.individual)?;
            return Some(BestFound {
                individual: winner.individual,
                generation: None,
                source: Some(WinnerSource::of_ranking(self.settings.searcher)),
                loss: winner.loss,
                accuracy: winner.accuracy,
                position: &place.position,
            });
        }
        let Best { generation, learner } = self.best.as_ref()?;
        Some(BestFound {
            individual: learner.individual,
            generation: Some(*generation),
            source: None,
            loss: learner.estimate.loss,
            accuracy: learner.estimate.accuracy,
            position: &learner.position,
        })
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::PopulationSampled { positions } => {
                self.population = positions.iter().map(|p| IndividualView::new(p.clone())).collect();
                self.map.visit(positions.iter().map(Vec::as_slice));
                self.look_at_the_map();
            }
            Event::GenerationStarted { generation, pairs, learning_rate, .. } => {
                self.generation = *generation;
                self.learning_rate = *learning_rate;
                self.pairs.clone_from(pairs);
            }
            Event::WeightsWarmed { generation, trained, gives, .. } => {
                self.warm(*generation, trained, gives);
            }
            Event::PairCompared { generation, pair, estimations, learners, fast, slow, gives } => {
                let comparison = Comparison {
                    generation: *generation,
                    pair: *pair,
                    estimations: *estimations,
                    learners: learners.clone(),
                    fast: *fast,
                    slow: *slow,
                };
                self.compare(comparison, gives);
            }
            Event::GenerationFinished { generation, diversity, moves } => {
                self.generations.push(GenerationSummary::of(
                    *generation,
                    *diversity,
                    (&self.compared, &self.warmed),
                    self.learning_rate,
                ));
                for individual in &mut self.population {
                    individual.moved_from = None;
                }
                for moved in moves {
                    if let Some(individual) = self.population.get_mut(moved.individual.0) {
                        let from = std::mem::replace(&mut individual.position, moved.position.clone());
                        individual.moved_from = Some(from);
                    }
                }
                for comparison in &self.compared {
                    if let (Some(slow), Some(fast)) = (comparison.slow, comparison.fast)
                        && moves.iter().any(|m| m.individual == slow)
                        && let Some(individual) = self.population.get_mut(slow.0)
                    {
                        individual.lessons.push((*generation, fast));
                    }
                }
                self.draw_on_the_map(*generation, moves);
                self.warmed.clear();
                self.compared_before = std::mem::take(&mut self.compared);
                self.pairs.clear();
                self.generation = generation.saturating_add(1);
            }
            Event::IndividualInjected { individual, position } => {
                let generation = self.generation;
                if let Some(place) = self.population.get_mut(individual.0) {
                    *place = IndividualView::new(position.clone());
                    place.injected = Some(generation);
                    self.injections.push((generation, *individual));
                    self.map.visit(std::iter::once(position.as_slice()));
                    self.look_at_the_map();
                }
            }
            Event::IndividualRanked { learner } => self.ranked.push(learner.clone()),
            Event::SearchFinished { ranking, .. } => self.ranking.clone_from(ranking),
            event => self.apply_finals(event),
        }
    }

    fn compare(&mut self, comparison: Comparison, gives: &[IndividualId]) {
        let Comparison { generation, estimations, ref learners, .. } = comparison;
        let estimated = (learners.len() as u64).saturating_mul(u64::from(estimations));
        self.evaluations = self.evaluations.saturating_add(estimated);
        for learner in learners {
            let Some(individual) = self.population.get_mut(learner.individual.0) else {
                continue;
            };
            individual.position.clone_from(&learner.position);
            let before = individual.learner.replace(learner.clone());
            individual.loss_before = before.map(|before| before.estimate.loss);
            let better = |best: &Best| {
                let fitness = |of: &Learner| Fitness { loss: of.estimate.loss, violation: of.violation };
                fitness(learner).order(fitness(&best.learner)).is_lt()
            };
            if learner.estimate.loss.is_finite() && self.best.as_ref().is_none_or(better) {
                self.best = Some(Best { generation, learner: learner.clone() });
            }
        }
        self.adopt(generation, learners, gives);
        self.hits += comparison.hits();
        self.compared.push(comparison);
    }

    /// Updates the view's weight set as the estimator updated its own.
    fn adopt(&mut self, generation: u32, learners: &[Learner], gives: &[IndividualId]) {
        let Some(shape) = self.network else {
            return;
        };
        let held: Vec<_> = gives
            .iter()
            .filter_map(|&individual| {
                let learner = learners.iter().find(|l| l.individual == individual)?;
                let genotype = Genotype::decode(&learner.position).ok()?;
                let mut keys = WeightKey::of_genotype(&genotype, &shape);
                keys.sort_unstable();
                Some((individual, keys))
            })
            .collect();
        self.weights.adopt_keys(generation, &held);
    }
}

impl IndividualView {
    fn new(position: Vec<f64>) -> Self {
        Self {
            position,
            moved_from: None,
            learner: None,
            loss_before: None,
            lessons: Vec::new(),
            injected: None,
        }
    }
}
