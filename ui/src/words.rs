//! Short texts about individuals and losses, the same wherever they are shown.

use relativenas_core::{event::Ranked, view::SearchView};

use crate::{canvas::Look, draw::text};

/// A loss in six columns.
pub fn loss(value: f64) -> String {
    text::number(value, 6, 3)
}

/// The place in the final ranking, if there is one.
pub fn ranked(search: &SearchView, individual: usize) -> Option<&Ranked> {
    search.ranking.iter().find(|ranked| ranked.individual == individual)
}

/// A share in per cent in seven columns, or a dash where there is none.
pub fn per_cent(value: Option<f64>, look: &Look) -> String {
    match value {
        Some(value) => format!("{} %", text::number(value, 5, 1)),
        None => format!("{:>7}", look.glyphs.horizontal),
    }
}

/// A difference of losses in six columns, or a dash where there is none.
pub fn gap(value: Option<f64>, look: &Look) -> String {
    match value.filter(|gap| !gap.is_nan()) {
        Some(gap) => loss(gap),
        None => format!("{:>6}", look.glyphs.horizontal),
    }
}

/// An individual's number, as wide as every other's.
pub fn individual(search: &SearchView, number: usize) -> String {
    let width = search.settings.population.saturating_sub(1).to_string().len().max(2);
    format!("{number:0width$}")
}

/// In which generations an individual was slow, and from whom it learned.
pub fn lineage(search: &SearchView, number: usize) -> String {
    let Some(place) = search.population.get(number) else { return String::new() };
    let injected =
        place.injected.map(|g| format!("Put here by a person in generation {g}. ")).unwrap_or_default();
    if place.lessons.is_empty() {
        return format!("{injected}It was never the slow learner.");
    }
    let generations: Vec<_> = place.lessons.iter().map(|(g, _)| g.to_string()).collect();
    let teachers: Vec<_> = place.lessons.iter().map(|&(_, fast)| individual(search, fast)).collect();
    let (word, from) =
        (if generations.len() == 1 { "generation" } else { "generations" }, teachers.join(", "));
    format!("{injected}Slow in {word} {}; learned from {from}.", generations.join(", "))
}
