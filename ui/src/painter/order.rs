//! The order in which runs of one style are written, so that moves between them take few bytes.

use super::{
    runs::Run,
    writing::{WritingState, end_of},
};
use crate::{draw::text::has_certain_width, moves};

/// How many runs before and behind the last one, in the order of rows, are considered for the next one.
const NEIGHBOURS: usize = 24;

/// Sorts runs, which are given row by row. They are reordered so that each is near the one before, if that takes
/// fewer bytes than the given order. `width` is the screen's, in columns.
pub fn in_short_order(runs: Vec<Run>, from: &WritingState, width: usize) -> Vec<Run> {
    let by_rows: Vec<usize> = (0..runs.len()).collect();
    let near = nearest_first(&runs, from, width);
    let length = |order: &[usize]| -> usize {
        let mut at = (from.at, from.is_sure);
        let mut steps = 0;
        for &index in order {
            steps += way(at, &runs[index]);
            at = behind(&runs[index], width);
        }
        steps
    };
    let order = if length(&near) < length(&by_rows) { near } else { by_rows };
    let mut runs: Vec<Option<Run>> = runs.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| runs[index].take()).collect()
}

/// An order of the runs in which each is followed by one to which the way is shortest; of several, by the first.
fn nearest_first(runs: &[Run], from: &WritingState, width: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..runs.len()).collect();
    let mut order = Vec::with_capacity(runs.len());
    let mut at = (from.at, from.is_sure);
    // Where among those that are left the last one was.
    let mut here = 0_usize;
    while !left.is_empty() {
        let near = here.saturating_sub(NEIGHBOURS)..(here + NEIGHBOURS).min(left.len());
        let nearest = near.min_by_key(|&place| way(at, &runs[left[place]])).unwrap_or(0);
        let index = left.remove(nearest);
        at = behind(&runs[index], width);
        order.push(index);
        here = nearest;
    }
    order
}

/// The bytes of the way to a run, if the characters in between are not written.
fn way((at, is_sure): (Option<(u16, u16)>, bool), run: &Run) -> usize {
    match at {
        Some((x, y)) if y == run.at.1 && x <= run.at.0 && run.at.0 - x <= 4 => usize::from(run.at.0 - x),
        _ => moves::length(at, is_sure, run.at),
    }
}

/// Where the cursor is behind a run, and whether the column is certain.
fn behind(run: &Run, width: usize) -> (Option<(u16, u16)>, bool) {
    (end_of(run, width), has_certain_width(&run.text))
}
