//! A network whose weights do not change, for evaluation and prediction.

use std::{borrow::Borrow, cell::RefCell};

use relativenas_core::config::Precision;
use tch::{Device, TchError, Tensor, no_grad};

use crate::{
    cpu::CpuEvaluator,
    network::{FlatWeights, Pass, Plan},
};

/// A network in evaluation mode: batch norm has its running statistics, and no path is dropped.
///
/// It computes on kernels of our own where they know the network (on a CPU, in f32), and on libtorch's elsewhere.
/// Plan and weights are owned or borrowed.
#[derive(Debug)]
pub struct FrozenNetwork<P = Plan, W = FlatWeights> {
    plan: P,
    weights: W,
    precision: Precision,
    own: Option<RefCell<CpuEvaluator>>,
}

impl<P: Borrow<Plan>, W: Borrow<FlatWeights>> FrozenNetwork<P, W> {
    /// A network with these weights. On a CPU, kernels of our own compute in `threads` threads; results do
    /// not depend on their number.
    ///
    /// # Errors
    /// If memory runs out.
    pub fn new(plan: P, weights: W, precision: Precision, threads: usize) -> Result<Self, TchError> {
        let (known_plan, known_weights): (&Plan, &FlatWeights) = (plan.borrow(), weights.borrow());
        let own = match (precision, known_weights.device()) {
            (Precision::F32, Device::Cpu) => CpuEvaluator::new(known_plan, known_weights, threads)?,
            _ => None,
        };
        Ok(Self { plan, weights, precision, own: own.map(RefCell::new) })
    }

    /// Logits `[N, classes] f32` of images `[N, 3, H, W] f32`, which are read fastest channels last in
    /// memory.
    ///
    /// # Errors
    /// If the shapes do not fit, or the device fails.
    pub fn logits(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let (plan, weights): (&Plan, &FlatWeights) = (self.plan.borrow(), self.weights.borrow());
        match &self.own {
            Some(own) if own.borrow().fits(images) => own.borrow_mut().logits(weights, images),
            _ => {
                let pass = Pass::evaluation(plan, weights.modules(), self.precision);
                Ok(no_grad(|| pass.run(images))?.main)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use relativenas_core::{
        genotype::Genotype,
        network::{NetworkKind, NetworkShape},
        operation::Operation,
        population::{IndividualId, sample_position},
        published,
        randomness::{Purpose, Streams},
        space::Space,
    };
    use tch::Kind;

    use super::*;
    use crate::{device::channels_last, network::ModuleWeights};

    const CLASSES: usize = 7;

    fn random(individual: usize) -> Genotype {
        Genotype::decode(&sample_position(Space::Cells, &Streams::new(5), 0, IndividualId(individual)))
            .unwrap()
    }

    fn full(genotype: &Genotype, kind: NetworkKind, channels: usize, cells: usize) -> Plan {
        Plan::full(genotype, &NetworkShape { kind, channels, cells, classes: CLASSES }, true)
    }

    /// Numbers from `least` to `least + 1`.
    fn uniform(seed: u64, shape: &[i64], least: f64) -> Tensor {
        let mut stream = Streams::new(seed).stream(Purpose::Probe, 0, 0);
        let count = shape.iter().product::<i64>();
        let numbers: Vec<f32> = (0..count).map(|_| (least + stream.unit()) as f32).collect();
        Tensor::from_slice(&numbers).view(shape)
    }

    fn images(count: i64, side: i64) -> Tensor {
        channels_last(&(uniform(1, &[count, 3, side, side], -0.5) * 3.0)).unwrap()
    }

    /// Fresh weights, with running statistics that have moved.
    fn weights(plan: &Plan) -> FlatWeights {
        let fresh = |m| ModuleWeights::fresh(m, &Streams::new(2), Device::Cpu).unwrap();
        let mut flat =
            FlatWeights::gather(plan, &plan.modules.iter().map(fresh).collect::<Vec<_>>(), Device::Cpu)
                .unwrap();
        let count = flat.statistics().unwrap().size();
        flat.set_statistics(&uniform(3, &count, 0.5)).unwrap();
        flat
    }

    /// Logits by libtorch in double precision, so that only the rounding of what is held against them is in the
    /// difference.
    fn reference(plan: &Plan, weights: &FlatWeights, images: &Tensor) -> Tensor {
        let double = |tensors: &Vec<Tensor>| tensors.iter().map(|t| t.to_kind(Kind::Double)).collect();
        let modules: Vec<Vec<_>> = weights.modules().iter().map(double).collect();
        let pass = Pass::evaluation(plan, &modules, Precision::F32);
        no_grad(|| pass.run(&images.to_kind(Kind::Double))).unwrap().main
    }

    fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
        let distance = (found.to_kind(Kind::Double) - expected).norm();
        distance.double_value(&[]) / expected.norm().double_value(&[])
    }

    fn loss(logits: &Tensor) -> f64 {
        let images = logits.size()[0];
        let labels: Vec<i64> = (0..images).map(|image| (3 * image + 1) % CLASSES as i64).collect();
        logits.to_kind(Kind::Double).cross_entropy_for_logits(&Tensor::from_slice(&labels)).double_value(&[])
    }

    #[test]
    fn full_networks_on_own_kernels_give_libtorch_s_logits_and_loss() {
        let cifar = ["RelativeNAS", "NASNet", "AmoebaNet", "DARTS_V2"].into_iter().zip([16, 6, 20, 8]);
        let published = cifar.map(|(name, channels)| (published::genotype(name).unwrap(), channels));
        let genotypes = published.chain([(random(0), 4), (random(1), 18)]).enumerate();
        let plans = genotypes.map(|(number, (genotype, channels))| {
            (full(&genotype, NetworkKind::Cifar, channels, 3 + number % 4), 32)
        });
        let relativenas = published::genotype("RelativeNAS").unwrap();
        let imagenet = [(6, 4), (34, 3)]
            .map(|(channels, cells)| (full(&relativenas, NetworkKind::Imagenet, channels, cells), 224));
        for (number, (plan, side)) in plans.chain(imagenet).enumerate() {
            let (weights, images) = (weights(&plan), images(3, side));
            let network = FrozenNetwork::new(&plan, &weights, Precision::F32, 2).unwrap();
            assert!(network.own.is_some(), "network {number}");
            let (found, expected) = (network.logits(&images).unwrap(), reference(&plan, &weights, &images));
            let error = relative_error(&found, &expected);
            assert!(error < 1e-5, "network {number}: relative error {error}");
            let (found, expected) = (loss(&found), loss(&expected));
            assert!((found - expected).abs() < 1e-5 * expected, "network {number}: {found} for {expected}");
        }
    }

    #[test]
    fn an_image_has_the_same_logits_in_any_batch_for_any_number_of_threads() {
        let plan = full(&published::genotype("RelativeNAS").unwrap(), NetworkKind::Cifar, 4, 3);
        let (weights, images) = (weights(&plan), images(7, 32));
        let network = |threads| FrozenNetwork::new(&plan, &weights, Precision::F32, threads).unwrap();
        let expected = network(1).logits(&images).unwrap();
        assert_eq!(expected.size(), [7, CLASSES as i64]);
        for threads in [1, 2, 3, 16] {
            let network = network(threads);
            for batch in [7, 4, 2, 1] {
                let parts: Vec<_> =
                    images.split(batch, 0).iter().map(|part| network.logits(part).unwrap()).collect();
                assert_eq!(Tensor::cat(&parts, 0), expected, "{threads} threads, batches of {batch}");
            }
        }
        // Where channels do not lie last, they are laid so.
        assert_eq!(network(2).logits(&images.contiguous()).unwrap(), expected);
        assert_eq!(network(2).logits(&images.narrow(0, 0, 0)).unwrap().size(), [0, CLASSES as i64]);
    }

    #[test]
    fn what_the_kernels_do_not_know_is_computed_by_libtorch() {
        let relativenas = published::genotype("RelativeNAS").unwrap();
        let mut with_none = relativenas.clone();
        with_none.normal.genes[0].operation = Operation::None;
        let cifar = |genotype| full(genotype, NetworkKind::Cifar, 4, 3);
        let f32 = Precision::F32;
        for (plan, side, precision) in [
            (cifar(&with_none), 32, f32),
            (full(&relativenas, NetworkKind::Imagenet, 4, 3), 64, f32),
            (cifar(&relativenas), 32, Precision::Bf16),
            (cifar(&relativenas), 24, f32),
        ] {
            let (weights, images) = (weights(&plan), images(2, side));
            let network = FrozenNetwork::new(&plan, &weights, precision, 2).unwrap();
            assert!(network.own.is_none() || matches!(side, 24 | 64), "there are no other sides");
            let pass = Pass::evaluation(&plan, weights.modules(), precision);
            let expected = no_grad(|| pass.run(&images)).unwrap().main;
            assert_eq!(network.logits(&images).unwrap(), expected, "side {side}, {precision:?}");
        }
    }
}
