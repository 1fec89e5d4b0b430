//! The lists that the screen shows, and their order: pure functions of the screen's state.
//!
//! Drawing a list and moving through it both use these functions, so that they always agree.

use relativenas_core::{
    cost::cost,
    loss::Loss,
    population::IndividualId,
    view::{Comparison, IndividualView, RunView, SearchView},
};

use crate::{
    messages::{RunName, RunSummary},
    state::State,
    words,
};

/// How individuals are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Loss,
    Number,
    /// The largest decrease of the loss comes first.
    Change,
    Accuracy,
    Parameters,
    MultiplyAdds,
    Latency,
    /// The individual that was the slow learner most often comes first.
    Lessons,
}

impl Order {
    const ALL: [Self; 8] = [
        Self::Loss,
        Self::Change,
        Self::Accuracy,
        Self::Parameters,
        Self::MultiplyAdds,
        Self::Latency,
        Self::Lessons,
        Self::Number,
    ];

    /// The order that follows this one. What is not known in a search is skipped.
    pub fn next(self, search: &SearchView) -> Self {
        let all: Vec<_> = Self::ALL.into_iter().filter(|order| order.is_known(search)).collect();
        let at = all.iter().position(|order| *order == self).unwrap_or(0);
        all[(at + 1) % all.len()]
    }

    /// Whether individuals of this search have such a quantity: costs need a network, latencies a table.
    pub fn is_known(self, search: &SearchView) -> bool {
        match self {
            Self::Parameters | Self::MultiplyAdds => search.network.is_some(),
            Self::Latency => search.settings.limits.latencies.is_some(),
            _ => true,
        }
    }
}

/// How runs are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunOrder {
    /// The run that was begun last comes first.
    #[default]
    Begun,
    Name,
    Phase,
    /// The run of which the largest part is done comes first.
    Done,
    /// The lowest loss comes first.
    Best,
    /// The run that changed last comes first.
    Changed,
}

impl RunOrder {
    const ALL: [Self; 6] = [Self::Begun, Self::Name, Self::Phase, Self::Done, Self::Best, Self::Changed];

    /// The order that follows this one.
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|order| *order == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// What is sorted by, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Begun => "when begun",
            Self::Name => "name",
            Self::Phase => "phase",
            Self::Done => "done",
            Self::Best => "best",
            Self::Changed => "changed",
        }
    }
}

/// The runs that contain every word of a filter, each in the name, the state, the description (searcher and data) or
/// the note. Case does not matter.
pub fn runs<'a>(state: &'a State, filter: &str, order: RunOrder) -> Vec<&'a RunSummary> {
    let filter = filter.to_lowercase();
    let words: Vec<&str> = filter.split_whitespace().collect();
    let fits = |run: &&RunSummary| {
        let about = [&run.run, run.state.name(), &run.what, &run.note].join("\n").to_lowercase();
        words.iter().all(|word| about.contains(word))
    };
    let mut listed: Vec<_> = state.runs.iter().flat_map(|(runs, _)| runs).filter(fits).collect();
    let done = |run: &RunSummary| f64::from(run.generation) / f64::from(run.generations.max(1));
    // The sorts are stable: where two are equal, the one that was begun last comes first.
    match order {
        RunOrder::Begun => {}
        RunOrder::Name => listed.sort_by(|a, b| a.run.cmp(&b.run)),
        RunOrder::Phase => listed.sort_by_key(|run| run.state.name()),
        RunOrder::Done => listed.sort_by(|a, b| done(b).total_cmp(&done(a))),
        RunOrder::Best => {
            let best = |run: &RunSummary| run.best_loss.unwrap_or(Loss::NAN);
            listed.sort_by(|a, b| best(a).order(best(b)));
        }
        RunOrder::Changed => listed.sort_by_key(|run| run.age_seconds),
    }
    listed
}

/// All individuals of a search in this order.
pub fn population(search: &SearchView, order: Order) -> Vec<IndividualId> {
    let mut all: Vec<_> = IndividualId::all(search.population.len()).collect();
    let mut by = |key: &dyn Fn(IndividualId) -> f64| {
        // Unknown values come last.
        let known = |value: f64| if value.is_nan() { f64::INFINITY } else { value };
        let keys: Vec<f64> = all.iter().map(|&number| known(key(number))).collect();
        all.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]).then(a.cmp(&b)));
    };
    let cost = |number: IndividualId| Some(cost(&search.genotype(number)?, &search.network?));
    match order {
        Order::Loss => return search.order(),
        Order::Number => {}
        Order::Change => by(&|number| change(&search.population[number]).unwrap_or(f64::NAN)),
        Order::Accuracy => by(&|number| accuracy(search, number).map_or(f64::NAN, |a| -a)),
        Order::Parameters => by(&|number| cost(number).map_or(f64::NAN, |c| c.parameters as f64)),
        Order::MultiplyAdds => by(&|number| cost(number).map_or(f64::NAN, |c| c.multiply_adds as f64)),
        Order::Latency => by(&|number| latency(search, number).unwrap_or(f64::NAN)),
        Order::Lessons => by(&|number| -(search.population[number].lessons.len() as f64)),
    }
    all
}

/// The latency of an individual's network in milliseconds for a batch, if the search has a table of latencies.
pub fn latency(search: &SearchView, number: IndividualId) -> Option<f64> {
    search.settings.limits.latency(&search.genotype(number)?)
}

/// The difference between an individual's last estimated loss and the one before, if both are finite.
pub fn change(place: &IndividualView) -> Option<f64> {
    Some(place.learner.as_ref()?.estimate.loss - place.loss_before?).filter(|change| change.is_finite())
}

/// The accuracy, in per cent, from the same estimate as the loss by which an individual is sorted.
pub fn accuracy(search: &SearchView, number: IndividualId) -> Option<f64> {
    if let Some(ranked) = words::ranked(search, number) {
        return Some(ranked.accuracy);
    }
    search.individual(number)?.learner.as_ref().map(|learner| learner.estimate.accuracy)
}

/// The comparisons of this generation, or of the one before it if `earlier` or if there is none yet.
pub fn pairs(search: &SearchView, earlier: bool) -> &[Comparison] {
    if earlier || search.compared.is_empty() { &search.compared_before } else { &search.compared }
}

/// Individuals in the order of this generation's pairs: those of compared pairs, then those of pairs that wait. If no
/// pair is known, all individuals by loss.
pub fn this_generation(search: &SearchView) -> Vec<IndividualId> {
    let compared = search.compared.iter().flat_map(members);
    let waiting = search.pairs.iter().skip(search.compared.len()).flatten().copied();
    let listed: Vec<_> = compared.chain(waiting).collect();
    if listed.is_empty() { search.order() } else { listed }
}

/// The nearest individual in a direction on the map, given as (right, up) with negative numbers for left and
/// down. Distance to the side counts twice.
pub fn beside(search: &SearchView, from: IndividualId, (right, up): (f64, f64)) -> Option<IndividualId> {
    let window = search.map.window();
    let place = |number: IndividualId| {
        let (x, y) = search.map.place(&search.individual(number)?.position)?;
        Some((x / (window.x.1 - window.x.0), y / (window.y.1 - window.y.0)))
    };
    let here = place(from)?;
    let others = IndividualId::all(search.population.len()).filter(|number| *number != from);
    let ahead = others.filter_map(|number| {
        let (x, y) = place(number).map(|(x, y)| (x - here.0, y - here.1))?;
        let (along, aside) = (x * right + y * up, x * up - y * right);
        (along > 0.0).then_some((along + 2.0 * aside.abs(), number))
    });
    ahead.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, number)| number)
}

/// The individuals of a comparison as a row shows them: the slow learner before the fast one.
fn members(comparison: &Comparison) -> Vec<IndividualId> {
    match (comparison.slow, comparison.fast) {
        (Some(slow), Some(fast)) => vec![slow, fast],
        _ => comparison.learners.iter().map(|learner| learner.individual).collect(),
    }
}

/// The run that is shown, then those that are laid over its curves, each with its name.
pub fn runs_with_curves(state: &State) -> impl Iterator<Item = (RunName, &RunView)> {
    let shown = state.shown.iter().map(|shown| (shown.run.clone(), &shown.view));
    shown.chain(state.compared.iter().map(|compared| (compared.name(), &*compared.view)))
}

/// The number of points of the longest curve so far, and the number that it will have at the end of its run;
/// a point is a generation or an epoch.
pub fn curve_points(state: &State) -> (usize, u32) {
    let steps = |view: &RunView| match (&view.search, &view.training) {
        (Some(search), _) => (search.generations.len(), search.settings.generations),
        (None, Some(training)) => (training.history.len(), training.epochs),
        (None, None) => (0, 0),
    };
    let longest = |(done, all): (usize, u32), (d, a)| (done.max(d), all.max(a));
    runs_with_curves(state).map(|(_, view)| steps(view)).fold((0, 0), longest)
}
