//! A learner: trains a model for an epoch on one half of the images, and validates it on the other.

use relativenas_core::{
    loss::Loss,
    population::IndividualId,
    randomness::{Purpose, Stream, Streams},
    search::{BatchDone, Flow},
};
use tch::{Device, Kind, TchError, Tensor};

use crate::{
    augmentation::{Augmentation, Batch, ImageStore},
    batches::{batch_count, batches},
    device::send,
    model::Model,
    network::drop_path_masks,
};

/// Settings that are the same for all learners.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnerSettings {
    /// The number of images in a training step; images are divided into batches by [`batches`].
    pub batch: usize,
    /// The number of images in a validation step; it changes speed and memory, not results.
    pub validation_batch: usize,
    pub training: Augmentation,
    /// How validation images are varied. [`Augmentation::NONE`] validates on images as they are; the
    /// published search uses the training augmentation here too.
    pub validation: Augmentation,
}

/// The settings of a learner for one epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    pub learning_rate: f64,
    /// Probability with which a path is dropped.
    pub drop_path: f64,
    /// The generation, which selects the learner's random streams.
    pub generation: u32,
    /// The individual, which selects the learner's random streams.
    pub individual: IndividualId,
}

/// The results of validation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validation {
    /// Mean cross-entropy over all images.
    pub loss: Loss,
    /// Share of images that were classified correctly, in per cent.
    pub accuracy: f64,
}

/// A model, with the settings and the random streams that it is trained and validated with.
pub struct Learner<'a> {
    pub model: Box<dyn Model>,
    /// The number of genes of all cells, which is the number of rows of a drop-path mask.
    pub genes: usize,
    pub settings: LearnerSettings,
    pub epoch: Epoch,
    pub streams: Streams,
    /// Called after every batch; it may make the learner wait, or end the work.
    pub progress: &'a (dyn Fn(BatchDone) -> Flow + Sync),
}

impl Learner<'_> {
    /// Trains on every image once, in random order. Returns the mean loss over the epoch, or `None` if
    /// `progress` returned [`Flow::Abort`].
    ///
    /// # Errors
    /// If the device fails.
    pub fn train(&mut self, images: &ImageStore) -> Result<Option<Loss>, TchError> {
        let order: Vec<_> =
            self.stream(Purpose::Shuffle).order(images.len()).into_iter().map(|i| i as i64).collect();
        let order = send(&Tensor::f_from_slice(&order)?, images.device())?;
        let mut augmentation = self.stream(Purpose::Augmentation);
        let mut drop_path = self.stream(Purpose::DropPath);
        let mut tally = Tally::new(images.device())?;
        for (number, (start, count)) in batches(images.len(), self.settings.batch).enumerate() {
            let places = order.f_narrow(0, start as i64, count as i64)?;
            let batch = images.batch(&places, self.settings.training, &mut augmentation)?;
            let masks =
                drop_path_masks(self.genes, count, self.epoch.drop_path, &mut drop_path, images.device())?;
            let loss = self.model.train(&batch, masks.as_ref(), self.epoch.learning_rate)?;
            tally.add(&loss.f_mul_scalar(count as f64)?, count)?;
            if self.report(false, number + 1, images.len(), &tally)? == Flow::Abort {
                return Ok(None);
            }
        }
        tally.mean_loss().map(Some)
    }

    /// Estimates batch norm's statistics anew: each becomes its mean over at most `most` batches of these
    /// images, as the model computes them with its present weights. Running statistics lag behind: they still
    /// contain weights from the beginning of the epoch and, where weights are inherited, networks that put
    /// other values through the same operation.
    ///
    /// Images are varied as in validation, because the statistics are used there. Returns `None` if
    /// `progress` returned [`Flow::Abort`].
    ///
    /// # Errors
    /// If the device fails.
    pub fn estimate_statistics(&mut self, images: &ImageStore, most: usize) -> Result<Option<()>, TchError> {
        let mut stream = self.stream(Purpose::Statistics);
        let order: Vec<_> = stream.order(images.len()).into_iter().map(|i| i as i64).collect();
        let order = send(&Tensor::f_from_slice(&order)?, images.device())?;
        let all = batch_count(images.len(), self.settings.batch).min(most);
        let mut sum: Option<Tensor> = None;
        for (number, (start, count)) in batches(images.len(), self.settings.batch).take(all).enumerate() {
            let places = order.f_narrow(0, start as i64, count as i64)?;
            let batch = images.batch(&places, self.settings.validation, &mut stream)?;
            // The sum is in double precision, so that the mean of equal numbers is that number.
            let seen = self.model.observe(&batch)?.f_to_kind(Kind::Double)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&seen)?,
                None => seen,
            });
            let done =
                BatchDone { validating: true, batch: number + 1, batches: all, images: count, loss: None };
            if (self.progress)(done) == Flow::Abort {
                return Ok(None);
            }
        }
        if let Some(sum) = sum {
            self.model.set_statistics(&sum.f_div_scalar(all as f64)?)?;
        }
        Ok(Some(()))
    }

    /// Validates the model on every image. Returns `None` if `progress` returned [`Flow::Abort`].
    ///
    /// # Errors
    /// If the device fails.
    pub fn validate(&mut self, images: &ImageStore) -> Result<Option<Validation>, TchError> {
        let places = Tensor::f_arange(images.len() as i64, (Kind::Int64, images.device()))?;
        let mut augmentation = self.stream(Purpose::Validation);
        let mut tally = Tally::new(images.device())?;
        let mut right = Tensor::f_zeros([0; 0], (Kind::Int64, images.device()))?;
        for (number, (start, count)) in batches(images.len(), self.settings.validation_batch).enumerate() {
            let places = places.f_narrow(0, start as i64, count as i64)?;
            let batch: Batch = images.batch(&places, self.settings.validation, &mut augmentation)?;
            let (loss, batch_right) = self.model.judge(&batch)?;
            tally.add(&loss, count)?;
            right = right.f_add(&batch_right)?;
            if self.report(true, number + 1, images.len(), &tally)? == Flow::Abort {
                return Ok(None);
            }
        }
        let accuracy = 100.0 * right.f_double_value(&[])? / images.len() as f64;
        Ok(Some(Validation { loss: tally.mean_loss()?, accuracy }))
    }

    fn stream(&self, purpose: Purpose) -> Stream {
        self.streams.stream(purpose, u64::from(self.epoch.generation), self.epoch.individual.0 as u64)
    }

    /// Reports progress after batch number `batch`, counted from 1.
    fn report(&self, validating: bool, batch: usize, images: usize, tally: &Tally) -> Result<Flow, TchError> {
        let size = if validating { self.settings.validation_batch } else { self.settings.batch };
        Ok((self.progress)(BatchDone {
            validating,
            batch,
            batches: batch_count(images, size),
            images: tally.images_of_last_batch,
            loss: tally.loss_if_free()?,
        }))
    }
}

/// The sum of losses, kept on the device, so that the program does not wait for it between batches.
struct Tally {
    sum: Tensor,
    images: usize,
    images_of_last_batch: usize,
}

impl Tally {
    fn new(device: Device) -> Result<Self, TchError> {
        let sum = Tensor::f_zeros([0; 0], (Kind::Double, device))?;
        Ok(Self { sum, images: 0, images_of_last_batch: 0 })
    }

    fn add(&mut self, sum: &Tensor, images: usize) -> Result<(), TchError> {
        self.sum = self.sum.f_add(sum)?;
        self.images += images;
        self.images_of_last_batch = images;
        Ok(())
    }

    /// The mean loss. Waits for the device.
    fn mean_loss(&self) -> Result<Loss, TchError> {
        Ok(Loss(self.sum.f_double_value(&[])? / self.images as f64))
    }

    /// The mean loss on a CPU, where it is available without waiting; `None` on other devices.
    fn loss_if_free(&self) -> Result<Option<Loss>, TchError> {
        if self.sum.device() == Device::Cpu { self.mean_loss().map(Some) } else { Ok(None) }
    }
}
