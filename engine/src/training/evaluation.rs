//! Evaluating a network on images that it was not trained on.

use std::borrow::Borrow;

use relativenas_core::{
    loss::Loss,
    search::{BatchDone, Flow},
};
use tch::{Device, Kind, Reduction, TchError, Tensor, no_grad};

use super::{
    frozen::FrozenNetwork,
    source::{ImageSource, SourceError},
};
use crate::{
    batches::batch_count,
    network::{FlatWeights, Plan},
    ranks::Ranks,
};

/// How good a network is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy, without label smoothing.
    pub loss: Loss,
    /// Images whose class has the highest score, in per cent.
    pub top1: f64,
    /// Images whose class is among the five highest, in per cent.
    pub top5: f64,
    pub images: usize,
}

/// Evaluates a network on the first `limit` images of a source. Every rank evaluates its share of each batch.
///
/// Returns `None` if `progress`, which is called after every batch (on the first rank), returned
/// [`Flow::Abort`].
///
/// # Errors
/// If an image cannot be read, or the device or a rank fails.
pub fn evaluate<P: Borrow<Plan>, W: Borrow<FlatWeights>>(
    network: &FrozenNetwork<P, W>,
    source: &ImageSource,
    batch: usize,
    limit: usize,
    ranks: &dyn Ranks,
    progress: &dyn Fn(BatchDone) -> Flow,
) -> Result<Option<Evaluation>, SourceError> {
    let images = limit.min(source.len());
    let mut tally = Tally::new(source)?;
    let mut judged = 0;
    for (number, loaded) in source.in_order(batch, limit, ranks.share(1))?.enumerate() {
        let loaded = loaded?;
        if !loaded.is_empty() {
            judged += loaded.len();
            no_grad(|| tally.add(&network.logits(&loaded.images)?, &loaded.labels))?;
        }
        let done = BatchDone {
            validating: true,
            batch: number + 1,
            batches: batch_count(images, batch),
            images: loaded.whole,
            loss: tally.loss_if_free(judged)?,
        };
        if !ranks.decide(|| progress(done) == Flow::Go)? {
            return Ok(None);
        }
    }
    Ok(Some(tally.evaluation(images, ranks)?))
}

/// Sums that stay on the device, so that the program does not wait for it between batches.
struct Tally {
    loss: Tensor,
    /// The number of images whose class has the highest score, and of those whose class is among the five
    /// highest: `[2] i64`.
    right: Tensor,
}

impl Tally {
    fn new(source: &ImageSource) -> Result<Self, TchError> {
        let device = source.device();
        Ok(Self {
            loss: Tensor::f_zeros([0; 0], (Kind::Double, device))?,
            right: Tensor::f_zeros([2], (Kind::Int64, device))?,
        })
    }

    fn add(&mut self, logits: &Tensor, labels: &Tensor) -> Result<(), TchError> {
        let loss = logits.f_cross_entropy_loss(labels, None::<&Tensor>, Reduction::Sum, -100, 0.0)?;
        self.loss = self.loss.f_add(&loss)?;
        let classes = *logits.size().last().unwrap_or(&0);
        let (_, first) = logits.f_topk(classes.min(5), 1, true, true)?;
        let hits = first.f_eq_tensor(&labels.f_unsqueeze(1)?)?.f_to_kind(Kind::Int64)?;
        let top1 = hits.f_select(1, 0)?.f_sum(Kind::Int64)?;
        self.right = self.right.f_add(&Tensor::f_stack(&[top1, hits.f_sum(Kind::Int64)?], 0)?)?;
        Ok(())
    }

    /// The mean loss so far on a CPU, where it is available without waiting; `None` on other devices.
    fn loss_if_free(&self, images: usize) -> Result<Option<Loss>, TchError> {
        let free = self.loss.device() == Device::Cpu && images > 0;
        free.then(|| Ok(Loss(self.loss.f_double_value(&[])? / images as f64))).transpose()
    }

    /// The evaluation by all ranks together.
    fn evaluation(&self, images: usize, ranks: &dyn Ranks) -> Result<Evaluation, SourceError> {
        let right = |place| self.right.f_double_value(&[place]);
        let [loss, top1, top5] = ranks.sums([self.loss.f_double_value(&[])?, right(0)?, right(1)?])?;
        let share = |right: f64| 100.0 * right / images as f64;
        Ok(Evaluation { loss: Loss(loss / images as f64), top1: share(top1), top5: share(top5), images })
    }
}
