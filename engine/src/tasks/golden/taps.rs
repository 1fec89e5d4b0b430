//! The backbone alone, and the names of all networks' tensors.

use relativenas_core::genotype::Genotype;
use serde::Deserialize;
use serde_json::Value;
use tch::no_grad;

use super::{Case, Head, Rule, Summary, TaskNetwork, filled, part, relativenas};
use crate::tasks::Backbone;

#[derive(Deserialize)]
struct Figures {
    channels: usize,
    layers: usize,
    taps: Vec<Tap>,
    parameters: usize,
    state_tensors: usize,
}

#[derive(Deserialize)]
struct Tap {
    cell: usize,
    channels: usize,
    #[serde(flatten)]
    summary: Option<Summary>,
}

#[derive(Deserialize)]
struct TapCase {
    #[serde(flatten)]
    case: Case,
    taps: Vec<Tap>,
}

#[derive(Deserialize)]
struct Names {
    backbone_names: Vec<(String, Vec<i64>)>,
    detection: HeadNames,
    segmentation: HeadNames,
    keypoints: HeadNames,
}

#[derive(Deserialize)]
struct HeadNames {
    prefix: String,
    head_names: Vec<(String, Vec<i64>)>,
    state_tensors: usize,
    parameters: usize,
}

#[test]
fn golden_names_and_parameters_of_networks() {
    let figures: Figures = part("taps.json", "backbone");
    let names: Names = part("taps.json", "networks");
    assert_eq!(part::<Genotype>("taps.json", "genotype"), relativenas());
    let backbone = Backbone::new(&relativenas(), figures.channels, figures.layers).unwrap();
    let tensors = backbone.tensors();
    let found: Vec<_> = tensors.iter().map(|spec| (spec.name.clone(), spec.shape.clone())).collect();
    assert_eq!(found, names.backbone_names);
    assert_eq!(tensors.len(), figures.state_tensors);
    let parameters: usize = tensors.iter().filter(|s| s.role.is_parameter()).map(|s| s.numel()).sum();
    assert_eq!(parameters, figures.parameters);
    let taps: Vec<_> = figures.taps.iter().map(|tap| (tap.cell, tap.channels)).collect();
    assert_eq!(taps, backbone.taps.into_iter().zip(backbone.channels).collect::<Vec<_>>());

    for (head, expected) in [
        (Head::DETECTION, &names.detection),
        (Head::SEGMENTATION, &names.segmentation),
        (Head::KEYPOINTS, &names.keypoints),
    ] {
        assert_eq!(head.backbone_prefix(), expected.prefix);
        let network = TaskNetwork::new(&relativenas(), figures.channels, figures.layers, head).unwrap();
        let tensors = network.tensors();
        let found: Vec<_> = tensors.iter().map(|spec| (spec.name.clone(), spec.shape.clone())).collect();
        let of_backbone = names.backbone_names.iter();
        let mut all: Vec<_> =
            of_backbone.map(|(name, shape)| (format!("{}{name}", expected.prefix), shape.clone())).collect();
        all.extend(expected.head_names.iter().cloned());
        assert_eq!(found, all, "{head:?}");
        assert_eq!((tensors.len(), network.parameters()), (expected.state_tensors, expected.parameters));
    }
}

#[test]
fn golden_taps() {
    let rule = Rule::read();
    let cases: Vec<TapCase> = part("taps.json", "cases");
    assert!(cases.iter().any(|case| case.case.training));
    for TapCase { case, taps } in cases {
        let backbone = Backbone::new(&relativenas(), case.channels, case.layers).unwrap();
        let tensors = filled(&backbone.tensors(), &rule);
        let modules = backbone.modules(&tensors, "").unwrap();
        let maps = no_grad(|| backbone.maps(&modules, &case.images(&rule), case.mode())).unwrap();
        for ((tap, map), cell) in taps.iter().zip(&maps).zip(backbone.taps) {
            assert_eq!((tap.cell, tap.channels as i64), (cell, map.size()[1]));
            let summary = tap.summary.as_ref().expect("figures");
            summary.check(&format!("{} cell {cell}", case.input_name), map, case.tolerance());
        }
        case.check_running(&backbone.tensors(), &tensors);
    }
}

#[test]
fn a_backbone_takes_the_weights_of_a_classifier_and_names_what_does_not_fit() {
    let rule = Rule::read();
    let backbone = Backbone::new(&relativenas(), 8, 3).unwrap();
    let mut tensors = filled(&backbone.tensors(), &rule);
    for name in ["classifier.weight", "auxiliary_head.features.2.weight", "stem0.1.num_batches_tracked"] {
        tensors.insert(name.to_owned(), rule.weight(name, &[4]));
    }
    let copy = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
    assert_eq!(backbone.of_classifier(copy).unwrap().len(), backbone.tensors().len());
    tensors.remove("stem1.2.bias");
    tensors.insert("stem2.weight".to_owned(), rule.weight("stem2.weight", &[4]));
    let error = backbone.of_classifier(tensors).unwrap_err().to_string();
    assert!(error.contains("stem1.2.bias") && error.contains("stem2.weight"), "{error}");
}

#[test]
fn what_published_backbones_never_use_is_known() {
    let backbone = Backbone::new(&relativenas(), 8, 14).unwrap();
    let unused = backbone.unused();
    assert!(!unused.is_empty() && unused.iter().all(|name| name.contains(".preprocess0.")), "{unused:?}");
    let expected: Value = part("keypoints.json", "networks");
    let published = expected.as_array().unwrap().iter().find_map(|case| case["no_gradient"].as_array());
    let published: Vec<_> = published.unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for name in unused.iter().filter(|name| !name.contains("running_")) {
        assert!(published.contains(&format!("backbone.{name}").as_str()), "{name}");
    }
}
