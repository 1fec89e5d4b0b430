//! Trainings of full networks: to their end, through interruptions, and the use of their weights.

use std::{collections::BTreeMap, fs, path::Path};

use relativenas_core::event::Event;
use serde_json::Value;

use crate::{
    search::{lines, pid, signal},
    stage::{Stage, samples, wait_until},
};

/// Settings of a training that ends within seconds on the CPU.
const TINY: [&str; 8] = [
    "retrain.channels=2",
    "retrain.cells=3",
    "retrain.epochs=2",
    "retrain.batch=16",
    "data.train_images=320",
    "data.valid_images=64",
    "device.kind=cpu",
    "device.threads=1",
];

/// A tiny headless training named `name`.
pub fn train_arguments(name: &str, more: &[&str]) -> Vec<String> {
    let begin = ["train", "--arch", "RelativeNAS", "--headless", "--name", name];
    let settings = TINY.iter().flat_map(|setting| ["--set", setting]);
    begin.into_iter().chain(settings).chain(more.iter().copied()).map(Into::into).collect()
}

/// The files that a training writes for other programs.
fn weights(stage: &Stage, run: &str) -> BTreeMap<&'static str, Vec<u8>> {
    let folder = stage.runs().join(run).join("weights");
    ["best.safetensors", "last.safetensors"]
        .map(|file| (file, fs::read(folder.join(file)).expect("written")))
        .into()
}

/// What `evaluate --json` prints.
fn evaluated(stage: &Stage, arguments: &[&str]) -> Value {
    let network = ["evaluate", "--arch", "RelativeNAS", "--cells", "3", "--device", "cpu", "--json"];
    let ran = stage.relativenas([&network[..], arguments].concat()).succeeded();
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    serde_json::from_str(&ran.stdout).expect("JSON")
}

#[test]
fn a_training_ends_with_the_test_set_and_its_best_weights_evaluate_to_the_same() {
    let stage = Stage::new();
    stage.relativenas(train_arguments("one", &[])).succeeded();
    let events = stage.events("one");
    let Some(Event::TrainingFinished { best_epoch, test_loss, test_top1, test_top5, test_images, .. }) =
        events.last()
    else {
        panic!("the last event is {:?}", events.last());
    };
    let accuracies: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::EpochFinished { valid_accuracy, .. } => Some(*valid_accuracy),
            _ => None,
        })
        .collect();
    assert_eq!(accuracies.len(), 2);
    let best = accuracies[*best_epoch as usize];
    assert!(accuracies.iter().all(|&accuracy| accuracy <= best));
    assert_eq!(*test_images, 1000);

    let file = stage.runs().join("one/weights/best.safetensors");
    let file = file.to_str().expect("text");
    let found = evaluated(&stage, &["--channels", "2", "--weights", file]);
    for (key, expected) in [("loss", test_loss.0), ("top1", *test_top1), ("top5", *test_top5)] {
        let found = found[key].as_f64().expect("a number");
        assert!((found - expected).abs() <= 1e-4 * expected.abs(), "{key}: {found} for {expected}");
    }
}

#[test]
fn a_training_that_was_terminated_within_an_epoch_ends_at_the_same_weights() {
    let stage = Stage::new();
    stage.relativenas(train_arguments("whole", &[])).succeeded();

    let mut command = stage.command(train_arguments("cut", &[])).spawn().expect("starts");
    let folder = stage.runs().join("cut");
    wait_until("the first epoch is finished", || lines(&folder) >= 2);
    signal(pid(&folder), "-TERM");
    command.wait().expect("the command ends");
    assert!(lines(&folder) < 4, "terminated too late to test anything");

    stage.relativenas(["resume", "cut", "--headless"]).succeeded();
    assert_eq!(stage.events("whole"), stage.events("cut"));
    assert!(weights(&stage, "whole") == weights(&stage, "cut"), "other weights");
}

#[test]
fn sample_checkpoints_and_layouts_evaluate_to_the_same_figures() {
    let stage = Stage::new();
    let path = |relative: &str| samples().join(relative).display().to_string();
    let found = |data: &str, weights: &str| {
        let (data, weights) = (path(data), path(weights));
        let arguments = ["--kind", "cifar", "--channels", "4", "--classes", "10", "--no-auxiliary"];
        let mut found =
            evaluated(&stage, &[&arguments[..], &["--weights", &weights, "--data", &data]].concat());
        let rate = found.as_object_mut().expect("an object").remove("images_per_second");
        assert!(rate.expect("a key").as_f64() > Some(0.0));
        found
    };
    let expected = found("cifar-10-batches-bin", "checkpoints/dataparallel_zip.pt");
    assert_eq!(expected["images"], 20);
    for data in ["cifar-10-batches-bin", "cifar-10-batches-py"] {
        assert_eq!(found(data, "checkpoints/dataparallel_legacy.pt"), expected, "{data}");
    }
}

#[test]
fn a_network_for_photographs_is_trained_from_a_folder_and_from_what_pack_made_of_it() {
    let stage = Stage::new();
    let folder = samples().join("image-folder");
    let packed = stage.path("packed");
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    stage.relativenas(["pack", &text(&folder), &text(&packed), "--verify"]).succeeded();
    for (name, data) in [("folder", &folder), ("packed", &packed)] {
        let data = text(data);
        let more = [
            "--kind",
            "imagenet",
            "--data",
            &data,
            "--epochs",
            "1",
            "--set",
            "data.train_images=0",
            "--set",
            "data.valid_images=0",
            "--set",
            "retrain.valid_share=0.25",
            "--set",
            "retrain.schedule=linear",
        ];
        stage.relativenas(train_arguments(name, &more)).succeeded();
    }
    // The data set's name is that of its folder; everything else is the same.
    assert_eq!(stage.events("folder")[1..], stage.events("packed")[1..]);
    assert!(weights(&stage, "folder") == weights(&stage, "packed"), "other weights");
}

#[test]
fn a_network_is_exported_as_python_that_names_its_cells_and_shape() {
    let stage = Stage::new();
    stage.relativenas(train_arguments("one", &["--epochs", "1"])).succeeded();
    let python = stage.relativenas(["export", "one", "--format", "pytorch"]).succeeded().stdout;
    for line in ["CHANNELS = 2  # of a node in the first cells", "CELLS = 3", "CLASSES = 10"] {
        assert!(python.lines().any(|l| l == line), "{line}\n{python}");
    }
}
