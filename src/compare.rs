//! Whether two runs may be compared, and what tells them apart.
//!
//! Losses mean the same only where data, split, network and training agree. Searchers and seeds may
//! differ: searchers are what is compared, and seeds are what runs are repeated with.

mod side_by_side;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use relativenas_core::{
    manifest::{EngineFacts, Job, Manifest},
    space::Space,
};
use serde::Serialize;
use serde_json::Value;

pub use side_by_side::{json, text};

use crate::folder::RunFolder;

/// A fact in which two runs differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// A setting such as `training.batch`, or a fact such as `engine.data_fingerprint`.
    pub key: String,
    pub left: String,
    pub right: String,
    /// Whether the two runs' losses cannot be compared because of it.
    pub grave: bool,
}

/// Settings that may differ, because runs are compared over searchers and repeated over seeds.
const COMPARED: [&str; 3] = ["search.searcher", "search.seed", "retrain.seed"];
/// Settings that affect only speed, numerical noise or the budget: they are reported, but do not forbid a
/// comparison.
const HARMLESS: [&str; 12] = [
    "table.milliseconds",
    "device.kind",
    "device.threads",
    "device.parallel_learners",
    "device.launcher",
    "device.rank_timeout",
    "training.validation_batch",
    "search.population",
    "search.generations",
    "search.max_parameters",
    "search.max_multiply_adds",
    "search.max_latency",
];
/// Settings that only say which images are meant. Where both engines wrote down what they found,
/// the fingerprints say it better: two paths may hold the same images, and 0 may mean 25000.
const IMAGES: [&str; 3] = ["data.path", "data.train_images", "data.valid_images"];

/// The differences in how two runs estimate; those that forbid a comparison come first.
///
/// The split is drawn with the run's seed. Where seeds differ, another split of the same images, of
/// the same sizes, is no difference in protocol, but a repetition with fresh halves.
pub fn protocol_differences(left: &Manifest, right: &Manifest) -> Vec<Difference> {
    let mut differences = setting_differences(left, right);
    if left.job != right.job {
        differences.push(difference("job", job(left.job), job(right.job), true));
    }
    let branch = |m: &Manifest| {
        let from = |b: &relativenas_core::manifest::Branch| format!("{}, generation {}", b.run, b.generation);
        m.branched_from.as_ref().map_or_else(|| "nothing".to_owned(), from)
    };
    if left.branched_from != right.branched_from {
        differences.push(difference("branched_from", branch(left), branch(right), false));
    }
    if let (Some(a), Some(b)) = (&left.engine, &right.engine) {
        let same_seed = left.config.search.seed == right.config.search.seed;
        differences.extend(engine_differences(a, b, same_seed));
        // A difference that this program cannot explain.
        let explained = differences.iter().any(|d| d.grave) || a.split_fingerprint != b.split_fingerprint;
        if a.protocol_hash != b.protocol_hash && !explained {
            differences.push(difference("engine.protocol_hash", &a.protocol_hash, &b.protocol_hash, true));
        }
    }
    differences.sort_by(|a, b| b.grave.cmp(&a.grave).then_with(|| a.key.cmp(&b.key)));
    differences
}

/// Whether the losses of two runs may be compared.
pub fn comparable(left: &Manifest, right: &Manifest) -> bool {
    protocol_differences(left, right).iter().all(|d| !d.grave)
}

fn job(job: Job) -> &'static str {
    match job {
        Job::Search => "search",
        Job::Train => "train",
    }
}

fn difference(
    key: impl Into<String>,
    left: impl Into<String>,
    right: impl Into<String>,
    grave: bool,
) -> Difference {
    Difference { key: key.into(), left: left.into(), right: right.into(), grave }
}

/// The sections of the configuration that a run of this kind obeys.
fn sections(manifest: &Manifest) -> &'static [&'static str] {
    match (manifest.job, manifest.config.search.space) {
        (Job::Search, Space::Cells) => &["search", "finals", "data", "network", "training", "device"],
        (Job::Search, Space::NasBench201) => &["search", "table"],
        (Job::Train, _) => &["retrain", "data", "device"],
    }
}

fn setting_differences(left: &Manifest, right: &Manifest) -> Vec<Difference> {
    let (a, b) = (settings(left), settings(right));
    let sections = [sections(left), sections(right)].concat();
    let engines = left.engine.as_ref().zip(right.engine.as_ref());
    let same_images = engines.is_some_and(|(a, b)| a.data_fingerprint == b.data_fingerprint);
    let same_split = engines.is_some_and(|(a, b)| a.split_fingerprint == b.split_fingerprint);
    // The settings of finals do not matter if neither run has finals.
    let finals = [left, right].iter().any(|m| m.config.finals.architectures > 0);
    // Where no pair is estimated again, it does not matter how often it would have been.
    let repeats = [left, right].iter().any(|m| m.config.search.noise > 0.0);
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    keys.into_iter()
        .filter(|key| a.get(*key) != b.get(*key))
        .filter(|key| key.split('.').next().is_some_and(|section| sections.contains(&section)))
        .filter(|key| !COMPARED.contains(&key.as_str()))
        .filter(|key| *key != "search.estimates" || repeats)
        .filter(|key| *key == "finals.architectures" || !key.starts_with("finals.") || finals)
        .filter(|key| match key.as_str() {
            "data.path" => !same_images,
            key => !(IMAGES.contains(&key) && same_split),
        })
        .map(|key| {
            let shown = |map: &BTreeMap<String, String>| map.get(key).cloned().unwrap_or_default();
            // Ranks share the learners of a search; of a training they share batches, which changes it.
            let shares_learners = key == "device.ranks" && [left, right].iter().all(|m| m.job == Job::Search);
            let harmless = shares_learners || HARMLESS.contains(&key.as_str());
            difference(key.as_str(), shown(&a), shown(&b), !harmless)
        })
        .collect()
}

fn engine_differences(a: &EngineFacts, b: &EngineFacts, same_seed: bool) -> Vec<Difference> {
    let facts = [
        ("engine.data", a.data.clone(), b.data.clone(), false),
        ("engine.data_fingerprint", a.data_fingerprint.clone(), b.data_fingerprint.clone(), true),
        ("engine.split_fingerprint", a.split_fingerprint.clone(), b.split_fingerprint.clone(), same_seed),
        ("engine.device", a.device.clone(), b.device.clone(), false),
        ("engine.threads", a.threads.to_string(), b.threads.to_string(), false),
        ("engine.libtorch", a.libtorch.clone(), b.libtorch.clone(), false),
        ("engine.build", a.build.clone(), b.build.clone(), false),
        ("engine.validation_batch", a.validation_batch.to_string(), b.validation_batch.to_string(), false),
    ];
    let expected = |key: &str| key == "engine.split_fingerprint" && !same_seed;
    facts
        .into_iter()
        .filter(|(key, left, right, _)| left != right && !expected(key))
        .map(|(key, left, right, grave)| difference(key, left, right, grave))
        .collect()
}

/// Every setting as `section.name` and its value as it is written in config.toml.
pub fn settings(manifest: &Manifest) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    let config = serde_json::to_value(&manifest.config).unwrap_or_default();
    for (section, values) in config.as_object().into_iter().flatten() {
        for (name, value) in values.as_object().into_iter().flatten() {
            let text = match value {
                Value::String(text) if text.is_empty() => "\"\"".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            flat.insert(format!("{section}.{name}"), text);
        }
    }
    flat
}

/// Whether losses of two runs may be compared.
///
/// # Errors
/// If they may not, or a manifest cannot be read; the message names what differs.
pub fn check_comparable(first: &RunFolder, second: &RunFolder) -> Result<()> {
    refuse(&first.name(), &second.name(), &first.manifest()?, &second.manifest()?)
}

/// Fails if the losses of two runs, given by name and manifest, cannot be compared.
///
/// # Errors
/// If they follow different protocols; the message names what differs.
pub fn refuse(first: &str, second: &str, left: &Manifest, right: &Manifest) -> Result<()> {
    let differences = protocol_differences(left, right);
    let grave: Vec<_> = differences.iter().filter(|d| d.grave).map(|d| d.key.as_str()).collect();
    ensure!(
        grave.is_empty(),
        "{first} and {second} follow different protocols, so their losses cannot be compared; they differ in {}",
        grave.join(", ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use relativenas_core::{
        config::Layers,
        manifest::{BUILD, RUN_FORMAT},
        randomness::RANDOMNESS_VERSION,
    };

    use super::*;

    fn manifest(settings: &[&str]) -> Manifest {
        let mut layers = Layers::built_in();
        for setting in settings {
            layers.add_assignment(setting).expect("a setting");
        }
        Manifest {
            format: RUN_FORMAT,
            randomness: RANDOMNESS_VERSION,
            job: Job::Search,
            build: BUILD.to_owned(),
            created: 0,
            config: layers.config().expect("valid"),
            origins: BTreeMap::new(),
            genotype: None,
            branched_from: None,
            follows: None,
            engine: None,
            latency: None,
        }
    }

    fn completed(settings: &[&str], change: impl FnOnce(&mut EngineFacts)) -> Manifest {
        let mut facts = EngineFacts {
            build: BUILD.to_owned(),
            libtorch: "2.13.0".to_owned(),
            device: "cpu".to_owned(),
            threads: 2,
            validation_batch: 256,
            data: "CIFAR-10".to_owned(),
            data_fingerprint: "d".to_owned(),
            split_fingerprint: "s".to_owned(),
            protocol_hash: "p".to_owned(),
        };
        change(&mut facts);
        Manifest { engine: Some(facts), ..manifest(settings) }
    }

    /// The keys that differ; those that forbid a comparison with an exclamation mark.
    fn check(left: &Manifest, right: &Manifest, expected: &[&str]) {
        let mark = |d: Difference| format!("{}{}", d.key, if d.grave { "!" } else { "" });
        let forth: Vec<_> = protocol_differences(left, right).into_iter().map(mark).collect();
        let back: Vec<_> = protocol_differences(right, left).into_iter().map(mark).collect();
        assert_eq!(forth, expected);
        assert_eq!(forth, back, "the order makes no difference");
        assert_eq!(comparable(left, right), expected.iter().all(|k| !k.ends_with('!')));
    }

    #[test]
    fn searcher_seed_and_looks_may_differ() {
        let other = [
            "search.searcher=random",
            "search.seed=7",
            "screen.theme=light",
            "run.directory=/r",
            "retrain.cells=8",
        ];
        check(&manifest(&[]), &manifest(&[]), &[]);
        check(&manifest(&[]), &manifest(&other), &[]);
    }

    #[test]
    fn what_changes_losses_forbids_a_comparison() {
        let settings = ["data.cutout=0", "data.flip=false", "device.precision=bf16", "network.cells=5"];
        let keys = ["data.cutout!", "data.flip!", "device.precision!", "network.cells!"];
        check(&manifest(&[]), &manifest(&settings), &keys);
    }

    #[test]
    fn budget_threads_and_device_are_warned_about() {
        let other = completed(&["search.generations=5", "device.threads=1"], |e| {
            e.threads = 1;
            e.device = "cuda:0 NVIDIA H100".to_owned();
        });
        let keys = ["device.threads", "engine.device", "engine.threads", "search.generations"];
        check(&completed(&[], |_| {}), &other, &keys);
    }

    #[test]
    fn pairs_at_once_are_another_search_and_ranks_another_training_alone() {
        let several = ["search.pairs_at_once=2", "device.ranks=4"];
        check(&manifest(&[]), &manifest(&several), &["search.pairs_at_once!", "device.ranks"]);
        let training = |settings| Manifest { job: Job::Train, ..manifest(settings) };
        check(&training(&[]), &training(&several), &["device.ranks!"]);
    }

    #[test]
    fn fingerprints_say_which_images_are_meant() {
        let plain = completed(&[], |_| {});
        let elsewhere = ["data.path=/elsewhere", "data.train_images=25000"];
        check(&plain, &completed(&elsewhere, |_| {}), &[]);
        check(&manifest(&[]), &manifest(&elsewhere), &["data.path!", "data.train_images!"]);
        let other_images = completed(&[], |e| e.data_fingerprint = "other".to_owned());
        check(&plain, &other_images, &["engine.data_fingerprint!"]);
    }

    #[test]
    fn a_split_differs_with_the_seed_but_not_without() {
        let split = |e: &mut EngineFacts| {
            e.split_fingerprint = "t".to_owned();
            e.protocol_hash = "q".to_owned();
        };
        let plain = completed(&[], |_| {});
        check(&plain, &completed(&["search.seed=2"], split), &[]);
        check(&plain, &completed(&[], split), &["engine.split_fingerprint!"]);
        let fewer = completed(&["search.seed=2", "data.train_images=100"], split);
        check(&plain, &fewer, &["data.train_images!"]);
        let unexplained = completed(&[], |e| e.protocol_hash = "q".to_owned());
        check(&plain, &unexplained, &["engine.protocol_hash!"]);
    }

    #[test]
    fn searches_of_a_table_differ_in_what_it_is_asked_for_alone() {
        let table = |setting| manifest(&["search.space=nas-bench-201", setting]);
        let paced = "table.milliseconds=200";
        check(&table("training.batch=64"), &table("network.cells=5"), &[]);
        check(&table(paced), &table("table.milliseconds=0"), &["table.milliseconds"]);
        check(&table(paced), &table("table.dataset=cifar100"), &["table.dataset!", "table.milliseconds"]);
        check(&manifest(&[]), &table("search.seed=2"), &["search.space!"]);
    }

    #[test]
    fn a_training_run_is_no_search() {
        let training = |settings| Manifest { job: Job::Train, ..manifest(settings) };
        check(&manifest(&[]), &training(&[]), &["job!"]);
        check(&training(&[]), &training(&["retrain.epochs=3", "search.population=2"]), &["retrain.epochs!"]);
    }
}
