//! Search networks on a CPU, without libtorch's kernels.
//!
//! Their depthwise convolutions, batch norms and ReLUs move far more memory than they compute:
//! libtorch reads and writes a batch of feature maps for each of them. Here a [`stage`] takes an
//! image from one feature map to the next within a core's cache, and batch norm is applied by
//! whoever reads. Feature maps lie in planes of sixteen channels ([`simd::Lanes`]).
//!
//! Everything runs in the calling thread, image by image in a fixed order: results depend on nothing
//! else. The tests hold it against libtorch, and the golden figures against both.

mod backward;
mod head;
mod matrix;
mod memory;
mod norm;
mod packing;
mod pointwise;
mod pool;
mod program;
mod simd;
mod stage;
mod tape;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod window;

use tch::{Device, Kind, TchError, Tensor};

use self::{
    backward::{Gradients, Reverse},
    head::Answer,
    memory::{values, values_mut},
    packing::Packed,
    program::Program,
    stage::Scratch,
    tape::{Forward, Paths, Statistics, Tape},
};
use crate::{
    augmentation::Batch,
    model::Model,
    network::{FlatWeights, ModuleWeights, Plan, WeightsError},
    optimizer::{Sgd, SgdSettings},
};

/// A search network, its optimizer, and the memory they work in.
#[derive(Debug)]
pub struct CpuModel {
    plan: Plan,
    program: Program,
    weights: FlatWeights,
    sgd: Sgd,
    packed: Vec<Vec<Packed>>,
    sums: Vec<Vec<Packed>>,
    training: Tape,
    /// Of one image: in evaluation no image needs another.
    evaluation: Tape,
    /// Whether `packed` and `evaluation` hold the weights as they are now.
    ready_to_judge: bool,
    gradients: Gradients,
    gradient: Tensor,
    scratch: Scratch,
}

impl CpuModel {
    /// Copies the weights of the plan's modules, one [`ModuleWeights`] each. `None` if the plan has
    /// something that only full networks have.
    ///
    /// # Errors
    /// If the weights belong to another plan, or memory runs out.
    pub fn new(
        plan: &Plan,
        weights: &[ModuleWeights],
        sgd: SgdSettings,
        image_side: usize,
    ) -> Result<Option<Self>, WeightsError> {
        let mut weights = FlatWeights::gather(plan, weights, Device::Cpu)?;
        let Some(program) = Program::new(plan, &weights, image_side) else { return Ok(None) };
        let room = |stages: &Vec<stage::Stage>| stages.iter().map(|s| s.packing.room()).collect::<Vec<_>>();
        let packed: Vec<_> = program.modules.iter().map(room).collect();
        let gradient = Tensor::f_zeros(weights.parameters().size(), (Kind::Float, Device::Cpu))?;
        Ok(Some(Self {
            plan: plan.clone(),
            training: Tape::new(&program),
            evaluation: Tape::new(&program),
            gradients: Gradients::new(&program),
            program,
            weights,
            sgd: Sgd::new(sgd),
            sums: packed.clone(),
            packed,
            ready_to_judge: false,
            gradient,
            scratch: Scratch::default(),
        }))
    }

    fn pack(&mut self) -> Result<(), TchError> {
        let parameters = values(self.weights.parameters())?;
        for (stages, packed) in self.program.modules.iter().zip(&mut self.packed) {
            for (stage, packed) in stages.iter().zip(packed) {
                stage.packing.pack(parameters, packed);
            }
        }
        Ok(())
    }

    /// Takes the running statistics for batch norm.
    fn prepare_to_judge(&mut self) -> Result<(), TchError> {
        if self.ready_to_judge {
            return Ok(());
        }
        self.pack()?;
        let (parameters, statistics) = self.weights.parts();
        let (parameters, statistics) = (values(parameters)?, values(statistics)?);
        for (stages, tapes) in self.program.modules.iter().zip(&mut self.evaluation.stages) {
            for (stage, tape) in stages.iter().zip(tapes) {
                tape.normalisation = stage.norm.running(parameters, statistics);
            }
        }
        self.ready_to_judge = true;
        Ok(())
    }

    /// The mean loss of a batch in training mode, and in `self.gradient` its gradient.
    /// `pictures` is `[N, H, W, 3]`.
    fn differentiate(
        &mut self,
        pictures: &[f32],
        labels: &[i64],
        masks: Option<&[f32]>,
    ) -> Result<f64, TchError> {
        self.ready_to_judge = false;
        self.pack()?;
        let paths = Paths { masks, images: labels.len() };
        let (parameters, statistics) = self.weights.parts();
        let (parameters, statistics) = (values(parameters)?, values_mut(statistics)?);
        let mut forward = Forward {
            program: &self.program,
            packed: &self.packed,
            statistics: Statistics::Batch { parameters, statistics },
            paths,
            scratch: &mut self.scratch,
        };
        forward.run(&mut self.training, pictures);
        let flat = values_mut(&mut self.gradient)?;
        flat.fill(0.0);
        let loss = answer(&self.program, &self.training, parameters, labels, &mut self.gradients, flat);
        let mut reverse = Reverse {
            program: &self.program,
            packed: &self.packed,
            tape: &self.training,
            pictures,
            paths,
            sums: &mut self.sums,
            flat,
            scratch: &mut self.scratch,
        };
        reverse.run(&mut self.gradients);
        Ok(loss)
    }

    /// Logits of one picture, `[H, W, 3]`, in evaluation mode.
    fn evaluate(&mut self, picture: &[f32]) -> Result<Answer, TchError> {
        self.prepare_to_judge()?;
        let mut forward = Forward {
            program: &self.program,
            packed: &self.packed,
            statistics: Statistics::Kept,
            paths: Paths { masks: None, images: 1 },
            scratch: &mut self.scratch,
        };
        forward.run(&mut self.evaluation, picture);
        let image = self.evaluation.feature(&self.program, self.program.cells.len(), 0);
        Ok(Answer::new(&self.program.head, image, values(self.weights.parameters())?))
    }
}

/// The mean loss of a batch from the last cell's output, and the gradients of both.
fn answer(
    program: &Program,
    tape: &Tape,
    parameters: &[f32],
    labels: &[i64],
    gradients: &mut Gradients,
    flat: &mut [f32],
) -> f64 {
    let last = program.cells.len();
    let length = tape.feature(program, last, 0).len();
    let images = labels.len() as f64;
    let gradient = gradients.last(labels.len() * length);
    let mut total = 0.0;
    for (n, (&label, gradient)) in labels.iter().zip(gradient.chunks_exact_mut(length)).enumerate() {
        let answer = Answer::new(&program.head, tape.feature(program, last, n), parameters);
        let (loss, mut probabilities) = answer.loss(label as usize);
        total += loss;
        probabilities[label as usize] -= 1.0;
        let logits: Vec<_> = probabilities.iter().map(|p| (p / images) as f32).collect();
        answer.backward(&program.head, &logits, parameters, flat, gradient);
    }
    total / images
}

/// Pixels of a batch with channels last; no copy if they lie so already.
fn pictures(batch: &Batch) -> Result<Tensor, TchError> {
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
        let loss = self.differentiate(values(&pictures)?, values(&batch.labels)?, masks)?;
        let gradient = self.gradient.shallow_clone();
        let _norm = self.sgd.step(self.weights.parameters(), gradient, learning_rate)?;
        Tensor::f_from_slice(&[loss])?.f_squeeze()
    }

    fn judge(&mut self, batch: &Batch) -> Result<(Tensor, Tensor), TchError> {
        let pictures = pictures(batch)?;
        let pictures: &[f32] = values(&pictures)?;
        let labels: &[i64] = values(&batch.labels)?;
        let (mut loss, mut right) = (0.0, 0);
        for (picture, &label) in pictures.chunks_exact(pictures.len() / labels.len().max(1)).zip(labels) {
            let answer = self.evaluate(picture)?;
            loss += answer.loss(label as usize).0;
            right += i64::from(answer.is_right(label as usize));
        }
        Ok((Tensor::f_from_slice(&[loss])?.f_squeeze()?, Tensor::f_from_slice(&[right])?.f_squeeze()?))
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
        let pictures: &[f32] = values(&pictures)?;
        let mut logits = Vec::new();
        for picture in pictures.chunks_exact(pictures.len() / count as usize) {
            logits.extend(self.evaluate(picture)?.logits);
        }
        Ok(Tensor::from_slice(&logits).view([count, -1]))
    }

    /// Logits, mean loss and the gradient of all parameters, in training mode without drop path.
    pub(crate) fn training_pass_of(
        &mut self,
        images: &Tensor,
        labels: &Tensor,
    ) -> Result<(Tensor, Tensor, Tensor), TchError> {
        let pictures = images.permute([0, 2, 3, 1]).contiguous();
        let loss = self.differentiate(values(&pictures)?, values(labels)?, None)?;
        let last = self.program.cells.len();
        let mut logits = Vec::new();
        for image in 0..images.size()[0] as usize {
            let image = self.training.feature(&self.program, last, image);
            logits.extend(Answer::new(&self.program.head, image, values(self.weights.parameters())?).logits);
        }
        let logits = Tensor::from_slice(&logits).view([images.size()[0], -1]);
        Ok((logits, Tensor::from(loss), self.gradient.copy()))
    }
}
