//! The weights of a whole network by their published names, as files hold them.

use std::{collections::BTreeMap, fmt};

use tch::Tensor;

use super::{plan::Plan, weights::ModuleWeights};

/// Why named tensors are not the weights of a network: every difference, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Mismatch {
    pub missing: Vec<String>,
    pub unexpected: Vec<String>,
    /// Name, the shape that is needed, the shape that was found.
    pub shapes: Vec<(String, Vec<i64>, Vec<i64>)>,
}

impl Mismatch {
    fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.shapes.is_empty()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "these weights belong to another network")?;
        for name in &self.missing {
            write!(f, "\n  missing: {name}")?;
        }
        for name in &self.unexpected {
            write!(f, "\n  unexpected: {name}")?;
        }
        for (name, expected, found) in &self.shapes {
            write!(f, "\n  {name} has shape {found:?} where {expected:?} is needed")?;
        }
        Ok(())
    }
}

/// All tensors of a network by name. They share memory with `weights`.
pub fn to_named(plan: &Plan, weights: &[ModuleWeights]) -> BTreeMap<String, Tensor> {
    let named = plan.modules.iter().zip(weights).flat_map(|(planned, module)| {
        module.tensors().map(|(name, tensor)| (format!("{}.{name}", planned.name), tensor.shallow_clone()))
    });
    named.collect()
}

/// The weights of a plan's modules. What PyTorch's batch norm counts (`num_batches_tracked`) is not
/// needed and not missed.
///
/// # Errors
/// All tensors that are missing, unexpected or of another shape.
pub fn from_named(
    plan: &Plan,
    mut tensors: BTreeMap<String, Tensor>,
) -> Result<Vec<ModuleWeights>, Mismatch> {
    let mut mismatch = Mismatch::default();
    let mut modules = Vec::with_capacity(plan.modules.len());
    for planned in &plan.modules {
        let mut module = Vec::new();
        for spec in planned.module.tensors() {
            let name = format!("{}.{}", planned.name, spec.name);
            match tensors.remove(&name) {
                None => mismatch.missing.push(name),
                Some(tensor) if tensor.size() != spec.shape => {
                    mismatch.shapes.push((name, spec.shape, tensor.size()));
                }
                Some(tensor) => module.push((spec.name, tensor)),
            }
        }
        modules.push(ModuleWeights::new(module));
    }
    mismatch.unexpected = tensors.into_keys().filter(|name| !name.ends_with("num_batches_tracked")).collect();
    if mismatch.is_empty() { Ok(modules) } else { Err(mismatch) }
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
        assert_eq!(
            error,
            "these weights belong to another network\n  missing: stem.1.bias\n  \
             unexpected: auxiliary_head.classifier.bias\n  classifier.bias has shape [5] where [4] is needed"
        );
    }
}
