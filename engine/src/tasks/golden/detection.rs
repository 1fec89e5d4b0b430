use relativenas_core::tasks::{
    boxes::CornerBox,
    matching::{decode, encode, match_boxes},
    priors::{LEVELS, PER_CELL, priors},
};
use serde::Deserialize;
use tch::{Kind, Tensor, no_grad};

use super::{Case, Head, Rule, Summary, check_number, input, part};
use crate::tasks::{
    losses::{self, BoxTargets},
    ssd_lite::{self, Predictions},
};

#[derive(Deserialize)]
struct Matching {
    images: Vec<Boxes>,
}

#[derive(Deserialize)]
struct Boxes {
    boxes: Vec<CornerBox>,
    labels: Vec<i64>,
}

/// The targets of some of the images of `matching`.
fn targets(rule: &Rule, images: &[usize]) -> BoxTargets {
    let matching: Matching = part("detection.json", "matching");
    let priors = priors();
    let (mut labels, mut locations) = (Vec::new(), Vec::new());
    for &image in images {
        let Boxes { boxes, labels: classes } = &matching.images[image];
        for (found, prior) in match_boxes(&priors, boxes).into_iter().zip(&priors) {
            labels.push(found.map_or(0, |object| classes[object]));
            locations
                .extend(found.map_or([0.0; 4], |object| encode(&boxes[object], prior)).map(|n| n as f32));
        }
    }
    let shape = [images.len() as i64, priors.len() as i64];
    BoxTargets {
        labels: Tensor::from_slice(&labels).reshape(shape).to_device(rule.device),
        locations: Tensor::from_slice(&locations).reshape([shape[0], shape[1], 4]).to_device(rule.device),
    }
}

#[derive(Deserialize)]
struct Loss {
    cases: Vec<LossCase>,
}

#[derive(Deserialize)]
struct LossCase {
    confidences_name: String,
    locations_name: String,
    images: Vec<usize>,
    classes: i64,
    negatives_per_image: Vec<usize>,
    negative_index_sum: Vec<usize>,
    regression: f64,
    classification: f64,
    loss: f64,
    gradient_confidences: Summary,
    gradient_locations: Summary,
    gradient_rows: i64,
}

#[test]
fn golden_detection_loss() {
    let rule = Rule::read();
    for case in part::<Loss>("detection.json", "loss").cases {
        let name = &case.confidences_name;
        let (images, count) = (case.images.len() as i64, priors().len() as i64);
        let confidences = input(&rule, name, &[images, count, case.classes])
            * input(&rule, &format!("{name}/prior"), &[images, count, 1]);
        let locations = input(&rule, &case.locations_name, &[images, count, 4]);
        let leaves = [confidences, locations].map(|tensor| tensor.detach().set_requires_grad(true));
        let said =
            Predictions { confidences: leaves[0].shallow_clone(), locations: leaves[1].shallow_clone() };
        let found = losses::detection(&said, &targets(&rule, &case.images)).unwrap();
        check_number(&format!("{name} regression"), &found.regression, case.regression, 1e-4);
        check_number(&format!("{name} classification"), &found.classification, case.classification, 1e-4);
        let counts: Vec<_> = found.negatives.iter().map(Vec::len).collect();
        assert_eq!(counts, case.negatives_per_image, "{name}");
        let sums: Vec<usize> = found.negatives.iter().map(|image| image.iter().sum()).collect();
        assert_eq!(sums, case.negative_index_sum, "{name}");
        let loss = &found.regression + &found.classification;
        check_number(&format!("{name} loss"), &loss, case.loss, 1e-4);
        let gradients = Tensor::run_backward(&[&loss], &leaves, false, false);
        case.gradient_confidences.check(&format!("{name} gradient"), &gradients[0], 1e-3);
        case.gradient_locations.check(&format!("{} gradient", case.locations_name), &gradients[1], 1e-3);
        let rows = gradients[0].abs().sum_dim_intlist([2_i64].as_slice(), false, Kind::Float);
        assert_eq!(rows.gt(0).sum(Kind::Int64).int64_value(&[]), case.gradient_rows, "{name}");
    }
}

#[derive(Deserialize)]
struct Network {
    #[serde(flatten)]
    case: Case,
    classes: usize,
    confidences: Summary,
    locations: Summary,
    #[serde(default)]
    levels: Vec<Level>,
    scores: Option<Summary>,
    boxes: Option<Summary>,
    #[serde(default)]
    images: Vec<usize>,
    regression: Option<f64>,
    classification: Option<f64>,
    loss: Option<f64>,
    #[serde(default)]
    negative_index_sum: Vec<usize>,
}

#[derive(Deserialize)]
struct Level {
    confidences: Summary,
    locations: Summary,
}

#[test]
fn golden_detection_networks() {
    let rule = Rule::read();
    for network in part::<Vec<Network>>("detection.json", "networks") {
        check_network(&rule, &network);
    }
}

fn check_network(rule: &Rule, figures: &Network) {
    let (case, name) = (&figures.case, &figures.case.input_name);
    let (network, state) = case.network(Head::SsdLite { classes: figures.classes }, rule);
    let run = || ssd_lite::run(&network, &state, &case.images(rule), case.mode()).unwrap();
    let said = if figures.loss.is_some() { run() } else { no_grad(run) };
    let tolerance = case.tolerance();
    figures.confidences.check(&format!("{name} confidences"), &said.confidences, tolerance);
    figures.locations.check(&format!("{name} locations"), &said.locations, tolerance);
    let mut start = 0;
    for (number, (level, expected)) in LEVELS.iter().zip(&figures.levels).enumerate() {
        let length = (level.side * level.side * PER_CELL) as i64;
        let part = |all: &Tensor| all.narrow(1, start, length);
        expected.confidences.check(&format!("{name} level {number}"), &part(&said.confidences), tolerance);
        expected.locations.check(&format!("{name} level {number}"), &part(&said.locations), tolerance);
        start += length;
    }
    if let Some(expected) = &figures.scores {
        expected.check(&format!("{name} scores"), &said.confidences.softmax(-1, Kind::Float), tolerance);
    }
    if let Some(expected) = &figures.boxes {
        let numbers: Vec<f32> = said.locations.contiguous().reshape([-1]).try_into().unwrap();
        let rows = numbers.chunks_exact(4).zip(priors().into_iter().cycle());
        let corners = rows.flat_map(|(said, prior)| {
            let corners = decode(std::array::from_fn(|i| f64::from(said[i])), &prior).corners();
            <[f64; 4]>::from(corners)
        });
        let corners = Tensor::from_slice(&corners.collect::<Vec<_>>());
        expected.check(&format!("{name} boxes"), &corners, tolerance);
    }
    if let Some(loss) = figures.loss {
        let found = losses::detection(&said, &targets(rule, &figures.images)).unwrap();
        let sums: Vec<usize> = found.negatives.iter().map(|image| image.iter().sum()).collect();
        assert_eq!(sums, figures.negative_index_sum, "{name}");
        let check = |what: &str, found: &Tensor, expected: f64| {
            check_number(&format!("{name} {what}"), found, expected, tolerance);
        };
        check("regression", &found.regression, figures.regression.unwrap_or(f64::NAN));
        check("classification", &found.classification, figures.classification.unwrap_or(f64::NAN));
        let total = &found.regression + &found.classification;
        check("loss", &total, loss);
        case.check_gradients(&network, &state, &total);
    }
    case.check_running(&network.tensors(), state.tensors());
}
