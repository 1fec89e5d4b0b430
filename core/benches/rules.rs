//! The time that the search itself takes, without networks: `cargo bench --workspace --bench rules`.

use divan::{Bencher, black_box};
use relativenas_core::{
    event::Line,
    genotype::Genotype,
    loss::Loss,
    network::{NetworkKind, NetworkShape},
    population::IndividualId,
    population::{Individual, sample_position},
    randomness::{Purpose, Streams},
    search::{Ask, Estimate, Schedule, Search, SearchSettings},
    searcher::SearcherKind,
    slow_fast::learn,
    space::Space,
    view::RunView,
    weight_set::{WeightKey, WeightSet},
};

const SHAPE: NetworkShape = NetworkShape { kind: NetworkKind::Cifar, channels: 16, cells: 8, classes: 10 };

fn main() {
    divan::main();
}

fn position(individual: usize) -> Vec<f64> {
    sample_position(Space::Cells, &Streams::new(1), 0, IndividualId(individual))
}

#[divan::bench]
fn decoding(bencher: Bencher) {
    let position = position(0);
    bencher.bench(|| Genotype::decode(black_box(&position)));
}

#[divan::bench]
fn keys_of_a_genotype(bencher: Bencher) {
    let genotype = Genotype::decode(&position(0)).expect("a vector of this space");
    bencher.bench(|| WeightKey::of_genotype(black_box(&genotype), &SHAPE));
}

/// Inherits from a weight set that has all modules, without tensors.
#[divan::bench]
fn inheritance(bencher: Bencher) {
    let genotype = Genotype::decode(&position(0)).expect("a vector of this space");
    let keys = WeightKey::of_genotype(&genotype, &SHAPE);
    let mut weights = WeightSet::default();
    let (held, _) = weights.inherit(&keys, |_| ());
    weights.adopt(0, [(IndividualId(0), &held)]);
    bencher.bench(|| weights.inherit(black_box(&keys), |_| ()));
}

#[divan::bench]
fn move_of_a_slow_learner(bencher: Bencher) {
    let (slow, fast) = (Individual::at(position(0)), position(1));
    let mut stream = Streams::new(1).stream(Purpose::Learning, 0, 0);
    let lambdas: Vec<f64> = fast.iter().map(|_| stream.unit()).collect();
    bencher
        .with_inputs(|| slow.clone())
        .bench_refs(|slow| learn(Space::Cells, slow, &fast, &lambdas, &lambdas));
}

fn settings() -> SearchSettings {
    SearchSettings {
        space: Space::Cells,
        searcher: SearcherKind::SlowFast,
        population: 20,
        pairs_at_once: 1,
        generations: 50,
        seed: 1,
        mutation: 0.0,
        warm_up: 0,
        one_shot: false,
        inherit: true,
        repeat: Default::default(),
        schedule: Schedule { learning_rate: 0.1, learning_rate_end: 0.001, drop_path: 0.3 },
        limits: Default::default(),
    }
}

/// All events of a search of 20 individuals and 50 generations, with losses drawn by lot.
fn events() -> Vec<Line> {
    let (mut search, mut events) = Search::new(settings()).expect("valid settings");
    let mut stream = Streams::new(2).stream(Purpose::Probe, 0, 0);
    while let Ask::Estimate(estimation) = search.ask() {
        let mut estimate = |_: &_| Estimate {
            loss: Loss(1.0 + stream.unit()),
            accuracy: 50.0,
            train_loss: Loss(1.0),
            hits: 40,
            misses: 2,
        };
        let estimates: Vec<_> = estimation.candidates.iter().map(&mut estimate).collect();
        events.extend(search.tell(&estimates).1);
    }
    let line = |(seq, event)| Line { seq: seq as u64, time: 0, event };
    events.into_iter().enumerate().map(line).collect()
}

/// Everything that the rules do in a published search: 500 pairs, 50 generations, the ranking.
#[divan::bench]
fn a_search_without_networks(bencher: Bencher) {
    bencher.bench(events);
}

#[divan::bench]
fn view_of_a_finished_search(bencher: Bencher) {
    let lines = events();
    bencher.bench(|| {
        let mut view = RunView::default();
        for line in &lines {
            view.apply(black_box(line)).expect("in order");
        }
        view
    });
}
