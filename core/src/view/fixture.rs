//! Searches for tests of views.

use crate::{
    event::{Event, Images},
    loss::Loss,
    network::NetworkShape,
    search::{Ask, Estimate, Schedule, Search, SearchSettings},
    searcher::SearcherKind,
    space::Space,
};

pub fn settings(space: Space, searcher: SearcherKind, population: usize, generations: u32) -> SearchSettings {
    SearchSettings {
        space,
        searcher,
        population,
        pairs_at_once: 1,
        generations,
        seed: 3,
        mutation: 0.0,
        warm_up: 0,
        one_shot: false,
        inherit: true,
        repeat: Default::default(),
        schedule: Schedule::default(),
        limits: Default::default(),
    }
}

/// Runs a search whose loss is the distance of the first gene from 0, for this many estimations or to its
/// end, and passes on its events in batches as they come.
pub fn play(
    settings: SearchSettings,
    network: Option<NetworkShape>,
    estimations: usize,
    mut apply: impl FnMut(Vec<Event>),
) {
    let images = Images { name: "images".into(), train: 1, valid: 1, classes: 10 };
    let (mut search, events) = Search::new(settings.clone()).expect("valid");
    let started = Event::SearchStarted { settings, network, images, batch: 1 };
    apply(std::iter::once(started).chain(events).collect());
    for _ in 0..estimations {
        let Ask::Estimate(estimation) = search.ask() else { break };
        let answer = |position: &[f64]| Estimate {
            loss: Loss(position[0]),
            accuracy: 0.0,
            train_loss: Loss(0.5),
            hits: 3,
            misses: 0,
        };
        let answers: Vec<_> = estimation.candidates.iter().map(|c| answer(&c.position)).collect();
        apply(search.tell(&answers).1);
    }
}
