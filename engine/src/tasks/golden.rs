//! Networks and losses of the tasks compared with figures computed by PyTorch; see
//! tests/golden/transfer/README.md.

mod detection;
mod keypoints;
mod segmentation;
mod taps;

use std::collections::BTreeMap;

use relativenas_core::{genotype::Genotype, published};
use serde::{Deserialize, de::DeserializeOwned};
use tch::{Device, Kind, Tensor};

use super::{Head, NetworkState, TaskNetwork};
use crate::network::{
    ForwardMode, TensorSpec,
    golden::{Rule, read},
};

/// One part of a file, such as `networks` of `detection.json`.
fn part<T: DeserializeOwned>(file: &str, part: &str) -> T {
    let mut value: serde_json::Value = read(&format!("transfer/{file}"));
    serde_json::from_value(value[part].take()).unwrap_or_else(|e| panic!("{file}: {part}: {e}"))
}

fn relativenas() -> Genotype {
    published::genotype("RelativeNAS").expect("published")
}

/// The figures of a flattened tensor; only outputs of networks have `largest` and `shape`.
#[derive(Deserialize)]
struct Summary {
    shape: Option<Vec<i64>>,
    largest: Option<f64>,
    norm: f64,
    sum: f64,
    head: Vec<f64>,
}

impl Summary {
    #[track_caller]
    fn check(&self, what: &str, found: &Tensor, tolerance: f64) {
        if let Some(shape) = &self.shape {
            assert_eq!(found.size(), *shape, "{what}");
        }
        let found = found.detach().to_device(Device::Cpu).to_kind(Kind::Double).contiguous().reshape([-1]);
        let near = |part: &str, found: f64, expected: f64, scale: f64| {
            let error = (found - expected).abs();
            assert!(error <= tolerance * scale, "{what}: {part} {found} for {expected}, scale {scale}");
        };
        near("norm", found.norm().double_value(&[]), self.norm, self.norm);
        let root = (found.numel() as f64).sqrt();
        near("sum", found.sum(Kind::Double).double_value(&[]), self.sum, self.norm * root);
        let scale = self.largest.unwrap_or(self.norm);
        for (i, &value) in self.head.iter().enumerate() {
            near(&format!("value {i}"), found.double_value(&[i as i64]), value, scale);
        }
    }
}

#[track_caller]
fn check_number(what: &str, found: &Tensor, expected: f64, tolerance: f64) {
    let found = found.double_value(&[]);
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{what}: {found} for {expected}");
}

/// The fields that all cases of a network have.
#[derive(Deserialize)]
struct Case {
    channels: usize,
    layers: usize,
    input_name: String,
    input_scale: f64,
    input_shape: Vec<i64>,
    training: bool,
    tolerance: Option<f64>,
    running_after: Option<Running>,
    #[serde(default)]
    gradients: BTreeMap<String, Summary>,
    #[serde(default)]
    gradient_norms: BTreeMap<String, f64>,
    #[serde(default)]
    no_gradient: Vec<String>,
    #[serde(default)]
    zero_gradients: Vec<String>,
    grad_norm: Option<f64>,
}

/// Running statistics, one after the other in the order of the state dict.
#[derive(Deserialize)]
struct Running {
    count: usize,
    means: Summary,
    variances: Summary,
}

impl Case {
    fn mode(&self) -> ForwardMode {
        if self.training { ForwardMode::Training } else { ForwardMode::Evaluation }
    }

    /// The tolerance of outputs and losses.
    fn tolerance(&self) -> f64 {
        self.tolerance.unwrap_or(1e-4)
    }

    /// The network of the case with weights that are filled from their names.
    fn network(&self, head: Head, rule: &Rule) -> (TaskNetwork, NetworkState) {
        let network = TaskNetwork::new(&relativenas(), self.channels, self.layers, head).unwrap();
        let filled = filled(&network.tensors(), rule);
        let state = NetworkState::from_named(&network, &filled, rule.device).unwrap();
        (network, state)
    }

    fn images(&self, rule: &Rule) -> Tensor {
        rule.fill(&self.input_name, &self.input_shape, |u| (u - 0.5) * 3.4 * self.input_scale)
    }

    fn check_running(&self, tensors: &[TensorSpec], state: &BTreeMap<String, Tensor>) {
        let Some(running) = &self.running_after else { return };
        let all = |ending: &str| {
            let found = tensors.iter().filter(|spec| spec.name.ends_with(ending));
            Tensor::cat(&found.map(|spec| &state[&spec.name]).collect::<Vec<_>>(), 0)
        };
        let (means, variances) = (all("running_mean"), all("running_var"));
        assert_eq!(means.numel(), running.count, "{}", self.input_name);
        running.means.check(&format!("{} running means", self.input_name), &means, 1e-3);
        running.variances.check(&format!("{} running variances", self.input_name), &variances, 1e-3);
    }

    /// Checks the gradients of a loss for all parameters, where the case has any.
    fn check_gradients(&self, network: &TaskNetwork, state: &NetworkState, loss: &Tensor) {
        let parameters: Vec<_> =
            network.tensors().into_iter().filter(|spec| spec.role.is_parameter()).map(|s| s.name).collect();
        let leaves: Vec<_> = parameters.iter().map(|name| &state.tensors()[name]).collect();
        let gradients = Tensor::run_backward(&[loss], &leaves, false, false);
        let mut unreached = Vec::new();
        let mut squares = 0.0;
        for (name, gradient) in parameters.iter().zip(&gradients) {
            if !gradient.defined() {
                unreached.push(name.clone());
                continue;
            }
            let norm = gradient.norm().double_value(&[]);
            squares += norm * norm;
            if self.zero_gradients.contains(name) {
                assert!(norm < 1e-4, "{name}: the gradient should be 0, and is {norm}");
            } else if let Some(&expected) = self.gradient_norms.get(name) {
                let error = (norm - expected).abs();
                assert!(error <= 1e-3 * expected, "{name}: gradient of norm {norm} for {expected}");
            }
            if let Some(summary) = self.gradients.get(name) {
                summary.check(&format!("{} gradient of {name}", self.input_name), gradient, 1e-3);
            }
        }
        assert!(self.gradients.keys().all(|name| parameters.contains(name)), "{}", self.input_name);
        unreached.sort();
        let mut expected = self.no_gradient.clone();
        expected.sort();
        assert_eq!(unreached, expected, "{}", self.input_name);
        if let Some(expected) = self.grad_norm {
            assert!(
                (squares.sqrt() - expected).abs() <= 1e-3 * expected,
                "{} for {expected}",
                squares.sqrt()
            );
        }
    }
}

fn filled(tensors: &[TensorSpec], rule: &Rule) -> BTreeMap<String, Tensor> {
    tensors.iter().map(|spec| (spec.name.clone(), rule.weight(&spec.name, &spec.shape))).collect()
}

/// An input of the same size as in the search.
fn input(rule: &Rule, name: &str, shape: &[i64]) -> Tensor {
    rule.fill(name, shape, |u| (u - 0.5) * 3.4)
}
