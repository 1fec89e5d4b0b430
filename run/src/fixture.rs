//! Runs for tests: folders, and logs of searches that a made-up estimator answered.

use std::{collections::BTreeMap, fs, path::Path};

use relativenas_core::{
    config::{Config, Layers},
    event::{Event, Images, Line},
    loss::Loss,
    manifest::{BUILD, Job, Manifest, RUN_FORMAT, files},
    randomness::RANDOMNESS_VERSION,
    search::{Ask, Estimate, Search},
};

use crate::folder::{Naming, RunFolder, create};

/// A search of four individuals.
fn config() -> Config {
    let mut layers = Layers::built_in();
    for assignment in ["search.population=4", "search.generations=2"] {
        layers.add_assignment(assignment).expect("a setting");
    }
    layers.config().expect("valid")
}

pub fn manifest() -> Manifest {
    Manifest {
        format: RUN_FORMAT,
        randomness: RANDOMNESS_VERSION,
        job: Job::Search,
        build: BUILD.to_owned(),
        created: 1_700_000_000_000,
        follows: None,
        config: config(),
        origins: BTreeMap::new(),
        genotype: None,
        branched_from: None,
        engine: None,
        latency: None,
    }
}

/// A run without events.
pub fn run(runs: &Path, name: &str) -> RunFolder {
    create(runs, Naming::Fixed(name.to_owned()), &manifest()).expect("a new folder")
}

/// The first generations of a search.
pub fn log(generations: u32) -> Vec<Line> {
    let config = config();
    let settings = config.search_settings(10);
    let images = Images { name: "made up".to_owned(), train: 64, valid: 64, classes: 10 };
    let network = Some(config.search_network(10));
    let mut events = vec![Event::SearchStarted { settings: settings.clone(), network, images, batch: 32 }];
    let (mut search, first) = Search::new(settings).expect("valid settings");
    events.extend(first);
    while let Ask::Estimate(estimation) = search.ask() {
        if estimation.generation >= generations {
            break;
        }
        let estimate = |loss| Estimate { loss, accuracy: 50.0, train_loss: Loss(1.0), hits: 3, misses: 1 };
        let estimates: Vec<_> =
            estimation.candidates.iter().map(|c| estimate(Loss(c.position[0] + 0.1))).collect();
        events.extend(search.tell(&estimates).1);
    }
    (0..).zip(events).map(|(seq, event)| Line { seq, time: 1_700_000_000_000, event }).collect()
}

pub fn write_log(folder: &RunFolder, lines: &[Line]) {
    let line = |line| serde_json::to_string(line).expect("plain data") + "\n";
    fs::write(folder.file(files::EVENTS), lines.iter().map(line).collect::<String>()).expect("written");
}
