//! Settings, estimates and vectors that the rules are checked with.

use proptest::prelude::*;
use relativenas_core::{
    cost::Limits,
    event::Event,
    loss::Loss,
    network::{NetworkKind, NetworkShape},
    search::{Ask, Estimate, Schedule, Search, SearchSettings, Verdict},
    searcher::SearcherKind,
    space::Space,
};

pub fn settings(searcher: SearcherKind, population: usize, generations: u32, seed: u64) -> SearchSettings {
    SearchSettings {
        space: Space::Cells,
        searcher,
        population,
        pairs_at_once: 1,
        generations,
        seed,
        mutation: 0.0,
        warm_up: 0,
        one_shot: false,
        inherit: true,
        repeat: Default::default(),
        schedule: Schedule { learning_rate: 0.1, learning_rate_end: 0.001, drop_path: 0.3 },
        limits: Limits::default(),
    }
}

pub fn estimate(loss: f64) -> Estimate {
    Estimate { loss: Loss(loss), accuracy: 100.0 - loss, train_loss: Loss(loss), hits: 3, misses: 1 }
}

/// Losses as a device may give them, also NaN and infinite ones; there are few different ones, so that ties occur.
pub fn a_loss() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (0..8_u8).prop_map(f64::from),
        6 => 0.0..8.0,
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
    ]
}

pub fn a_searcher() -> impl Strategy<Value = SearcherKind> {
    prop::sample::select(SearcherKind::ALL.to_vec())
}

pub fn a_position() -> impl Strategy<Value = Vec<f64>> {
    let genes: Vec<_> = Space::Cells
        .gene_indices()
        .map(|gene| {
            let choices = Space::Cells.choices(gene);
            // Decoding is special at whole numbers, which are the bounds of intervals.
            prop_oneof![0.0..=choices as f64, (0..=choices).prop_map(|whole| whole as f64)]
        })
        .collect();
    genes
}

/// Tells a search these losses for the candidates that it asks for, one after the other in a cycle; `None` if the
/// search is done.
pub fn tell_next(
    search: &mut Search,
    losses: &[f64],
    answered: &mut usize,
) -> Option<(Vec<Verdict>, Vec<Event>)> {
    let Ask::Estimate(estimation) = search.ask() else { return None };
    let estimates: Vec<_> = (estimation.candidates.iter())
        .map(|_| {
            *answered += 1;
            estimate(losses[*answered % losses.len()])
        })
        .collect();
    Some(search.tell(&estimates))
}

pub fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data")
}

pub const SHAPE: NetworkShape =
    NetworkShape { kind: NetworkKind::Cifar, channels: 16, cells: 8, classes: 10 };

/// Runs a search to its end, in which every loss is 1; returns all events as lines of JSON.
pub fn events_of(settings: SearchSettings) -> Vec<String> {
    let (mut search, events) = Search::new(settings).expect("valid");
    let mut lines: Vec<_> = events.iter().map(json).collect();
    let mut answered = 0;
    while let Some((_, events)) = tell_next(&mut search, &[1.0], &mut answered) {
        lines.extend(events.iter().map(json));
    }
    lines
}
