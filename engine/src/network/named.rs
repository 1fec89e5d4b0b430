//! The weights of a whole network under their published names, as files contain them.

use std::collections::BTreeMap;

use tch::Tensor;

use super::{plan::Plan, weights::ModuleWeights};
use crate::weights_file::{self, WeightsError};

/// All tensors of a network by name. They share memory with `weights`.
pub fn to_named(plan: &Plan, weights: &[ModuleWeights]) -> BTreeMap<String, Tensor> {
    let named = plan.modules.iter().zip(weights).flat_map(|(planned, module)| {
        module.tensors().map(|(name, tensor)| (format!("{}.{name}", planned.name), tensor.shallow_clone()))
    });
    named.collect()
}

/// The weights of a plan's modules. The counters of PyTorch's batch norm (`num_batches_tracked`) are ignored,
/// and need not be there.
///
/// # Errors
/// If tensors are missing, unexpected or of another shape; the error names all of them.
pub fn from_named(
    plan: &Plan,
    mut tensors: BTreeMap<String, Tensor>,
) -> Result<Vec<ModuleWeights>, WeightsError> {
    let expected: Vec<Vec<_>> = plan
        .modules
        .iter()
        .map(|planned| {
            let specs = planned.module.tensors().into_iter();
            specs.map(|spec| (format!("{}.{}", planned.name, spec.name), spec)).collect()
        })
        .collect();
    let shapes = expected.iter().flatten().map(|(name, spec)| (name.as_str(), spec.shape.clone()));
    weights_file::compare(&tensors, shapes)?;
    let module = |specs: Vec<(String, super::TensorSpec)>| {
        ModuleWeights::new(
            specs.into_iter().filter_map(|(name, spec)| Some((spec.name, tensors.remove(&name)?))),
        )
    };
    Ok(expected.into_iter().map(module).collect())
}

#[cfg(test)]
mod tests {
    use relativenas_core::{
        network::{NetworkKind, NetworkShape},
        published,
        randomness::Streams,
    };
    use tch::{Device, Kind};

    use super::*;

    fn plan() -> Plan {
        let shape = NetworkShape { kind: NetworkKind::Cifar, channels: 2, cells: 3, classes: 4 };
        Plan::full(&published::genotype("RelativeNAS").unwrap(), &shape, false)
    }

    fn named(plan: &Plan) -> BTreeMap<String, Tensor> {
        let fresh = |planned| ModuleWeights::fresh(planned, &Streams::new(1), Device::Cpu).unwrap();
        to_named(plan, &plan.modules.iter().map(fresh).collect::<Vec<_>>())
    }

    #[test]
    fn named_weights_are_read_back_whatever_pytorch_counts() {
        let plan = plan();
        let mut tensors = named(&plan);
        tensors.insert("stem.1.num_batches_tracked".to_owned(), Tensor::from(7_i64));
        let read = from_named(&plan, tensors).unwrap();
        assert_eq!(to_named(&plan, &read), named(&plan));
    }

    #[test]
    fn every_difference_is_named() {
        let plan = plan();
        let mut tensors = named(&plan);
        tensors.remove("stem.1.bias");
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        tensors.insert("auxiliary_head.classifier.bias".to_owned(), zeros(&[4]));
        tensors.insert("classifier.bias".to_owned(), zeros(&[5]));
        let error = from_named(&plan, tensors).unwrap_err().to_string();
        for part in [
            "missing: stem.1.bias\n",
            "unexpected: auxiliary_head.classifier.bias\n",
            "of another shape: classifier.bias [5], expected [4]",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
