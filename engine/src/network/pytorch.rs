//! Runs the file that `export --format pytorch` writes in PyTorch, with weights of this program.
//!
//! It needs a Python with torch: `RELATIVENAS_PYTHON` names one, else `python3` is tried.

use std::{collections::BTreeMap, env, fs, path::Path, process::Command};

use relativenas_core::{
    config::Precision,
    network::{NetworkKind, NetworkShape},
    published, pytorch,
    randomness::{Purpose, Streams},
};
use tch::{Device, Kind, Tensor, no_grad};

use super::{FlatWeights, ForwardMode, ModuleWeights, Pass, Plan, to_named};
use crate::{device::channels_last, weights_file};

/// Loads the exported network and the weights, and prints the logits of the given images.
const SCRIPT: &str = "
import json, sys, torch, network
weights = network.read_weights('weights.safetensors')
images = network.read_weights('images.safetensors')['images']
net = network.Network()
net.load_state_dict(weights)
net.eval()
with torch.no_grad():
    evaluation = net(images)
net.train()
with torch.no_grad():
    training, auxiliary = net(images)
print(json.dumps([x.flatten().tolist() for x in (evaluation, training, auxiliary)]))
";

fn python() -> Option<String> {
    let python = env::var("RELATIVENAS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import torch"]).output();
    found.is_ok_and(|output| output.status.success()).then_some(python)
}

fn random(shape: &[i64], streams: &Streams, salt: u64) -> Tensor {
    let mut stream = streams.stream(Purpose::Population, salt, 0);
    let values: Vec<f32> = (0..shape.iter().product::<i64>()).map(|_| stream.unit() as f32).collect();
    Tensor::from_slice(&values).view(shape)
}

/// Fresh weights with statistics, scales and offsets that are not all the same.
fn weights(plan: &Plan, streams: &Streams) -> BTreeMap<String, Tensor> {
    let fresh = |planned| ModuleWeights::fresh(planned, streams, Device::Cpu).unwrap();
    let modules: Vec<_> = plan.modules.iter().map(fresh).collect();
    let named = to_named(plan, &modules).into_iter().enumerate();
    let varied = named.map(|(salt, (name, tensor))| {
        let varied = match tensor.dim() {
            1 => &tensor + random(&tensor.size(), streams, salt as u64) * 0.5,
            _ => tensor,
        };
        (name, varied)
    });
    varied.collect()
}

fn check(folder: &Path, python: &str, cell: &str, shape: NetworkShape, images: i64) {
    let genotype = published::genotype(cell).unwrap();
    let plan = Plan::full(&genotype, &shape, true);
    let streams = Streams::new(9);
    let named = weights(&plan, &streams);
    let side = shape.image_side() as i64;
    let images = random(&[images, 3, side, side], &streams, 1 << 40) - 0.5;
    weights_file::write(&folder.join("weights.safetensors"), &named).unwrap();
    let file = BTreeMap::from([("images".to_owned(), images.shallow_clone())]);
    weights_file::write(&folder.join("images.safetensors"), &file).unwrap();
    fs::write(folder.join("network.py"), pytorch::module(&genotype, &shape, true)).unwrap();
    let output = Command::new(python).args(["-c", SCRIPT]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{cell}: {}", String::from_utf8_lossy(&output.stderr));
    let expected: Vec<Vec<f64>> = serde_json::from_slice(&output.stdout).unwrap();

    let modules = super::from_named(&plan, named).unwrap();
    let flat = FlatWeights::gather(&plan, &modules, Device::Cpu).unwrap();
    let images = channels_last(&images).unwrap();
    let run = |mode| {
        let (modules, precision) = (flat.modules(), Precision::F32);
        no_grad(|| Pass { plan: &plan, modules, mode, drop_path: None, precision }.run(&images)).unwrap()
    };
    let evaluation = run(ForwardMode::Evaluation).main;
    let training = run(ForwardMode::Training);
    let found = [evaluation, training.main, training.auxiliary.unwrap()];
    for (what, (found, expected)) in
        ["evaluation", "training", "auxiliary"].iter().zip(found.iter().zip(&expected))
    {
        let expected = Tensor::from_slice(expected);
        let error = (found.to_kind(Kind::Double).flatten(0, -1) - &expected).abs().max().double_value(&[]);
        let scale = expected.abs().max().double_value(&[]);
        assert!(error <= 1e-4 * scale, "{cell}, {what}: error {error}, scale {scale}");
    }
}

#[test]
fn exported_networks_compute_the_same_in_pytorch() {
    let Some(python) = python() else {
        eprintln!("skipped: no Python with torch; set RELATIVENAS_PYTHON to one");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let shape = |kind, cells| NetworkShape { kind, channels: 4, cells, classes: 7 };
    for (cell, shape, images) in [
        ("RelativeNAS", shape(NetworkKind::Cifar, 6), 4),
        ("AmoebaNet", shape(NetworkKind::Cifar, 5), 4),
        ("DARTS_V1", shape(NetworkKind::Imagenet, 4), 2),
    ] {
        check(folder.path(), &python, cell, shape, images);
    }
}
