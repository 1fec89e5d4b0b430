//! What is listed, and in which order: pure lists over what the screen knows.
//!
//! Whatever draws a list and whatever walks through it ask here, so that the two always agree.

use relativenas_core::view::{Comparison, RunView, SearchView};

use crate::state::State;

/// How individuals are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Loss,
    Number,
}

/// All individuals of a search.
pub fn population(search: &SearchView, order: Order) -> Vec<usize> {
    match order {
        Order::Loss => search.order(),
        Order::Number => (0..search.population.len()).collect(),
    }
}

/// The comparisons of this generation, or of the one before it if `earlier` or if there is none yet.
pub fn pairs(search: &SearchView, earlier: bool) -> &[Comparison] {
    if earlier || search.compared.is_empty() { &search.compared_before } else { &search.compared }
}

/// Individuals in the order in which this generation's pairs name them: those that were compared,
/// then those that wait. Where no pair is known, all individuals by loss.
pub fn this_generation(search: &SearchView) -> Vec<usize> {
    let compared = search.compared.iter().flat_map(members);
    let waiting = search.pairs.iter().skip(search.compared.len()).flatten().copied();
    let listed: Vec<_> = compared.chain(waiting).collect();
    if listed.is_empty() { search.order() } else { listed }
}

/// The slow learner before the fast one, as they stand in a line.
fn members(comparison: &Comparison) -> Vec<usize> {
    match (comparison.slow, comparison.fast) {
        (Some(slow), Some(fast)) => vec![slow, fast],
        _ => comparison.learners.iter().map(|learner| learner.individual).collect(),
    }
}

/// The run that is shown, then those that are laid over its curves, each with its name.
pub fn runs_with_curves(state: &State) -> impl Iterator<Item = (&str, &RunView)> {
    let shown = state.shown.iter().map(|shown| (shown.run.as_str(), &shown.view));
    shown.chain(state.compared.iter().map(|(name, view)| (name.as_str(), &**view)))
}

/// How many points the curves have: generations or epochs that the longest of all runs has done,
/// and that it will have done at its end.
pub fn curve_points(state: &State) -> (usize, u32) {
    let steps = |view: &RunView| match (&view.search, &view.training) {
        (Some(search), _) => (search.generations.len(), search.settings.generations),
        (None, Some(training)) => (training.history.len(), training.epochs),
        (None, None) => (0, 0),
    };
    let longest = |(done, all): (usize, u32), (d, a)| (done.max(d), all.max(a));
    runs_with_curves(state).map(|(_, view)| steps(view)).fold((0, 0), longest)
}
