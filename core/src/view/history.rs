//! Earlier moments of a run.
//!
//! A view is a fold over events, so an earlier moment is the fold of fewer of them. All events are kept, and also the
//! views at certain intervals, so that only few events must be folded again to go back.

use super::RunView;
use crate::event::{Event, Line};

/// The largest number of views that are kept. Beyond it every other view is dropped, and the interval is doubled.
const MOST_FOLDS: usize = 128;
/// The first interval, in events.
const FIRST_INTERVAL: u64 = 32;
/// The number of log lines in an earlier view.
const LOG_LINES: usize = 24;

/// The events of a run, and its views at certain intervals.
#[derive(Clone, Debug)]
pub struct History {
    lines: Vec<Line>,
    stops: Vec<Stop>,
    folds: Vec<RunView>,
    interval: u64,
}

/// A moment to which one may want to go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The number of events up to this moment.
    pub events: u64,
    /// The current generation (in a training, the number of epochs that are done).
    pub generation: u32,
    /// The number of its pairs that were done then.
    pub pairs: usize,
}

impl Stop {
    /// Whether a generation was about to begin.
    pub fn is_beginning(&self) -> bool {
        self.pairs == 0
    }
}

impl Default for History {
    fn default() -> Self {
        Self { lines: Vec::new(), stops: Vec::new(), folds: Vec::new(), interval: FIRST_INTERVAL }
    }
}

impl History {
    /// Adds a line that was just folded into `view`. A line that was added before changes nothing.
    pub fn take(&mut self, line: Line, view: &RunView) {
        if line.seq != self.lines.len() as u64 || view.events != line.seq + 1 {
            return;
        }
        self.stops.extend(stop(&line.event, view));
        self.lines.push(line);
        if view.events.is_multiple_of(self.interval) {
            self.folds.push(view.with_log(LOG_LINES));
        }
        if self.folds.len() > MOST_FOLDS {
            self.interval *= 2;
            self.folds.retain(|fold| fold.events.is_multiple_of(self.interval));
        }
    }

    /// The view after this many events, or the latest if there are fewer. Its log has few lines.
    pub fn at(&self, events: u64) -> RunView {
        let mut view = self.nearest(events).cloned().unwrap_or_else(|| RunView::new(LOG_LINES));
        self.go_on(&mut view, events);
        view
    }

    /// Folds further events into an earlier view until it has this many.
    pub fn go_on(&self, view: &mut RunView, events: u64) {
        let end = usize::try_from(events).unwrap_or(usize::MAX).min(self.lines.len());
        let start = usize::try_from(view.events).unwrap_or(usize::MAX).min(end);
        for line in &self.lines[start..end] {
            // The line was accepted once before.
            let taken = view.apply(line);
            debug_assert_eq!(taken, Ok(()));
        }
    }

    /// The number of events that [`History::at`] has to fold, which tells how long it takes.
    pub fn distance(&self, events: u64) -> u64 {
        events - self.nearest(events).map_or(0, |fold| fold.events)
    }

    fn nearest(&self, events: u64) -> Option<&RunView> {
        let after = self.folds.partition_point(|fold| fold.events <= events);
        self.folds[..after].last()
    }

    /// The last moment before this many events: the beginning of a generation or, if `pairs` is set, also the
    /// end of a pair.
    pub fn earlier(&self, events: u64, pairs: bool) -> Option<Stop> {
        let before = self.stops.partition_point(|stop| stop.events < events);
        self.stops[..before].iter().rev().find(|stop| pairs || stop.is_beginning()).copied()
    }

    /// The first moment after this many events, of the same kinds.
    pub fn later(&self, events: u64, pairs: bool) -> Option<Stop> {
        let until = self.stops.partition_point(|stop| stop.events <= events);
        self.stops[until..].iter().find(|stop| pairs || stop.is_beginning()).copied()
    }

    /// The beginning of a generation, which is the end of the one before.
    pub fn beginning(&self, generation: u32) -> Option<Stop> {
        let at = self.stops.partition_point(|stop| stop.generation < generation);
        self.stops.get(at).filter(|stop| stop.generation == generation).copied()
    }
}

fn stop(event: &Event, view: &RunView) -> Option<Stop> {
    let events = view.events;
    match event {
        Event::GenerationStarted { generation, .. } => {
            Some(Stop { events, generation: *generation, pairs: 0 })
        }
        Event::PairCompared { generation, .. } | Event::WeightsWarmed { generation, .. } => {
            let pairs = view.search.as_ref()?.pairs_done();
            Some(Stop { events, generation: *generation, pairs })
        }
        // The last generation is followed by no other, so its end is a stop, which shows the moves.
        Event::GenerationFinished { generation, .. } => {
            let next = generation.saturating_add(1);
            let is_last = next >= view.search.as_ref()?.settings.generations;
            is_last.then_some(Stop { events, generation: next, pairs: 0 })
        }
        Event::EpochFinished { epoch, .. } => {
            Some(Stop { events, generation: epoch.saturating_add(1), pairs: 0 })
        }
        _ => None,
    }
}

impl RunView {
    /// A copy with only the last lines of its log.
    fn with_log(&self, lines: usize) -> Self {
        Self {
            log: self.log.iter().skip(self.log.len().saturating_sub(lines)).cloned().collect(),
            kept_log_lines: lines,
            search: self.search.clone(),
            training: self.training.clone(),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::IndividualId;
    use crate::{
        network::{NetworkKind, NetworkShape},
        space::Space,
        view::fixture,
    };

    /// A search after this many pairs, and its history.
    fn search(population: usize, generations: u32, pairs: usize) -> (RunView, History) {
        let settings = fixture::settings(Space::Cells, Default::default(), population, generations);
        let network = NetworkShape { kind: NetworkKind::Cifar, channels: 4, cells: 3, classes: 10 };
        let (mut view, mut history) = (RunView::new(LOG_LINES), History::default());
        fixture::play(settings, Some(network), pairs, |events| {
            for event in events {
                let line = Line { seq: view.events, time: 0, event };
                view.apply(&line).expect("in order");
                history.take(line, &view);
            }
        });
        (view, history)
    }

    /// Everything that a view shows.
    fn said(view: &RunView) -> String {
        format!("{view:?}")
    }

    #[test]
    fn every_earlier_moment_is_the_fold_of_the_events_until_then() {
        let (view, history) = search(6, 40, usize::MAX);
        let mut fold = RunView::new(LOG_LINES);
        for line in &history.lines {
            fold.apply(line).expect("in order");
            assert_eq!(said(&history.at(fold.events)), said(&fold), "{} events", fold.events);
        }
        assert_eq!(said(&history.at(u64::MAX)), said(&view));
        assert!(history.folds.len() > 3, "it went on from folds that were kept");
    }

    #[test]
    fn a_step_back_in_a_long_log_folds_few_events_from_few_folds() {
        let (mut view, mut history) = search(2, u32::MAX, 0);
        for generation in 0..33_400 {
            for event in [
                Event::GenerationStarted {
                    generation,
                    pairs: vec![vec![IndividualId(0), IndividualId(1)]],
                    learning_rate: 0.1,
                    drop_path: 0.0,
                },
                Event::PairCompared {
                    generation,
                    pair: 0,
                    estimations: 1,
                    learners: vec![],
                    fast: Some(IndividualId(0)),
                    slow: Some(IndividualId(1)),
                    gives: vec![],
                },
                Event::GenerationFinished { generation, diversity: 1.0, moves: vec![] },
            ] {
                let line = Line { seq: view.events, time: 0, event };
                view.apply(&line).expect("in order");
                history.take(line, &view);
            }
        }
        assert!(view.events > 100_000, "{}", view.events);
        assert!(history.folds.len() <= MOST_FOLDS, "{}", history.folds.len());
        let mut at = view.events;
        let (mut steps, mut most) = (0, 0);
        while let Some(stop) = history.earlier(at, true) {
            (at, steps) = (stop.events, steps + 1);
            most = most.max(history.distance(at));
        }
        assert!(steps > 66_000 && most <= 1024, "{steps} steps, {most} events at most");
    }

    #[test]
    fn one_goes_by_generations_or_by_pairs() {
        let (view, history) = search(6, 3, usize::MAX);
        let all = |pairs| {
            let mut places = Vec::new();
            let mut at = view.events;
            while let Some(stop) = history.earlier(at, pairs) {
                places.push((stop.generation, stop.pairs));
                at = stop.events;
            }
            let first = history.later(0, pairs);
            assert_eq!(first.map(|stop| (stop.generation, stop.pairs)), places.last().copied());
            places
        };
        assert_eq!(all(false), [(3, 0), (2, 0), (1, 0), (0, 0)]);
        let pairs: Vec<_> = (0..3).flat_map(|g| (0..=3).map(move |p| (g, p))).chain([(3, 0)]).rev().collect();
        assert_eq!(all(true), pairs);
        let second = history.beginning(2).expect("it began");
        assert_eq!(history.at(second.events).search.map(|s| (s.generation, s.compared.len())), Some((2, 0)));
        assert_eq!(history.later(second.events, false).map(|stop| stop.generation), Some(3));
        assert_eq!(history.later(view.events, true), None);
        assert_eq!(history.beginning(9), None);
    }

    #[test]
    fn what_does_not_follow_is_not_taken() {
        let (view, mut history) = search(6, 3, usize::MAX);
        let count = history.lines.len();
        let line = history.lines[5].clone();
        history.take(line.clone(), &view);
        history.take(Line { seq: 999, ..line }, &view);
        assert_eq!(history.lines.len(), count);
    }
}
