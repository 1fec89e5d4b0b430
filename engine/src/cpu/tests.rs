use relativenas_core::{
    config::Precision,
    genotype::{Cell, Gene, Genotype},
    network::{NetworkKind, NetworkShape},
    operation::Operation,
    population::IndividualId,
    population::sample_position,
    published,
    randomness::{Purpose, Streams},
    space::Space,
};
use tch::no_grad;

use super::*;
use crate::model::TorchModel;
use crate::network::{ForwardMode, Pass, PlannedModule, TensorRole};

/// Both implementations on one batch with dropped paths: loss, statistics, judgement, gradient.
/// Returns the relative error of the gradient.
fn check(genotype: &Genotype, channels: usize, cells: usize) -> f64 {
    let shape = NetworkShape { kind: NetworkKind::Cifar, channels, cells, classes: 7 };
    check_plan(&Plan::search(genotype, &shape))
}

fn check_plan(plan: &Plan) -> f64 {
    let streams = Streams::new(9);
    let fresh = |m: &PlannedModule| ModuleWeights::fresh(m, &streams, Device::Cpu).unwrap();
    let weights: Vec<_> = plan.modules.iter().map(fresh).collect();

    let mut stream = streams.stream(Purpose::Probe, 1, 0);
    let (images, side) = (3, program::picture_side(plan).unwrap() as i64);
    let pixels: Vec<f32> = (0..images * 3 * side * side).map(|_| 2.0 * stream.unit() as f32 - 1.0).collect();
    let genes = plan.genes() as i64;
    let masks: Vec<f32> =
        (0..genes * images).map(|_| if stream.unit() < 0.3 { 0.0 } else { 1.0 / 0.7 }).collect();
    let masks = Tensor::from_slice(&masks).view([genes, images]);
    let pictures = Tensor::from_slice(&pixels).view([images, side, side, 3]);
    let batch = Batch { images: pictures.permute([0, 3, 1, 2]), labels: Tensor::from_slice(&[3_i64, 0, 6]) };

    // In double precision, so that only our own rounding is in the difference.
    let flat = FlatWeights::gather(plan, &weights, Device::Cpu).unwrap();
    let mut leaves = Vec::new();
    let modules: Vec<Vec<_>> = flat
        .modules()
        .iter()
        .map(|tensors| {
            let double = |tensor: &Tensor| {
                let copy = tensor.detach().to_kind(Kind::Double).set_requires_grad(tensor.requires_grad());
                if copy.requires_grad() {
                    leaves.push(copy.shallow_clone());
                }
                copy
            };
            tensors.iter().map(double).collect()
        })
        .collect();
    let (double, double_masks) = (batch.images.to_kind(Kind::Double), masks.to_kind(Kind::Double));
    let (mode, drop_path) = (ForwardMode::Training, Some(&double_masks));
    let pass = Pass { plan, modules: &modules, mode, drop_path, precision: Precision::F32 };
    let loss = pass.run(&double).unwrap().main.cross_entropy_for_logits(&batch.labels);
    let gradients = Tensor::run_backward(&[&loss], &leaves, false, false);
    let gradient = flat.joined(&gradients).unwrap();

    let sgd = SgdSettings { momentum: 0.0, weight_decay: 0.0, clip: 0.0 };
    let mut ours = CpuModel::new(plan, &weights, sgd, side as usize, 1).unwrap().unwrap();
    let labels = values(&batch.labels).unwrap();
    let training =
        TrainingBatch { pictures: &pixels, images: images as usize, masks: Some(values(&masks).unwrap()) };
    let found = ours.differentiate(training, labels).unwrap();
    near("loss", &Tensor::from(found), &loss.detach());
    let statistics = |tensors: &[Tensor]| {
        let others = tensors.iter().filter(|t| !t.requires_grad()).map(|t| t.reshape([-1]));
        others.map(|t| t.to_kind(Kind::Double)).collect::<Vec<_>>()
    };
    for (module, (found, expected)) in ours.weights.modules().iter().zip(&modules).enumerate() {
        for (found, expected) in statistics(found).iter().zip(&statistics(expected)) {
            near(&plan.modules[module].name, found, expected);
        }
    }

    let pass = Pass::evaluation(plan, &modules, Precision::F32);
    let expected = no_grad(|| pass.run(&double)).unwrap().main;
    let logits = ours.evaluation_logits_of(&batch.images).unwrap();
    near("evaluation", &logits, &expected);

    for threads in [2, 5] {
        let mut team = CpuModel::new(plan, &weights, sgd, side as usize, threads).unwrap().unwrap();
        assert!((team.differentiate(training, labels).unwrap() - found).abs() < 1e-12);
        near("gradient of a team", &team.gradient, &ours.gradient);
        // What batch norm sees is the same to the last bit.
        assert!(team.weights.modules().iter().flatten().eq(ours.weights.modules().iter().flatten()));
        assert_eq!(team.evaluation_logits_of(&batch.images).unwrap(), logits);
    }
    error(&ours.gradient, &gradient)
}

/// Relative, of the norm.
fn error(found: &Tensor, expected: &Tensor) -> f64 {
    let (found, expected) = (found.to_kind(Kind::Double), expected.to_kind(Kind::Double));
    let scale = expected.norm().double_value(&[]).max(f64::MIN_POSITIVE);
    (found - &expected).norm().double_value(&[]) / scale
}

fn near(what: &str, found: &Tensor, expected: &Tensor) {
    let error = error(found, expected);
    assert!(error <= 1e-5, "{what}: relative error {error}");
}

/// Gradients agree to rounding, but for the odd value so near to 0, or to another under a window,
/// that rounding decides where its gradient goes.
fn agree(mut errors: Vec<f64>) {
    errors.sort_by(f64::total_cmp);
    assert!(errors[errors.len() / 2] < 1e-5 && errors[errors.len() - 1] < 1e-2, "{errors:?}");
}

#[test]
fn random_architectures_are_computed_as_libtorch_does() {
    // As many channels as a picture has are no reason to take something for the stem.
    let individuals = [4, 6, 16, 20].into_iter().cycle().take(8).chain([3]).enumerate();
    let errors = individuals.map(|(individual, channels)| {
        let position = sample_position(Space::Cells, &Streams::new(2), 0, IndividualId(individual));
        check(&Genotype::decode(&position).unwrap(), channels, 3 + individual % 3)
    });
    agree(errors.collect());
}

#[test]
fn batch_norms_that_only_normalise_are_computed_as_libtorch_does() {
    let individuals = [4, 16, 20].into_iter().enumerate();
    let errors = individuals.map(|(individual, channels)| {
        let position = sample_position(Space::Cells, &Streams::new(3), 0, IndividualId(individual));
        let shape = NetworkShape { kind: NetworkKind::Cifar, channels, cells: 3 + individual, classes: 7 };
        let plan = Plan::search(&Genotype::decode(&position).unwrap(), &shape).without_affine();
        let norms = plan.modules.iter().flat_map(|planned| planned.module.tensors());
        let factors: Vec<_> =
            norms.filter(|spec| spec.role == TensorRole::Scale).map(|spec| spec.name).collect();
        assert_eq!(factors, ["1.weight"], "the stem's alone");
        check_plan(&plan)
    });
    agree(errors.collect());
}

#[test]
fn cells_that_put_out_some_of_their_nodes_and_large_kernels_are_computed_as_libtorch_does() {
    let nasnet = published::genotype("NASNet").unwrap();
    assert!(nasnet.reduction.concat.len() < nasnet.reduction.genes.len() / 2);
    let amoebanet = published::genotype("AmoebaNet").unwrap();
    let mut shuffled = nasnet.clone();
    shuffled.normal.concat = vec![6, 3, 5, 4, 2];
    shuffled.reduction.concat = vec![6, 3, 5, 4];
    let networks = [
        (&nasnet, 4, 3),
        (&nasnet, 20, 5),
        (&shuffled, 16, 4),
        (&shuffled, 6, 6),
        (&amoebanet, 4, 3),
        (&amoebanet, 18, 4),
    ];
    let errors = networks.map(|(genotype, channels, cells)| {
        let shape = NetworkShape { kind: NetworkKind::Cifar, channels, cells, classes: 7 };
        check_plan(&Plan::full(genotype, &shape, false))
    });
    agree(errors.to_vec());
}

#[test]
fn stems_that_divide_the_resolution_are_computed_as_libtorch_does() {
    let genotype = published::genotype("RelativeNAS").unwrap();
    let errors = [(4, 3), (38, 4)].map(|(channels, cells)| {
        let shape = NetworkShape { kind: NetworkKind::Imagenet, channels, cells, classes: 7 };
        check_plan(&Plan::full(&genotype, &shape, false))
    });
    agree(errors.to_vec());
}

fn cell(genes: [(Operation, usize); 8]) -> Cell {
    Cell { genes: genes.map(Gene::from).to_vec(), concat: vec![2, 3, 4, 5] }
}

#[test]
fn shared_modules_and_cells_that_nobody_reads_are_no_exception() {
    use Operation::{AvgPool3x3, DilConv5x5, MaxPool3x3, SepConv3x3, SkipConnect};
    // Pairs that name one operation on one input, with and without weights; input 1 is never read.
    let normal = cell([
        (SepConv3x3, 0),
        (SepConv3x3, 0),
        (SkipConnect, 2),
        (SkipConnect, 2),
        (MaxPool3x3, 3),
        (MaxPool3x3, 3),
        (DilConv5x5, 4),
        (DilConv5x5, 4),
    ]);
    let reduction = cell([
        (SkipConnect, 0),
        (SkipConnect, 0),
        (AvgPool3x3, 1),
        (MaxPool3x3, 0),
        (DilConv5x5, 1),
        (SepConv3x3, 0),
        (AvgPool3x3, 4),
        (SepConv3x3, 3),
    ]);
    let genotype = Genotype { normal, reduction };
    agree([3, 4, 5].map(|cells| check(&genotype, 8, cells)).to_vec());
}

#[test]
fn statistics_of_a_batch_are_those_of_libtorch_however_they_were_before() {
    use Operation::{SepConv3x3, SkipConnect};
    // Pairs that share a module, which sees its batch twice.
    let shared = cell([(SepConv3x3, 0); 8]);
    let genotype = Genotype { normal: cell([(SkipConnect, 1); 8]), reduction: shared };
    let shape = NetworkShape { kind: NetworkKind::Cifar, channels: 6, cells: 4, classes: 5 };
    let sgd = SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0 };
    for plan in [Plan::search(&genotype, &shape), Plan::search(&genotype, &shape).without_affine()] {
        let fresh = |m: &PlannedModule| ModuleWeights::fresh(m, &Streams::new(4), Device::Cpu).unwrap();
        let weights: Vec<_> = plan.modules.iter().map(fresh).collect();
        let mut ours = CpuModel::new(&plan, &weights, sgd, 32, 2).unwrap().unwrap();
        let mut theirs = TorchModel::new(plan, &weights, sgd, Precision::F32, Device::Cpu).unwrap();
        let batch = |seed: u64| {
            let mut stream = Streams::new(seed).stream(Purpose::Probe, 0, 0);
            let pixels: Vec<f32> = (0..4 * 32 * 32 * 3).map(|_| stream.unit() as f32 - 0.3).collect();
            let images = Tensor::from_slice(&pixels).view([4, 32, 32, 3]).permute([0, 3, 1, 2]);
            Batch { images, labels: Tensor::from_slice(&[0_i64, 1, 2, 3]) }
        };
        let first = ours.observe(&batch(1)).unwrap();
        near("first batch", &first, &theirs.observe(&batch(1)).unwrap());
        let second = ours.observe(&batch(2)).unwrap();
        near("second batch", &second, &theirs.observe(&batch(2)).unwrap());
        assert!(error(&second, &first) > 1e-3, "another batch has other statistics");
        // Nothing of the second is left.
        assert_eq!(ours.observe(&batch(1)).unwrap(), first);
        let mean = (&first + &second) / 2.0;
        ours.set_statistics(&mean).unwrap();
        theirs.set_statistics(&mean).unwrap();
        let (found, expected) = (ours.judge(&batch(3)).unwrap().0, theirs.judge(&batch(3)).unwrap().0);
        near("loss", &found, &expected);
    }
}
