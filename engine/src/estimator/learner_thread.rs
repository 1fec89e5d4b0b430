//! Training and validating one candidate in a thread of its own.

use relativenas_core::{
    config::Precision,
    loss::Loss,
    randomness::Streams,
    search::{BatchDone, Estimate, Flow, Slot},
    weight_set::{Hits, WeightKey},
};
use tch::{Device, TchError};

use super::settings::{EstimateError, EstimatorSettings, LearnerWeights};
use crate::{
    augmentation::ImageStore,
    cpu::CpuModel,
    device,
    learner::{Epoch, Learner, Validation},
    model::{Model, TorchModel},
    network::{ModuleWeights, Plan, WeightsError},
    optimizer::SgdSettings,
};

/// A device, and the images on it.
pub(super) struct DeviceImages {
    pub(super) device: Device,
    pub(super) training: ImageStore,
    pub(super) validation: ImageStore,
}

impl DeviceImages {
    pub(super) fn share(&self) -> Self {
        Self { device: self.device, training: self.training.share(), validation: self.validation.share() }
    }
}

/// A candidate about to be trained, with its own copy of the weights.
pub(super) struct PreparedCandidate {
    pub(super) plan: Plan,
    pub(super) keys: Vec<WeightKey>,
    pub(super) inherited: Vec<ModuleWeights>,
    pub(super) hits: Hits,
    /// The epochs that it is trained for; at least one.
    pub(super) epochs: Vec<Epoch>,
    pub(super) slot: Slot,
    /// The index of the device that it is trained on.
    pub(super) device_index: usize,
    /// Whether it is validated; otherwise it is trained for its weights alone, and its loss and accuracy are
    /// NaN.
    pub(super) judged: bool,
    /// Whether it is trained; otherwise it is validated as it is, and its training loss is NaN.
    pub(super) trained: bool,
    /// As [`EstimatorSettings::statistics`].
    pub(super) statistics: usize,
}

/// The results of a candidate after validation.
pub(super) struct CandidateOutcome {
    pub(super) estimate: Estimate,
    /// The training loss of every epoch.
    pub(super) train_losses: Vec<Loss>,
    pub(super) held: LearnerWeights,
}

/// What the thread that trains a learner needs.
pub(super) struct LearnerThread {
    pub(super) threads: usize,
    pub(super) settings: EstimatorSettings,
    pub(super) streams: Streams,
    /// The device to which the weights are copied in the end.
    pub(super) home: Device,
    pub(super) images: DeviceImages,
}

impl LearnerThread {
    /// Trains and validates a candidate. Returns `None` if `progress` returned [`Flow::Abort`].
    pub(super) fn train(
        self,
        prepared: PreparedCandidate,
        progress: &(dyn Fn(Slot, BatchDone) -> Flow + Sync),
    ) -> Result<Option<CandidateOutcome>, EstimateError> {
        device::set_threads_of_this_thread(self.threads);
        let plan = prepared.plan;
        let genes = plan.genes();
        let mut learner = Learner {
            model: self.model(plan, &prepared.inherited)?,
            genes,
            settings: self.settings.learner,
            epoch: prepared.epochs[0],
            streams: self.streams,
            progress: &|done| progress(prepared.slot, done),
        };
        let mut train_losses = Vec::new();
        for epoch in prepared.epochs.into_iter().filter(|_| prepared.trained) {
            learner.epoch = epoch;
            let Some(loss) = learner.train(&self.images.training)? else { return Ok(None) };
            train_losses.push(loss);
        }
        let mut judgement = Validation { loss: Loss::NAN, accuracy: f64::NAN };
        if prepared.judged {
            if learner.estimate_statistics(&self.images.training, prepared.statistics)?.is_none() {
                return Ok(None);
            }
            let Some(found) = learner.validate(&self.images.validation)? else { return Ok(None) };
            judgement = found;
        }
        let weights = learner.model.weights()?;
        if !prepared.judged && !are_numbers(&weights)? {
            // Without training, an infinite or NaN weight is not noticed until validation, so losses are set
            // here.
            train_losses.fill(Loss::NAN);
        }
        let Validation { loss, accuracy } = judgement;
        let train_loss = train_losses.last().map_or(f64::NAN, |loss| loss.0);
        let Hits { hits, misses } = prepared.hits;
        let weights = weights.into_iter().map(|weights| weights.on(self.home));
        let weights = weights.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(CandidateOutcome {
            estimate: Estimate { loss, accuracy, train_loss: Loss(train_loss), hits, misses },
            train_losses,
            held: prepared.keys.into_iter().zip(weights).collect(),
        }))
    }

    fn model(&self, plan: Plan, weights: &[ModuleWeights]) -> Result<Box<dyn Model>, WeightsError> {
        let EstimatorSettings { shape, sgd, precision, .. } = self.settings;
        let side = shape.image_side();
        let own_kernels = (self.images.training.side() == side).then_some(side);
        model_on(plan, weights, sgd, precision, (self.images.device, self.threads), own_kernels)
    }
}

/// A model of a search network. On a CPU that computes in f32 it uses the kernels of [`crate::cpu`] if images
/// have the side `own_kernels`, and libtorch's otherwise.
///
/// # Errors
/// If the weights belong to another plan, or the device fails.
pub fn model_on(
    plan: Plan,
    weights: &[ModuleWeights],
    sgd: SgdSettings,
    precision: Precision,
    (device, threads): (Device, usize),
    own_kernels: Option<usize>,
) -> Result<Box<dyn Model>, WeightsError> {
    if device == Device::Cpu
        && precision == Precision::F32
        && let Some(side) = own_kernels
        && let Some(model) = CpuModel::new(&plan, weights, sgd, side, threads)?
    {
        return Ok(Box::new(model));
    }
    Ok(Box::new(TorchModel::new(plan, weights, sgd, precision, device)?))
}

/// Whether all weights are finite.
fn are_numbers(weights: &[ModuleWeights]) -> Result<bool, TchError> {
    for (_, tensor) in weights.iter().flat_map(ModuleWeights::tensors) {
        if tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
