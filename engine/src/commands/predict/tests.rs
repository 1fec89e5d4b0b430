use clap::Parser;
use relativenas_core::{
    genotype::Genotype,
    network::{NetworkKind, NetworkShape},
    published,
    randomness::Streams,
    tasks::{Task, joints::JOINTS, label_ids},
    trained_network::TrainedNetwork,
};
use tch::Device;

use super::*;
use crate::{
    data::{IMAGENET_STATISTICS, samples::sample},
    network::{ModuleWeights, Plan, to_named},
    run::described_weights,
    tasks::{Head, TaskNetwork, training::fresh},
    weights_file,
};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    predict: PredictArguments,
}

fn typed(arguments: &[&str]) -> PredictArguments {
    Line::try_parse_from([&["predict", "--device", "cpu"][..], arguments].concat()).unwrap().predict
}

fn genotype() -> Genotype {
    published::genotype("RelativeNAS").unwrap()
}

/// A file with fresh weights that describes its network.
fn weights(folder: &Path, task: Task, classes: &[&str]) -> String {
    let count = if task == Task::Segmentation { label_ids::CLASSES } else { classes.len() };
    let network = NetworkShape { kind: NetworkKind::Imagenet, channels: 4, cells: 3, classes: count };
    let head = match task {
        Task::Detection => Head::SsdLite { classes: count + 1 },
        Task::Segmentation => Head::SEGMENTATION,
        _ => Head::KEYPOINTS,
    };
    let tensors = if task.is_classification() {
        let plan = Plan::full(&genotype(), &network, false);
        let module = |planned| ModuleWeights::fresh(planned, &Streams::new(1), Device::Cpu).unwrap();
        to_named(&plan, &plan.modules.iter().map(module).collect::<Vec<_>>())
    } else {
        fresh(&TaskNetwork::new(&genotype(), 4, 3, head).unwrap(), &Streams::new(1)).unwrap()
    };
    let (mean, std) = IMAGENET_STATISTICS;
    let described = TrainedNetwork {
        task,
        genotype: genotype(),
        network,
        auxiliary: false,
        classes: classes.iter().map(|&name| name.to_owned()).collect(),
        mean,
        std,
        crop: (task == Task::Segmentation).then_some(64),
    };
    let file = folder.join(format!("{}.safetensors", task.name()));
    fs::write(&file, described_weights(&tensors, &described).unwrap()).unwrap();
    file.to_str().unwrap().to_owned()
}

fn predictions(task: Task, classes: &[&str], picture: &str, more: &[&str]) -> (Vec<Value>, Drawing, Picture) {
    let folder = tempfile::tempdir().unwrap();
    let weights = weights(folder.path(), task, classes);
    let file = sample(picture);
    let arguments = [&["--weights", &weights, file.to_str().unwrap()][..], more].concat();
    let arguments = typed(&arguments);
    let loaded = Loaded::load(&arguments, Device::Cpu).unwrap();
    let people = arguments.boxes.as_deref().map(found::people_in).transpose().unwrap();
    let picture = read(&file).unwrap();
    let (entries, drawing) = loaded.predict(&file, &picture, people.as_ref(), arguments.score).unwrap();
    (entries, drawing, picture)
}

#[test]
fn boxes_have_coco_s_form_and_the_classes_of_the_weights() {
    let picture = "transfer/VOCdevkit/VOC2007/JPEGImages/000001.jpg";
    let names = ["bottle", "car", "person"];
    let (entries, drawing, _) = predictions(Task::Detection, &names, picture, &["--score", "0.2"]);
    assert!(!entries.is_empty() && drawing.marks.len() == entries.len(), "fresh weights find something");
    for entry in &entries {
        assert!(entry["score"].as_f64().unwrap() >= 0.2);
        let category = entry["category_id"].as_u64().unwrap() as usize;
        assert_eq!(entry["category"], names[category - 1]);
        assert_eq!((entry["image_id"].as_u64(), entry["bbox"].as_array().map(Vec::len)), (Some(1), Some(4)));
    }
    let (none, _, _) = predictions(Task::Detection, &names, picture, &["--score", "1"]);
    assert!(none.is_empty());
}

#[test]
fn every_pixel_has_a_class_and_runs_say_which() {
    let picture = "transfer/cityscapes/leftImg8bit/val/frankfurt/frankfurt_000000_000294_leftImg8bit.png";
    let (entries, drawing, picture) = predictions(Task::Segmentation, &[], picture, &[]);
    let pixels = picture.width * picture.height;
    let ids = drawing.mask.clone().unwrap();
    assert_eq!((ids.len(), drawing.label_ids.as_ref().map(Vec::len)), (pixels, Some(pixels)));
    let segments = entries[0]["segments"].as_array().unwrap();
    let share: f64 = segments.iter().map(|segment| segment["share"].as_f64().unwrap()).sum();
    assert!((share - 1.0).abs() < 1e-9, "{share}");
    for segment in segments {
        let id = segment["train_id"].as_u64().unwrap() as u8;
        let mut there = Vec::new();
        for (turn, run) in segment["runs"].as_array().unwrap().iter().enumerate() {
            there.extend(vec![turn % 2 == 1; run.as_u64().unwrap() as usize]);
        }
        assert!(there.into_iter().eq(ids.iter().map(|&found| found == id)));
    }
    assert_eq!(drawing.on(&picture).width, 4 * picture.width, "small pictures are drawn larger");
}

#[test]
fn people_are_looked_for_where_a_file_says() {
    let picture = "transfer/coco/val2017/000000000139.jpg";
    let boxes = sample("transfer/coco/annotations/person_keypoints_val2017.json");
    let more = ["--boxes", boxes.to_str().unwrap()];
    let (entries, drawing, _) = predictions(Task::Keypoints, &["person"], picture, &more);
    assert!(!entries.is_empty() && drawing.marks.len() == entries.len());
    for entry in &entries {
        assert_eq!(entry["keypoints"].as_array().unwrap().len(), 3 * JOINTS);
        assert_eq!((entry["image_id"].as_u64(), entry["category_id"].as_u64()), (Some(139), Some(1)));
    }
    let (alone, _, _) = predictions(Task::Keypoints, &["person"], picture, &[]);
    assert_eq!(alone.len(), 1, "one person in the whole picture");
}

#[test]
fn a_classifier_names_its_best_classes() {
    let names = ["cat", "dog", "house"];
    let (entries, drawing, _) =
        predictions(Task::Classification, &names, "image-folder/train/cat/0003.jpg", &[]);
    let top = entries[0]["top"].as_array().unwrap();
    let shares: Vec<_> = top.iter().map(|class| class["probability"].as_f64().unwrap()).collect();
    assert!(
        (shares.iter().sum::<f64>() - 1.0).abs() < 1e-6 && shares[0] >= shares[1] && shares[1] >= shares[2]
    );
    assert!(names.contains(&top[0]["name"].as_str().unwrap()));
    assert_eq!(drawing.marks.len(), 1);
}

/// The error with these arguments added.
fn refusal(arguments: &[&str]) -> String {
    format!("{:#}", predict(&typed(arguments)).expect_err("refused"))
}

#[test]
fn what_cannot_be_used_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let described = weights(folder.path(), Task::Keypoints, &["person"]);
    let picture = sample("transfer/coco/val2017/000000000139.jpg");
    let picture = picture.to_str().unwrap();
    let said = refusal(&["--weights", &described, "--task", "detection", picture]);
    assert!(said.ends_with("--task detection, but the weights are for keypoints"), "{said}");
    let said = refusal(&["--weights", &described, "--classes", "a,b", picture]);
    assert!(said.ends_with("--classes names 2, but the network has 1"), "{said}");
    let said = refusal(&["--weights", &described, "--score", "7", picture]);
    assert_eq!(said, "--score 7 is not between 0 and 1");
    let said = refusal(&["--weights", &described, "/nowhere.png"]);
    assert!(said.starts_with("`/nowhere.png` cannot be read"), "{said}");

    // Without a description the architecture has to be given.
    let plain = folder.path().join("plain.safetensors");
    weights_file::write(&plain, &weights_file::read(Path::new(&described)).unwrap()).unwrap();
    let plain = plain.to_str().unwrap();
    let said = refusal(&["--weights", plain, picture]);
    assert!(said.ends_with("it does not describe its network; name the architecture with --arch"), "{said}");
    let loaded =
        Loaded::load(&typed(&["--weights", plain, "--arch", "RelativeNAS", picture]), Device::Cpu).unwrap();
    assert_eq!((loaded.network.task, loaded.network.network.cells), (Task::Keypoints, 3));

    let boxes = folder.path().join("boxes.json");
    fs::write(&boxes, r#"[{"image_id": 139, "category_id": 1, "bbox": [1, 2, 0, 5]}]"#).unwrap();
    let said = refusal(&["--weights", &described, "--boxes", boxes.to_str().unwrap(), picture]);
    assert!(said.contains("the box of entry 0, [1.0, 2.0, 0.0, 5.0], is empty or inverted"), "{said}");
    fs::write(&boxes, "{").unwrap();
    let said = refusal(&["--weights", &described, "--boxes", boxes.to_str().unwrap(), picture]);
    assert!(said.contains("neither a list of COCO's detections nor its annotations"), "{said}");
}

#[test]
fn drawings_are_pictures_in_a_folder_and_none_takes_another_s_place() {
    let folder = tempfile::tempdir().unwrap();
    let weights = weights(folder.path(), Task::Segmentation, &[]);
    let picture =
        sample("transfer/cityscapes/leftImg8bit/val/frankfurt/frankfurt_000000_000294_leftImg8bit.png");
    let (picture, out) = (picture.to_str().unwrap(), folder.path().join("out"));
    predict(&typed(&["--weights", &weights, "-o", out.to_str().unwrap(), picture])).unwrap();
    let read = |name: &str| Picture::decode(&fs::read(out.join(name)).unwrap()).unwrap();
    let original = read_sample(picture);
    assert_eq!(read("frankfurt_000000_000294_leftImg8bit.png").width, 4 * original.width);
    assert_eq!(read("frankfurt_000000_000294_leftImg8bit_labelIds.png").width, original.width);
    let said = refusal(&["--weights", &weights, "-o", out.to_str().unwrap(), picture, picture]);
    assert!(said.contains("would both be drawn to"), "{said}");
}

fn read_sample(path: &str) -> Picture {
    read(Path::new(path)).unwrap()
}
