//! Moving the selection within each view.

use relativenas_core::{
    operation::Operation,
    population::IndividualId,
    view::SearchView,
    weight_set::{CANDIDATES, EDGES},
};

use super::App;
use crate::{lists, view::View};

/// More rows than any list has.
pub(super) const FAR: isize = 1 << 40;

impl App {
    /// How many rows a page of the view has.
    pub(super) fn page(&self) -> isize {
        isize::try_from(self.size.height).unwrap_or(0).saturating_sub(6).max(1)
    }

    /// Goes one page up (negative) or down in the list or the text of the view.
    pub(super) fn turn_page(&mut self, by: isize) {
        match self.view {
            View::Architecture => self.places.architecture.page += by,
            _ => self.walk(by * self.page()),
        }
    }

    /// Goes up (negative) or down.
    pub(super) fn walk(&mut self, by: isize) {
        match self.view {
            View::Overview => self.select_among(lists::this_generation, by),
            View::Map if by.abs() == 1 => self.go_beside((0.0, -(by as f64))),
            View::Population | View::Architecture | View::Map => {
                let order = self.places.population.order;
                self.select_among(|search| lists::population(search, order), by);
            }
            View::Pairs => {
                let earlier = self.places.pairs.earlier;
                let rows = self.state.search().map_or(0, |search| lists::pairs(search, earlier).len());
                self.places.pairs.row = step(self.places.pairs.row, by, rows);
                self.select_slow_learner();
            }
            View::Weights => {
                let place = &mut self.places.weights;
                let (edge, operation) = (place.candidate / OPERATIONS, place.candidate % OPERATIONS);
                place.candidate = step(edge, by, EDGES) * OPERATIONS + operation;
            }
            View::Curves => self.move_cursor(by),
            View::Log => {
                let lines = self.state.shown.as_ref().map_or(0, |shown| shown.view.log.len());
                self.places.log.behind = step(self.places.log.behind, by.saturating_neg(), lines);
            }
            View::Runs => {
                let rows = self.places.runs.listed(&self.state).len();
                self.places.runs.row = step(self.places.runs.row, by, rows);
            }
        }
    }

    /// Goes left (negative) or right, where a view has columns.
    pub(super) fn walk_aside(&mut self, by: isize) {
        match self.view {
            View::Weights => {
                let place = &mut self.places.weights;
                place.candidate = step(place.candidate, by, CANDIDATES);
            }
            View::Curves => self.move_cursor(by),
            View::Map => self.go_beside((by as f64, 0.0)),
            _ => self.walk(by),
        }
    }

    /// Selects the nearest individual in a direction on the map; the best one if none is selected yet.
    fn go_beside(&mut self, direction: (f64, f64)) {
        let (Some(search), Some(told)) = (self.state.search(), self.state.individual()) else { return };
        let next = self.state.selected.and_then(|here| lists::beside(search, here, direction));
        self.state.selected = next.or(self.state.selected).or(Some(told));
    }

    /// Another cell of the network, in the view of the weights.
    pub(super) fn change_cell(&mut self, by: isize) {
        let cells = self.state.search().and_then(|search| search.network).map_or(0, |network| network.cells);
        self.places.weights.cell = step(self.places.weights.cell, by, cells);
    }

    fn move_cursor(&mut self, by: isize) {
        let points = lists::curve_points(&self.state).0;
        let at = self.places.curves.cursor.unwrap_or(points.saturating_sub(1));
        let at = step(at, by, points);
        // The other views show the run as it was at the cursor.
        self.go_to_end_of(at);
        self.places.curves.cursor = Some(at);
    }

    fn select_slow_learner(&mut self) {
        let place = self.places.pairs;
        let slow = self.state.search().and_then(|search| {
            let comparison = lists::pairs(search, place.earlier).get(place.row)?;
            comparison.slow.or_else(|| Some(comparison.learners.first()?.individual))
        });
        self.state.selected = slow.or(self.state.selected);
    }

    fn select_among(&mut self, list: impl Fn(&SearchView) -> Vec<IndividualId>, by: isize) {
        let listed = self.state.search().map(list).unwrap_or_default();
        let at = self.state.selected.and_then(|selected| listed.iter().position(|i| *i == selected));
        let at = match at {
            Some(at) => step(at, by, listed.len()),
            None if by < 0 => listed.len().saturating_sub(1),
            None => 0,
        };
        self.places.architecture.page = 0;
        self.state.selected = listed.get(at).copied();
    }
}

const OPERATIONS: usize = Operation::SEARCHED.len();

/// The index `at` moved by `by`, kept within a list of `count`.
fn step(at: usize, by: isize, count: usize) -> usize {
    at.saturating_add_signed(by).min(count.saturating_sub(1))
}
