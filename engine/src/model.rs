//! A network with its optimizer, as a learner sees it.

use tch::{Device, Kind, Reduction, TchError, Tensor, no_grad};

use crate::{
    augmentation::Batch,
    network::{FlatWeights, Mode, ModuleWeights, Pass, Plan, WeightsError},
    optimizer::{Sgd, SgdSettings},
};

/// Something that learns from batches and can be judged on others.
pub trait Model: Send {
    /// One step of training. Returns the batch's mean cross-entropy before the step, a scalar that
    /// stays on the device. `drop_path` is as [`Pass::drop_path`].
    ///
    /// # Errors
    /// If the device fails.
    fn train(
        &mut self,
        batch: &Batch,
        drop_path: Option<&Tensor>,
        learning_rate: f64,
    ) -> Result<Tensor, TchError>;

    /// Sum of cross-entropies and number of right answers, scalars that stay on the device.
    ///
    /// # Errors
    /// If the device fails.
    fn judge(&mut self, batch: &Batch) -> Result<(Tensor, Tensor), TchError>;

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
        device: Device,
    ) -> Result<Self, WeightsError> {
        let weights = FlatWeights::gather(&plan, weights, device)?;
        Ok(Self { plan, weights, sgd: Sgd::new(sgd) })
    }

    fn pass<'a>(&'a self, mode: Mode, drop_path: Option<&'a Tensor>) -> Pass<'a> {
        Pass { plan: &self.plan, modules: self.weights.modules(), mode, drop_path }
    }
}

impl Model for TorchModel {
    fn train(
        &mut self,
        batch: &Batch,
        drop_path: Option<&Tensor>,
        learning_rate: f64,
    ) -> Result<Tensor, TchError> {
        let logits = self.pass(Mode::Training, drop_path).run(&batch.images)?;
        let loss = cross_entropy(&logits.main, &batch.labels, Reduction::Mean)?;
        let gradient = self.weights.gradient(&loss)?;
        let _norm = self.sgd.step(self.weights.parameters(), gradient, learning_rate)?;
        loss.f_detach()
    }

    fn judge(&mut self, batch: &Batch) -> Result<(Tensor, Tensor), TchError> {
        no_grad(|| {
            let logits = self.pass(Mode::Evaluation, None).run(&batch.images)?.main;
            let loss = cross_entropy(&logits, &batch.labels, Reduction::Sum)?;
            let right = logits.f_argmax(1, false)?.f_eq_tensor(&batch.labels)?.f_sum(Kind::Int64)?;
            Ok((loss, right))
        })
    }

    fn weights(&self) -> Result<Vec<ModuleWeights>, TchError> {
        self.weights.scatter(&self.plan)
    }
}

fn cross_entropy(logits: &Tensor, labels: &Tensor, reduction: Reduction) -> Result<Tensor, TchError> {
    logits.f_cross_entropy_loss(labels, None::<&Tensor>, reduction, -100, 0.0)
}
