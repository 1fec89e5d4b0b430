//! The tensors of one module.

use std::collections::BTreeMap;

use relativenas_core::randomness::{Purpose, Streams};
use tch::{Device, TchError, Tensor};

use super::{
    module::{Module, TensorRole, TensorSpec},
    plan::PlannedModule,
};

/// All tensors of one module: parameters and running statistics, by their names within it.
///
/// They are values that are never changed in place, so clones may share memory.
#[derive(Debug)]
pub struct ModuleWeights {
    tensors: BTreeMap<String, Tensor>,
}

impl Clone for ModuleWeights {
    fn clone(&self) -> Self {
        Self { tensors: self.tensors.iter().map(|(n, t)| (n.clone(), t.shallow_clone())).collect() }
    }
}

/// Why tensors are not the weights of a module.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("`{0}` is missing; these weights belong to another network")]
    Missing(String),
    #[error(
        "`{name}` has shape {found:?} where {expected:?} is needed; these weights belong to another network"
    )]
    Shape { name: String, expected: Vec<i64>, found: Vec<i64> },
    #[error(transparent)]
    Device(#[from] TchError),
}

impl ModuleWeights {
    /// Makes weights from tensors by their names within the module, such as `op.1.weight`.
    pub fn new(tensors: impl IntoIterator<Item = (String, Tensor)>) -> Self {
        Self { tensors: tensors.into_iter().collect() }
    }

    /// Fresh weights with PyTorch's default initialisation. They depend on the seed and the module's name
    /// alone.
    ///
    /// # Errors
    /// If the device fails.
    pub fn fresh(planned: &PlannedModule, streams: &Streams, device: Device) -> Result<Self, TchError> {
        let tensors = planned.module.tensors().into_iter().map(|spec| {
            let name = format!("{}.{}", planned.name, spec.name);
            let tensor = fresh_tensor(&spec, &name, streams)?.f_to_device(device)?;
            Ok((spec.name, tensor))
        });
        Ok(Self { tensors: tensors.collect::<Result<_, TchError>>()? })
    }

    /// The same values on a device. If they lie there already, memory is shared.
    ///
    /// # Errors
    /// If its memory runs out.
    pub fn on(&self, device: Device) -> Result<Self, TchError> {
        let there = self.tensors.iter().map(|(name, tensor)| Ok((name.clone(), tensor.f_to_device(device)?)));
        Ok(Self { tensors: there.collect::<Result<_, TchError>>()? })
    }

    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// The tensors by name, in the order of the names.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(n, t)| (n.as_str(), t))
    }

    /// Checks that every tensor that the module needs exists in the expected shape.
    ///
    /// # Errors
    /// If one does not; the error names the first. `name` is the module's name in the message.
    pub fn check(&self, name: &str, module: &Module) -> Result<(), WeightsError> {
        for spec in module.tensors() {
            let name = format!("{name}.{}", spec.name);
            let tensor = self.tensors.get(&spec.name).ok_or_else(|| WeightsError::Missing(name.clone()))?;
            if tensor.size() != spec.shape {
                return Err(WeightsError::Shape { name, expected: spec.shape, found: tensor.size() });
            }
        }
        Ok(())
    }
}

pub(crate) fn fresh_tensor(spec: &TensorSpec, name: &str, streams: &Streams) -> Result<Tensor, TchError> {
    let values: Vec<f32> = match spec.role {
        // PyTorch's default, Kaiming uniform with a = √5, is uniform in ±1/√fan_in.
        TensorRole::Weight { fan_in } | TensorRole::Bias { fan_in } => {
            let bound = 1.0 / (fan_in as f64).sqrt();
            let mut stream = streams.stream(Purpose::Initialisation, hash(name), 0);
            (0..spec.numel()).map(|_| ((2.0 * stream.unit() - 1.0) * bound) as f32).collect()
        }
        TensorRole::Scale | TensorRole::RunningVariance => vec![1.0; spec.numel()],
        TensorRole::Shift | TensorRole::RunningMean => vec![0.0; spec.numel()],
    };
    Tensor::f_from_slice(&values)?.f_reshape(spec.shape.as_slice())
}

/// The 64-bit FNV-1a hash of a name, which stays the same in all versions of this program and its
/// dependencies.
pub(crate) fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(name: &str) -> PlannedModule {
        PlannedModule { name: name.to_owned(), module: Module::cifar_stem(6) }
    }

    #[test]
    fn fresh_weights_depend_on_seed_and_name_alone() {
        let fresh = |seed, name| {
            let weights = ModuleWeights::fresh(&planned(name), &Streams::new(seed), Device::Cpu).unwrap();
            weights.get("0.weight").unwrap().copy()
        };
        assert_eq!(fresh(1, "stem"), fresh(1, "stem"));
        assert_ne!(fresh(1, "stem"), fresh(2, "stem"));
        assert_ne!(fresh(1, "stem"), fresh(1, "stem0"));
    }

    #[test]
    fn fresh_weights_spread_as_pytorch_s_defaults() {
        let weights = ModuleWeights::fresh(&planned("stem"), &Streams::new(3), Device::Cpu).unwrap();
        let bound = 1.0 / 27_f64.sqrt();
        let weight = weights.get("0.weight").unwrap();
        assert!(weight.abs().max().double_value(&[]) <= bound);
        // The expected value is the standard deviation of a uniform distribution; there are 162 samples.
        assert!((weight.std(true).double_value(&[]) / (bound / 3_f64.sqrt()) - 1.0).abs() < 0.15);
        assert_eq!(weights.get("1.running_var").unwrap().sum(tch::Kind::Float).double_value(&[]), 6.0);
    }

    #[test]
    fn weights_of_another_network_are_named() {
        let mut weights = ModuleWeights::fresh(&planned("stem"), &Streams::new(3), Device::Cpu).unwrap();
        let error = weights.check("stem", &Module::cifar_stem(8)).unwrap_err().to_string();
        assert!(error.contains("`stem.0.weight` has shape [6, 3, 3, 3] where [8, 3, 3, 3]"), "{error}");
        weights.tensors.remove("1.bias");
        let error = weights.check("stem", &Module::cifar_stem(6)).unwrap_err().to_string();
        assert!(error.contains("`stem.1.bias` is missing"), "{error}");
    }
}
