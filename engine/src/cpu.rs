//! Search networks on a CPU, without libtorch's kernels.
//!
//! Their depthwise convolutions, batch norms and ReLUs move far more memory than they compute:
//! libtorch reads and writes a batch of feature maps for each of them. Here a `stage` takes an
//! image from one feature map to the next within a core's cache, and batch norm is applied by
//! whoever reads. Feature maps lie in planes of sixteen channels (`simd::Lanes`).
//!
//! Each thread of a `team` computes image by image in a fixed order: results depend on nothing but
//! the number of threads, and on that only in their last bits. The tests hold it against libtorch, and
//! the golden figures against both.

mod backward;
mod body;
mod forward;
mod head;
mod matrix;
mod norm;
mod packing;
mod pointwise;
mod pool;
mod program;
mod shape;
mod simd;
mod stage;
mod tape;
mod team;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod window;

use tch::{Device, Kind, TchError, Tensor};

pub use self::body::CpuBody;
use self::{
    body::{Body, TrainingBatch, Worker, at_once},
    forward::{Forward, Paths, Statistics},
    head::Prediction,
    packing::Packed,
    program::Program,
    team::shares,
};
use crate::{
    augmentation::Batch,
    memory::{values, values_mut},
    model::Model,
    network::{BATCH_NORM_MOMENTUM, FlatWeights, ModuleWeights, Plan, WeightsError},
    optimizer::{Sgd, SgdSettings},
};

/// A search network, its optimizer, and the memory they work in.
#[derive(Debug)]
pub struct CpuModel {
    plan: Plan,
    body: Body,
    weights: FlatWeights,
    sgd: Sgd,
    /// Whether weights are packed and the workers' evaluation tapes hold statistics as they are now.
    ready_to_judge: bool,
    gradient: Tensor,
}

impl CpuModel {
    /// Copies the weights of the plan's modules, one [`ModuleWeights`] each. It will compute in so many
    /// threads. `None` if the plan has something that only full networks have.
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
        let gradient = Tensor::f_zeros(weights.parameters().size(), (Kind::Float, Device::Cpu))?;
        let sgd = Sgd::new(sgd);
        Ok(Some(Self { plan: plan.clone(), body, weights, sgd, ready_to_judge: false, gradient }))
    }

    /// Takes the running statistics for batch norm.
    fn prepare_to_judge(&mut self) -> Result<(), TchError> {
        if self.ready_to_judge {
            return Ok(());
        }
        let (parameters, statistics) = self.weights.parts();
        let (parameters, statistics) = (values(parameters)?, values(statistics)?);
        self.body.pack(parameters);
        for worker in &mut self.body.workers {
            for (stages, tapes) in self.body.program.modules.iter().zip(&mut worker.evaluation.stages) {
                for (stage, tape) in stages.iter().zip(tapes) {
                    tape.normalisation = stage.norm.running(parameters, statistics);
                }
            }
        }
        self.ready_to_judge = true;
        Ok(())
    }

    /// The mean loss of a batch in training mode, and in `self.gradient` its gradient.
    fn differentiate(&mut self, training: TrainingBatch<'_>, labels: &[i64]) -> Result<f64, TchError> {
        self.ready_to_judge = false;
        let (parameters, statistics) = self.weights.parts();
        let parameters = values(parameters)?;
        self.body.pack(parameters);
        self.body.forward(parameters, values_mut(statistics)?, training, BATCH_NORM_MOMENTUM);
        let program = &self.body.program;
        let shares = shares(training.images, self.body.workers.len());
        let tasks = self.body.workers.iter_mut().zip(shares).map(|(worker, share)| {
            let labels = &labels[share];
            move || worker.classify(program, parameters, labels, training.images)
        });
        let losses = at_once(tasks.collect());
        let flat = values_mut(&mut self.gradient)?;
        flat.fill(0.0);
        self.body.reverse(training, flat);
        Ok(losses.into_iter().sum::<f64>() / training.images as f64)
    }

    /// Logits of pictures `[N, H, W, 3]` in evaluation mode, in their order.
    fn predict(&mut self, pictures: &[f32]) -> Result<Vec<Prediction>, TchError> {
        self.prepare_to_judge()?;
        let parameters = values(self.weights.parameters())?;
        let (program, packed) = (&self.body.program, &self.body.packed[..]);
        let length = 3 * program.image_side * program.image_side;
        let shares = shares(pictures.len() / length, self.body.workers.len());
        let tasks = self.body.workers.iter_mut().zip(shares).map(|(worker, share)| {
            let pictures = &pictures[share.start * length..share.end * length];
            move || {
                let predict = |picture| worker.predict(program, packed, parameters, picture);
                pictures.chunks_exact(length).map(predict).collect::<Vec<_>>()
            }
        });
        Ok(at_once(tasks.collect()).into_iter().flatten().collect())
    }
}

impl Worker {
    /// The sum of losses from the last cell's output, and the gradients of both.
    fn classify(&mut self, program: &Program, parameters: &[f32], labels: &[i64], images: usize) -> f64 {
        let (last, tape) = (program.cells.len(), &self.training);
        let length = tape.feature(program, last, 0).len();
        self.gradients.forget();
        let gradient = self.gradients.at(last, labels.len() * length);
        let mut total = 0.0;
        for (n, (&label, gradient)) in labels.iter().zip(gradient.chunks_exact_mut(length)).enumerate() {
            let prediction = Prediction::new(&program.head, tape.feature(program, last, n), parameters);
            let (loss, mut probabilities) = prediction.loss(label as usize);
            total += loss;
            probabilities[label as usize] -= 1.0;
            let logits: Vec<_> = probabilities.iter().map(|p| (p / images as f64) as f32).collect();
            prediction.backward(&program.head, &logits, parameters, &mut self.flat, gradient);
        }
        total
    }

    /// Logits of one picture, `[H, W, 3]`, in evaluation mode.
    fn predict(
        &mut self,
        program: &Program,
        packed: &[Vec<Packed>],
        parameters: &[f32],
        picture: &[f32],
    ) -> Prediction {
        let paths = Paths { masks: None, images: 1, first: 0 };
        let statistics = Statistics::Kept;
        let mut forward = Forward { program, packed, statistics, paths, scratch: &mut self.scratch };
        forward.run(&mut self.evaluation, picture);
        let image = self.evaluation.feature(program, program.cells.len(), 0);
        Prediction::new(&program.head, image, parameters)
    }
}

/// Pixels of a batch with channels last; no copy if they lie so already.
pub fn pictures(batch: &Batch) -> Result<Tensor, TchError> {
    batch.images.f_permute([0, 2, 3, 1])?.f_contiguous()
}

impl Model for CpuModel {
    fn train(
        &mut self,
        batch: &Batch,
        drop_path: Option<&Tensor>,
        learning_rate: f64,
    ) -> Result<Tensor, TchError> {
        let pictures = pictures(batch)?;
        let masks = drop_path.map(values).transpose()?;
        let training = TrainingBatch { pictures: values(&pictures)?, images: batch.len(), masks };
        let loss = self.differentiate(training, values(&batch.labels)?)?;
        let gradient = self.gradient.shallow_clone();
        let _norm = self.sgd.step(self.weights.parameters(), gradient, learning_rate)?;
        Tensor::f_from_slice(&[loss])?.f_squeeze()
    }

    fn judge(&mut self, batch: &Batch) -> Result<(Tensor, Tensor), TchError> {
        let pictures = pictures(batch)?;
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
        let pictures = pictures(batch)?;
        let training = TrainingBatch { pictures: values(&pictures)?, images: batch.len(), masks: None };
        let (parameters, statistics) = self.weights.parts();
        let parameters = values(parameters)?;
        self.body.pack(parameters);
        self.body.forward(parameters, values_mut(statistics)?, training, 1.0);
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
        let (program, parameters) = (&self.body.program, values(self.weights.parameters())?);
        let mut logits = Vec::new();
        for worker in &self.body.workers {
            for image in 0..worker.training.images {
                let image = worker.training.feature(program, program.cells.len(), image);
                logits.extend(Prediction::new(&program.head, image, parameters).logits);
            }
        }
        let logits = Tensor::from_slice(&logits).view([images.size()[0], -1]);
        Ok((logits, Tensor::from(loss), self.gradient.copy()))
    }
}
