//! Networks of the DARTS family on libtorch.
//!
//! A network is described before it is built: a [`Plan`] lists the [`Module`]s that a genotype needs, with
//! the published names of their tensors, and what each cell and node reads. [`ModuleWeights`] are the tensors
//! of one module, [`FlatWeights`] those of a whole network in one piece, and a [`Pass`] computes logits.

mod drop_path;
mod flat;
mod forward;
#[cfg(test)]
pub(crate) mod golden;
#[cfg(test)]
mod launches;
mod module;
mod named;
mod place;
mod plan;
#[cfg(test)]
mod pytorch;
mod weights;

pub use drop_path::drop_path_masks;
pub use flat::FlatWeights;
pub(crate) use flat::{ALIGNMENT, aligned, defined, joined};
pub use forward::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, ForwardMode, Logits, Pass};
pub use module::{Convolution, Layer, Module, TensorRole, TensorSpec};
pub use named::{from_named, to_named};
pub use place::{ParameterPlace, Parameters, Place, StatisticPlace, Statistics};
pub use plan::{Applied, CellPlan, Plan, PlannedModule, PlannedOperation};
pub use weights::{ModuleWeights, WeightsError};
pub(crate) use weights::{fresh_tensor, hash};
