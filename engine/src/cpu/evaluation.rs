//! Networks in evaluation mode: batch norm uses its running statistics, so no image's result depends on
//! another image.

use tch::{TchError, Tensor};

use super::{
    forward::{Forward, Normaliser},
    head::Prediction,
    node::Paths,
    packing::Packed,
    pictures::pictures,
    program::{Program, picture_side},
    shape::Image,
    stage::Scratch,
    tape::Tape,
    team::at_once,
};
use crate::{
    batches::shares,
    memory::values,
    network::{FlatWeights, Parameters, Plan, Statistics},
};

/// The memory of the threads that evaluate a program.
#[derive(Debug)]
pub struct Evaluation {
    workers: Vec<Worker>,
}

/// The memory that one thread works in: it computes one image at a time.
#[derive(Debug)]
struct Worker {
    tape: Tape,
    scratch: Scratch,
}

impl Evaluation {
    /// Makes the memory for `threads` threads.
    pub fn new(program: &Program, threads: usize) -> Self {
        let worker = || Worker { tape: Tape::new(program), scratch: Scratch::default() };
        Self { workers: (0..threads.max(1)).map(|_| worker()).collect() }
    }

    /// Takes batch norm's parameters and running statistics as they are now.
    pub fn take(
        &mut self,
        program: &Program,
        parameters: Parameters<&[f32]>,
        statistics: Statistics<&[f32]>,
    ) {
        for worker in &mut self.workers {
            for (stages, tapes) in program.modules.iter().zip(&mut worker.tape.stages) {
                for (stage, tape) in stages.iter().zip(tapes) {
                    if let Some(norm) = stage.norm {
                        tape.normalisation = norm.running(parameters, statistics);
                    }
                }
            }
        }
    }

    /// Computes pictures `[N, H, W, 3]`, and returns what `read` makes of the last cell's output for each of
    /// them, in their order. The results are the same to the last bit for any number of threads.
    pub fn run<T: Send>(
        &mut self,
        program: &Program,
        packed: &[Vec<Packed>],
        pictures: &[f32],
        read: impl Fn(Image<'_>) -> T + Sync,
    ) -> Vec<T> {
        let (length, read) = (program.picture_length(), &read);
        let shares = shares(pictures.len() / length, self.workers.len());
        let tasks = self.workers.iter_mut().zip(shares).map(|(worker, share)| {
            let pictures = &pictures[share.start * length..share.end * length];
            move || pictures.chunks_exact(length).map(|p| worker.image(program, packed, p, read)).collect()
        });
        at_once::<Vec<_>>(tasks.collect()).into_iter().flatten().collect()
    }
}

impl Worker {
    /// Computes one picture, `[H, W, 3]`.
    fn image<T>(
        &mut self,
        program: &Program,
        packed: &[Vec<Packed>],
        picture: &[f32],
        read: impl Fn(Image<'_>) -> T,
    ) -> T {
        let (normaliser, paths, scratch) = (Normaliser::Tape, Paths::KEPT, &mut self.scratch);
        Forward { program, packed, normaliser, paths, scratch }.run(&mut self.tape, picture);
        read(self.tape.feature(program.last_feature(), 0))
    }
}

/// A full network in evaluation mode on a CPU, with weights that stay as they are.
#[derive(Debug)]
pub struct CpuEvaluator {
    program: Program,
    packed: Vec<Vec<Packed>>,
    evaluation: Evaluation,
}

impl CpuEvaluator {
    /// Makes an evaluator that computes in `threads` threads, with the weights and running statistics as they
    /// are now. Returns `None` if the plan has something that only libtorch can compute.
    ///
    /// # Errors
    /// If the weights lie on another device.
    pub fn new(plan: &Plan, weights: &FlatWeights, threads: usize) -> Result<Option<Self>, TchError> {
        let program = picture_side(plan).and_then(|side| Program::new(plan, weights, side));
        let Some(program) = program else { return Ok(None) };
        let (parameters, statistics) = weights.numbers()?;
        let mut packed = program.room();
        program.pack(parameters, &mut packed);
        let mut evaluation = Evaluation::new(&program, threads);
        evaluation.take(&program, parameters, statistics);
        Ok(Some(Self { program, packed, evaluation }))
    }

    /// Whether it was made for images of this size, `[N, 3, H, W]`.
    pub fn fits(&self, images: &Tensor) -> bool {
        self.program.fits(images)
    }

    /// Logits `[N, classes] f32` of images `[N, 3, H, W] f32`, which are read fastest channels last in
    /// memory. `weights` are those that it was made from. An image's logits are the same to the last bit in
    /// any batch, for any number of threads.
    ///
    /// # Errors
    /// If the images do not lie in main memory, or memory runs out.
    pub fn logits(&mut self, weights: &FlatWeights, images: &Tensor) -> Result<Tensor, TchError> {
        let Self { program, packed, evaluation } = self;
        let (parameters, _) = weights.numbers()?;
        let pictures = pictures(images)?;
        let read = |image: Image<'_>| Prediction::new(&program.head, image, parameters).logits;
        let logits = evaluation.run(program, packed, values(&pictures)?, read).concat();
        Tensor::f_from_slice(&logits)?.f_view([-1, program.head.classes as i64])
    }
}
