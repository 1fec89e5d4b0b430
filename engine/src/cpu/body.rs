//! The body of a network in training, which is everything between its images and its heads: forward and
//! backward pass.

use std::ops::Range;

use tch::{TchError, Tensor};

use super::{
    backward::{Gradients, Reverse},
    forward::{Forward, Normaliser},
    node::Paths,
    packing::{Channels, Lane, Packed},
    program::{Program, picture_side},
    shape::{Image, ImageMut},
    stage::Scratch,
    tape::Tape,
    team::{Barrier, Member, at_once},
};
use crate::{
    batches::{members, shares},
    memory::{values, values_mut},
    network::{BATCH_NORM_MOMENTUM, FlatWeights, Parameters, Plan, Statistics},
    simd::Lanes,
};

/// A program, its weights packed for the kernels, and the memory of the threads that compute it.
#[derive(Debug)]
pub struct Body {
    pub program: Program,
    /// The packed weights, by module and stage.
    pub packed: Vec<Vec<Packed>>,
    /// The memory of every thread.
    pub workers: Vec<Worker>,
}

/// The memory that one thread works in.
#[derive(Debug)]
pub struct Worker {
    pub tape: Tape,
    pub gradients: Gradients,
    /// Sums of the weights' gradients, packed for the kernels, by module and stage.
    sums: Vec<Vec<Packed>>,
    /// The same sums in flat memory, as long as all parameters.
    pub flat: Parameters<Vec<f32>>,
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
    fn share(self, share: &Range<usize>) -> (&'a [f32], Paths<'a>) {
        let length = self.pictures.len() / self.images.max(1);
        let paths = Paths { masks: self.masks, images: self.images, first: share.start };
        (&self.pictures[share.start * length..share.end * length], paths)
    }
}

/// One thread's part in a pass.
pub struct Part<'a> {
    pub worker: &'a mut Worker,
    pub member: Member<'a>,
    /// The range of the batch's images that this thread computes.
    pub share: Range<usize>,
}

impl Body {
    /// Makes a body that computes in `threads` threads. Returns `None` if the plan has something that only
    /// libtorch can compute.
    pub fn new(plan: &Plan, weights: &FlatWeights, image_side: usize, threads: usize) -> Option<Self> {
        let program = Program::new(plan, weights, image_side)?;
        let packed = program.room();
        let workers = (0..threads.max(1)).map(|_| Worker::new(&program, &packed)).collect();
        Some(Self { program, packed, workers })
    }

    /// Packs the weights as they are now.
    pub fn pack(&mut self, parameters: Parameters<&[f32]>) {
        self.program.pack(parameters, &mut self.packed);
    }

    /// Computes all feature maps of a batch, with packed weights. Running statistics become
    /// `(1 − momentum) · old + momentum · batch`.
    pub fn forward(
        &mut self,
        parameters: Parameters<&[f32]>,
        statistics: Statistics<&mut [f32]>,
        batch: TrainingBatch<'_>,
        momentum: f64,
    ) {
        let (program, packed) = (&self.program, &self.packed[..]);
        let barrier = Barrier::new(members(batch.images, self.workers.len()));
        for idle in &mut self.workers[barrier.members()..] {
            idle.tape.images = 0; // What it holds is of an earlier batch.
        }
        let mut statistics = Some(statistics);
        let tasks = parts(&mut self.workers, &barrier, batch.images).map(|part| {
            // The first member moves the running statistics.
            let statistics = statistics.take();
            move || {
                let Part { worker, member, share } = part;
                let normaliser = Normaliser::Batch { parameters, statistics, momentum, member: &member };
                let (pictures, paths) = batch.share(&share);
                let scratch = &mut worker.scratch;
                Forward { program, packed, normaliser, paths, scratch }.run(&mut worker.tape, pictures);
                worker.flat.0.clear();
                worker.flat.0.resize(parameters.0.len(), 0.0);
            }
        });
        at_once(tasks.collect());
    }

    /// Computes the backward pass from the gradients of features that lie in the workers, and adds the
    /// gradients of all weights to `flat`, `[P]`.
    pub fn reverse(&mut self, batch: TrainingBatch<'_>, flat: Parameters<&mut [f32]>) {
        let (program, packed) = (&self.program, &self.packed[..]);
        let barrier = Barrier::new(members(batch.images, self.workers.len()));
        let tasks = parts(&mut self.workers, &barrier, batch.images).map(|part| {
            move || {
                let Part { worker, member, share } = part;
                let (pictures, paths) = batch.share(&share);
                let mut reverse = Reverse {
                    program,
                    packed,
                    tape: &worker.tape,
                    pictures,
                    paths,
                    member: &member,
                    sums: &mut worker.sums,
                    flat: worker.flat.again(),
                    scratch: &mut worker.scratch,
                };
                reverse.run(&mut worker.gradients);
            }
        });
        at_once(tasks.collect());
        for worker in &self.workers[..barrier.members()] {
            for (sum, share) in flat.0.iter_mut().zip(&worker.flat.0) {
                *sum += share;
            }
        }
    }

    /// A feature of the batch that [`Body::forward`] computed last, `[N, C, H, W]`, channels last in memory.
    fn map(&self, feature: usize) -> Result<Tensor, TchError> {
        let channels = &self.program.channels[feature];
        let mut values = Vec::new();
        for worker in &self.workers {
            for n in 0..worker.tape.images {
                unfold(worker.tape.feature(feature, n), channels, &mut values);
            }
        }
        let (side, count) = (self.program.feature_shape(feature).side as i64, channels.count() as i64);
        Tensor::f_from_slice(&values)?.f_view([-1, side, side, count])?.f_permute([0, 3, 1, 2])
    }

    /// Stores the gradient of a feature, `[N, C, H, W]`, for [`Body::reverse`] to begin with.
    fn begin_at(&mut self, feature: usize, gradient: &Tensor) -> Result<(), TchError> {
        let (channels, shape) = (&self.program.channels[feature], self.program.feature_shape(feature));
        let gradient = gradient.f_permute([0, 2, 3, 1])?.f_contiguous()?;
        let mut images = values::<f32>(&gradient)?.chunks_exact(shape.pixels() * channels.count());
        for worker in &mut self.workers {
            let count = worker.tape.images;
            let maps = worker.gradients.at(feature, shape, count);
            for (n, image) in (0..count).zip(&mut images) {
                fold(image, channels, maps.image_mut(n));
            }
        }
        Ok(())
    }
}

impl Worker {
    fn new(program: &Program, packed: &[Vec<Packed>]) -> Self {
        Self {
            tape: Tape::new(program),
            gradients: Gradients::new(program),
            sums: packed.to_vec(),
            flat: Parameters::default(),
            scratch: Scratch::default(),
        }
    }
}

/// Divides a batch among the workers that meet at a barrier.
pub fn parts<'a>(
    workers: &'a mut [Worker],
    barrier: &'a Barrier,
    images: usize,
) -> impl Iterator<Item = Part<'a>> {
    let shares = shares(images, barrier.members()).into_iter().enumerate();
    workers.iter_mut().zip(shares).map(move |(worker, (index, share))| Part {
        worker,
        member: Member::new(barrier, index),
        share,
    })
}

/// Converts an image from planes of sixteen channels to pixels of all channels, `[H, W, C]`, and appends them
/// to `values`.
fn unfold(image: Image<'_>, channels: &Channels, values: &mut Vec<f32>) {
    for pixel in 0..image.shape.pixels() {
        values.extend((0..channels.count()).map(|channel| {
            let Lane { block, lane } = channels.lane(channel);
            image.plane(block).pixels[pixel].0[lane]
        }));
    }
}

/// Converts pixels of all channels, `[H, W, C]`, to planes of sixteen channels. Nodes and channels of the
/// image that are not among `channels` become zero.
fn fold(values: &[f32], channels: &Channels, mut image: ImageMut<'_>) {
    image.lanes.fill(Lanes::ZERO);
    for (pixel, values) in values.chunks_exact(channels.count()).enumerate() {
        for (channel, value) in values.iter().enumerate() {
            let Lane { block, lane } = channels.lane(channel);
            image.again().plane(block).pixels[pixel].0[lane] = *value;
        }
    }
}

/// The body of a full network on a CPU. Its heads, with their own batch norm, and the loss are computed by
/// libtorch.
#[derive(Debug)]
pub struct CpuBody {
    body: Body,
    /// The features that the heads read: the last cell's output, then what the auxiliary head reads if that
    /// is another.
    read: Vec<usize>,
}

impl CpuBody {
    /// Makes the body of a network, which computes in `threads` threads; the last bits of the results depend
    /// on their number. Returns `None` if the plan has something that only libtorch can compute.
    pub fn new(plan: &Plan, weights: &FlatWeights, threads: usize) -> Option<Self> {
        let body = Body::new(plan, weights, picture_side(plan)?, threads)?;
        let last = body.program.last_feature();
        let mut read = vec![last];
        let auxiliary = plan.auxiliary.map(|(cell, _)| body.program.output(cell));
        read.extend(auxiliary.filter(|&feature| feature != last));
        Some(Self { body, read })
    }

    /// Whether it was made for images of this size, `[N, 3, H, W]`.
    pub fn fits(&self, images: &Tensor) -> bool {
        self.body.program.fits(images)
    }

    /// Computes the feature maps of a batch in training mode that the heads read, each `[N, C, H, W]`; the
    /// auxiliary head reads the last of them. `pictures` are `[N, H, W, 3]`, and `masks` are drop-path masks,
    /// `[genes, N]`. The running statistics in `weights` are updated.
    ///
    /// # Errors
    /// If memory runs out.
    pub fn maps(
        &mut self,
        weights: &mut FlatWeights,
        pictures: &Tensor,
        masks: Option<&Tensor>,
    ) -> Result<Vec<Tensor>, TchError> {
        let (parameters, statistics) = weights.numbers_mut()?;
        self.body.pack(parameters);
        let batch = training_batch(pictures, masks)?;
        self.body.forward(parameters, statistics, batch, BATCH_NORM_MOMENTUM);
        self.read.iter().map(|&feature| self.body.map(feature)).collect()
    }

    /// Computes the gradient of the weights from the gradients of the maps that [`CpuBody::maps`] returned,
    /// and adds it to `flat`, `[P]`. `pictures` and `masks` are those that were passed there.
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
        self.body.reverse(training_batch(pictures, masks)?, Parameters(values_mut(flat)?));
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
