//! All weights of one network in two pieces of memory, so that an optimizer's step is a few
//! operations and not a few a tensor.

use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::{
    module::TensorSpec,
    plan::Plan,
    weights::{ModuleWeights, WeightsError},
};

/// A learner's own copy of its weights.
///
/// Parameters that the loss depends on lie side by side in one vector, running statistics in
/// another; what modules compute with are views into them.
#[derive(Debug)]
pub struct FlatWeights {
    parameters: Tensor,
    statistics: Tensor,
    /// Views, module by module, in the order of [`super::Module::tensors`].
    modules: Vec<Vec<Tensor>>,
    /// Where each view lies.
    places: Vec<Vec<Place>>,
    /// The views among them that gradients are computed for, in the order of `parameters`.
    leaves: Vec<Tensor>,
}

/// Where a tensor of a module lies in [`FlatWeights`], as the index of its first number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Among the parameters that the loss depends on.
    Parameter(usize),
    /// Among everything else.
    Statistic(usize),
}

impl FlatWeights {
    /// Copies the weights of a plan's modules, one [`ModuleWeights`] each, to a device.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape, or the device fails.
    pub fn gather(plan: &Plan, weights: &[ModuleWeights], device: Device) -> Result<Self, WeightsError> {
        let used = plan.used_modules();
        let (mut parameters, mut statistics) = (Vec::new(), Vec::new());
        for ((planned, weights), used) in plan.modules.iter().zip(weights).zip(&used) {
            weights.check(&planned.name, &planned.module)?;
            for spec in planned.module.tensors() {
                let Some(tensor) = weights.get(&spec.name) else { continue };
                let list = if *used && spec.role.is_parameter() { &mut parameters } else { &mut statistics };
                list.push(tensor.f_to_device(device)?.f_to_kind(Kind::Float)?.f_reshape([-1])?);
            }
        }
        let parameters = no_grad(|| Tensor::f_cat(&parameters, 0))?;
        let statistics = no_grad(|| Tensor::f_cat(&statistics, 0))?;
        let (modules, places, leaves) = (Vec::new(), Vec::new(), Vec::new());
        let mut flat = Self { parameters, statistics, modules, places, leaves };
        let (mut parameter, mut statistic) = (0, 0);
        for (planned, used) in plan.modules.iter().zip(&used) {
            let (mut views, mut places) = (Vec::new(), Vec::new());
            for spec in planned.module.tensors() {
                if *used && spec.role.is_parameter() {
                    places.push(Place::Parameter(parameter as usize));
                    let view = view(&flat.parameters, &mut parameter, &spec)?;
                    let leaf = view.f_detach()?.f_set_requires_grad(true)?;
                    flat.leaves.push(leaf.shallow_clone());
                    views.push(leaf);
                } else {
                    places.push(Place::Statistic(statistic as usize));
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
                // empty + copy: `contiguous` would share memory with what is contiguous already.
                let mut copy = Tensor::f_empty(view.size(), (Kind::Float, view.device()))?;
                copy.f_copy_(&view.f_detach()?)?;
                Ok((spec.name, copy))
            });
            Ok(ModuleWeights::new(tensors.collect::<Result<Vec<_>, TchError>>()?))
        };
        plan.modules.iter().zip(&self.modules).map(module).collect()
    }

    /// Tensors by module, in the order of [`super::Module::tensors`].
    pub fn modules(&self) -> &[Vec<Tensor>] {
        &self.modules
    }

    /// Where the tensors of [`FlatWeights::modules`] lie.
    pub fn places(&self) -> &[Vec<Place>] {
        &self.places
    }

    /// All trained parameters, and everything else (`[P] f32` and `[S] f32`); changing them changes
    /// the network.
    pub fn parts(&mut self) -> (&mut Tensor, &mut Tensor) {
        (&mut self.parameters, &mut self.statistics)
    }

    /// All trained parameters, `[P] f32`; changing it changes the network.
    pub fn parameters(&mut self) -> &mut Tensor {
        &mut self.parameters
    }

    /// Gradient of a scalar for all trained parameters, `[P] f32` in the order of `parameters`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn gradient(&self, loss: &Tensor) -> Result<Tensor, TchError> {
        let gradients = Tensor::f_run_backward(&[loss], &self.leaves, false, false)?;
        let flat: Vec<_> = gradients.iter().map(|g| g.f_reshape([-1])).collect::<Result<_, _>>()?;
        Tensor::f_cat(&flat, 0)
    }
}

/// The next tensor of a vector made of flattened ones.
fn view(vector: &Tensor, start: &mut i64, spec: &TensorSpec) -> Result<Tensor, TchError> {
    let piece = vector.f_narrow(0, *start, spec.numel() as i64)?;
    *start += spec.numel() as i64;
    piece.f_view(spec.shape.as_slice())
}
