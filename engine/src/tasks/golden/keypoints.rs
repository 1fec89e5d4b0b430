use relativenas_core::tasks::{
    heat_maps::{MAP, target},
    joints::JOINTS,
};
use serde::Deserialize;
use tch::{Tensor, no_grad};

use super::{Case, Head, Rule, Summary, check_number, input, part};
use crate::tasks::{losses, simple_baseline};

#[derive(Deserialize)]
struct Targets {
    cases: Vec<TargetCase>,
}

#[derive(Deserialize)]
struct TargetCase {
    joints: [[f64; 2]; JOINTS],
    visible: [u8; JOINTS],
}

/// The heat maps and weights of some of the cases of `targets`.
fn targets(rule: &Rule, cases: &[usize]) -> [Tensor; 2] {
    let figures: Targets = part("keypoints.json", "targets");
    let (mut maps, mut weights) = (Vec::new(), Vec::new());
    for &case in cases {
        let TargetCase { joints, visible } = &figures.cases[case];
        let target = target(joints, &visible.map(|v| v > 0));
        maps.extend(target.maps);
        weights.extend(target.weights);
    }
    let (people, joints) = (cases.len() as i64, JOINTS as i64);
    let maps = Tensor::from_slice(&maps).reshape([people, joints, MAP[1] as i64, MAP[0] as i64]);
    [maps, Tensor::from_slice(&weights).reshape([people, joints])].map(|tensor| tensor.to_device(rule.device))
}

#[derive(Deserialize)]
struct Loss {
    outputs_name: String,
    shape: Vec<i64>,
    targets: Vec<usize>,
    loss: f64,
    gradient: Summary,
}

#[test]
fn golden_heat_map_loss() {
    let rule = Rule::read();
    let figures: Loss = part("keypoints.json", "loss");
    let outputs = input(&rule, &figures.outputs_name, &figures.shape).set_requires_grad(true);
    let [maps, weights] = targets(&rule, &figures.targets);
    let loss = losses::heat_maps(&outputs, &maps, &weights).unwrap();
    check_number("loss", &loss, figures.loss, 1e-4);
    let gradient = Tensor::run_backward(&[&loss], &[&outputs], false, false).remove(0);
    figures.gradient.check("gradient", &gradient, 1e-3);
}

#[derive(Deserialize)]
struct Network {
    #[serde(flatten)]
    case: Case,
    output: Summary,
    flip_test: Option<Summary>,
    #[serde(default)]
    targets: Vec<usize>,
    loss: Option<f64>,
}

#[test]
fn golden_keypoint_networks() {
    let rule = Rule::read();
    for figures in part::<Vec<Network>>("keypoints.json", "networks") {
        let (case, name) = (&figures.case, &figures.case.input_name);
        let (network, state) = case.network(Head::KEYPOINTS, &rule);
        let images = case.images(&rule);
        let run = || simple_baseline::run(&network, &state, &images, case.mode()).unwrap();
        let said = if figures.loss.is_some() { run() } else { no_grad(run) };
        figures.output.check(&format!("{name} output"), &said, case.tolerance());
        if let Some(expected) = &figures.flip_test {
            let found = no_grad(|| simple_baseline::run_flipped(&network, &state, &images)).unwrap();
            expected.check(&format!("{name} flip test"), &found, case.tolerance());
        }
        if let Some(expected) = figures.loss {
            let [maps, weights] = targets(&rule, &figures.targets);
            let loss = losses::heat_maps(&said, &maps, &weights).unwrap();
            check_number(&format!("{name} loss"), &loss, expected, case.tolerance());
            case.check_gradients(&network, &state, &loss);
        }
        case.check_running(&network.tensors(), state.tensors());
    }
}
