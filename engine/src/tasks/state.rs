//! The tensors of a task's network, by name.

use std::collections::{BTreeMap, BTreeSet};

use tch::{Device, Kind, TchError, Tensor};

use super::TaskNetwork;
use crate::{
    network::{ALIGNMENT, ForwardMode, TensorSpec, aligned, defined, joined},
    weights_file::{self, WeightsFileError},
};

/// Weights and running statistics on a device. Parameters are leaves of differentiation; training passes
/// update the statistics in place.
#[derive(Debug)]
pub struct NetworkState {
    /// All tensors by name; those that are trained are views into `parameters`.
    tensors: BTreeMap<String, Tensor>,
    /// All trained parameters in one piece, each tensor where cuDNN can read it, `[P] f32`.
    parameters: Tensor,
    /// The tensors in `parameters`, in order.
    trained: Vec<TensorSpec>,
    /// The tensors of the backbone, by module.
    modules: Vec<Vec<Tensor>>,
}

impl NetworkState {
    /// Copies tensors under the names of a network, such as those of a published file. The counters of
    /// PyTorch's batch norm (`num_batches_tracked`) are ignored, and need not be there.
    ///
    /// # Errors
    /// If tensors are missing, unexpected or of another shape, of which the error names all; or if the device
    /// fails.
    pub fn from_named(
        network: &TaskNetwork,
        tensors: &BTreeMap<String, Tensor>,
        device: Device,
    ) -> Result<Self, StateError> {
        let specs = network.tensors();
        weights_file::compare(tensors, specs.iter().map(|spec| (spec.name.as_str(), spec.shape.clone())))?;
        let prefix = network.head.backbone_prefix();
        let unused: BTreeSet<_> =
            network.backbone.unused().into_iter().map(|name| format!("{prefix}{name}")).collect();
        let is_trained = |spec: &TensorSpec| spec.role.is_parameter() && !unused.contains(&spec.name);
        let trained: Vec<_> = specs.iter().filter(|spec| is_trained(spec)).cloned().collect();
        let length: usize = trained.iter().map(|spec| aligned(spec.numel())).sum();
        let parameters = Tensor::f_zeros([length as i64], (Kind::Float, device))?;
        let (mut own, mut start) = (BTreeMap::new(), 0);
        for spec in specs {
            let Some(tensor) = tensors.get(&spec.name) else { continue };
            let mut place = if is_trained(&spec) {
                let piece = parameters.f_narrow(0, start as i64, spec.numel() as i64)?;
                start += aligned(spec.numel());
                piece.f_view(spec.shape.as_slice())?
            } else {
                Tensor::f_empty(&spec.shape, (Kind::Float, device))?
            };
            place.f_copy_(&tensor.f_detach()?)?;
            own.insert(spec.name, place.f_detach()?.f_set_requires_grad(spec.role.is_parameter())?);
        }
        let modules = network.backbone.modules(&own, prefix)?;
        Ok(Self { tensors: own, parameters, trained, modules })
    }

    /// All trained parameters, `[P] f32`; changing them changes the network.
    pub fn parameters(&mut self) -> &mut Tensor {
        &mut self.parameters
    }

    /// A tensor `[P] f32` with a value for each of [`Self::parameters`]: that of `value` for the tensor to which the
    /// parameter belongs.
    ///
    /// # Errors
    /// If the device fails.
    pub fn spread(&self, value: impl Fn(&TensorSpec) -> f64) -> Result<Tensor, TchError> {
        let options = (Kind::Float, self.parameters.device());
        let piece = |spec: &TensorSpec| Tensor::f_full([aligned(spec.numel()) as i64], value(spec), options);
        Tensor::f_cat(&self.trained.iter().map(piece).collect::<Result<Vec<_>, _>>()?, 0)
    }

    /// The gradient of a scalar with respect to [`Self::parameters`], `[P] f32`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn gradient(&self, loss: &Tensor) -> Result<Tensor, TchError> {
        let leaves: Vec<_> = self.trained.iter().filter_map(|spec| self.tensors.get(&spec.name)).collect();
        let mut gradients = Tensor::f_run_backward(&[loss], &leaves, false, false)?;
        for (gradient, leaf) in gradients.iter_mut().zip(&leaves) {
            defined(gradient, leaf)?;
        }
        let zeros = Tensor::f_zeros([ALIGNMENT as i64], (Kind::Float, self.parameters.device()))?;
        joined(&gradients, &zeros)
    }

    /// Copies of all tensors by name, which share no memory with `self`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn copies(&self) -> Result<BTreeMap<String, Tensor>, TchError> {
        let copy = |(name, tensor): (&String, &Tensor)| {
            let mut copy = Tensor::f_empty(tensor.size(), (Kind::Float, tensor.device()))?;
            copy.f_copy_(&tensor.f_detach()?)?;
            Ok((name.clone(), copy))
        };
        self.tensors.iter().map(copy).collect()
    }

    /// All tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    pub(super) fn find(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    pub(super) fn get(&self, name: &str) -> Result<&Tensor, TchError> {
        self.find(name).ok_or_else(|| TchError::Shape(format!("`{name}` is missing")))
    }

    /// The backbone's maps of images; see [`super::Backbone`].
    pub(super) fn maps(
        &self,
        network: &TaskNetwork,
        images: &Tensor,
        mode: ForwardMode,
    ) -> Result<[Tensor; 3], TchError> {
        network.backbone.maps(&self.modules, images, mode)
    }
}

/// Why tensors are not the state of a network.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(transparent)]
    Names(#[from] WeightsFileError),
    #[error(transparent)]
    Device(#[from] TchError),
}
