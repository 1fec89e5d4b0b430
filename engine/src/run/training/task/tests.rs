//! Trainings of the three tasks on the samples: a few steps each, uninterrupted and interrupted.

use std::{fs, path::Path, sync::Arc};

use relativenas_core::{
    config::Layers,
    event::{Event, Part},
    manifest::{Job, Manifest, files},
    published,
    tasks::Task,
    trained_network::TrainedNetwork,
};

use crate::{
    data::samples::{copy_folder, sample},
    ranks::Alone,
    run::{
        fixture::{self, events, work},
        outcome::Outcome,
        training::TrainingJob,
    },
    weights_file,
};

/// The data set of a task among the samples.
fn folder_of(task: Task) -> &'static str {
    match task {
        Task::Detection => "transfer/VOCdevkit",
        Task::Segmentation => "transfer/cityscapes",
        _ => "transfer/coco",
    }
}

/// A training that ends within seconds.
fn manifest(task: Task, data: &Path, more: &[&str]) -> Manifest {
    let mut layers = Layers::built_in();
    layers.add_preset(task.name()).expect("a preset");
    layers.add_flag("--data", "data.path", data.to_str().expect("UTF-8")).expect("a setting");
    let few = [
        "retrain.channels=4",
        "retrain.cells=3",
        "retrain.epochs=2",
        "retrain.batch=2",
        "retrain.crop=64",
        "retrain.warmup_steps=2",
        "retrain.milestones=[1]",
        "device.kind=cpu",
        "device.threads=1",
    ];
    for setting in few.iter().chain(more) {
        layers.add_assignment(setting).expect("a setting");
    }
    let genotype = published::genotype("RelativeNAS");
    Manifest { genotype, ..fixture::manifest(Job::Train, &layers) }
}

fn weights(folder: &Path) -> [Vec<u8>; 2] {
    [files::BEST_WEIGHTS, files::LAST_WEIGHTS]
        .map(|file| fs::read(folder.join(files::WEIGHTS).join(file)).expect("written"))
}

/// Trains to the end, and once more with a stop within the second epoch; returns the events.
fn check(task: Task, epochs: usize, part: Part) {
    let data = sample(folder_of(task));
    let manifest = manifest(task, &data, &[]);
    let whole = tempfile::tempdir().expect("a folder");
    assert_eq!(work(whole.path(), &manifest, |_, _| {}), Outcome::Done);
    let expected = events(whole.path());
    assert_eq!(expected.len(), epochs + 2);
    for event in &expected[1..=epochs] {
        let Event::EpochFinished { train_loss, valid_loss, valid_accuracy, .. } = event else {
            panic!("{event:?}");
        };
        assert!(train_loss.is_finite() && valid_loss.is_finite() && (0.0..=100.0).contains(valid_accuracy));
    }
    let Some(Event::TrainingFinished { part: judged, test_images, .. }) = expected.last() else {
        panic!("{:?}", expected.last());
    };
    assert_eq!((*judged, *test_images > 0), (part, true));

    let cut = tempfile::tempdir().expect("a folder");
    let outcome = work(cut.path(), &manifest, |progress, control| {
        if progress.activity.generation_or_epoch() == Some(1) {
            control.abort();
        }
    });
    assert_eq!(outcome, Outcome::Stopped);
    assert!(events(cut.path()).len() < expected.len());
    assert_eq!(work(cut.path(), &manifest, |_, _| {}), Outcome::Done);
    // The events are compared as text, because NaN does not equal itself.
    assert_eq!(format!("{:?}", events(cut.path())), format!("{expected:?}"));
    assert!(weights(cut.path()) == weights(whole.path()), "other weights");

    // The file describes its network.
    let best = whole.path().join(files::WEIGHTS).join(files::BEST_WEIGHTS);
    let network = weights_file::find(&best).expect("readable").network.expect("described");
    let TrainedNetwork { task: said, network, .. } = *network;
    assert_eq!((said, network.channels, network.cells), (task, 4, 3));
}

#[test]
fn a_detector_that_was_cut_short_ends_the_same() {
    check(Task::Detection, 2, Part::Test);
}

#[test]
fn a_segmentation_that_was_cut_short_ends_the_same() {
    check(Task::Segmentation, 2, Part::Validation);
}

#[test]
fn keypoints_that_were_cut_short_end_the_same() {
    check(Task::Keypoints, 2, Part::Validation);
}

fn refusal(manifest: &Manifest) -> String {
    let prepared = TrainingJob::prepare(manifest, None, Arc::new(Alone));
    format!("{:#}", prepared.err().expect("refused"))
}

#[test]
fn a_backbone_of_another_network_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backbone.safetensors");
    let tensors = [("stem0.0.weight".to_owned(), tch::Tensor::from_slice(&[1.0_f32]))];
    weights_file::write(&file, &tensors.into()).expect("written");
    let setting = format!("retrain.backbone={}", file.display());
    let said = refusal(&manifest(Task::Keypoints, &sample(folder_of(Task::Keypoints)), &[&setting]));
    assert!(
        said.starts_with(&format!("the backbone `{}`: the weights are not those", file.display())),
        "{said}"
    );
    assert!(said.contains("of another shape: stem0.0.weight [1], expected [2, 3, 3, 3]"), "{said}");
}

#[test]
fn faulty_data_are_refused_unless_they_may_be_left_out() {
    let copy = tempfile::tempdir().expect("a folder");
    copy_folder(&sample(folder_of(Task::Detection)), copy.path());
    let file = copy.path().join("VOC2007/Annotations/000001.xml");
    fs::write(&file, "<annotation>").expect("written");
    let said = refusal(&manifest(Task::Detection, copy.path(), &[]));
    assert!(said.contains("has faults:") && said.contains("000001.xml"), "{said}");
    let data = manifest(Task::Detection, copy.path(), &["data.skip_faulty=1"]);
    let (job, _) = TrainingJob::prepare(&data, None, Arc::new(Alone)).expect("one may be left out");
    let Some(Event::TrainingStarted { images, .. }) = job.opening.first() else {
        panic!("{:?}", job.opening)
    };
    assert_eq!((images.train, images.valid, images.classes), (4, 3, 3));
}

#[test]
fn all_images_are_learned_from_if_none_are_kept_apart() {
    let data = sample(folder_of(Task::Detection));
    let all = manifest(Task::Detection, &data, &["retrain.valid_share=0"]);
    let (job, _) = TrainingJob::prepare(&all, None, Arc::new(Alone)).expect("a training");
    assert_eq!(job.subject.images(), (8, 0));
}
