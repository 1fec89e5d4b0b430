//! A stage: what every module of a search network consists of, once or twice.
//!
//! ReLU, then something without mixing between channels (the *front*: nothing, a depthwise
//! convolution, a gather of every other pixel), then a pointwise convolution, then batch norm.
//! A stage computes up to the pointwise convolution and the moments of its output; batch norm is
//! an [`Affine`] that readers apply on the way. The gradient computes the front again instead of
//! storing it: arithmetic in the cache is cheaper than memory.

use super::{
    matrix::{MatrixGradient, Multiply},
    norm::{Norm, NormBack},
    packing::{Packed, Packing},
    pointwise::{Affine, Arrival, NormGradient, RectifierGradient, Rectify},
    shape::MapShape,
    simd::{LANES, Lanes, dispatch},
    window::{Depthwise, Entry, Frame, Taps, WeightGradient},
};

/// What comes before the pointwise convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    Rectified,
    Depthwise(Taps),
    /// The image and the image moved by one pixel, every other pixel of each.
    OffsetPair,
    /// The 3×3 surroundings of each pixel of a picture of three channels; not rectified.
    Patches,
}

/// A stage's shape and where its weights are.
#[derive(Clone, Debug)]
pub struct Stage {
    pub front: Front,
    pub input: MapShape,
    pub output: MapShape,
    pub packing: Packing,
    pub norm: Norm,
}

impl Stage {
    /// Blocks that the pointwise convolution reads.
    pub fn blocks_front(&self) -> usize {
        match self.front {
            Front::Rectified | Front::Depthwise(_) => self.input.blocks,
            Front::OffsetPair => 2 * self.input.blocks,
            Front::Patches => (9_usize * 3).div_ceil(LANES),
        }
    }
}

/// An image that a stage reads.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    Planes(&'a [Lanes]),
    /// Planes to be read through batch norm, one [`Affine`] a plane.
    Normalised(&'a [Lanes], &'a [Affine]),
    /// Pixels of three channels, for [`Front::Patches`].
    Picture(&'a [f32]),
}

impl<'a> Input<'a> {
    fn planes(self) -> &'a [Lanes] {
        match self {
            Self::Planes(planes) | Self::Normalised(planes, _) => planes,
            Self::Picture(_) => &[],
        }
    }
}

/// Memory for one image at a time, small enough for a core's own cache.
#[derive(Debug, Default)]
pub struct Scratch {
    frames: Vec<Lanes>,
    front: Vec<Lanes>,
    gradient: Vec<Lanes>,
    front_gradient: Vec<Lanes>,
    gradient_frame: Vec<Lanes>,
    plane: Vec<Lanes>,
    /// For what the two paths of a node pool.
    pub pools: (Vec<Lanes>, Vec<Lanes>),
}

/// The first `length`, whatever they hold.
pub fn sized(memory: &mut Vec<Lanes>, length: usize) -> &mut [Lanes] {
    if memory.len() < length {
        memory.resize(length, Lanes::ZERO);
    }
    &mut memory[..length]
}

/// Computes one image of a stage's output, before batch norm.
pub fn forward(
    stage: &Stage,
    packed: &Packed,
    input: Input<'_>,
    output: &mut [Lanes],
    scratch: &mut Scratch,
) {
    fill_front(stage, packed, input, scratch);
    let pixels = stage.output.pixels();
    let front = &scratch.front[..stage.blocks_front() * pixels];
    dispatch(Multiply { input: front, matrix: &packed.matrix, output, pixels });
}

fn fill_front(stage: &Stage, packed: &Packed, input: Input<'_>, scratch: &mut Scratch) {
    let pixels = stage.output.pixels();
    let front = sized(&mut scratch.front, stage.blocks_front() * pixels);
    match stage.front {
        Front::Rectified => dispatch(Rectify { plane: input.planes(), output: front }),
        Front::OffsetPair => gather_pair(stage, input.planes(), front),
        Front::Patches => {
            if let Input::Picture(picture) = input {
                gather_patches(stage.input.side, picture, front);
            }
        }
        Front::Depthwise(taps) => {
            let side = stage.input.side;
            let (padding, width) = (taps.padding(), taps.framed_side(side));
            let frames = sized(&mut scratch.frames, stage.input.blocks * width * width);
            let planes = input.planes().chunks_exact(side * side).zip(frames.chunks_exact_mut(width * width));
            for (block, ((plane, frame), output)) in planes.zip(front.chunks_exact_mut(pixels)).enumerate() {
                let entry = match input {
                    Input::Normalised(_, affines) => Entry::AffineRelu(&affines[block]),
                    _ => Entry::Relu,
                };
                dispatch(Frame { plane, side, spread: 1, inner: side, padding, entry, frame });
                let weights = packed.taps(block, taps);
                dispatch(Depthwise { taps, frame, width, weights, output, side: stage.output.side });
            }
        }
    }
}

/// A gradient on its way back through one image of a stage.
pub struct Backward<'a> {
    /// Of the batch norm's output.
    pub gradient: &'a [Lanes],
    /// What the stage computed, before batch norm.
    pub output: &'a [Lanes],
    /// What the stage read.
    pub input: Input<'a>,
    /// For each output block, how batch norm's gradient comes about.
    pub norm: &'a [NormBack],
    /// What the path's output was multiplied with.
    pub factor: f32,
    /// The gradient of what the stage read, before its ReLU; `None` for the first stage.
    pub target: Option<(&'a mut [Lanes], Arrival)>,
}

/// Adds one image's share to the gradients of the weights, and passes the gradient on.
pub fn backward(
    stage: &Stage,
    packed: &Packed,
    sums: &mut Packed,
    back: Backward<'_>,
    scratch: &mut Scratch,
) {
    fill_front(stage, packed, back.input, scratch);
    let pixels = stage.output.pixels();
    let gradient = sized(&mut scratch.gradient, stage.output.length());
    let planes = back.gradient.chunks_exact(pixels).zip(back.output.chunks_exact(pixels));
    for (((gradient, plane), output), norm) in planes.zip(gradient.chunks_exact_mut(pixels)).zip(back.norm) {
        dispatch(NormGradient {
            gradient,
            plane,
            mean: &norm.mean,
            gradient_scale: Lanes(norm.gradient_scale.0.map(|scale| scale * back.factor)),
            distance_scale: norm.distance_scale,
            offset: norm.offset,
            output,
        });
    }
    let front_length = stage.blocks_front() * pixels;
    let front = &scratch.front[..front_length];
    dispatch(MatrixGradient { input: front, gradient, sum: &mut sums.matrix, pixels });
    if let Some((target, arrival)) = back.target {
        let output = sized(&mut scratch.front_gradient, front_length);
        dispatch(Multiply { input: gradient, matrix: &packed.transposed, output, pixels });
        front_backward(stage, packed, sums, back.input.planes(), (target, arrival), scratch);
    }
}

/// From the gradient of the front in `scratch` to that of the input.
fn front_backward(
    stage: &Stage,
    packed: &Packed,
    sums: &mut Packed,
    input: &[Lanes],
    (target, arrival): (&mut [Lanes], Arrival),
    scratch: &mut Scratch,
) {
    let (side, pixels) = (stage.input.side, stage.output.pixels());
    let gradients = &scratch.front_gradient[..stage.blocks_front() * pixels];
    match stage.front {
        Front::Patches => {}
        Front::OffsetPair => scatter_pair(stage, gradients, input, (target, arrival)),
        Front::Rectified => dispatch(RectifierGradient {
            gradient: gradients,
            side,
            sign: input,
            sign_width: side,
            arrival,
            output: target,
        }),
        Front::Depthwise(taps) => {
            let (padding, width) = (taps.padding(), taps.framed_side(side));
            let frames = scratch.frames.chunks_exact(width * width);
            let gradient_frame = sized(&mut scratch.gradient_frame, width * width);
            let plane = sized(&mut scratch.plane, side * side);
            let blocks = gradients.chunks_exact(pixels).zip(frames).zip(target.chunks_exact_mut(side * side));
            for (block, ((gradient, frame), output)) in blocks.enumerate() {
                let sum = sums.taps_mut(block, taps);
                dispatch(WeightGradient { taps, frame, width, gradient, side: stage.output.side, sum });
                dispatch(Frame {
                    plane: gradient,
                    side: stage.output.side,
                    spread: taps.stride,
                    inner: side,
                    padding,
                    entry: Entry::Copy,
                    frame: gradient_frame,
                });
                dispatch(Depthwise {
                    taps: taps.unstrided(),
                    frame: gradient_frame,
                    width,
                    weights: packed.turned(block, taps),
                    output: plane,
                    side,
                });
                dispatch(RectifierGradient {
                    gradient: plane,
                    side,
                    // The frame's middle holds what ReLU let through.
                    sign: &frame[padding * width + padding..],
                    sign_width: width,
                    arrival,
                    output,
                });
            }
        }
    }
}

/// Pairs of places: of a pixel in an output plane, and of what it reads in an input plane.
fn every_other(side_out: usize, side_in: usize, offset: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..side_out).flat_map(move |y| {
        (0..side_out).map(move |x| (y * side_out + x, (2 * y + offset) * side_in + 2 * x + offset))
    })
}

fn gather_pair(stage: &Stage, input: &[Lanes], front: &mut [Lanes]) {
    let (even, odd) = front.split_at_mut(stage.input.blocks * stage.output.pixels());
    for (offset, half) in [even, odd].into_iter().enumerate() {
        let planes = input.chunks_exact(stage.input.pixels());
        for (output, plane) in half.chunks_exact_mut(stage.output.pixels()).zip(planes) {
            for (to, from) in every_other(stage.output.side, stage.input.side, offset) {
                output[to] = Lanes(plane[from].0.map(|x| if x < 0.0 { 0.0 } else { x }));
            }
        }
    }
}

fn scatter_pair(
    stage: &Stage,
    gradients: &[Lanes],
    input: &[Lanes],
    (target, arrival): (&mut [Lanes], Arrival),
) {
    if arrival == Arrival::First {
        target.fill(Lanes::ZERO);
    }
    let halves = gradients.chunks_exact(stage.input.blocks * stage.output.pixels());
    for (offset, half) in halves.enumerate() {
        let pixels = stage.input.pixels();
        let planes = input.chunks_exact(pixels).zip(target.chunks_exact_mut(pixels));
        for (gradient, (plane, sum)) in half.chunks_exact(stage.output.pixels()).zip(planes) {
            for (from, to) in every_other(stage.output.side, stage.input.side, offset) {
                for ((sum, x), gradient) in sum[to].0.iter_mut().zip(plane[to].0).zip(gradient[from].0) {
                    *sum += if x > 0.0 { gradient } else { 0.0 };
                }
            }
        }
    }
}

/// Surroundings of each pixel, channel by channel and row by row, zero outside.
fn gather_patches(side: usize, picture: &[f32], front: &mut [Lanes]) {
    let pixels = side * side;
    front.fill(Lanes::ZERO);
    for tap in 0..27 {
        let (channel, ky, kx) = (tap / 9, tap / 3 % 3, tap % 3);
        let plane = &mut front[tap / LANES * pixels..][..pixels];
        for y in (1_usize.saturating_sub(ky))..(side + 1 - ky).min(side) {
            for x in (1_usize.saturating_sub(kx))..(side + 1 - kx).min(side) {
                let pixel = (y + ky - 1) * side + x + kx - 1;
                plane[y * side + x].0[tap % LANES] = picture[3 * pixel + channel];
            }
        }
    }
}
