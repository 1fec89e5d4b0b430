mod ranks;

use relativenas_core::{
    config::RateSchedule,
    network::{NetworkKind, NetworkShape},
    operation::Operation,
    published,
};

use super::*;
use crate::{
    augmentation::ImageStore,
    images::ImageSet,
    training::{Evaluation, ImageSource, evaluate},
};

const SIDE: i64 = 32;
const CLASSES: usize = 3;

/// Noise whose brightness depends on the class.
fn source(images: usize) -> ImageSource {
    let mut stream = Streams::new(11).stream(Purpose::Population, 0, 0);
    let labels: Vec<i64> = (0..images).map(|image| (image % CLASSES) as i64).collect();
    let pixels: Vec<u8> = labels
        .iter()
        .flat_map(|&label| (0..3 * SIDE * SIDE).map(move |_| 60 * label as usize))
        .map(|base| (base + stream.below(80)) as u8)
        .collect();
    let set = ImageSet {
        images: Tensor::from_data_size(&pixels, &[images as i64, 3, SIDE, SIDE], Kind::Uint8),
        labels: Tensor::from_slice(&labels),
        mean: [0.4; 3],
        std: [0.25; 3],
        classes: CLASSES,
    };
    ImageSource::Memory(ImageStore::new(&set, 4, Device::Cpu).unwrap())
}

fn plan() -> Plan {
    let shape = NetworkShape { kind: NetworkKind::Cifar, channels: 2, cells: 3, classes: CLASSES };
    Plan::full(&published::genotype("RelativeNAS").unwrap(), &shape, true)
}

fn settings() -> TrainerSettings {
    TrainerSettings {
        batch: 8,
        augmentation: Augmentation { padding: 4, flip: true, cutout: 8 },
        schedule: RetrainSchedule {
            shape: RateSchedule::Cosine,
            epochs: 4,
            learning_rate: 0.1,
            warmup_epochs: 0,
            drop_path: 0.3,
        },
        loss: TrainingLoss { label_smoothing: 0.1, auxiliary_weight: 0.4 },
        sgd: SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0 },
        precision: Precision::F32,
        threads: 1,
        seed: 5,
    }
}

fn fresh() -> Trainer {
    Trainer::new(plan(), settings(), Device::Cpu).unwrap()
}

/// Trains until this many epochs, and batches of the next one, are done.
fn train(trainer: &mut Trainer, source: &ImageSource, until: (u32, usize)) {
    while trainer.epoch() <= until.0 {
        for batch in source.training(trainer.feed(), trainer.epoch(), trainer.batch()).unwrap() {
            if (trainer.epoch(), trainer.batch()) == until {
                return;
            }
            trainer.step(&batch.unwrap()).unwrap();
        }
        trainer.next_epoch().unwrap();
    }
}

fn bits(stored: &Stored) -> Vec<Vec<u32>> {
    let tensors = stored.weights.values().chain(&stored.velocity);
    let values = tensors.map(|t| Vec::<f32>::try_from(t.flatten(0, -1)).unwrap());
    values.map(|values| values.into_iter().map(f32::to_bits).collect()).collect()
}

#[test]
fn a_training_stored_after_any_batch_goes_on_to_the_same_bits() {
    let source = source(20); // Three batches an epoch, the last one smaller.
    let mut straight = fresh();
    train(&mut straight, &source, (2, 2));
    let expected = straight.store().unwrap();
    assert_eq!((expected.position.epoch, expected.position.batch, expected.position.images), (2, 2, 16));
    for stop in [(0, 0), (0, 1), (1, 0), (1, 2), (2, 1)] {
        let mut first = fresh();
        train(&mut first, &source, stop);
        let stored = first.store().unwrap();
        train(&mut first, &source, (2, 2)); // Stored tensors do not change when training continues.
        let mut second = Trainer::resume(plan(), settings(), stored, Device::Cpu).unwrap();
        train(&mut second, &source, (2, 2));
        let found = second.store().unwrap();
        assert_eq!(found.position, expected.position, "stopped at {stop:?}");
        assert!(bits(&found) == bits(&expected), "stopped at {stop:?}");
    }
}

#[test]
fn our_kernels_differentiate_full_networks_as_well_as_libtorch_does() {
    let source = source(12);
    // Where pixels are nearly equal, rounding decides which one is the maximum in a pool.
    let [relativenas, nasnet, amoebanet] = ["RelativeNAS", "NASNet", "AmoebaNet"].map(|name| {
        let mut genotype = published::genotype(name).unwrap();
        let genes = genotype.normal.genes.iter_mut().chain(&mut genotype.reduction.genes);
        for gene in genes.filter(|gene| gene.operation == Operation::MaxPool3x3) {
            gene.operation = Operation::AvgPool3x3;
        }
        genotype
    });
    // With three cells, the auxiliary head reads the last cell, as the classifier does.
    for (genotype, cells, auxiliary, threads) in [
        (&relativenas, 3, true, 1),
        (&relativenas, 6, true, 2),
        (&relativenas, 6, false, 1),
        (&relativenas, 9, true, 3),
        (&nasnet, 3, true, 2),
        (&nasnet, 6, true, 3),
        (&amoebanet, 6, true, 2),
    ] {
        let shape = NetworkShape { kind: NetworkKind::Cifar, channels: 6, cells, classes: CLASSES };
        let plan = Plan::full(genotype, &shape, auxiliary);
        let settings = TrainerSettings { batch: 12, threads, ..settings() };
        let mut ours = Trainer::new(plan.clone(), settings, Device::Cpu).unwrap();
        let mut theirs = Trainer::new(plan.clone(), settings, Device::Cpu).unwrap();
        theirs.body = None;
        let batch = source.training(ours.feed(), 0, 0).unwrap().next().unwrap().unwrap();
        assert!(ours.body.as_ref().unwrap().fits(&batch.images));
        let mut stream = Streams::new(8).stream(Purpose::DropPath, 0, 0);
        let masks = drop_path_masks(plan.genes(), batch.len(), 0.3, &mut stream, Device::Cpu).unwrap();
        let expected = theirs.differentiate(&batch, masks.as_ref()).unwrap();
        let found = ours.differentiate(&batch, masks.as_ref()).unwrap();
        near("logits", &found.logits, &expected.logits);
        near("loss", &found.loss, &expected.loss);
        let exact = exactly(&theirs, &batch, masks.as_ref());
        let error = |gradient: &Tensor| ((gradient - &exact).norm() / exact.norm()).double_value(&[]);
        let (ours_off, theirs_off) = (error(&found.gradient), error(&expected.gradient));
        assert!(
            ours_off <= theirs_off.max(1e-5),
            "{cells} cells: off by {ours_off}, libtorch by {theirs_off}"
        );
        let tensors = |trainer: &Trainer| trainer.weights.scatter(&plan).unwrap();
        for (found, expected) in tensors(&ours).iter().zip(&tensors(&theirs)) {
            for ((name, found), (_, expected)) in found.tensors().zip(expected.tensors()) {
                near(name, found, expected);
            }
        }
    }
}

/// The gradient in double precision.
fn exactly(trainer: &Trainer, batch: &Batch, masks: Option<&Tensor>) -> Tensor {
    let mut leaves = Vec::new();
    let mut double = |tensor: &Tensor| {
        let copy = tensor.detach().to_kind(Kind::Double).set_requires_grad(tensor.requires_grad());
        leaves.extend(copy.requires_grad().then(|| copy.shallow_clone()));
        copy
    };
    let modules: Vec<Vec<_>> =
        trainer.weights.modules().iter().map(|tensors| tensors.iter().map(&mut double).collect()).collect();
    let masks = masks.map(|masks| masks.to_kind(Kind::Double));
    let (plan, mode, precision) = (&trainer.plan, ForwardMode::Training, Precision::F32);
    let pass = Pass { plan, modules: &modules, mode, drop_path: masks.as_ref(), precision };
    let logits = pass.run(&batch.images.to_kind(Kind::Double)).unwrap();
    let loss = trainer.settings.loss.of(&logits, &batch.labels).unwrap();
    trainer.weights.joined(&Tensor::run_backward(&[&loss], &leaves, false, false)).unwrap()
}

fn near(what: &str, found: &Tensor, expected: &Tensor) {
    let error = (found - expected).norm().double_value(&[]) / expected.norm().double_value(&[]).max(1e-6);
    assert!(error < 2e-4, "{what}: relative error {error}");
}

#[test]
fn a_last_batch_may_have_fewer_images_than_there_are_threads() {
    let source = source(10); // Eight images, then two.
    let fresh =
        |threads| Trainer::new(plan(), TrainerSettings { threads, ..settings() }, Device::Cpu).unwrap();
    let (mut one, mut five) = (fresh(1), fresh(5));
    for batch in source.training(one.feed(), 0, 0).unwrap() {
        let batch = batch.unwrap();
        let expected = one.differentiate(&batch, None).unwrap();
        let found = five.differentiate(&batch, None).unwrap();
        near("logits", &found.logits, &expected.logits);
        near("gradient", &found.gradient, &expected.gradient);
    }
}

#[test]
fn networks_that_our_kernels_do_not_know_are_left_to_libtorch() {
    let shape = NetworkShape { kind: NetworkKind::Cifar, channels: 4, cells: 3, classes: CLASSES };
    let mut genotype = published::genotype("RelativeNAS").unwrap();
    genotype.normal.genes[0].operation = Operation::None;
    let plan = Plan::full(&genotype, &shape, true);
    let mut trainer = Trainer::new(plan, settings(), Device::Cpu).unwrap();
    assert!(trainer.body.is_none());
    train(&mut trainer, &source(8), (0, 1));
}

#[test]
fn one_image_that_is_left_over_joins_the_batch_before() {
    // Of nine images in batches of eight, one is left. The last batch norm of the auxiliary head has one
    // value for each image.
    let source = source(9);
    let mut trainer = fresh();
    let lengths: Vec<_> =
        source.training(trainer.feed(), 0, 0).unwrap().map(|batch| batch.unwrap().len()).collect();
    assert_eq!(lengths, [9]);
    train(&mut trainer, &source, (1, 1));
    for module in trainer.weights().unwrap() {
        for (name, tensor) in module.tensors() {
            assert!(tensor.isfinite().all().int64_value(&[]) == 1, "{name}");
        }
    }
}

#[test]
fn weights_behind_none_have_no_gradient_and_the_others_learn() {
    // Everything that node 2 of the normal cell reads passes a `none`.
    let mut genotype = published::genotype("RelativeNAS").unwrap();
    for (gene, input) in genotype.normal.genes.iter_mut().zip([0, 1, 0, 2, 0, 3, 0, 4]) {
        (gene.operation, gene.input) = (Operation::SepConv3x3, input);
    }
    for gene in [3, 5, 7] {
        genotype.normal.genes[gene].operation = Operation::None;
    }
    genotype.normal.concat = vec![5];
    let cifar = NetworkShape { kind: NetworkKind::Cifar, channels: 4, cells: 3, classes: CLASSES };
    let plan = Plan::full(&genotype, &cifar, true);
    let settings = TrainerSettings { sgd: SgdSettings { weight_decay: 0.0, ..settings().sgd }, ..settings() };
    let mut trainer = Trainer::new(plan.clone(), settings, Device::Cpu).unwrap();
    let values = |trainer: &Trainer, name: &str| {
        let module = plan.modules.iter().position(|module| module.name == name).expect("of the plan");
        let weights = &trainer.weights().unwrap()[module];
        let (_, tensor) = weights.tensors().next().expect("a convolution");
        Vec::<f32>::try_from(tensor.flatten(0, -1)).unwrap()
    };
    let all = |trainer: &Trainer| ["cells.0._ops.0", "cells.0._ops.6"].map(|name| values(trainer, name));
    let [behind, before] = all(&trainer);
    train(&mut trainer, &source(16), (1, 0));
    let [behind_after, after] = all(&trainer);
    assert_eq!(behind_after, behind);
    assert_ne!(after, before);
}

#[test]
fn it_learns_what_is_easy() {
    let source = source(48);
    let mut trainer = fresh();
    let judge = |trainer: &Trainer| -> Evaluation {
        let go = |_| relativenas_core::search::Flow::Go;
        evaluate(&trainer.frozen().unwrap(), &source, 20, usize::MAX, &Alone, &go).unwrap().unwrap()
    };
    let before = judge(&trainer);
    train(&mut trainer, &source, (4, 0));
    let after = judge(&trainer);
    assert!(after.loss.0 < before.loss.0 && after.top1 > 60.0, "{before:?} {after:?}");
    assert_eq!((after.images, after.top5), (48, 100.0)); // Three classes are all among five.
}

#[test]
fn a_stored_training_of_another_network_is_refused_by_name() {
    let stored = fresh().store().unwrap();
    let shape = NetworkShape { kind: NetworkKind::Cifar, channels: 2, cells: 3, classes: CLASSES + 1 };
    let other = Plan::full(&published::genotype("RelativeNAS").unwrap(), &shape, true);
    let error = Trainer::resume(other, settings(), stored, Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("classifier.bias [3], expected [4]"), "{error}");
}
