//! The population projected on a plane, as a part of the view.
//!
//! The plane is that of the first two principal components of all positions so far. It is computed again only when
//! the number of positions has grown by a tenth, and its axes are then turned to be near to the former ones. In
//! between, a point moves only if its individual moves.

use std::collections::VecDeque;

use super::SearchView;
use crate::{
    event::Move,
    population::IndividualId,
    principal::{Plane, SampleMoments},
    searcher::SearcherKind,
    space::Space,
};

/// The number of generations for which lessons are kept.
pub const KEPT_GENERATIONS: u32 = 4;
/// The greatest number of lessons that are kept, for any population: more could not be distinguished on a screen.
const KEPT_LESSONS: usize = 360;

/// The position of each individual on the plane, and the moves of slow learners there.
#[derive(Clone, Debug)]
pub struct MapView {
    /// The upper bounds of all genes.
    upper: Vec<f64>,
    moments: SampleMoments,
    plane: Option<Plane>,
    /// The number of positions for which the plane was computed.
    laid_for: u64,
    window: Window,
    lessons: VecDeque<MapMove>,
}

/// A slow learner's move towards its fast one.
#[derive(Clone, Debug, PartialEq)]
pub struct MapMove {
    pub generation: u32,
    pub slow: IndividualId,
    pub fast: IndividualId,
    /// The positions of the slow learner before and after the move.
    pub from: Vec<f64>,
    pub to: Vec<f64>,
}

/// The visible part of the plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub x: (f64, f64),
    pub y: (f64, f64),
}

impl MapView {
    pub(super) fn new(space: Space) -> Self {
        Self {
            upper: space.gene_indices().map(|gene| space.upper(gene)).collect(),
            moments: SampleMoments::new(space.genes()),
            plane: None,
            laid_for: 0,
            window: Window { x: (-1.0, 1.0), y: (-1.0, 1.0) },
            lessons: VecDeque::new(),
        }
    }

    /// The coordinates of a position on the plane; `None` before there is a plane, or if the position is not in the
    /// search space.
    pub fn place(&self, position: &[f64]) -> Option<(f64, f64)> {
        let plane = self.plane.as_ref()?;
        self.is_vector(position).then(|| plane.project(position))
    }

    /// The share of the variance of all positions so far that the plane shows, from 0 to 1.
    pub fn share(&self) -> Option<f64> {
        Some(self.plane.as_ref()?.share)
    }

    /// The visible part of the plane. It contains all individuals and the last moves, and changes only if one
    /// of them leaves it or if all would fit into a far smaller part.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The lessons of the last generations, the newest last.
    pub fn lessons(&self) -> impl DoubleEndedIterator<Item = &MapMove> {
        self.lessons.iter()
    }

    /// Whether a position is within the bounds of the space; a damaged log may hold any numbers.
    fn is_vector(&self, position: &[f64]) -> bool {
        let within = |(x, upper): (&f64, &f64)| (0.0..=*upper).contains(x);
        position.len() == self.upper.len() && position.iter().zip(&self.upper).all(within)
    }

    /// Adds positions that individuals have moved to.
    pub(super) fn visit<'a>(&mut self, positions: impl Iterator<Item = &'a [f64]>) {
        for position in positions {
            if self.is_vector(position) {
                self.moments.add(position);
            }
        }
    }

    /// Adds the lessons of a generation.
    pub(super) fn learn(&mut self, generation: u32, lessons: impl Iterator<Item = MapMove>) {
        self.lessons.extend(lessons);
        let is_old = |lesson: &MapMove| lesson.generation.saturating_add(KEPT_GENERATIONS) <= generation;
        while self.lessons.len() > KEPT_LESSONS || self.lessons.front().is_some_and(is_old) {
            self.lessons.pop_front();
        }
    }

    /// Computes the plane again if there are enough new positions, and adapts the window to the population.
    pub(super) fn look<'a>(&mut self, population: impl Iterator<Item = &'a [f64]>) {
        let count = self.moments.count();
        if self.plane.is_none() || count * 10 >= self.laid_for * 11 {
            let plane = Plane::of(&self.moments);
            self.plane = match (plane, self.plane.take()) {
                (Some(plane), Some(former)) => Some(plane.facing(&former)),
                (plane, former) => plane.or(former),
            };
            self.laid_for = count;
        }
        // The window need not contain the moves of older generations.
        let last = self.lessons.back().map_or(0, |lesson| lesson.generation);
        let newest = self.lessons.iter().rev().take_while(|lesson| lesson.generation == last);
        let moved = newest.flat_map(|lesson| [&lesson.from, &lesson.to]);
        let moved = moved.filter_map(|position| self.place(position));
        let places = population.filter_map(|position| self.place(position)).chain(moved);
        let mut bounds: Option<Window> = None;
        for (x, y) in places {
            let Window { x: (left, right), y: (low, high) } =
                bounds.unwrap_or(Window { x: (x, x), y: (y, y) });
            bounds = Some(Window { x: (left.min(x), right.max(x)), y: (low.min(y), high.max(y)) });
        }
        if let Some(bounds) = bounds {
            self.window.x = hold(self.window.x, bounds.x);
            self.window.y = hold(self.window.y, bounds.y);
        }
    }
}

impl SearchView {
    /// Adds the moves at the end of a generation, which have been made in the population already.
    pub(super) fn draw_on_the_map(&mut self, generation: u32, moves: &[Move]) {
        self.map.visit(moves.iter().map(|moved| moved.position.as_slice()));
        // Only a slow learner's move is a lesson, not a position that was drawn at random.
        let searcher = self.settings.searcher;
        let learns = matches!(searcher, SearcherKind::SlowFast | SearcherKind::CoinFlip);
        let lessons = self.compared.iter().filter(|_| learns).filter_map(|comparison| {
            let (slow, fast) = (comparison.slow?, comparison.fast?);
            let to = &moves.iter().find(|moved| moved.individual == slow)?.position;
            let from = self.population.get(slow.0)?.moved_from.clone()?;
            Some(MapMove { generation, slow, fast, from, to: to.clone() })
        });
        self.map.learn(generation, lessons);
        self.look_at_the_map();
    }

    pub(super) fn look_at_the_map(&mut self) {
        self.map.look(self.population.iter().map(|individual| individual.position.as_slice()));
    }
}

/// A side of the window that contains `(from, to)`: the old one if it does so without being far too large.
fn hold((low, high): (f64, f64), (from, to): (f64, f64)) -> (f64, f64) {
    let fits = low <= from && to <= high && to - from >= 0.7 * (high - low);
    if fits {
        return (low, high);
    }
    let margin = (0.06 * (to - from)).max(0.05);
    (from - margin, to + margin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Line,
        view::{RunView, fixture},
    };

    /// The views after every event of a search whose loss is the distance of the first gene from 0.
    fn views(space: Space, searcher: SearcherKind, generations: u32) -> Vec<SearchView> {
        let settings = fixture::settings(space, searcher, 10, generations);
        let mut view = RunView::default();
        let mut views = Vec::new();
        fixture::play(settings, None, usize::MAX, |events| {
            for event in events {
                view.apply(&Line { seq: view.events, time: 0, event }).expect("in order");
                views.push(view.search.clone().expect("a search"));
            }
        });
        views
    }

    fn places(search: &SearchView) -> Vec<(f64, f64)> {
        search.population.iter().filter_map(|i| search.map.place(&i.position)).collect()
    }

    #[test]
    fn everybody_has_a_place_in_the_window_in_both_spaces() {
        for space in [Space::Cells, Space::NasBench201] {
            for search in &views(space, SearcherKind::SlowFast, 9)[1..] {
                let (places, window) = (places(search), search.map.window());
                assert_eq!(places.len(), 10);
                let holds = |(low, high): (f64, f64), at: f64| low <= at && at <= high;
                assert!(places.iter().all(|(x, y)| holds(window.x, *x) && holds(window.y, *y)));
                let share = search.map.share().expect("a plane");
                assert!(share > 2.0 / space.genes() as f64 && share <= 1.0, "{space:?}: {share}");
            }
        }
    }

    #[test]
    fn a_point_moves_only_where_its_individual_does_until_the_plane_is_laid_anew() {
        let views = views(Space::Cells, SearcherKind::SlowFast, 12);
        let (mut steady, mut laid) = (0, 0);
        for pair in views[1..].windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            if before.map.laid_for != after.map.laid_for {
                laid += 1;
                continue;
            }
            let both = before.population.iter().zip(&after.population);
            for (at, (old, new)) in both.enumerate() {
                if old.position == new.position {
                    steady += 1;
                    assert_eq!(places(before)[at], places(after)[at]);
                }
            }
        }
        assert!(steady > 300 && laid > 3, "{steady} {laid}");
    }

    #[test]
    fn an_arrow_is_kept_for_every_lesson_of_the_last_generations() {
        for search in &views(Space::Cells, SearcherKind::SlowFast, 12) {
            for (number, individual) in search.population.iter().enumerate() {
                let recent =
                    individual.lessons.iter().filter(|(g, _)| g + KEPT_GENERATIONS >= search.generation);
                let drawn = search.map.lessons().filter(|lesson| lesson.slow == IndividualId(number));
                let drawn: Vec<_> = drawn.map(|lesson| (lesson.generation, lesson.fast)).collect();
                assert_eq!(drawn, recent.copied().collect::<Vec<_>>());
                let last = search.map.lessons().rfind(|lesson| lesson.slow == IndividualId(number));
                if let (Some(lesson), Some(from)) = (last, &individual.moved_from) {
                    assert_eq!((&lesson.from, &lesson.to), (from, &individual.position));
                }
            }
        }
    }

    #[test]
    fn a_search_without_lessons_has_points_and_no_arrows() {
        let views = views(Space::Cells, SearcherKind::Random, 4);
        let last = views.last().expect("events");
        assert_eq!((places(last).len(), last.map.lessons().count()), (10, 0));
    }

    #[test]
    fn the_window_stays_while_it_serves() {
        assert_eq!(hold((0.0, 10.0), (1.0, 9.0)), (0.0, 10.0));
        assert_eq!(hold((0.0, 10.0), (1.0, 11.0)), (0.4, 11.6));
        assert_eq!(hold((0.0, 10.0), (4.0, 6.0)), (3.88, 6.12));
        assert_eq!(hold((0.0, 10.0), (5.0, 5.0)), (4.95, 5.05));
    }
}
