use std::collections::BTreeMap;

use serde::Deserialize;
use tch::{Kind, Tensor, no_grad};

use super::{Case, Head, Rule, Summary, TaskNetwork, check_number, input, part, relativenas};
use crate::{
    network::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM},
    tasks::{
        bisenet::{self, RateGroup, weight_of_published},
        losses,
        sliding::Sliding,
    },
};

#[derive(Deserialize)]
struct Network {
    #[serde(flatten)]
    case: Case,
    classes: usize,
    outputs: BTreeMap<String, Summary>,
    argmax_histogram: Option<Vec<i64>>,
    n_min: Option<usize>,
    losses: Option<[f64; 3]>,
    loss: Option<f64>,
}

/// The class of pixel `p` of a batch.
fn class(p: i64) -> i64 {
    (7 * p + 3) % 19
}

#[test]
fn golden_segmentation_networks() {
    let rule = Rule::read();
    for figures in part::<Vec<Network>>("segmentation.json", "networks") {
        let (case, name) = (&figures.case, &figures.case.input_name);
        let (network, state) = case.network(Head::BiSeNet { classes: figures.classes }, &rule);
        let images = case.images(&rule);
        let run = || bisenet::run(&network, &state, &images, case.mode()).unwrap();
        let said = if figures.loss.is_some() { run() } else { no_grad(run) };
        let outputs = [("main", &said.main), ("aux16", &said.auxiliary[0]), ("aux32", &said.auxiliary[1])];
        for (output, found) in outputs {
            figures.outputs[output].check(&format!("{name} {output}"), found, case.tolerance());
        }
        if let Some(expected) = &figures.argmax_histogram {
            assert_eq!(histogram(&said.main), *expected, "{name}");
        }
        if let (Some(expected), Some(total), Some(fewest)) = (figures.losses, figures.loss, figures.n_min) {
            let (batch, _, height, width) = images.size4().unwrap();
            let pixels = 0..batch * height * width;
            let labels: Vec<_> = pixels.map(|p| if p % 11 == 0 { 255 } else { class(p) }).collect();
            let labels = Tensor::from_slice(&labels).reshape([batch, height, width]).to_device(rule.device);
            let found = losses::segmentation(&said, &labels, fewest).unwrap();
            for (found, expected) in found.iter().zip(expected) {
                check_number(&format!("{name} loss"), found, expected, case.tolerance());
            }
            let sum = &found[0] + &found[1] + &found[2];
            check_number(&format!("{name} loss"), &sum, total, case.tolerance());
            case.check_gradients(&network, &state, &sum);
        }
        case.check_running(&network.tensors(), state.tensors());
    }
}

/// The number of pixels for which each class has the highest score.
fn histogram(scores: &Tensor) -> Vec<i64> {
    let classes = scores.size()[1];
    let shown = scores.argmax(1, false);
    (0..classes).map(|class| shown.eq(class).sum(Kind::Int64).int64_value(&[])).collect()
}

#[derive(Deserialize)]
struct Activated {
    input_name: String,
    input_shape: Vec<i64>,
    upstream_name: String,
    weight: Vec<f32>,
    bias: Vec<f32>,
    effective_weight: Vec<f64>,
    train: Summary,
    eval_mean0_var1: Summary,
    unactivated_train: Summary,
    running_mean_after: Vec<f64>,
    running_var_after: Vec<f64>,
    gradient_weight: Vec<f64>,
    gradient_bias: Vec<f64>,
    gradient_input: Summary,
}

#[test]
fn golden_activated_batch_norm() {
    let rule = Rule::read();
    let figures: Activated = part("segmentation.json", "activated_batch_norm");
    let values = input(&rule, &figures.input_name, &figures.input_shape).set_requires_grad(true);
    let upstream = input(&rule, &figures.upstream_name, &figures.input_shape);
    let on_device = |numbers: &[f32]| Tensor::from_slice(numbers).to_device(rule.device);
    let published = on_device(&figures.weight);
    let weight = weight_of_published(&published).unwrap().set_requires_grad(true);
    let bias = on_device(&figures.bias).set_requires_grad(true);
    let (mean, variance) = (on_device(&[0.0; 6]), on_device(&[1.0; 6]));
    let near = |what: &str, found: &Tensor, expected: &[f64], tolerance: f64| {
        let expected = Tensor::from_slice(expected).to_device(rule.device);
        let error = (found.detach().to_kind(Kind::Double) - &expected).norm().double_value(&[]);
        assert!(error <= tolerance * expected.norm().double_value(&[]), "{what}: {found} for {expected}");
    };
    near("weight", &weight, &figures.effective_weight, 1e-6);
    let norm = |training: bool| {
        values.batch_norm(
            Some(&weight),
            Some(&bias),
            Some(&mean),
            Some(&variance),
            training,
            BATCH_NORM_MOMENTUM,
            BATCH_NORM_EPSILON,
            true,
        )
    };
    figures.eval_mean0_var1.check("evaluation", &norm(false).leaky_relu(), 1e-4);
    let unactivated = norm(true);
    figures.unactivated_train.check("unactivated", &unactivated, 1e-4);
    let output = unactivated.leaky_relu();
    figures.train.check("training", &output, 1e-4);
    near("mean", &mean, &figures.running_mean_after, 1e-3);
    near("variance", &variance, &figures.running_var_after, 1e-3);
    let loss = (&output * &upstream).sum(Kind::Float);
    let gradients = Tensor::run_backward(&[&loss], &[&weight, &bias, &values], false, false);
    // The published gradient has the sign of the published weight.
    near("gradient of the weight", &(&gradients[0] * published.sign()), &figures.gradient_weight, 1e-3);
    near("gradient of the bias", &gradients[1], &figures.gradient_bias, 1e-3);
    figures.gradient_input.check("gradient of the input", &gradients[2], 1e-3);
}

#[derive(Deserialize)]
struct Hard {
    logits_name: String,
    shape: [i64; 4],
    threshold_loss: f64,
    cases: Vec<HardCase>,
}

#[derive(Deserialize)]
struct HardCase {
    n_min: usize,
    ignore_every: Option<i64>,
    ignore_from: Option<i64>,
    loss: f64,
    gradient: Summary,
    gradient_pixels: i64,
}

#[test]
fn golden_hard_pixels() {
    let rule = Rule::read();
    let figures: Hard = part("segmentation.json", "ohem");
    assert!((figures.threshold_loss - losses::HARD_LOSS).abs() < 1e-12);
    let [batch, classes, height, width] = figures.shape;
    let pixels = batch * height * width;
    let all: Vec<i64> = (0..pixels).map(class).collect();
    let picture =
        |numbers: &[i64]| Tensor::from_slice(numbers).reshape([batch, height, width]).to_device(rule.device);
    let easy: Vec<i64> = (0..pixels).map(|p| i64::from(p % 4 != 0)).collect();
    let right = picture(&all).one_hot(classes).permute([0, 3, 1, 2]);
    let raised = right * picture(&easy).unsqueeze(1) * 5;
    let name = &figures.logits_name;
    let logits = input(&rule, name, &figures.shape)
        * input(&rule, &format!("{name}/pixel"), &[batch, 1, height, width])
        + raised;
    for (number, case) in figures.cases.iter().enumerate() {
        let ignored = |p: i64| {
            case.ignore_every.is_some_and(|every| p % every == 0)
                || case.ignore_from.is_some_and(|from| p >= from)
        };
        let labels: Vec<_> = (0..pixels).map(|p| if ignored(p) { 255 } else { class(p) }).collect();
        let leaf = logits.detach().set_requires_grad(true);
        let loss = losses::hard_pixels(&leaf, &picture(&labels), case.n_min).unwrap();
        check_number(&format!("case {number}"), &loss, case.loss, 1e-4);
        let gradient = Tensor::run_backward(&[&loss], &[&leaf], false, false).remove(0);
        case.gradient.check(&format!("case {number} gradient"), &gradient, 1e-3);
        let moved = gradient.abs().sum_dim_intlist([1_i64].as_slice(), false, Kind::Float).gt(0);
        assert_eq!(moved.sum(Kind::Int64).int64_value(&[]), case.gradient_pixels, "case {number}");
    }
}

#[derive(Deserialize)]
struct Groups {
    right: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    weight_decay: f64,
    learning_rate_factor: u8,
    tensors: usize,
    elements: usize,
    names_fnv: u32,
}

#[test]
fn golden_rate_groups() {
    let figures: Groups = part("segmentation.json", "groups");
    let network = TaskNetwork::new(&relativenas(), 46, 14, Head::SEGMENTATION).unwrap();
    let parameters: Vec<_> = network.tensors().into_iter().filter(|s| s.role.is_parameter()).collect();
    assert_eq!(figures.right.iter().map(|group| group.tensors).sum::<usize>(), parameters.len());
    for group in figures.right {
        let expected = RateGroup { decays: group.weight_decay > 0.0, rate: group.learning_rate_factor };
        let found: Vec<_> = parameters.iter().filter(|spec| RateGroup::of(spec) == expected).collect();
        assert_eq!(found.len(), group.tensors, "{expected:?}");
        assert_eq!(found.iter().map(|spec| spec.numel()).sum::<usize>(), group.elements, "{expected:?}");
        let mut names: Vec<_> = found.iter().map(|spec| spec.name.as_str()).collect();
        names.sort_unstable();
        let hash = names
            .join("\n")
            .bytes()
            .fold(2_166_136_261_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(16_777_619));
        assert_eq!(hash, group.names_fnv, "{expected:?}");
    }
}

#[derive(Deserialize)]
struct Slides {
    chip: usize,
    cases: Vec<Slide>,
}

#[derive(Deserialize)]
struct Slide {
    input_name: String,
    height: i64,
    width: i64,
    scales: Vec<f64>,
    flip: bool,
    sum_of_probabilities: Summary,
    largest: f64,
    argmax_histogram: Vec<i64>,
}

#[test]
fn golden_sliding_chips() {
    let rule = Rule::read();
    let figures: Slides = part("segmentation.json", "sliding");
    let weight = rule.weight("chip.weight", &[19, 3, 3, 3]) * 4;
    let mut stand_in = |chip: &Tensor| chip.f_conv2d(&weight, None::<&Tensor>, [1, 1], [1, 1], [1, 1], 1);
    for case in figures.cases {
        let picture = input(&rule, &case.input_name, &[1, 3, case.height, case.width]);
        let sliding = Sliding { chip: figures.chip, scales: case.scales, flip: case.flip };
        let found = sliding.run(&picture, &mut stand_in).unwrap();
        let summary = Summary { largest: Some(case.largest), ..case.sum_of_probabilities };
        summary.check(&case.input_name, &found, 1e-4);
        assert_eq!(histogram(&found), case.argmax_histogram, "{}", case.input_name);
    }
}
