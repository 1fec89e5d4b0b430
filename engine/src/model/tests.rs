//! bfloat16 compared with f32.

use relativenas_core::{
    genotype::Genotype,
    network::{NetworkKind, NetworkShape},
    population::IndividualId,
    population::sample_position,
    published,
    randomness::{Purpose, Streams},
    space::Space,
};

use super::*;
use crate::network::drop_path_masks;

const SHAPE: NetworkShape = NetworkShape { kind: NetworkKind::Cifar, channels: 8, cells: 4, classes: 5 };
const SGD: SgdSettings = SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0 };

fn fresh(plan: &Plan) -> Vec<ModuleWeights> {
    let fresh = |m| ModuleWeights::fresh(m, &Streams::new(4), Device::Cpu).unwrap();
    plan.modules.iter().map(fresh).collect()
}

/// Noise whose brightness depends on the class.
fn batch(images: i64) -> Batch {
    let mut stream = Streams::new(4).stream(Purpose::Probe, 0, 0);
    let pixels: Vec<f32> = (0..images)
        .flat_map(|image| (0..32 * 32 * 3).map(move |_| (image % 5) as f32 / 5.0))
        .map(|brightness| brightness + stream.unit() as f32 - 0.9)
        .collect();
    let labels: Vec<i64> = (0..images).map(|image| image % 5).collect();
    let images = Tensor::from_slice(&pixels).view([images, 32, 32, 3]).permute([0, 3, 1, 2]);
    Batch { images, labels: Tensor::from_slice(&labels) }
}

/// The loss and the gradient of a training pass with dropped paths.
fn differentiate(plan: &Plan, precision: Precision) -> (f64, Tensor) {
    let batch = batch(12);
    let weights = FlatWeights::gather(plan, &fresh(plan), Device::Cpu).unwrap();
    let mut stream = Streams::new(5).stream(Purpose::DropPath, 0, 0);
    let masks = drop_path_masks(plan.genes(), 12, 0.2, &mut stream, Device::Cpu).unwrap();
    let (modules, drop_path) = (weights.modules(), masks.as_ref());
    let pass = Pass { plan, modules, mode: ForwardMode::Training, drop_path, precision };
    let logits = pass.run(&batch.images).unwrap();
    assert_eq!(logits.main.kind(), Kind::Float);
    let loss = cross_entropy(&logits.main, &batch.labels, Reduction::Mean).unwrap();
    (loss.double_value(&[]), weights.gradient(&loss).unwrap())
}

#[test]
fn bfloat16_gives_nearly_the_same_loss_and_gradient() {
    for individual in 0..4 {
        let position = sample_position(Space::Cells, &Streams::new(2), 0, IndividualId(individual));
        let plan = Plan::search(&Genotype::decode(&position).unwrap(), &SHAPE);
        let (expected_loss, expected) = differentiate(&plan, Precision::F32);
        let (loss, gradient) = differentiate(&plan, Precision::Bf16);
        assert_eq!(gradient.kind(), Kind::Float);
        assert!(
            differentiate(&plan, Precision::Bf16) == (loss, gradient.shallow_clone()),
            "not the same twice"
        );
        assert_ne!(loss, expected_loss, "bfloat16 was not used");
        assert!((loss / expected_loss - 1.0).abs() < 0.005, "{loss} for {expected_loss}");
        let cosine = (gradient.dot(&expected) / (gradient.norm() * expected.norm())).double_value(&[]);
        assert!(cosine > 0.95, "individual {individual}: cosine {cosine}");
    }
}

#[test]
fn batch_norms_that_only_normalise_compute_in_bfloat16_too() {
    let plan = Plan::search(&published::genotype("RelativeNAS").unwrap(), &SHAPE).without_affine();
    let (expected, _) = differentiate(&plan, Precision::F32);
    let (loss, gradient) = differentiate(&plan, Precision::Bf16);
    assert_eq!(gradient.kind(), Kind::Float);
    assert!(loss != expected && (loss / expected - 1.0).abs() < 0.005, "{loss} for {expected}");
}

#[test]
fn full_networks_compute_in_bfloat16_with_their_auxiliary_head() {
    let genotype = published::genotype("RelativeNAS").unwrap();
    let shape = NetworkShape { cells: 6, ..SHAPE };
    let plan = Plan::full(&genotype, &shape, true);
    let weights = FlatWeights::gather(&plan, &fresh(&plan), Device::Cpu).unwrap();
    let logits = |precision| {
        let pass = Pass {
            plan: &plan,
            modules: weights.modules(),
            mode: ForwardMode::Training,
            drop_path: None,
            precision,
        };
        no_grad(|| pass.run(&batch(8).images)).unwrap()
    };
    let (expected, found) = (logits(Precision::F32), logits(Precision::Bf16));
    for (expected, found) in
        [(&expected.main, &found.main), (&expected.auxiliary.unwrap(), &found.auxiliary.unwrap())]
    {
        assert_eq!(found.kind(), Kind::Float);
        let error = (found - expected).norm().double_value(&[]) / expected.norm().double_value(&[]);
        assert!(error > 0.0 && error < 0.05, "{error}");
    }
}

#[test]
fn a_model_learns_in_bfloat16_with_weights_that_stay_f32() {
    let plan = Plan::search(&published::genotype("RelativeNAS").unwrap(), &SHAPE);
    let batch = batch(20);
    let mut model = TorchModel::new(plan.clone(), &fresh(&plan), SGD, Precision::Bf16, Device::Cpu).unwrap();
    let losses: Vec<_> =
        (0..12).map(|_| model.train(&batch, None, 0.02).unwrap().double_value(&[])).collect();
    assert!(losses[11] < 0.6 * losses[0], "{losses:?}");
    let weights = model.weights().unwrap();
    let kinds = weights.iter().flat_map(ModuleWeights::tensors).map(|(_, tensor)| tensor.kind());
    assert!(kinds.into_iter().all(|kind| kind == Kind::Float));
    let (loss, right) = model.judge(&batch).unwrap();
    assert!(loss.double_value(&[]).is_finite() && right.int64_value(&[]) <= 20);
}
