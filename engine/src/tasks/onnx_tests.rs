//! ONNX files of the three tasks: onnxruntime computes the same from them as libtorch does.
//!
//! It needs a Python with onnx and onnxruntime: `RELATIVENAS_PYTHON` names one, else `python3` is tried.

use std::{collections::BTreeMap, env, fs, process::Command};

use relativenas_core::{
    network::{NetworkKind, NetworkShape},
    onnx::{self, WeightTensor},
    published,
    randomness::{Purpose, Streams},
    tasks::{
        Task,
        matching::decode,
        priors::{IMAGE_SIDE, priors},
    },
};
use serde::Deserialize;
use tch::{Device, Kind, Tensor, no_grad};

use super::{Head, NetworkState, TaskNetwork, bisenet, simple_baseline, ssd_lite};
use crate::network::{ForwardMode, TensorRole};

/// Checks a model, runs it on three images at once and one by one, and prints its outputs by name.
const SCRIPT: &str = "
import json, sys, numpy, onnx, onnxruntime
model = onnx.load(sys.argv[1])
onnx.checker.check_model(model, full_check=True)
session = onnxruntime.InferenceSession(sys.argv[1])
images = numpy.fromfile(sys.argv[2], dtype=numpy.float32).reshape([int(n) for n in sys.argv[3].split(',')])
names = [output.name for output in session.get_outputs()]
shapes = {output.name: [str(side) for side in output.shape] for output in session.get_outputs()}
run = lambda x: dict(zip(names, session.run(names, {'images': x})))
together = run(images)
alone = [run(images[i:i+1]) for i in range(len(images))]
alone = {name: numpy.concatenate([one[name] for one in alone]) for name in names}
assert all(list(together[name].shape[1:]) == [int(side) for side in shapes[name][1:]] for name in names)
flat = lambda outputs: {name: outputs[name].flatten().tolist() for name in names}
print(json.dumps({'opset': model.opset_import[0].version, 'together': flat(together), 'alone': flat(alone)}))
";

#[derive(Deserialize)]
struct Ran {
    opset: i64,
    together: BTreeMap<String, Vec<f64>>,
    alone: BTreeMap<String, Vec<f64>>,
}

fn python() -> Option<String> {
    let python = env::var("RELATIVENAS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import numpy, onnx, onnxruntime"]).output();
    let there = found.is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: no Python with onnx and onnxruntime; RELATIVENAS_PYTHON names one");
    }
    there.then_some(python)
}

/// Weights whose batch norms have moved away from their initial values, as in training.
fn trained(network: &TaskNetwork) -> BTreeMap<String, Tensor> {
    let stream = |number| Streams::new(9).stream(Purpose::Population, number, 0);
    let tensors = network.tensors().into_iter().zip(0..).map(|(spec, number)| {
        let mut stream = stream(number);
        let value = |unit: f64| match spec.role {
            TensorRole::Weight { fan_in } => (2.0 * unit - 1.0) * (3.0 / fan_in as f64).sqrt(),
            TensorRole::Scale | TensorRole::RunningVariance => 0.5 + unit,
            TensorRole::Bias { .. } | TensorRole::Shift | TensorRole::RunningMean => 0.4 * (unit - 0.5),
        };
        let values: Vec<f32> = (0..spec.numel()).map(|_| value(stream.unit()) as f32).collect();
        (spec.name, Tensor::from_slice(&values).reshape(spec.shape.as_slice()))
    });
    tensors.collect()
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.to_kind(Kind::Double).contiguous().reshape([-1]).try_into().unwrap()
}

#[track_caller]
fn check(name: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let scale = expected.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let error = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(error <= 1e-5 * scale, "{name}: error {error}, scale {scale}");
}

/// The outputs of a network for images, by their names in the file.
type Outputs = dyn Fn(&TaskNetwork, &NetworkState, &Tensor) -> BTreeMap<&'static str, Vec<f64>>;

/// Compares the outputs for images of these rows and columns.
fn agrees(task: Task, head: Head, classes: usize, [height, width]: [usize; 2], run: &Outputs) {
    let Some(python) = python() else { return };
    let genotype = published::genotype("RelativeNAS").unwrap();
    let shape = NetworkShape { kind: NetworkKind::Imagenet, channels: 8, cells: 5, classes };
    let network = TaskNetwork::new(&genotype, shape.channels, shape.cells, head).unwrap();
    let tensors = trained(&network);
    let state = NetworkState::from_named(&network, &tensors, Device::Cpu).unwrap();
    let weights = tensors.iter().map(|(name, tensor)| {
        let values = flat(tensor).into_iter().map(|value| value as f32).collect();
        let shape = tensor.size().into_iter().map(|n| n as u64).collect();
        (name.clone(), WeightTensor { shape, values })
    });
    let weights: BTreeMap<_, _> = weights.collect();
    let model = onnx::task(task, &genotype, &shape, height, &weights).unwrap();

    let mut stream = Streams::new(4).stream(Purpose::Population, 0, 0);
    let numbers: Vec<f32> =
        (0..3 * 3 * height * width).map(|_| (3.4 * (stream.unit() - 0.5)) as f32).collect();
    let images = Tensor::from_slice(&numbers).reshape([3, 3, height as i64, width as i64]);
    let expected = no_grad(|| run(&network, &state, &images));

    let folder = tempfile::tempdir().unwrap();
    let (file, input) = (folder.path().join("model.onnx"), folder.path().join("images"));
    fs::write(&file, model).unwrap();
    fs::write(&input, numbers.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>()).unwrap();
    let sides = format!("3,3,{height},{width}");
    let output =
        Command::new(python).arg("-c").arg(SCRIPT).args([&file, &input]).arg(sides).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ran: Ran = serde_json::from_slice(&output.stdout).unwrap();
    assert!(ran.opset >= 17);
    assert!(ran.together.keys().map(String::as_str).eq(expected.keys().copied()));
    for (name, expected) in &expected {
        check(&format!("{name} of three"), &ran.together[*name], expected);
        check(&format!("{name} one by one"), &ran.alone[*name], expected);
    }
}

#[test]
fn onnx_of_a_detector_gives_its_scores_and_boxes() {
    let run = |network: &TaskNetwork, state: &NetworkState, images: &Tensor| {
        let outputs = ssd_lite::run(network, state, images, ForwardMode::Evaluation).unwrap();
        let locations = flat(&outputs.locations);
        let rows = locations.chunks_exact(4).zip(priors().into_iter().cycle());
        let boxes =
            rows.flat_map(|(n, prior)| <[f64; 4]>::from(decode([n[0], n[1], n[2], n[3]], &prior).corners()));
        let scores = outputs.confidences.softmax(-1, Kind::Float);
        BTreeMap::from([("boxes", boxes.collect()), ("scores", flat(&scores))])
    };
    agrees(Task::Detection, Head::SsdLite { classes: 4 }, 3, [IMAGE_SIDE; 2], &run);
}

#[test]
fn onnx_of_a_segmentation_gives_its_scores() {
    let run = |network: &TaskNetwork, state: &NetworkState, images: &Tensor| {
        let outputs = bisenet::run(network, state, images, ForwardMode::Evaluation).unwrap();
        BTreeMap::from([("logits", flat(&outputs.main))])
    };
    agrees(Task::Segmentation, Head::SEGMENTATION, 19, [96; 2], &run);
}

#[test]
fn onnx_of_keypoints_gives_their_maps() {
    let run = |network: &TaskNetwork, state: &NetworkState, images: &Tensor| {
        let outputs = simple_baseline::run(network, state, images, ForwardMode::Evaluation).unwrap();
        BTreeMap::from([("heat_maps", flat(&outputs))])
    };
    agrees(Task::Keypoints, Head::KEYPOINTS, 1, [256, 192], &run);
}

#[test]
fn weights_of_another_network_are_named() {
    let genotype = published::genotype("RelativeNAS").unwrap();
    let shape = NetworkShape { kind: NetworkKind::Imagenet, channels: 4, cells: 3, classes: 1 };
    let more = WeightTensor { shape: vec![1], values: vec![0.0] };
    let weights = BTreeMap::from([("backbone.more".to_owned(), more)]);
    let error = onnx::task(Task::Keypoints, &genotype, &shape, 0, &weights).unwrap_err().to_string();
    assert!(error.contains("is missing") && error.contains("more"), "{error}");
    let shallow = NetworkShape { cells: 2, ..shape };
    let error =
        onnx::task(Task::Keypoints, &genotype, &shallow, 0, &BTreeMap::new()).unwrap_err().to_string();
    assert!(error.ends_with("a backbone is an ImageNet network of 3 or more cells"), "{error}");
}
