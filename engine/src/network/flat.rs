//! All weights of one network in two pieces of memory, so that the step of an optimizer is a few operations
//! instead of a few for each tensor.

use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::{
    module::TensorSpec,
    place::{ParameterPlace, Parameters, Place, StatisticPlace, Statistics},
    plan::Plan,
    weights::{ModuleWeights, WeightsError},
};
use crate::memory::{values, values_mut};

/// A copy of the weights that belongs to one learner.
///
/// Parameters that the loss depends on lie in one vector; everything else, which is running statistics and
/// the weights of unused modules, lies in another. Modules compute with views into them. Each tensor begins
/// at a multiple of `ALIGNMENT`, with zeros in the gaps.
#[derive(Debug)]
pub struct FlatWeights {
    parameters: Tensor,
    statistics: Tensor,
    /// Views of the tensors, module by module, in the order of [`super::Module::tensors`].
    modules: Vec<Vec<Tensor>>,
    /// The place of each view.
    places: Vec<Vec<Place>>,
    /// The views that gradients are computed for, in the order of `parameters`.
    leaves: Vec<Tensor>,
    /// Zeros for the gaps, cut to length where they are needed.
    zeros: Tensor,
}

/// The number of values that a kernel of cuDNN reads at once: it fails on a tensor that does not begin at a
/// multiple of it.
pub(crate) const ALIGNMENT: usize = 4;

/// The next index at which a tensor may begin.
pub(crate) fn aligned(numbers: usize) -> usize {
    numbers.next_multiple_of(ALIGNMENT)
}

/// The numbers of both parts, trained parameters and everything else, each as a slice.
pub type Numbers<P, S> = (Parameters<P>, Statistics<S>);

impl FlatWeights {
    /// Copies the weights of a plan's modules, one [`ModuleWeights`] for each, to a device.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape, or the device fails.
    pub fn gather(plan: &Plan, weights: &[ModuleWeights], device: Device) -> Result<Self, WeightsError> {
        let used = plan.used_modules();
        let zeros = Tensor::f_zeros([ALIGNMENT as i64], (Kind::Float, device))?;
        let (mut parameters, mut statistics) = (Vec::new(), Vec::new());
        for ((planned, weights), used) in plan.modules.iter().zip(weights).zip(&used) {
            weights.check(&planned.name, &planned.module)?;
            for spec in planned.module.tensors() {
                let Some(tensor) = weights.get(&spec.name) else { continue };
                let list = if *used && spec.role.is_parameter() { &mut parameters } else { &mut statistics };
                list.push(tensor.f_to_device(device)?.f_to_kind(Kind::Float)?.f_reshape([-1])?);
                list.extend(gap(&zeros, spec.numel())?);
            }
        }
        let parameters = no_grad(|| Tensor::f_cat(&parameters, 0))?;
        let statistics = no_grad(|| Tensor::f_cat(&statistics, 0))?;
        let (modules, places, leaves) = (Vec::new(), Vec::new(), Vec::new());
        let mut flat = Self { parameters, statistics, modules, places, leaves, zeros };
        let (mut parameter, mut statistic) = (0, 0);
        for (planned, used) in plan.modules.iter().zip(&used) {
            let (mut views, mut places) = (Vec::new(), Vec::new());
            for spec in planned.module.tensors() {
                if *used && spec.role.is_parameter() {
                    places.push(Place::Parameter(ParameterPlace::new(parameter)));
                    let view = view(&flat.parameters, &mut parameter, &spec)?;
                    let leaf = view.f_detach()?.f_set_requires_grad(true)?;
                    flat.leaves.push(leaf.shallow_clone());
                    views.push(leaf);
                } else {
                    places.push(Place::Statistic(StatisticPlace::new(statistic)));
                    views.push(view(&flat.statistics, &mut statistic, &spec)?);
                }
            }
            flat.modules.push(views);
            flat.places.push(places);
        }
        Ok(flat)
    }

    /// Copies of all weights, module by module. They share no memory with `self`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn scatter(&self, plan: &Plan) -> Result<Vec<ModuleWeights>, TchError> {
        let module = |(planned, views): (&super::PlannedModule, &Vec<Tensor>)| {
            let specs = planned.module.tensors();
            let tensors = specs.into_iter().zip(views).map(|(spec, view)| {
                // `contiguous` would share memory with a view that is contiguous already, so the values are
                // copied into an empty tensor.
                let mut copy = Tensor::f_empty(view.size(), (Kind::Float, view.device()))?;
                copy.f_copy_(&view.f_detach()?)?;
                Ok((spec.name, copy))
            });
            Ok(ModuleWeights::new(tensors.collect::<Result<Vec<_>, TchError>>()?))
        };
        plan.modules.iter().zip(&self.modules).map(module).collect()
    }

    /// The tensors by module, in the order of [`super::Module::tensors`].
    pub fn modules(&self) -> &[Vec<Tensor>] {
        &self.modules
    }

    /// The places of the tensors of [`FlatWeights::modules`].
    pub fn places(&self) -> &[Vec<Place>] {
        &self.places
    }

    /// All trained parameters, `[P] f32`, and all other values, `[S] f32`; changing them changes the network.
    pub fn parts(&mut self) -> (&mut Tensor, &mut Tensor) {
        (&mut self.parameters, &mut self.statistics)
    }

    /// The device that the weights lie on.
    pub fn device(&self) -> Device {
        self.parameters.device()
    }

    /// The numbers of both parts, which have to lie in main memory.
    ///
    /// # Errors
    /// If they lie on another device.
    pub fn numbers(&self) -> Result<Numbers<&[f32], &[f32]>, TchError> {
        Ok((Parameters(values(&self.parameters)?), Statistics(values(&self.statistics)?)))
    }

    /// The same as [`FlatWeights::numbers`], with statistics that can be changed.
    ///
    /// # Errors
    /// If they lie on another device.
    pub fn numbers_mut(&mut self) -> Result<Numbers<&[f32], &mut [f32]>, TchError> {
        Ok((Parameters(values(&self.parameters)?), Statistics(values_mut(&mut self.statistics)?)))
    }

    /// A copy of all values that no gradient changes, `[S] f32`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn statistics(&self) -> Result<Tensor, TchError> {
        let mut copy = no_grad(|| self.statistics.f_empty_like())?;
        copy.f_copy_(&self.statistics)?;
        Ok(copy)
    }

    /// Replaces all values that no gradient changes, `[S] f32`.
    ///
    /// # Errors
    /// If the number of values differs, or the device fails.
    pub fn set_statistics(&mut self, statistics: &Tensor) -> Result<(), TchError> {
        no_grad(|| self.statistics.f_copy_(statistics))
    }

    /// All trained parameters, `[P] f32`; changing it changes the network.
    pub fn parameters(&mut self) -> &mut Tensor {
        &mut self.parameters
    }

    /// The gradient of a scalar with respect to all trained parameters, `[P] f32` in the order of
    /// `parameters`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn gradient(&self, loss: &Tensor) -> Result<Tensor, TchError> {
        let mut gradients = Tensor::f_run_backward(&[loss], &self.leaves, false, false)?;
        for (gradient, leaf) in gradients.iter_mut().zip(&self.leaves) {
            defined(gradient, leaf)?;
        }
        self.joined(&gradients)
    }

    /// The gradients of a scalar with respect to the trained parameters of some modules, `[P] f32` with zeros
    /// for all others, and with respect to other tensors that it depends on.
    ///
    /// # Errors
    /// If the device fails.
    pub fn gradient_of(
        &self,
        modules: &[usize],
        others: &[Tensor],
        loss: &Tensor,
    ) -> Result<(Tensor, Vec<Tensor>), TchError> {
        let (mut starts, mut leaves) = (Vec::new(), Vec::new());
        for &module in modules {
            for (place, tensor) in self.places[module].iter().zip(&self.modules[module]) {
                if let Place::Parameter(start) = *place {
                    starts.push(start.index() as i64);
                    leaves.push(tensor);
                }
            }
        }
        leaves.extend(others);
        let mut gradients = Tensor::f_run_backward(&[loss], &leaves, false, false)?;
        for (gradient, leaf) in gradients.iter_mut().zip(&leaves) {
            defined(gradient, leaf)?;
        }
        let of_others = gradients.split_off(starts.len());
        let flat = no_grad(|| self.parameters.f_zeros_like())?;
        for (start, gradient) in starts.into_iter().zip(gradients) {
            let mut place = flat.f_narrow(0, start, gradient.numel() as i64)?;
            place.f_copy_(&gradient.f_reshape([-1])?)?;
        }
        Ok((flat, of_others))
    }

    /// Joins tensors, one for each that is trained, to one vector in the order of `parameters`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn joined(&self, tensors: &[Tensor]) -> Result<Tensor, TchError> {
        joined(tensors, &self.zeros)
    }
}

/// Joins tensors to one vector, each at the next index where it may begin. `zeros` are at least as many as
/// the longest gap, on the same device.
pub(crate) fn joined(tensors: &[Tensor], zeros: &Tensor) -> Result<Tensor, TchError> {
    let mut flat = Vec::with_capacity(2 * tensors.len());
    for tensor in tensors {
        flat.push(tensor.f_reshape([-1])?);
        flat.extend(gap(zeros, tensor.numel())?);
    }
    Tensor::f_cat(&flat, 0)
}

/// Replaces a gradient that libtorch left undefined by zeros: the loss does not depend on weights whose
/// output only a `none` reads.
pub(crate) fn defined(gradient: &mut Tensor, of: &Tensor) -> Result<(), TchError> {
    if !gradient.defined() {
        *gradient = no_grad(|| of.f_zeros_like())?;
    }
    Ok(())
}

/// The next tensor of a vector made of flattened ones.
fn view(vector: &Tensor, start: &mut usize, spec: &TensorSpec) -> Result<Tensor, TchError> {
    let piece = vector.f_narrow(0, *start as i64, spec.numel() as i64)?;
    *start += aligned(spec.numel());
    piece.f_view(spec.shape.as_slice())
}

/// The zeros of the gap that follows a tensor of this many numbers, if there is a gap.
fn gap(zeros: &Tensor, numbers: usize) -> Result<Option<Tensor>, TchError> {
    let length = aligned(numbers) - numbers;
    (length > 0).then(|| zeros.f_narrow(0, 0, length as i64)).transpose()
}

#[cfg(test)]
mod tests {
    use relativenas_core::{
        network::{NetworkKind, NetworkShape},
        published,
        randomness::Streams,
    };

    use super::*;

    #[test]
    fn every_tensor_begins_where_cudnn_can_read_it_and_nothing_is_lost_in_between() {
        // The 46 channels of the published ImageNet networks are not a multiple of four.
        let shape = NetworkShape { kind: NetworkKind::Imagenet, channels: 46, cells: 4, classes: 7 };
        let plan = Plan::full(&published::genotype("RelativeNAS").unwrap(), &shape, true);
        let fresh = |m| ModuleWeights::fresh(m, &Streams::new(1), Device::Cpu).unwrap();
        let weights: Vec<_> = plan.modules.iter().map(fresh).collect();
        let flat = FlatWeights::gather(&plan, &weights, Device::Cpu).unwrap();
        for tensor in flat.modules().iter().flatten() {
            assert_eq!(tensor.data_ptr() as usize % (ALIGNMENT * size_of::<f32>()), 0, "{tensor:?}");
        }
        let used: usize = flat.leaves.iter().map(Tensor::numel).sum();
        assert!(flat.parameters.numel() > used, "there is something in between");
        for (before, after) in weights.iter().zip(flat.scatter(&plan).unwrap()) {
            assert!(before.tensors().zip(after.tensors()).all(|(b, a)| b == a));
        }
        // The gradient of each leaf is its own values, so the whole is the parameters, zeros included.
        let halves = flat.leaves.iter().map(|leaf| (leaf * leaf).sum(Kind::Float));
        let loss = halves.reduce(|a, b| a + b).unwrap() / 2.0;
        assert_eq!(flat.gradient(&loss).unwrap(), flat.parameters);
    }
}
