//! Short texts about individuals and losses, the same wherever they are shown.

use relativenas_core::{
    event::RankedIndividual,
    loss::Loss,
    population::IndividualId,
    space::Space,
    view::{IndividualView, SearchView},
};

use crate::{canvas::Look, draw::text};

/// A loss at the right edge of six columns, with three decimals if they fit.
pub fn loss(value: Loss) -> String {
    text::number(value.0, 6, 3)
}

/// The name of the loss where a table is searched; empty where it is the usual validation loss.
pub fn loss_is(search: &SearchView) -> &'static str {
    match search.settings.space {
        Space::Cells => "",
        Space::NasBench201 => "100 - accuracy, %",
    }
}

/// The place in the final ranking, if there is one.
pub fn ranked(search: &SearchView, individual: IndividualId) -> Option<&RankedIndividual> {
    search.ranking.iter().find(|ranked| ranked.individual == individual)
}

/// A value in per cent in seven columns, or a dash for `None`.
pub fn per_cent(value: Option<f64>, look: &Look) -> String {
    match value {
        Some(value) => format!("{} %", text::number(value, 5, 1)),
        None => format!("{:>7}", look.glyphs.horizontal),
    }
}

/// A difference of losses in six columns, or a dash for `None` and NaN.
pub fn gap(value: Option<f64>, look: &Look) -> String {
    match value.filter(|gap| !gap.is_nan()) {
        Some(gap) => text::number(gap, 6, 3),
        None => format!("{:>6}", look.glyphs.horizontal),
    }
}

/// An individual's number, padded so that all have the same width.
pub fn individual(search: &SearchView, number: IndividualId) -> String {
    let width = search.settings.population.saturating_sub(1).to_string().len().max(2);
    format!("{number:0width$}")
}

/// An individual's loss in words. They say so if the loss is that of the vector before its last move.
pub fn standing(search: &SearchView, number: IndividualId, place: &IndividualView) -> String {
    if let Some(ranked) = ranked(search, number) {
        return format!("loss {} in the final ranking", loss(ranked.loss).trim_start());
    }
    let Some(learner) = &place.learner else { return "not estimated yet".to_owned() };
    let value = loss(learner.estimate.loss);
    let value = value.trim_start();
    if is_of_before(place) {
        format!("it has moved since its loss of {value}")
    } else {
        format!("loss {value}")
    }
}

/// Whether an individual has moved since its loss was estimated.
pub fn is_of_before(place: &IndividualView) -> bool {
    place.learner.as_ref().is_some_and(|learner| learner.position != place.position)
}

/// Where the best was estimated: `generation 3`, or `the final ranking`.
pub fn estimated_in(generation: Option<u32>) -> String {
    generation.map_or_else(|| "the final ranking".to_owned(), |g| format!("generation {g}"))
}

/// The generations in which an individual was slow, and the individuals from which it learned.
pub fn lineage(search: &SearchView, number: IndividualId) -> String {
    let Some(place) = search.individual(number) else { return String::new() };
    let injected = place.injected.map(|g| format!("Injected in generation {g}. ")).unwrap_or_default();
    if place.lessons.is_empty() {
        return format!("{injected}It was never the slow learner.");
    }
    let generations: Vec<_> = place.lessons.iter().map(|(g, _)| g.to_string()).collect();
    let teachers: Vec<_> = place.lessons.iter().map(|&(_, fast)| individual(search, fast)).collect();
    let (word, from) =
        (if generations.len() == 1 { "generation" } else { "generations" }, teachers.join(", "));
    format!("{injected}Slow in {word} {}; learned from {from}.", generations.join(", "))
}
