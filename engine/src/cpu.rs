//! Computes networks on a CPU with kernels of our own instead of libtorch's. Search networks are computed
//! whole; full networks are computed up to their heads in training, and whole in evaluation.
//!
//! Their depthwise convolutions, batch norms and ReLUs move far more memory than they compute:
//! libtorch reads and writes a batch of feature maps for each of them. Here a `stage` takes an
//! image from one feature map to the next within a core's cache, and batch norm is applied where a
//! map is read. Feature maps lie in planes of sixteen channels (`simd::Lanes`).
//!
//! Each thread of a `team` computes image by image in a fixed order: results depend on nothing but the number
//! of threads, and on that only in their last bits. The tests compare the results with libtorch's, and both
//! with the golden figures.

mod backward;
mod body;
mod dense;
mod evaluation;
mod forward;
mod head;
mod matrix;
mod node;
mod norm;
mod packing;
mod pictures;
mod pointwise;
mod pool;
mod program;
mod shape;
mod stage;
mod tape;
mod team;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tiles;
mod window;

use tch::{Device, Kind, TchError, Tensor};

pub use self::{body::CpuBody, evaluation::CpuEvaluator, pictures::pictures};
use self::{
    body::{Body, Part, TrainingBatch, Worker, parts},
    evaluation::Evaluation,
    head::Prediction,
    program::Program,
    shape::Image,
    team::{Barrier, at_once},
};
use crate::{
    augmentation::Batch,
    batches::members,
    memory::{values, values_mut},
    model::Model,
    network::{BATCH_NORM_MOMENTUM, FlatWeights, ModuleWeights, Parameters, Plan, WeightsError},
    optimizer::{Sgd, SgdSettings},
};

/// A search network, its optimizer, and the memory they work in.
#[derive(Debug)]
pub struct CpuModel {
    plan: Plan,
    body: Body,
    evaluation: Evaluation,
    weights: FlatWeights,
    sgd: Sgd,
    /// Whether packed weights and the statistics in `evaluation` are those that the network has now.
    ready_to_judge: bool,
    /// The gradient of the last step, `[P] f32`.
    gradient: Tensor,
}

impl CpuModel {
    /// Makes a model with copies of the weights, one [`ModuleWeights`] for each of the plan's modules. It
    /// computes images of `image_side` rows and columns in `threads` threads. Returns `None` if the plan has
    /// something that the kernels cannot compute, or an auxiliary head.
    ///
    /// # Errors
    /// If the weights belong to another plan, or memory runs out.
    pub fn new(
        plan: &Plan,
        weights: &[ModuleWeights],
        sgd: SgdSettings,
        image_side: usize,
        threads: usize,
    ) -> Result<Option<Self>, WeightsError> {
        let mut weights = FlatWeights::gather(plan, weights, Device::Cpu)?;
        let body = Body::new(plan, &weights, image_side, threads).filter(|_| plan.auxiliary.is_none());
        let Some(body) = body else { return Ok(None) };
        let evaluation = Evaluation::new(&body.program, threads);
        let gradient = Tensor::f_zeros(weights.parameters().size(), (Kind::Float, Device::Cpu))?;
        let (plan, sgd) = (plan.clone(), Sgd::new(sgd));
        Ok(Some(Self { plan, body, evaluation, weights, sgd, ready_to_judge: false, gradient }))
    }

    /// Packs the weights and takes the running statistics for batch norm, unless that has been done since
    /// they last changed.
    fn prepare_to_judge(&mut self) -> Result<(), TchError> {
        if !self.ready_to_judge {
            let (parameters, statistics) = self.weights.numbers()?;
            self.body.pack(parameters);
            self.evaluation.take(&self.body.program, parameters, statistics);
            self.ready_to_judge = true;
        }
        Ok(())
    }

    /// Returns the mean loss of a batch in training mode, and writes its gradient to `self.gradient`.
    /// `labels` are `[N]`.
    fn differentiate(&mut self, training: TrainingBatch<'_>, labels: &[i64]) -> Result<f64, TchError> {
        self.ready_to_judge = false;
        let (parameters, statistics) = self.weights.numbers_mut()?;
        self.body.pack(parameters);
        self.body.forward(parameters, statistics, training, BATCH_NORM_MOMENTUM);
        let Body { program, workers, .. } = &mut self.body;
        let (program, barrier) = (&*program, Barrier::new(members(training.images, workers.len())));
        let tasks = parts(workers, &barrier, training.images).map(|Part { worker, share, .. }| {
            let labels = &labels[share];
            move || worker.classify(program, parameters, labels, training.images)
        });
        let losses = at_once(tasks.collect());
        let flat = values_mut(&mut self.gradient)?;
        flat.fill(0.0);
        self.body.reverse(training, Parameters(flat));
        Ok(losses.into_iter().sum::<f64>() / training.images as f64)
    }

    /// Logits of pictures `[N, H, W, 3]` in evaluation mode, in their order.
    fn predict(&mut self, pictures: &[f32]) -> Result<Vec<Prediction>, TchError> {
        self.prepare_to_judge()?;
        let (parameters, _) = self.weights.numbers()?;
        let Body { program, packed, .. } = &self.body;
        let read = |image: Image<'_>| Prediction::new(&program.head, image, parameters);
        Ok(self.evaluation.run(program, packed, pictures, read))
    }
}

impl Worker {
    /// Computes the classifier for this worker's images, whose labels are `labels`, from the last cell's
    /// output. Returns the sum of their losses. Adds the gradient of the head's weights to `flat`, and stores
    /// the gradient of the last cell's output; both are gradients of the mean loss over a batch of `images`
    /// images.
    fn classify(
        &mut self,
        program: &Program,
        parameters: Parameters<&[f32]>,
        labels: &[i64],
        images: usize,
    ) -> f64 {
        let (last, tape) = (program.last_feature(), &self.tape);
        self.gradients.forget();
        let gradients = self.gradients.at(last, program.feature_shape(last), labels.len());
        let mut total = 0.0;
        for (n, &label) in labels.iter().enumerate() {
            let prediction = Prediction::new(&program.head, tape.feature(last, n), parameters);
            let (loss, mut probabilities) = prediction.loss(label as usize);
            total += loss;
            probabilities[label as usize] -= 1.0;
            let logits: Vec<_> = probabilities.iter().map(|p| (p / images as f64) as f32).collect();
            let gradient = gradients.image_mut(n);
            prediction.backward(&program.head, &logits, parameters, &mut self.flat, gradient);
        }
        total
    }
}

impl Model for CpuModel {
    fn train(
        &mut self,
        batch: &Batch,
        drop_path: Option<&Tensor>,
        learning_rate: f64,
    ) -> Result<Tensor, TchError> {
        let pictures = pictures(&batch.images)?;
        let masks = drop_path.map(values).transpose()?;
        let training = TrainingBatch { pictures: values(&pictures)?, images: batch.len(), masks };
        let loss = self.differentiate(training, values(&batch.labels)?)?;
        let gradient = self.gradient.shallow_clone();
        let _norm = self.sgd.step(self.weights.parameters(), gradient, learning_rate)?;
        Tensor::f_from_slice(&[loss])?.f_squeeze()
    }

    fn judge(&mut self, batch: &Batch) -> Result<(Tensor, Tensor), TchError> {
        let pictures = pictures(&batch.images)?;
        let labels: &[i64] = values(&batch.labels)?;
        let (mut loss, mut right) = (0.0, 0);
        for (prediction, &label) in self.predict(values(&pictures)?)?.iter().zip(labels) {
            loss += prediction.loss(label as usize).0;
            right += i64::from(prediction.is_right(label as usize));
        }
        Ok((Tensor::f_from_slice(&[loss])?.f_squeeze()?, Tensor::f_from_slice(&[right])?.f_squeeze()?))
    }

    fn observe(&mut self, batch: &Batch) -> Result<Tensor, TchError> {
        self.ready_to_judge = false;
        let pictures = pictures(&batch.images)?;
        let training = TrainingBatch { pictures: values(&pictures)?, images: batch.len(), masks: None };
        let (parameters, statistics) = self.weights.numbers_mut()?;
        self.body.pack(parameters);
        self.body.forward(parameters, statistics, training, 1.0);
        self.weights.statistics()
    }

    fn set_statistics(&mut self, statistics: &Tensor) -> Result<(), TchError> {
        self.ready_to_judge = false;
        self.weights.set_statistics(statistics)
    }

    fn weights(&self) -> Result<Vec<ModuleWeights>, TchError> {
        self.weights.scatter(&self.plan)
    }
}

#[cfg(test)]
impl CpuModel {
    /// `[N, classes]`
    pub(crate) fn evaluation_logits_of(&mut self, images: &Tensor) -> Result<Tensor, TchError> {
        let count = images.size()[0];
        let pictures = images.permute([0, 2, 3, 1]).contiguous();
        let logits: Vec<f32> = self.predict(values(&pictures)?)?.into_iter().flat_map(|a| a.logits).collect();
        Ok(Tensor::from_slice(&logits).view([count, -1]))
    }

    /// Logits, mean loss and the gradient of all parameters, in training mode without drop path.
    pub(crate) fn training_pass_of(
        &mut self,
        images: &Tensor,
        labels: &Tensor,
    ) -> Result<(Tensor, Tensor, Tensor), TchError> {
        let pictures = images.permute([0, 2, 3, 1]).contiguous();
        let training = TrainingBatch { pictures: values(&pictures)?, images: labels.numel(), masks: None };
        let loss = self.differentiate(training, values(labels)?)?;
        let (program, (parameters, _)) = (&self.body.program, self.weights.numbers()?);
        let mut logits = Vec::new();
        for worker in &self.body.workers {
            for n in 0..worker.tape.images {
                let image = worker.tape.feature(program.last_feature(), n);
                logits.extend(Prediction::new(&program.head, image, parameters).logits);
            }
        }
        let logits = Tensor::from_slice(&logits).view([images.size()[0], -1]);
        Ok((logits, Tensor::from(loss), self.gradient.copy()))
    }
}
