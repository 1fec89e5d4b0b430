//! ONNX files of full networks: their weights by name, and what onnxruntime computes from them,
//! against the figures of PyTorch in tests/golden/network.json.
//!
//! The comparison needs a Python with onnxruntime: `RELATIVENAS_PYTHON` names one, else `python3` is tried.

mod figures;

use std::{collections::BTreeMap, env, fs, path::PathBuf, process::Command};

use relativenas_core::{
    genotype::{Cell, Gene, Genotype},
    network::{NetworkKind, NetworkShape},
    onnx::{WeightTensor, classifier},
    operation::Operation,
    tasks::Task,
    trained_network::Seen,
};
use serde::Deserialize;

use figures::Rule;

#[derive(Deserialize)]
struct Network {
    genotype_name: String,
    genotype: Genotype,
    kind: NetworkKind,
    channels: usize,
    layers: usize,
    classes: usize,
    batch: usize,
    input_name: String,
    state_names: Vec<(String, Vec<u64>)>,
    logits_eval: Vec<f64>,
}

fn weight_of(rule: &Rule, name: &str, shape: &[u64]) -> WeightTensor {
    let numbers = shape.iter().product::<u64>() as usize;
    let values = if name.ends_with("running_mean") || name.ends_with("bias") {
        rule.fill(name, numbers, |u| (u - 0.5) * 0.2)
    } else if shape.len() == 1 {
        rule.fill(name, numbers, |u| 0.5 + u)
    } else {
        let fan = shape[1..].iter().product::<u64>() as f64;
        rule.fill(name, numbers, |u| (u - 0.5) * 2.0 * (3.0 / fan).sqrt())
    };
    WeightTensor { shape: shape.to_vec(), values }
}

impl Network {
    fn shape(&self) -> NetworkShape {
        let Self { kind, channels, layers: cells, classes, .. } = *self;
        NetworkShape { kind, channels, cells, classes }
    }

    fn weights(&self, rule: &Rule) -> BTreeMap<String, WeightTensor> {
        self.state_names.iter().map(|(name, shape)| (name.clone(), weight_of(rule, name, shape))).collect()
    }
}

#[test]
fn golden_onnx_files_want_the_published_weights() {
    let rule = Rule::read();
    for network in figures::read::<Vec<Network>>("network.json") {
        let name = &network.genotype_name;
        let mut weights = network.weights(&rule);
        let shape_of = |tensor: &WeightTensor| tensor.shape.iter().map(|&n| n as usize).collect();
        let shapes = weights.iter().map(|(name, tensor)| (name.clone(), shape_of(tensor))).collect();
        let auxiliary = weights.keys().any(|name| name.starts_with("auxiliary_head."));
        let expected = Seen { task: Task::Classification, network: network.shape(), auxiliary };
        assert_eq!(Seen::of(&shapes), Some(expected), "{name}");
        let of = |weights: &_| classifier(&network.genotype, &network.shape(), weights);
        assert!(of(&weights).is_ok(), "{name}");
        weights.insert("stem.0.num_batches_tracked".to_owned(), weight_of(&rule, "n", &[1]));
        assert!(of(&weights).is_ok(), "what PyTorch counts is no weight");
        // Every tensor that is not of the auxiliary head is required, with its shape.
        for (wanted, shape) in network.state_names.iter().filter(|(n, _)| !n.starts_with("auxiliary_head.")) {
            let tensor = weights.remove(wanted).expect("there");
            let error = of(&weights).expect_err(wanted).to_string();
            assert_eq!(error, format!("these weights are not the network's: `{wanted}` is missing"));
            let other = [&shape[..], &[2]].concat();
            weights.insert(wanted.clone(), weight_of(&rule, wanted, &other));
            let error = of(&weights).expect_err(wanted).to_string();
            assert!(error.ends_with(&format!("`{wanted}` has shape {other:?}, not {shape:?}")), "{error}");
            weights.insert(wanted.clone(), tensor);
        }
        weights.insert("cells.0.more".to_owned(), weight_of(&rule, "more", &[3]));
        let error = of(&weights).expect_err("one too many").to_string();
        assert!(error.ends_with("`cells.0.more` is unexpected"), "{error}");
    }
}

/// Runs a model on all images at once and one by one, and prints the logits of both.
const SCRIPT: &str = "
import json, sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
images = numpy.fromfile(sys.argv[2], dtype=numpy.float32).reshape([int(n) for n in sys.argv[3].split(',')])
run = lambda x: session.run(['logits'], {'images': x})[0]
one_by_one = numpy.concatenate([run(images[i:i+1]) for i in range(len(images))])
print(json.dumps([run(images).flatten().tolist(), one_by_one.flatten().tolist()]))
";

fn python() -> Option<String> {
    let python = env::var("RELATIVENAS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import numpy, onnxruntime"]).output();
    found.is_ok_and(|output| output.status.success()).then_some(python)
}

/// Logits of all images at once, and one by one.
fn run(python: &str, name: &str, model: &[u8], images: &[f32], shape: [u64; 4]) -> [Vec<f64>; 2] {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (file, input) = (folder.join(format!("{name}.onnx")), folder.join(format!("{name}.images")));
    fs::write(&file, model).expect("written");
    let bytes: Vec<_> = images.iter().flat_map(|value| value.to_le_bytes()).collect();
    fs::write(&input, bytes).expect("written");
    let shape = shape.map(|n| n.to_string()).join(",");
    let output = Command::new(python).arg("-c").arg(SCRIPT).args([&file, &input]).arg(shape).output();
    let output = output.expect("python");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("logits")
}

#[test]
fn golden_logits_of_onnx_files() {
    let Some(python) = python() else {
        eprintln!("skipped: no Python with onnxruntime; RELATIVENAS_PYTHON names one");
        return;
    };
    let rule = Rule::read();
    for network in figures::read::<Vec<Network>>("network.json") {
        let name = &network.input_name;
        let model = classifier(&network.genotype, &network.shape(), &network.weights(&rule)).expect(name);
        let side = network.shape().image_side() as u64;
        let shape = [network.batch as u64, 3, side, side];
        let images = rule.fill(name, shape.iter().product::<u64>() as usize, |u| (u - 0.5) * 3.4);
        for found in run(&python, name, &model, &images, shape) {
            let scale = network.logits_eval.iter().fold(0.0, |largest: f64, v| largest.max(v.abs()));
            let errors = found.iter().zip(&network.logits_eval).map(|(a, b)| (a - b).abs());
            let error = errors.fold(0.0, f64::max);
            assert_eq!(found.len(), network.logits_eval.len(), "{name}");
            assert!(error <= 1e-5 * scale, "{name}: error {error}, scale {scale}");
        }
    }
}

#[test]
fn onnx_files_hold_every_operation() {
    let Some(python) = python() else {
        eprintln!("skipped: no Python with onnxruntime; RELATIVENAS_PYTHON names one");
        return;
    };
    let rule = Rule::read();
    let shape = NetworkShape { kind: NetworkKind::Cifar, channels: 4, cells: 3, classes: 5 };
    let gene = |operation| Gene { operation, input: 0 };
    // The output of the last cell is read by the classifier alone, and some nodes are not read at all.
    let operations = [
        Operation::None,
        Operation::SkipConnect,
        Operation::SepConv7x7,
        Operation::DilConv5x5,
        Operation::Conv7x1Then1x7,
        Operation::MaxPool3x3,
        Operation::AvgPool3x3,
        Operation::DilConv3x3,
    ];
    let cell = Cell { genes: operations.map(gene).to_vec(), concat: vec![2, 4, 5] };
    let genotype = Genotype { normal: cell.clone(), reduction: cell };
    // Each error names up to ten tensors that the network requires; they are added until all are there.
    let mut weights = BTreeMap::new();
    for _ in 0..100 {
        match classifier(&genotype, &shape, &weights) {
            Ok(model) => {
                let images = rule.fill("onnx", 3 * 3 * 32 * 32, |u| u - 0.5);
                let [together, alone] = run(&python, "every_operation", &model, &images, [3, 3, 32, 32]);
                assert_eq!(together.len(), 15);
                assert!(together.iter().all(|logit| logit.is_finite()));
                assert!(together.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-4));
                return;
            }
            Err(misfits) => {
                let text = misfits.to_string();
                let names = text.split('`').skip(1).step_by(2);
                for name in names.map(str::to_owned).collect::<Vec<_>>() {
                    let known = text.split(&format!("`{name}` has shape [1], not [")).nth(1);
                    let shape: Vec<u64> = match known.and_then(|rest| rest.split(']').next()) {
                        Some(list) => list.split(", ").map(|n| n.parse().expect("a side")).collect(),
                        None => vec![1],
                    };
                    weights.insert(name.clone(), weight_of(&rule, &name, &shape));
                }
            }
        }
    }
    panic!("the network never had all its weights");
}
