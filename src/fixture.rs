//! Runs for tests: folders, and logs of searches that a made-up estimator answered.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use relativenas_core::{
    config::{Config, Layers},
    event::{Event, Images, Line},
    finals::{EntrantHistory, Figures, Finals, FinalsSettings, Judge},
    loss::Loss,
    manifest::{BUILD, Job, Manifest, RUN_FORMAT, files},
    network::{NetworkKind, NetworkShape},
    published,
    randomness::RANDOMNESS_VERSION,
    search::{Ask, Estimate, Search},
};

use crate::folder::{Naming, RunFolder, create};

/// A search of four individuals.
pub fn config() -> Config {
    let mut layers = Layers::built_in();
    layers.add_assignment("search.population=4").expect("a setting");
    layers.add_assignment("search.generations=2").expect("a setting");
    layers.config().expect("valid")
}

pub fn manifest() -> Manifest {
    Manifest {
        format: RUN_FORMAT,
        randomness: RANDOMNESS_VERSION,
        job: Job::Search,
        build: BUILD.to_owned(),
        created: 1_700_000_000_000,
        config: config(),
        origins: BTreeMap::new(),
        genotype: None,
        branched_from: None,
        follows: None,
        engine: None,
        latency: None,
    }
}

/// A run without events.
pub fn run(runs: &Path, name: &str) -> RunFolder {
    create(runs, Naming::Fixed(name.to_owned()), &manifest()).expect("a new folder")
}

/// An estimate whose loss is the first gene plus 0.1.
fn estimate(position: &[f64]) -> Estimate {
    Estimate { loss: Loss(position[0] + 0.1), accuracy: 50.0, train_loss: Loss(1.0), hits: 3, misses: 1 }
}

/// The log of the first generations of a search that has two; a third one is the ranking.
pub fn log(generations: u32) -> Vec<Line> {
    lines(events(generations).1)
}

/// The events of a search to its end, with finals: the last of four entrants wins.
pub fn log_with_finals() -> Vec<Line> {
    log_with_finals_of(1)
}

/// The same as [`log_with_finals`], with several seeds for each entrant, of which each is worse than the one before.
pub fn log_with_finals_of(seeds: u32) -> Vec<Line> {
    let (search, mut events) = events(3);
    let finished = events.pop();
    let Some(Event::SearchFinished { ranking, .. }) = &finished else { panic!("a ranking ends a search") };
    let finals = FinalsSettings { architectures: 4, epochs: 3, seeds, judge: Judge::TrainingLoss };
    let mut history = EntrantHistory::default();
    for event in &events {
        history.note(event, finals.architectures, search.settings().generations);
    }
    let (mut finals, began) = Finals::begin(finals, &search, ranking, &history).expect("entrants");
    events.push(began);
    while let Some(trainings) = finals.ask() {
        let loss = |entrant: usize| {
            1.0 - 0.1 * entrant as f64 - 0.01 * f64::from(trainings.epochs) + 0.02 * f64::from(trainings.seed)
        };
        let figures = |&entrant: &usize| Figures {
            train_losses: vec![Loss(loss(entrant)); trainings.epochs as usize],
            loss: Loss(loss(entrant) + 0.05),
            accuracy: 60.0,
        };
        events.extend(finals.tell(trainings.entrants.iter().map(figures).collect()));
    }
    events.extend(finished);
    lines(events)
}

fn events(generations: u32) -> (Search, Vec<Event>) {
    let config = config();
    let settings = config.search_settings(10);
    let images = Images { name: "Fashion-MNIST".to_owned(), train: 64, valid: 64, classes: 10 };
    let network = Some(config.search_network(10));
    let started = Event::SearchStarted { settings: settings.clone(), network, images, batch: 32 };
    let (mut search, first) = Search::new(settings).expect("valid settings");
    let mut events = vec![started];
    events.extend(first);
    while let Ask::Estimate(estimation) = search.ask() {
        if estimation.generation >= generations {
            break;
        }
        let estimates: Vec<_> = estimation.candidates.iter().map(|c| estimate(&c.position)).collect();
        events.extend(search.tell(&estimates).1);
    }
    (search, events)
}

fn lines(events: Vec<Event>) -> Vec<Line> {
    let line = |(seq, event)| Line { seq, time: 1_700_000_000_000 + 1000 * seq as i64, event };
    (0..).zip(events).map(line).collect()
}

/// A training of a published genotype to its end.
pub fn training_log(name: &str, epochs: u32) -> Vec<Line> {
    let images = Images { name: "Fashion-MNIST".to_owned(), train: 64, valid: 64, classes: 10 };
    let network = NetworkShape { kind: NetworkKind::Cifar, channels: 16, cells: 8, classes: 10 };
    let genotype = published::genotype(name).expect("published");
    let mut events = vec![Event::TrainingStarted {
        task: Default::default(),
        network,
        genotype,
        epochs,
        images,
        batch: 32,
    }];
    events.extend((0..epochs).map(|epoch| Event::EpochFinished {
        epoch,
        learning_rate: 0.025,
        drop_path: 0.0,
        train_loss: Loss(1.0),
        train_accuracy: 60.0,
        valid_loss: Loss(0.5 - 0.1 * f64::from(epoch)),
        valid_accuracy: 80.0 + f64::from(epoch),
        best: true,
    }));
    events.push(Event::TrainingFinished {
        best_epoch: epochs - 1,
        test_loss: Loss(0.4),
        test_top1: 81.5,
        test_top5: 99.0,
        test_images: 64,
        part: Default::default(),
    });
    let line = |(seq, event)| Line { seq, time: 1_700_000_000_000 + 1000 * seq as i64, event };
    (0..).zip(events).map(line).collect()
}

pub fn write_log(folder: &RunFolder, lines: &[Line]) {
    let mut text = String::new();
    for line in lines {
        writeln!(text, "{}", serde_json::to_string(line).expect("plain data")).expect("a string takes all");
    }
    fs::write(folder.file(files::EVENTS), text).expect("written");
}
