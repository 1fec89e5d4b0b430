//! Training a full network, one step for each batch.

use std::{collections::BTreeMap, sync::Arc};

use relativenas_core::{
    config::Precision,
    loss::Loss,
    number,
    randomness::{Purpose, Streams},
};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::{
    frozen::FrozenNetwork,
    loss::TrainingLoss,
    schedule::RetrainSchedule,
    source::{BatchPart, BatchSettings},
};
use crate::{
    augmentation::{Augmentation, Batch},
    cpu::{CpuBody, pictures},
    device,
    network::{
        FlatWeights, ForwardMode, ModuleWeights, Pass, Plan, WeightsError, drop_path_masks, from_named,
        to_named,
    },
    optimizer::{Sgd, SgdSettings},
    ranks::{Alone, Ranks, RanksError, Share},
    weights_file,
};

/// The settings of a training, which do not change while it lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainerSettings {
    pub batch: usize,
    pub augmentation: Augmentation,
    pub schedule: RetrainSchedule,
    pub loss: TrainingLoss,
    pub sgd: SgdSettings,
    pub precision: Precision,
    /// The number of CPU threads, which the last bits of the results on a CPU depend on.
    pub threads: usize,
    /// The seed of fresh weights, the order of images, augmentation and dropped paths.
    pub seed: u64,
}

/// How far a training has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The number of epochs that are finished.
    pub epoch: u32,
    /// The number of batches that are done in the current epoch.
    pub batch: usize,
    /// The number of images in these batches.
    pub images: usize,
    /// The sum of their training losses.
    #[serde(with = "number")]
    pub loss: f64,
    /// The number of them that were classified correctly before their step.
    pub right: u64,
}

/// The results of training for an epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochFigures {
    /// The mean of the loss that was minimised, label smoothing and auxiliary head included.
    pub loss: Loss,
    /// Training accuracy in per cent.
    pub accuracy: f64,
}

/// Everything that a training needs to continue, as plain values and tensors that are never changed in place.
#[derive(Debug)]
pub struct Stored {
    pub position: Position,
    /// The weights under their published names.
    pub weights: BTreeMap<String, Tensor>,
    /// The velocity of the optimizer, `[P] f32`; `None` before the first step.
    pub velocity: Option<Tensor>,
}

/// Why a training cannot continue from what was stored.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    #[error(transparent)]
    Names(#[from] weights_file::WeightsFileError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// Why a step fails.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Device(#[from] TchError),
    #[error(transparent)]
    Ranks(#[from] RanksError),
}

/// The results of a forward and backward pass.
struct Differentiated {
    loss: Tensor,
    logits: Tensor,
    /// The gradient with respect to all parameters.
    gradient: Tensor,
}

/// The results for a whole batch, from all ranks.
struct Learned {
    /// The mean loss, a scalar.
    loss: Tensor,
    /// The number of images that were classified correctly, `i64`.
    right: Tensor,
    gradient: Tensor,
}

/// A network in training.
///
/// With several ranks, each computes its share of every batch, with batch norm over the share. Their
/// gradients are added up, weighted by their shares, and so are the changes of their running statistics; so
/// all ranks hold the same bits after every step, and any of them can be stored.
#[derive(Debug)]
pub struct Trainer {
    ranks: Arc<dyn Ranks>,
    plan: Plan,
    weights: FlatWeights,
    /// The kernels in [`crate::cpu`] for the network up to its heads, where they can be used instead of
    /// libtorch's.
    body: Option<CpuBody>,
    sgd: Sgd,
    settings: TrainerSettings,
    /// The position. Its sums lag behind those on the device; see [`Trainer::position`].
    position: Position,
    loss: Tensor,
    right: Tensor,
}

impl Trainer {
    /// A network with fresh weights.
    ///
    /// # Errors
    /// If the device fails.
    pub fn new(plan: Plan, settings: TrainerSettings, device: Device) -> Result<Self, WeightsError> {
        let streams = Streams::new(settings.seed);
        let fresh = |planned| ModuleWeights::fresh(planned, &streams, device);
        let weights = plan.modules.iter().map(fresh).collect::<Result<Vec<_>, _>>()?;
        Self::with(plan, settings, &weights, None, Position::default(), device)
    }

    /// A network as it was stored.
    ///
    /// # Errors
    /// If another network was stored, or the device fails.
    pub fn resume(
        plan: Plan,
        settings: TrainerSettings,
        stored: Stored,
        device: Device,
    ) -> Result<Self, ResumeError> {
        let weights = from_named(&plan, stored.weights)?;
        let velocity = stored.velocity.map(|v| v.f_to_device(device)).transpose();
        let velocity = velocity.map_err(WeightsError::from)?;
        Ok(Self::with(plan, settings, &weights, velocity, stored.position, device)?)
    }

    fn with(
        plan: Plan,
        settings: TrainerSettings,
        weights: &[ModuleWeights],
        velocity: Option<Tensor>,
        position: Position,
        device: Device,
    ) -> Result<Self, WeightsError> {
        let weights = FlatWeights::gather(&plan, weights, device)?;
        let loss = Tensor::f_from_slice(&[position.loss])?.f_to_device(device)?;
        let right = Tensor::f_from_slice(&[position.right as i64])?.f_to_device(device)?;
        let sgd = Sgd::new(settings.sgd).with_velocity(velocity);
        let ours = device == Device::Cpu && settings.precision == Precision::F32;
        let body = ours.then(|| CpuBody::new(&plan, &weights, settings.threads)).flatten();
        let ranks = Arc::new(Alone);
        Ok(Self { ranks, plan, weights, body, sgd, settings, position, loss, right })
    }

    /// The same training as one of several ranks, all of which are at the same position.
    pub fn among(self, ranks: Arc<dyn Ranks>) -> Self {
        Self { ranks, ..self }
    }

    pub fn settings(&self) -> &TrainerSettings {
        &self.settings
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The network with the weights that it has now, for [`super::evaluate`].
    ///
    /// # Errors
    /// If memory runs out.
    pub fn frozen(&self) -> Result<FrozenNetwork<&Plan, &FlatWeights>, TchError> {
        let TrainerSettings { precision, threads, .. } = self.settings;
        FrozenNetwork::new(&self.plan, &self.weights, precision, threads)
    }

    /// The number of epochs that are finished.
    pub fn epoch(&self) -> u32 {
        self.position.epoch
    }

    /// The number of batches that are done in the current epoch.
    pub fn batch(&self) -> usize {
        self.position.batch
    }

    /// How the batches of the current epoch are made.
    pub fn feed(&self) -> BatchSettings {
        let TrainerSettings { batch, augmentation, seed, .. } = self.settings;
        BatchSettings { batch, augmentation, streams: Streams::new(seed), share: self.share() }
    }

    fn share(&self) -> Share {
        self.ranks.share(least_images(&self.plan))
    }

    /// Takes a training step with the next batch of the epoch, of which this rank has a part.
    ///
    /// # Errors
    /// If the device or a rank fails.
    pub fn step(&mut self, part: &BatchPart) -> Result<(), StepError> {
        let Position { epoch, batch: number, .. } = self.position;
        let schedule = self.settings.schedule;
        let mut stream = self.feed().streams.stream(Purpose::DropPath, u64::from(epoch), number as u64);
        let dropped = schedule.drop_path(epoch);
        let device = part.images.device();
        let masks = drop_path_masks(self.plan.genes(), part.whole, dropped, &mut stream, device)?;
        let Learned { loss, right, gradient } = if self.ranks.count() == 1 {
            let Differentiated { loss, logits, gradient } = self.differentiate(part, masks.as_ref())?;
            let right = no_grad(|| count_right(&logits, part))?;
            Learned { loss, right, gradient }
        } else {
            let (first, count) = (part.first as i64, part.len() as i64);
            let own = |masks: Tensor| masks.f_narrow(1, first, count)?.f_contiguous();
            self.learn_together(part, masks.map(own).transpose()?.as_ref())?
        };
        let rate = schedule.learning_rate(epoch);
        let _norm = self.sgd.step(self.weights.parameters(), gradient, rate)?;
        Ok(no_grad(|| self.count(&loss, &right, part.whole))?)
    }

    /// Computes this rank's part of a batch and adds up the results of all ranks in one exchange.
    fn learn_together(&mut self, part: &BatchPart, masks: Option<&Tensor>) -> Result<Learned, StepError> {
        let before = no_grad(|| copied(self.weights.parts().1))?;
        let found = if part.is_empty() {
            let nothing = Tensor::f_zeros([1], (Kind::Float, part.images.device()))?;
            let gradient = no_grad(|| self.weights.parameters().f_zeros_like())?;
            Learned { loss: nothing.shallow_clone(), right: nothing, gradient }
        } else {
            let Differentiated { loss, logits, gradient } = self.differentiate(part, masks)?;
            Learned { loss, right: no_grad(|| count_right(&logits, part))?, gradient }
        };
        let share = part.len() as f64 / part.whole as f64;
        no_grad(|| {
            let (_, statistics) = self.weights.parts();
            let moved = statistics.f_sub(&before)?;
            let scalar = |tensor: &Tensor| tensor.f_to_kind(Kind::Float)?.f_reshape([1]);
            let own =
                Tensor::f_cat(&[found.gradient, moved, scalar(&found.loss)?], 0)?.f_mul_scalar(share)?;
            let mut all = Tensor::f_cat(&[own, scalar(&found.right)?], 0)?;
            device::in_main_memory(&mut all, |values| {
                self.ranks.all_reduce(values).map_err(StepError::from)
            })?;
            let lengths = [self.weights.parameters().numel(), before.numel(), 1, 1].map(|n| n as i64);
            let [gradient, moved, loss, right] = &all.f_split_with_sizes(&lengths[..], 0)?[..] else {
                unreachable!("four lengths");
            };
            self.weights.parts().1.f_copy_(&before.f_add(moved)?)?;
            let right = right.f_to_kind(Kind::Int64)?;
            Ok(Learned { loss: loss.shallow_clone(), right, gradient: gradient.shallow_clone() })
        })
    }

    /// Replaces the state by that of the first rank. Ranks on processors of the same kind hold the same bits
    /// already; on different ones, kernels round differently, and the last bits drift apart.
    ///
    /// # Errors
    /// If the device or a rank fails.
    pub fn take_from_first(&mut self) -> Result<(), StepError> {
        if self.ranks.count() == 1 {
            return Ok(());
        }
        no_grad(|| {
            let velocity = match self.sgd.velocity() {
                Some(velocity) => velocity.shallow_clone(),
                None => Tensor::f_zeros([0], (Kind::Float, self.loss.device()))?,
            };
            let (parameters, statistics) = self.weights.parts();
            let mut all = Tensor::f_cat(&[&*parameters, &*statistics, &velocity], 0)?;
            let ranks = Arc::clone(&self.ranks);
            device::in_main_memory(&mut all, |values| -> Result<(), StepError> {
                let mut bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                ranks.broadcast(0, &mut bytes)?;
                for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(size_of::<f32>())) {
                    *value = bytes.try_into().map_or(f32::NAN, f32::from_le_bytes);
                }
                Ok(())
            })?;
            let lengths = [parameters.numel(), statistics.numel(), velocity.numel()].map(|n| n as i64);
            let parts = all.f_split_with_sizes(&lengths[..], 0)?;
            parameters.f_copy_(&parts[0])?;
            statistics.f_copy_(&parts[1])?;
            if self.sgd.velocity().is_some() {
                self.sgd = Sgd::new(self.settings.sgd).with_velocity(Some(copied(&parts[2])?));
            }
            Ok(())
        })
    }

    fn differentiate(&mut self, batch: &Batch, masks: Option<&Tensor>) -> Result<Differentiated, TchError> {
        let TrainerSettings { loss, precision, .. } = self.settings;
        let (plan, mode, drop_path) = (&self.plan, ForwardMode::Training, masks);
        let Some(body) = self.body.as_mut().filter(|body| body.fits(&batch.images)) else {
            let pass = Pass { plan, modules: self.weights.modules(), mode, drop_path, precision };
            let logits = pass.run(&batch.images)?;
            let loss = loss.of(&logits, &batch.labels)?;
            let gradient = self.weights.gradient(&loss)?;
            return Ok(Differentiated { loss, logits: logits.main, gradient });
        };
        let pictures = pictures(&batch.images)?;
        let maps = body.maps(&mut self.weights, &pictures, masks)?;
        let maps = maps.iter().map(|map| map.f_set_requires_grad(true)).collect::<Result<Vec<_>, _>>()?;
        let pass = Pass { plan, modules: self.weights.modules(), mode, drop_path, precision };
        let logits = pass.heads(&maps[0], maps.last())?;
        let loss = loss.of(&logits, &batch.labels)?;
        let heads: Vec<_> =
            [plan.classifier].into_iter().chain(plan.auxiliary.map(|(_, head)| head)).collect();
        let (mut gradient, of_maps) = self.weights.gradient_of(&heads, &maps, &loss)?;
        body.add_gradient(&mut gradient, &of_maps, &pictures, masks)?;
        Ok(Differentiated { loss, logits: logits.main, gradient })
    }

    /// Adds the results of a batch to the sums on the device, without waiting for it.
    fn count(&mut self, loss: &Tensor, right: &Tensor, images: usize) -> Result<(), TchError> {
        self.loss = self.loss.f_add(&loss.f_mul_scalar(images as f64)?)?;
        self.right = self.right.f_add(right)?;
        self.position.batch += 1;
        self.position.images += images;
        Ok(())
    }

    /// The mean loss of the epoch so far on a CPU, where it is available without waiting; `None` on other
    /// devices.
    ///
    /// # Errors
    /// If memory runs out.
    pub fn loss_if_free(&self) -> Result<Option<Loss>, TchError> {
        if self.loss.device() != Device::Cpu {
            return Ok(None);
        }
        Ok(Some(Loss(self.loss.f_double_value(&[0])? / self.position.images as f64)))
    }

    /// The position of the training. Waits for the device.
    ///
    /// # Errors
    /// If the device fails.
    pub fn position(&self) -> Result<Position, TchError> {
        let loss = self.loss.f_double_value(&[0])?;
        let right = self.right.f_int64_value(&[0])? as u64;
        Ok(Position { loss, right, ..self.position })
    }

    /// The results of the current epoch so far.
    ///
    /// # Errors
    /// If the device fails.
    pub fn figures(&self) -> Result<EpochFigures, TchError> {
        let Position { loss, right, images, .. } = self.position()?;
        let images = images as f64;
        Ok(EpochFigures { loss: Loss(loss / images), accuracy: 100.0 * right as f64 / images })
    }

    /// Ends the current epoch and begins the next one.
    ///
    /// # Errors
    /// If the device fails.
    pub fn next_epoch(&mut self) -> Result<(), TchError> {
        self.position = Position { epoch: self.position.epoch + 1, ..Position::default() };
        self.loss = self.loss.f_zeros_like()?;
        self.right = self.right.f_zeros_like()?;
        Ok(())
    }

    /// Copies of the weights, in the order of the plan's modules.
    ///
    /// # Errors
    /// If the device fails.
    pub fn weights(&self) -> Result<Vec<ModuleWeights>, TchError> {
        self.weights.scatter(&self.plan)
    }

    /// A copy of everything that the training needs to continue. Waits for the device.
    ///
    /// # Errors
    /// If the device fails.
    pub fn store(&self) -> Result<Stored, TchError> {
        Ok(Stored {
            position: self.position()?,
            weights: to_named(&self.plan, &self.weights()?),
            velocity: self.sgd.velocity().map(Tensor::shallow_clone),
        })
    }
}

fn copied(tensor: &Tensor) -> Result<Tensor, TchError> {
    let mut copy = tensor.f_empty_like()?;
    copy.f_copy_(tensor)?;
    Ok(copy)
}

/// The number of images in a batch whose class has the highest score.
fn count_right(logits: &Tensor, batch: &Batch) -> Result<Tensor, TchError> {
    logits.f_argmax(1, false)?.f_eq_tensor(&batch.labels)?.f_sum(Kind::Int64)
}

/// The least number of images in a batch: two where batch norm has one value for each image, otherwise one.
pub fn least_images(plan: &Plan) -> usize {
    if plan.auxiliary.is_some() { 2 } else { 1 }
}

#[cfg(test)]
mod tests;
