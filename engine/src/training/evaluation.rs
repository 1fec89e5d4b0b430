//! Judging a network on images that it did not learn from.

use std::borrow::Borrow;

use relativenas_core::search::{BatchDone, Flow};
use tch::{Device, Kind, Reduction, TchError, Tensor, no_grad};

use super::{
    frozen::FrozenNetwork,
    source::{Source, SourceError},
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
    pub loss: f64,
    /// Images whose class has the highest score, in per cent.
    pub top1: f64,
    /// Images whose class is among the five highest, in per cent.
    pub top5: f64,
    pub images: usize,
}

/// Judges a network on the first `limit` images of a source. Every rank judges its share of each batch.
///
/// Returns `None` if `progress`, called after every batch (by the first rank), said [`Flow::Abort`].
///
/// # Errors
/// If an image cannot be read, or the device fails, or a rank.
pub fn evaluate<P: Borrow<Plan>, W: Borrow<FlatWeights>>(
    network: &FrozenNetwork<P, W>,
    source: &Source,
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
            candidate: 0,
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

/// Sums that stay on the device, so that nobody waits for it between batches.
struct Tally {
    loss: Tensor,
    /// Images whose class came first, and among the first five: `[2] i64`.
    right: Tensor,
}

impl Tally {
    fn new(source: &Source) -> Result<Self, TchError> {
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

    /// The mean so far, where there is no device to wait for.
    fn loss_if_free(&self, images: usize) -> Result<Option<f64>, TchError> {
        let free = self.loss.device() == Device::Cpu && images > 0;
        free.then(|| Ok(self.loss.f_double_value(&[])? / images as f64)).transpose()
    }

    /// Of all ranks together.
    fn evaluation(&self, images: usize, ranks: &dyn Ranks) -> Result<Evaluation, SourceError> {
        let right = |place| self.right.f_double_value(&[place]);
        let [loss, top1, top5] = ranks.sums([self.loss.f_double_value(&[])?, right(0)?, right(1)?])?;
        let share = |right: f64| 100.0 * right / images as f64;
        Ok(Evaluation { loss: loss / images as f64, top1: share(top1), top5: share(top5), images })
    }
}
