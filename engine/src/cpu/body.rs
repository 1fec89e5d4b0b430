//! Everything of a network between its images and its heads, for training: forward and back.

use std::{ops::Range, panic::resume_unwind, thread};

use tch::{TchError, Tensor};

use super::{
    backward::{Gradients, Reverse},
    forward::{Forward, Paths, Statistics},
    packing::{Channels, Packed},
    program::Program,
    simd::{LANES, Lanes},
    stage::{Scratch, Stage},
    tape::Tape,
    team::{Barrier, Member, shares},
};
use crate::{
    memory::{values, values_mut},
    network::{BATCH_NORM_MOMENTUM, FlatWeights, Plan},
};

/// A program, its weights as kernels want them, and the threads that compute it.
#[derive(Debug)]
pub struct Body {
    pub program: Program,
    pub packed: Vec<Vec<Packed>>,
    /// One for each thread.
    pub workers: Vec<Worker>,
}

/// The memory that one thread works in.
#[derive(Debug)]
pub struct Worker {
    pub training: Tape,
    /// Holds one image at a time: in evaluation an image's result does not depend on the others.
    pub evaluation: Tape,
    pub gradients: Gradients,
    /// Sums of the weights' gradients, packed as kernels want them.
    sums: Vec<Vec<Packed>>,
    /// The same sums in flat memory, as long as all parameters.
    pub flat: Vec<f32>,
    pub scratch: Scratch,
}

/// A batch in training mode.
#[derive(Clone, Copy)]
pub struct TrainingBatch<'a> {
    /// Pixels, `[N, H, W, 3]`.
    pub pictures: &'a [f32],
    /// How many images there are, N.
    pub images: usize,
    /// Drop-path masks, `[genes, N]`; `None` keeps every path.
    pub masks: Option<&'a [f32]>,
}

impl<'a> TrainingBatch<'a> {
    /// The pictures and masks of a range of its images.
    fn share(self, share: Range<usize>) -> (&'a [f32], Paths<'a>) {
        let length = self.pictures.len() / self.images.max(1);
        let paths = Paths { masks: self.masks, images: self.images, first: share.start };
        (&self.pictures[share.start * length..share.end * length], paths)
    }
}

impl Body {
    /// `None` if the plan has something that only libtorch computes. It will compute in so many threads.
    pub fn new(plan: &Plan, weights: &FlatWeights, image_side: usize, threads: usize) -> Option<Self> {
        let program = Program::new(plan, weights, image_side)?;
        let room = |stages: &Vec<Stage>| stages.iter().map(|s| s.packing.room()).collect::<Vec<_>>();
        let packed: Vec<_> = program.modules.iter().map(room).collect();
        let workers = (0..threads.max(1)).map(|_| Worker::new(&program, &packed)).collect();
        Some(Self { program, packed, workers })
    }

    pub fn pack(&mut self, parameters: &[f32]) {
        for (stages, packed) in self.program.modules.iter().zip(&mut self.packed) {
            for (stage, packed) in stages.iter().zip(packed) {
                stage.packing.pack(parameters, packed);
            }
        }
    }

    /// Computes all feature maps of a batch, with packed weights. Running statistics move by the share
    /// `momentum` of the way to the batch's.
    pub fn forward(
        &mut self,
        parameters: &[f32],
        statistics: &mut [f32],
        batch: TrainingBatch<'_>,
        momentum: f64,
    ) {
        let (program, packed) = (&self.program, &self.packed[..]);
        let shares = shares(batch.images, self.workers.len());
        for idle in &mut self.workers[shares.len()..] {
            idle.training.images = 0; // What it holds is of an earlier batch.
        }
        let barrier = Barrier::new(shares.len());
        let mut statistics = Some(statistics);
        let tasks = self.workers.iter_mut().zip(shares).enumerate().map(|(index, (worker, share))| {
            // The first member moves the running statistics.
            let statistics = statistics.take();
            let member = Member::new(&barrier, index);
            move || {
                let statistics = Statistics::Batch { parameters, statistics, momentum, member: &member };
                let (pictures, paths) = batch.share(share);
                let scratch = &mut worker.scratch;
                let mut forward = Forward { program, packed, statistics, paths, scratch };
                forward.run(&mut worker.training, pictures);
                worker.flat.clear();
                worker.flat.resize(parameters.len(), 0.0);
            }
        });
        at_once(tasks.collect());
    }

    /// Goes back from the gradients that lie in the workers, and adds those of all weights to `flat`.
    pub fn reverse(&mut self, batch: TrainingBatch<'_>, flat: &mut [f32]) {
        let (program, packed) = (&self.program, &self.packed[..]);
        let shares = shares(batch.images, self.workers.len());
        let at_work = shares.len();
        let barrier = Barrier::new(at_work);
        let tasks = self.workers.iter_mut().zip(shares).enumerate().map(|(index, (worker, share))| {
            let member = Member::new(&barrier, index);
            move || {
                let (pictures, paths) = batch.share(share);
                let mut reverse = Reverse {
                    program,
                    packed,
                    tape: &worker.training,
                    pictures,
                    paths,
                    member: &member,
                    sums: &mut worker.sums,
                    flat: &mut worker.flat,
                    scratch: &mut worker.scratch,
                };
                reverse.run(&mut worker.gradients);
            }
        });
        at_once(tasks.collect());
        for worker in &self.workers[..at_work] {
            for (sum, share) in flat.iter_mut().zip(&worker.flat) {
                *sum += share;
            }
        }
    }

    /// A feature map of the batch in hand, `[N, C, H, W]`, channels last in memory.
    fn map(&self, feature: usize) -> Result<Tensor, TchError> {
        let (channels, side) = (self.program.features[feature], self.program.side(feature));
        let mut values = Vec::new();
        for worker in &self.workers {
            for image in 0..worker.training.images {
                unfold(
                    worker.training.feature(&self.program, feature, image),
                    channels,
                    side * side,
                    &mut values,
                );
            }
        }
        let (side, count) = (side as i64, channels.count() as i64);
        Tensor::f_from_slice(&values)?.f_view([-1, side, side, count])?.f_permute([0, 3, 1, 2])
    }

    /// Puts the gradient of a feature map where [`Body::reverse`] begins.
    fn begin_at(&mut self, feature: usize, gradient: &Tensor) -> Result<(), TchError> {
        let (channels, side) = (self.program.features[feature], self.program.side(feature));
        let gradient = gradient.f_permute([0, 2, 3, 1])?.f_contiguous()?;
        let mut images = values::<f32>(&gradient)?.chunks_exact(side * side * channels.count());
        for worker in &mut self.workers {
            let length = channels.blocks() * side * side;
            let memory = worker.gradients.at(feature, worker.training.images * length);
            for (memory, image) in memory.chunks_exact_mut(length).zip(&mut images) {
                fold(image, channels, side * side, memory);
            }
        }
        Ok(())
    }
}

impl Worker {
    fn new(program: &Program, packed: &[Vec<Packed>]) -> Self {
        Self {
            training: Tape::new(program),
            evaluation: Tape::new(program),
            gradients: Gradients::new(program),
            sums: packed.to_vec(),
            flat: Vec::new(),
            scratch: Scratch::default(),
        }
    }
}

/// Does all tasks at the same time, the first one in this thread.
pub fn at_once<T: Send>(tasks: Vec<impl FnOnce() -> T + Send>) -> Vec<T> {
    let mut tasks = tasks.into_iter();
    let Some(first) = tasks.next() else { return Vec::new() };
    thread::scope(|scope| {
        let others: Vec<_> = tasks.map(|task| scope.spawn(task)).collect();
        let mut results = vec![first()];
        results.extend(others.into_iter().map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic))));
        results
    })
}

/// From planes of sixteen channels to pixels of all channels.
fn unfold(image: &[Lanes], channels: Channels, pixels: usize, values: &mut Vec<f32>) {
    for pixel in 0..pixels {
        values.extend((0..channels.count()).map(|channel| {
            let place = channels.padded(channel);
            image[place / LANES * pixels + pixel].0[place % LANES]
        }));
    }
}

/// From pixels of all channels to planes of sixteen; channels that only pad become zero.
fn fold(values: &[f32], channels: Channels, pixels: usize, image: &mut [Lanes]) {
    image.fill(Lanes::ZERO);
    for (pixel, values) in values.chunks_exact(channels.count()).enumerate() {
        for (channel, value) in values.iter().enumerate() {
            let place = channels.padded(channel);
            image[place / LANES * pixels + pixel].0[place % LANES] = *value;
        }
    }
}

/// The body of a full network on a CPU. Its heads, with their own batch norm and loss, are libtorch's.
#[derive(Debug)]
pub struct CpuBody {
    body: Body,
    /// Features that heads read: the last cell's, then the auxiliary head's if it is another.
    read: Vec<usize>,
}

impl CpuBody {
    /// `None` if the plan has something that only libtorch computes. Results depend on the number of
    /// threads, in their last bits.
    pub fn new(plan: &Plan, weights: &FlatWeights, threads: usize) -> Option<Self> {
        // A single stem keeps the side.
        let body = Body::new(plan, weights, plan.cells.first()?.place.side, threads)?;
        let mut read = vec![plan.cells.len()];
        read.extend(plan.auxiliary.map(|(cell, _)| cell + 1).filter(|&feature| feature != plan.cells.len()));
        Some(Self { body, read })
    }

    /// Whether it was made for images of this size, `[N, 3, H, W]`.
    pub fn fits(&self, images: &Tensor) -> bool {
        let side = self.body.program.image_side as i64;
        matches!(images.size()[..], [_, _, height, width] if (height, width) == (side, side))
    }

    /// What heads read of a batch in training mode, each `[N, C, H, W]`; the auxiliary head reads the
    /// last of them. `pictures` are `[N, H, W, 3]`. Running statistics move.
    ///
    /// # Errors
    /// If memory runs out.
    pub fn maps(
        &mut self,
        weights: &mut FlatWeights,
        pictures: &Tensor,
        masks: Option<&Tensor>,
    ) -> Result<Vec<Tensor>, TchError> {
        let (parameters, statistics) = weights.parts();
        let parameters = values(parameters)?;
        self.body.pack(parameters);
        let batch = training_batch(pictures, masks)?;
        self.body.forward(parameters, values_mut(statistics)?, batch, BATCH_NORM_MOMENTUM);
        self.read.iter().map(|&feature| self.body.map(feature)).collect()
    }

    /// Adds the gradient of the weights to `flat`, from the gradients of the maps. `pictures` and
    /// `masks` are those of the maps.
    ///
    /// # Errors
    /// If memory runs out.
    pub fn add_gradient(
        &mut self,
        flat: &mut Tensor,
        of_maps: &[Tensor],
        pictures: &Tensor,
        masks: Option<&Tensor>,
    ) -> Result<(), TchError> {
        for worker in &mut self.body.workers {
            worker.gradients.forget();
        }
        for (&feature, gradient) in self.read.iter().zip(of_maps) {
            self.body.begin_at(feature, gradient)?;
        }
        self.body.reverse(training_batch(pictures, masks)?, values_mut(flat)?);
        Ok(())
    }
}

fn training_batch<'a>(
    pictures: &'a Tensor,
    masks: Option<&'a Tensor>,
) -> Result<TrainingBatch<'a>, TchError> {
    let images = usize::try_from(pictures.size()[0]).unwrap_or(0);
    Ok(TrainingBatch { pictures: values(pictures)?, images, masks: masks.map(values).transpose()? })
}
