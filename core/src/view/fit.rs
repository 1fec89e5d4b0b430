//! Checks that an event can have happened in a run. A damaged log, or that of another run, may name individuals,
//! genes or networks that do not exist. It is rejected here, so that code that uses a view need not check again.

use super::{RunView, SearchView};
use crate::{
    event::{Event, Learner, Line},
    network::NetworkShape,
    population::IndividualId,
    search::SearchSettings,
};

/// The last millisecond of the year 9999, the last one with a date.
const LAST_TIME: i64 = 253_402_300_799_999;

/// Why a line was not folded into a view.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// The line does not follow the one before.
    #[error("event {found} came where event {expected} was expected; some are missing")]
    Gap { expected: u64, found: u64 },
    /// The event cannot have happened in this run.
    #[error("event {seq} is not of this run: {problem}")]
    Misfit { seq: u64, problem: String },
}

/// Checks a line against the state of its run.
pub(super) fn check(view: &RunView, line: &Line) -> Result<(), ViewError> {
    let problem = if (0..=LAST_TIME).contains(&line.time) {
        problem(view, &line.event)
    } else {
        Some(format!("its time, {}, is not between 1970 and 9999", line.time))
    };
    problem.map_or(Ok(()), |problem| Err(ViewError::Misfit { seq: line.seq, problem }))
}

fn problem(view: &RunView, event: &Event) -> Option<String> {
    match (event, &view.search) {
        (Event::SearchStarted { settings, network, .. }, _) => {
            let SearchSettings { limits, .. } = settings;
            network.iter().chain(&limits.shape).find_map(shape)
        }
        (Event::TrainingStarted { network, .. }, _) => shape(network),
        (Event::EpochFinished { .. } | Event::TrainingFinished { .. }, _) => None,
        (_, None) => Some("no search has begun".to_owned()),
        (event, Some(search)) => search.problem(event),
    }
}

fn shape(network: &NetworkShape) -> Option<String> {
    network.check().err().map(|error| error.to_string())
}

impl SearchView {
    fn problem(&self, event: &Event) -> Option<String> {
        match event {
            Event::PopulationSampled { positions } => {
                let expected = self.settings.population;
                let found = positions.len();
                (found != expected)
                    .then(|| format!("it has {found} individuals, the search {expected}"))
                    .or_else(|| positions.iter().find_map(|position| self.no_vector(position)))
            }
            Event::GenerationStarted { pairs, .. } => {
                pairs.iter().flatten().find_map(|&i| self.no_individual(i))
            }
            Event::WeightsWarmed { trained, gives, .. } => trained
                .iter()
                .find_map(|trainee| {
                    self.no_individual(IndividualId(trainee.network))
                        .or_else(|| self.no_vector(&trainee.position))
                })
                .or_else(|| gives.iter().find_map(|&i| self.no_individual(IndividualId(i)))),
            Event::PairCompared { learners, fast, slow, gives, .. } => learners
                .iter()
                .find_map(|learner| self.no_learner(learner))
                .or_else(|| fast.iter().chain(slow).chain(gives).find_map(|&i| self.no_individual(i))),
            Event::GenerationFinished { moves, .. } => moves.iter().find_map(|moved| {
                self.no_individual(moved.individual)
                    .or_else(|| self.no_vector(&moved.position))
                    .or_else(|| self.no_vector(&moved.velocity))
            }),
            Event::IndividualInjected { individual, position } => {
                self.no_individual(*individual).or_else(|| self.no_vector(position))
            }
            Event::IndividualRanked { learner } => self.no_learner(learner),
            Event::SearchFinished { ranking, .. } => {
                ranking.iter().find_map(|ranked| self.no_individual(ranked.individual))
            }
            Event::FinalsBegan { entrants, .. } => entrants.iter().find_map(|entrant| {
                self.no_individual(entrant.individual).or_else(|| self.no_vector(&entrant.position))
            }),
            event => self.problem_of_finals(event),
        }
    }

    fn no_learner(&self, learner: &Learner) -> Option<String> {
        self.no_individual(learner.individual).or_else(|| self.no_vector(&learner.position))
    }

    fn no_individual(&self, individual: IndividualId) -> Option<String> {
        let count = self.population.len();
        (individual.0 >= count).then(|| format!("it names individual {individual} of {count}"))
    }

    fn no_vector(&self, vector: &[f64]) -> Option<String> {
        let (found, expected) = (vector.len(), self.settings.space.genes());
        (found != expected).then(|| format!("a vector has {found} genes, the space {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Images, Move, RankedIndividual},
        loss::Loss,
        network::NetworkKind,
        search::{Estimate, Search},
        space::Space,
    };

    const SHAPE: NetworkShape = NetworkShape { kind: NetworkKind::Cifar, channels: 4, cells: 3, classes: 10 };

    fn settings() -> SearchSettings {
        SearchSettings {
            space: Space::Cells,
            searcher: Default::default(),
            population: 4,
            pairs_at_once: 1,
            generations: 2,
            seed: 1,
            mutation: 0.0,
            warm_up: 0,
            one_shot: false,
            inherit: true,
            repeat: Default::default(),
            schedule: Default::default(),
            limits: Default::default(),
        }
    }

    fn started(network: NetworkShape) -> Event {
        let images = Images { name: "images".into(), train: 1, valid: 1, classes: 10 };
        Event::SearchStarted { settings: settings(), network: Some(network), images, batch: 1 }
    }

    /// A view of a search that has begun.
    fn begun() -> RunView {
        let (_, events) = Search::new(settings()).expect("valid");
        let mut view = RunView::default();
        for event in [started(SHAPE)].into_iter().chain(events) {
            view.apply(&Line { seq: view.events, time: 0, event }).expect("in order");
        }
        view
    }

    fn refuse(mut view: RunView, event: Event, problem: &str) {
        let seq = view.events;
        let refused = ViewError::Misfit { seq, problem: problem.into() };
        assert_eq!(view.apply(&Line { seq, time: 0, event }), Err(refused));
        assert_eq!(view.events, seq);
    }

    fn learner(individual: IndividualId, genes: usize) -> Learner {
        let estimate =
            Estimate { loss: Loss(1.0), accuracy: 1.0, train_loss: Loss(1.0), hits: usize::MAX, misses: 1 };
        Learner { individual, position: vec![0.5; genes], estimate, violation: 0.0 }
    }

    fn compared(learners: Vec<Learner>, fast: usize) -> Event {
        let (fast, slow) = (Some(IndividualId(fast)), None);
        Event::PairCompared {
            generation: u32::MAX,
            pair: usize::MAX,
            estimations: u32::MAX,
            learners,
            fast,
            slow,
            gives: vec![IndividualId(0)],
        }
    }

    #[test]
    fn individuals_and_genes_that_there_are_not_are_refused() {
        refuse(begun(), compared(vec![learner(IndividualId(4), 32)], 0), "it names individual 4 of 4");
        refuse(begun(), compared(vec![learner(IndividualId(0), 32)], 9), "it names individual 9 of 4");
        refuse(
            begun(),
            compared(vec![learner(IndividualId(0), 31)], 0),
            "a vector has 31 genes, the space 32",
        );
        refuse(
            begun(),
            Event::PopulationSampled { positions: vec![vec![0.5; 32]; 3] },
            "it has 3 individuals, the search 4",
        );
        let moves = vec![Move { individual: IndividualId(1), position: vec![0.5; 32], velocity: vec![] }];
        refuse(
            begun(),
            Event::GenerationFinished { generation: 0, diversity: 0.0, moves },
            "a vector has 0 genes, the space 32",
        );
        let ranking = vec![RankedIndividual {
            rank: 1,
            individual: IndividualId(usize::MAX),
            loss: Loss(1.0),
            accuracy: 1.0,
        }];
        refuse(
            begun(),
            Event::SearchFinished { ranking, evaluations: 1 },
            "it names individual 18446744073709551615 of 4",
        );
        refuse(
            RunView::default(),
            Event::GenerationStarted { generation: 0, pairs: vec![], learning_rate: 0.1, drop_path: 0.0 },
            "no search has begun",
        );
    }

    #[test]
    fn a_network_that_would_fill_the_memory_is_refused() {
        let endless = NetworkShape { cells: usize::MAX, ..SHAPE };
        refuse(
            RunView::default(),
            started(endless),
            "18446744073709551615 cells; a network has 1 to 1000 of them",
        );
    }

    #[test]
    fn a_time_without_a_date_is_refused() {
        let line = Line { seq: 0, time: i64::MIN, event: started(SHAPE) };
        let error = RunView::default().apply(&line).expect_err("no date").to_string();
        assert_eq!(
            error,
            "event 0 is not of this run: its time, -9223372036854775808, is not between 1970 and 9999"
        );
    }

    #[test]
    fn the_largest_numbers_that_fit_are_counted_without_overflow() {
        let mut view = begun();
        for event in [
            compared(vec![learner(IndividualId(0), 32), learner(IndividualId(1), 32)], 0),
            Event::GenerationFinished { generation: u32::MAX, diversity: f64::MAX, moves: vec![] },
            compared(vec![learner(IndividualId(0), 32)], 0),
        ] {
            view.apply(&Line { seq: view.events, time: LAST_TIME, event }).expect("it fits");
        }
        let search = view.search.expect("a search");
        assert_eq!((search.hits.hits, search.hits.rate()), (usize::MAX, Some(100.0)));
        assert_eq!(search.generation, u32::MAX);
    }
}
