//! One learner's life: train an epoch on one half of the images, be judged on the other.

use relativenas_core::{
    loss::Loss,
    population::IndividualId,
    randomness::{Purpose, Stream, Streams},
    search::Slot,
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

/// What does not change from learner to learner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnerSettings {
    /// Images a training step; the last step of an epoch takes what is left, as [`batches`] has it.
    pub batch: usize,
    /// Images a validation step; it changes speed and memory, not results.
    pub validation_batch: usize,
    pub training: Augmentation,
    /// [`Augmentation::NONE`] validates on images as they are. The published search uses the
    /// training augmentation here too.
    pub validation: Augmentation,
}

/// What this learner's epoch is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    pub learning_rate: f64,
    /// Probability that a path is dropped.
    pub drop_path: f64,
    /// Names the learner's random streams.
    pub generation: u32,
    /// Names the learner's random streams.
    pub individual: IndividualId,
}

/// What validation found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// Mean cross-entropy.
    pub loss: Loss,
    /// Per cent.
    pub accuracy: f64,
}

/// A model on its way through one epoch.
pub struct Learner<'a> {
    pub model: Box<dyn Model>,
    /// Genes of all cells: rows of a drop-path mask.
    pub genes: usize,
    pub settings: LearnerSettings,
    pub epoch: Epoch,
    pub streams: Streams,
    /// Which candidate of the estimation this is, for reports.
    pub candidate: usize,
    /// Called after every batch; may hold the learner, or end it.
    pub progress: &'a (dyn Fn(BatchDone) -> Flow + Sync),
}

impl Learner<'_> {
    /// Trains on every image once, in random order. Returns the mean loss over the epoch, or
    /// `None` if `progress` said [`Flow::Abort`].
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

    /// Estimates batch norm's statistics anew: each becomes its mean over so many batches of these images,
    /// if there are so many, as the model computes them with the weights that it has now. Running
    /// statistics lag behind: they remember weights of the epoch's beginning and, where weights are
    /// inherited, those of networks that put other numbers through the same operation.
    ///
    /// Images are varied as in validation, because it is validation that the statistics are for. `None` if
    /// `progress` said [`Flow::Abort`].
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
            // In double precision, so that the mean of equal numbers is that number.
            let seen = self.model.observe(&batch)?.f_to_kind(Kind::Double)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&seen)?,
                None => seen,
            });
            let done = BatchDone {
                candidate: Slot(self.candidate),
                validating: true,
                batch: number + 1,
                batches: all,
                images: count,
                loss: None,
            };
            if (self.progress)(done) == Flow::Abort {
                return Ok(None);
            }
        }
        if let Some(sum) = sum {
            self.model.set_statistics(&sum.f_div_scalar(all as f64)?)?;
        }
        Ok(Some(()))
    }

    /// Judges the model on every image. `None` if `progress` said [`Flow::Abort`].
    ///
    /// # Errors
    /// If the device fails.
    pub fn validate(&mut self, images: &ImageStore) -> Result<Option<Judgement>, TchError> {
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
        Ok(Some(Judgement { loss: tally.mean_loss()?, accuracy }))
    }

    fn stream(&self, purpose: Purpose) -> Stream {
        self.streams.stream(purpose, u64::from(self.epoch.generation), self.epoch.individual.0 as u64)
    }

    /// After batch number `batch`, counted from 1.
    fn report(&self, validating: bool, batch: usize, images: usize, tally: &Tally) -> Result<Flow, TchError> {
        let size = if validating { self.settings.validation_batch } else { self.settings.batch };
        Ok((self.progress)(BatchDone {
            candidate: Slot(self.candidate),
            validating,
            batch,
            batches: batch_count(images, size),
            images: tally.images_of_last_batch,
            loss: tally.loss_if_free()?,
        }))
    }
}

/// Losses added up on the device, so that nobody waits for it between batches.
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

    /// Waits for the device.
    fn mean_loss(&self) -> Result<Loss, TchError> {
        Ok(Loss(self.sum.f_double_value(&[])? / self.images as f64))
    }

    /// On a CPU there is nothing to wait for.
    fn loss_if_free(&self) -> Result<Option<Loss>, TchError> {
        if self.sum.device() == Device::Cpu { self.mean_loss().map(Some) } else { Ok(None) }
    }
}
