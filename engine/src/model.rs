//! A network with its optimizer, as a learner uses it.

use relativenas_core::config::Precision;
use tch::{Device, Kind, Reduction, TchError, Tensor, no_grad};

use crate::{
    augmentation::Batch,
    network::{FlatWeights, ForwardMode, ModuleWeights, Pass, Plan, WeightsError},
    optimizer::{Sgd, SgdSettings},
};

/// A network that can be trained and evaluated batch by batch.
pub trait Model: Send {
    /// Carries out one training step. Returns the mean cross-entropy of the batch before the step, a scalar
    /// that stays on the device. `drop_path` is as [`Pass::drop_path`].
    ///
    /// # Errors
    /// If the device fails.
    fn train(
        &mut self,
        batch: &Batch,
        drop_path: Option<&Tensor>,
        learning_rate: f64,
    ) -> Result<Tensor, TchError>;

    /// Evaluates a batch. Returns the sum of cross-entropies and the number of images that are classified
    /// correctly, both scalars that stay on the device.
    ///
    /// # Errors
    /// If the device fails.
    fn judge(&mut self, batch: &Batch) -> Result<(Tensor, Tensor), TchError>;

    /// Computes the statistics of batch norm over this batch, and returns a copy as one vector `[S] f32` that
    /// stays on the device. They also replace the running statistics. No path is dropped, and no weight is
    /// trained.
    ///
    /// # Errors
    /// If the device fails.
    fn observe(&mut self, batch: &Batch) -> Result<Tensor, TchError>;

    /// Sets the running statistics, usually to a mean of what [`Model::observe`] returned.
    ///
    /// # Errors
    /// If the number of statistics is that of another network, or the device fails.
    fn set_statistics(&mut self, statistics: &Tensor) -> Result<(), TchError>;

    /// Copies of the weights, in the order of the plan's modules.
    ///
    /// # Errors
    /// If the device fails.
    fn weights(&self) -> Result<Vec<ModuleWeights>, TchError>;
}

/// A model computed by libtorch, with its automatic differentiation.
#[derive(Debug)]
pub struct TorchModel {
    plan: Plan,
    weights: FlatWeights,
    sgd: Sgd,
    precision: Precision,
}

impl TorchModel {
    /// Copies the weights of the plan's modules, one [`ModuleWeights`] each.
    ///
    /// # Errors
    /// If the weights belong to another plan, or the device fails.
    pub fn new(
        plan: Plan,
        weights: &[ModuleWeights],
        sgd: SgdSettings,
        precision: Precision,
        device: Device,
    ) -> Result<Self, WeightsError> {
        let weights = FlatWeights::gather(&plan, weights, device)?;
        Ok(Self { plan, weights, sgd: Sgd::new(sgd), precision })
    }
}

impl Model for TorchModel {
    fn train(
        &mut self,
        batch: &Batch,
        drop_path: Option<&Tensor>,
        learning_rate: f64,
    ) -> Result<Tensor, TchError> {
        let modules = self.weights.modules();
        let pass = Pass {
            plan: &self.plan,
            modules,
            mode: ForwardMode::Training,
            drop_path,
            precision: self.precision,
        };
        let logits = pass.run(&batch.images)?;
        let loss = cross_entropy(&logits.main, &batch.labels, Reduction::Mean)?;
        let gradient = self.weights.gradient(&loss)?;
        let _norm = self.sgd.step(self.weights.parameters(), gradient, learning_rate)?;
        loss.f_detach()
    }

    fn judge(&mut self, batch: &Batch) -> Result<(Tensor, Tensor), TchError> {
        no_grad(|| {
            let pass = Pass::evaluation(&self.plan, self.weights.modules(), self.precision);
            let logits = pass.run(&batch.images)?.main;
            let loss = cross_entropy(&logits, &batch.labels, Reduction::Sum)?;
            let right = logits.f_argmax(1, false)?.f_eq_tensor(&batch.labels)?.f_sum(Kind::Int64)?;
            Ok((loss, right))
        })
    }

    fn observe(&mut self, batch: &Batch) -> Result<Tensor, TchError> {
        no_grad(|| {
            let (modules, mode, precision) =
                (self.weights.modules(), ForwardMode::Observation, self.precision);
            Pass { plan: &self.plan, modules, mode, drop_path: None, precision }.run(&batch.images)?;
            self.weights.statistics()
        })
    }

    fn set_statistics(&mut self, statistics: &Tensor) -> Result<(), TchError> {
        self.weights.set_statistics(statistics)
    }

    fn weights(&self) -> Result<Vec<ModuleWeights>, TchError> {
        self.weights.scatter(&self.plan)
    }
}

fn cross_entropy(logits: &Tensor, labels: &Tensor, reduction: Reduction) -> Result<Tensor, TchError> {
    logits.f_cross_entropy_loss(labels, None::<&Tensor>, reduction, -100, 0.0)
}

#[cfg(test)]
mod tests;
