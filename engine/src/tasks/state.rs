//! The tensors of a task's network, by name.

use std::collections::BTreeMap;

use tch::{Device, Kind, TchError, Tensor};

use super::TaskNetwork;
use crate::{
    network::Mode,
    weights_file::{self, WeightsError},
};

/// Weights and running statistics on a device. Parameters are leaves of differentiation; training
/// passes move the statistics in place.
#[derive(Debug)]
pub struct State {
    tensors: BTreeMap<String, Tensor>,
    /// The backbone's among them, by module.
    modules: Vec<Vec<Tensor>>,
}

impl State {
    /// Copies tensors that have the names of a network, such as those of a published file. What
    /// PyTorch's batch norm counts (`num_batches_tracked`) is not needed and not missed.
    ///
    /// # Errors
    /// All tensors that are missing, unexpected or of another shape; or if the device fails.
    pub fn from_named(
        network: &TaskNetwork,
        tensors: &BTreeMap<String, Tensor>,
        device: Device,
    ) -> Result<Self, StateError> {
        let specs = network.tensors();
        weights_file::compare(tensors, specs.iter().map(|spec| (spec.name.as_str(), spec.shape.clone())))?;
        let mut own = BTreeMap::new();
        for spec in specs {
            let Some(tensor) = tensors.get(&spec.name) else { continue };
            let mut copy = Tensor::f_empty(&spec.shape, (Kind::Float, device))?;
            copy.f_copy_(&tensor.f_detach()?)?;
            own.insert(spec.name, copy.f_set_requires_grad(spec.role.is_parameter())?);
        }
        let modules = network.backbone.modules(&own, network.head.backbone_prefix())?;
        Ok(Self { tensors: own, modules })
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
        mode: Mode,
    ) -> Result<[Tensor; 3], TchError> {
        network.backbone.maps(&self.modules, images, mode)
    }
}

/// Why tensors are not the state of a network.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(transparent)]
    Names(#[from] WeightsError),
    #[error(transparent)]
    Device(#[from] TchError),
}
