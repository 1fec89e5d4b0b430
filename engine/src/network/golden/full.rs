//! Full networks: the published cells, stacked for CIFAR and for ImageNet, with auxiliary heads.

use std::collections::BTreeMap;

use relativenas_core::{
    config::Precision,
    genotype::Genotype,
    network::{NetworkKind, NetworkShape},
};
use serde::Deserialize;
use tch::{Device, no_grad};

use super::{Rule, check_logits, check_number, read};
use crate::{
    cpu::CpuEvaluator,
    network::{FlatWeights, ForwardMode, Pass, Plan, to_named},
    training::TrainingLoss,
};

#[derive(Deserialize)]
struct FullCase {
    kind: NetworkKind,
    channels: usize,
    layers: usize,
    classes: usize,
    batch: i64,
    auxiliary: bool,
    auxiliary_weight: f64,
    input_name: String,
    genotype_name: String,
    genotype: Genotype,
    state_names: Vec<(String, Vec<i64>)>,
    logits_eval: Vec<f64>,
    logits_train: Vec<f64>,
    logits_auxiliary: Vec<f64>,
    loss_train: f64,
    grad_norm: f64,
}

#[test]
fn golden_full_networks() {
    let (rule, mut by_own_kernels) = (Rule::read(), Vec::new());
    for case in read::<Vec<FullCase>>("network.json") {
        let what = format!("{} {}", case.input_name, case.genotype_name);
        let FullCase { kind, channels, layers: cells, classes, .. } = case;
        let shape = NetworkShape { kind, channels, cells, classes };
        let plan = Plan::full(&case.genotype, &shape, case.auxiliary);
        let weights = rule.weights(&plan);
        let found: BTreeMap<_, _> =
            to_named(&plan, &weights).into_iter().map(|(n, t)| (n, t.size())).collect();
        assert_eq!(found, case.state_names.iter().cloned().collect(), "{what}");

        let on_cpu = FlatWeights::gather(&plan, &weights, Device::Cpu).unwrap();
        let weights = FlatWeights::gather(&plan, &weights, rule.device).unwrap();
        let images = rule.images(&case.input_name, case.batch, shape.image_side() as i64);
        let targets = rule.targets(case.batch, 0, classes);
        let pass = |mode| Pass {
            plan: &plan,
            modules: weights.modules(),
            mode,
            drop_path: None,
            precision: Precision::F32,
        };
        let logits = no_grad(|| pass(ForwardMode::Evaluation).run(&images)).unwrap();
        check_logits(&format!("{what} evaluation"), &logits.main, &case.logits_eval);
        if let Some(mut own) = CpuEvaluator::new(&plan, &on_cpu, 2).unwrap() {
            let logits = own.logits(&on_cpu, &images.to_device(Device::Cpu)).unwrap();
            check_logits(&format!("{what} evaluation by the CPU kernels"), &logits, &case.logits_eval);
            by_own_kernels.push(case.genotype_name);
        }
        let logits = pass(ForwardMode::Training).run(&images).unwrap();
        check_logits(&format!("{what} training"), &logits.main, &case.logits_train);
        let auxiliary = logits.auxiliary.as_ref().expect("an auxiliary head");
        check_logits(&format!("{what} auxiliary"), auxiliary, &case.logits_auxiliary);
        let loss = TrainingLoss { label_smoothing: 0.0, auxiliary_weight: case.auxiliary_weight };
        let loss = loss.of(&logits, &targets).unwrap();
        check_number(&format!("{what} loss"), &loss, case.loss_train, 1e-4);
        let gradient = weights.gradient(&loss).unwrap();
        check_number(&format!("{what} gradient norm"), &gradient.norm(), case.grad_norm, 1e-3);
    }
    let all = ["RelativeNAS", "DARTS_V2", "NASNet", "AmoebaNet", "RelativeNAS", "DARTS_V1"];
    assert_eq!(by_own_kernels, all, "for CIFAR, the last two for ImageNet");
}
