//! Stages, one or two of which make up a module.
//!
//! A stage is a ReLU, then a *front* that does not mix channels (nothing, a depthwise convolution, or a
//! gather of pixels), then a pointwise convolution, then batch norm. Some stages have no ReLU or no batch
//! norm. A stage computes up to the pointwise convolution and the moments of its output; batch norm is an
//! [`Affine`] that readers apply on the way. The gradient computes the front again instead of storing it:
//! arithmetic in the cache is cheaper than memory.

use super::{
    dense::{Window, unframe},
    matrix::{MatrixGradient, Multiply},
    norm::{Norm, NormBack},
    packing::{Packed, Packing},
    pointwise::{Affine, Arrival, NormGradient, RectifierGradient, Rectify},
    shape::{Buffer, Image, ImageMut, MapShape, Plane},
    window::{Activation, Depthwise, Frame, Taps, WeightGradient},
};
use crate::simd::{LANES, Lanes, dispatch};

/// What comes before the pointwise convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// ReLU alone.
    Rectified,
    /// ReLU and a depthwise convolution.
    Depthwise(Taps),
    /// ReLU, and every other pixel of the image and of the image moved by one pixel, as two nodes; it halves
    /// the resolution of what it reads.
    OffsetPair,
    /// The pixels that a window covers, those under each tap as a node: the pointwise convolution that
    /// follows mixes all channels of all taps.
    Window(Window),
    /// The 3×3 surroundings of every `stride`-th pixel of a picture of three channels; not rectified.
    Patches { stride: usize },
}

/// What a stage computes, and where its weights are.
#[derive(Clone, Debug)]
pub struct Stage {
    pub front: Front,
    /// The shape of what it reads: these nodes of a feature map.
    pub input: MapShape,
    /// Which nodes of a feature map it reads, in this order.
    pub reads: Vec<usize>,
    pub output: MapShape,
    pub packing: Packing,
    /// `None` where another convolution follows at once.
    pub norm: Option<Norm>,
}

impl Stage {
    /// The shape of what the pointwise convolution reads.
    pub fn front_shape(&self) -> MapShape {
        let side = self.output.side;
        match self.front {
            Front::Rectified | Front::Depthwise(_) => MapShape { side, ..self.input },
            Front::OffsetPair => MapShape { nodes: 2, blocks: self.input.planes(), side },
            Front::Window(window) => MapShape { nodes: window.count(), side, ..self.input },
            Front::Patches { .. } => MapShape::one((9_usize * 3).div_ceil(LANES), side),
        }
    }

    /// The planes of the nodes that it reads.
    fn planes<'a>(&self, image: Image<'a>) -> impl Iterator<Item = Plane<'a>> {
        self.reads.iter().flat_map(move |&node| image.node(node).planes())
    }

    /// The shape of the framed input.
    fn frames_shape(&self) -> MapShape {
        let side = match self.front {
            Front::Depthwise(taps) => taps.framed_side(self.input.side),
            Front::Window(window) => window.framed_side(self.input.side),
            Front::Rectified | Front::OffsetPair | Front::Patches { .. } => self.input.side,
        };
        MapShape { side, ..self.input }
    }
}

/// One image of what a stage reads.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// A feature map as it is.
    Map(Image<'a>),
    /// A feature map to be read through batch norm, one [`Affine`] a plane.
    Normalised(Image<'a>, &'a [Affine]),
    /// Pixels of three channels, `[H, W, 3]`, for [`Front::Patches`].
    Picture(&'a [f32]),
}

impl<'a> Input<'a> {
    /// The feature map before any batch norm; it has nothing in it where a picture is read.
    fn image(self) -> Image<'a> {
        match self {
            Self::Map(image) | Self::Normalised(image, _) => image,
            Self::Picture(_) => Image::EMPTY,
        }
    }

    /// How a plane enters a frame through ReLU.
    fn entry(self, block: usize) -> Activation<'a> {
        match self {
            Self::Normalised(_, affines) => Activation::AffineRelu(&affines[block]),
            Self::Map(_) | Self::Picture(_) => Activation::Relu,
        }
    }
}

/// Memory for one image at a time, small enough for a core's own cache.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The input of a depthwise convolution, framed.
    frames: Buffer,
    /// What the pointwise convolution reads.
    front: Buffer,
    /// The gradient before batch norm.
    gradient: Buffer,
    /// The gradient of the front.
    front_gradient: Buffer,
    /// One plane of it, framed.
    gradient_frame: Buffer,
    /// One plane of the gradient of the input, before ReLU.
    plane: Buffer,
    /// What the two genes of a node pool, a plane each.
    pub pools: [Buffer; 2],
}

/// Computes one image of a stage's output, before batch norm.
pub fn forward(
    stage: &Stage,
    packed: &Packed,
    input: Input<'_>,
    output: ImageMut<'_>,
    scratch: &mut Scratch,
) {
    let front = fill_front(stage, packed, input, &mut scratch.frames, &mut scratch.front);
    dispatch(Multiply { input: front, matrix: &packed.matrix, output });
}

/// Computes one image of what the pointwise convolution reads. Frames of the input stay in `frames`.
fn fill_front<'a>(
    stage: &Stage,
    packed: &Packed,
    input: Input<'_>,
    frames: &mut Buffer,
    front: &'a mut Buffer,
) -> Image<'a> {
    let mut front = front.image(stage.front_shape());
    match stage.front {
        Front::Rectified => {
            for (plane, output) in stage.planes(input.image()).zip(front.again().planes()) {
                dispatch(Rectify { plane: plane.pixels, output: output.pixels });
            }
        }
        Front::OffsetPair => gather_pair(stage, input.image(), front.again()),
        Front::Patches { stride } => {
            if let Input::Picture(picture) = input {
                gather_patches(picture, stage.input.side, stride, front.again());
            }
        }
        Front::Window(window) => {
            let mut frames = frames.image(stage.frames_shape());
            for (block, (plane, frame)) in input.image().planes().zip(frames.again().planes()).enumerate() {
                let entry = if window.rectified { input.entry(block) } else { Activation::Copy };
                dispatch(Frame { plane, spread: 1, padding: window.padding(), entry, frame });
            }
            window.gather(frames.read(), front.again());
        }
        Front::Depthwise(taps) => {
            let padding = taps.padding();
            let frames = frames.image(stage.frames_shape()).planes();
            let planes = input.image().planes().zip(frames).zip(front.again().planes());
            for (block, ((plane, mut frame), output)) in planes.enumerate() {
                let entry = input.entry(block);
                dispatch(Frame { plane, spread: 1, padding, entry, frame: frame.again() });
                dispatch(Depthwise { taps, frame: frame.read(), weights: packed.taps(block, taps), output });
            }
        }
    }
    front.into()
}

/// The gradient of a stage's output for one image, and what is needed to pass it back through the stage.
pub struct Backward<'a> {
    /// The gradient of the batch norm's output.
    pub gradient: Image<'a>,
    /// What the stage computed, before batch norm.
    pub output: Image<'a>,
    /// What the stage read.
    pub input: Input<'a>,
    /// The coefficients of batch norm's gradient, one element for each output block.
    pub norm: &'a [NormBack],
    /// The number that the path's output was multiplied by.
    pub factor: f32,
    /// Where the gradient of what the stage read goes, before its ReLU; `None` for the first stage of the
    /// network.
    pub target: Option<(ImageMut<'a>, Arrival)>,
}

/// Adds one image's share to the gradients of the weights, and passes the gradient on.
pub fn backward(
    stage: &Stage,
    packed: &Packed,
    sums: &mut Packed,
    back: Backward<'_>,
    scratch: &mut Scratch,
) {
    let front = fill_front(stage, packed, back.input, &mut scratch.frames, &mut scratch.front);
    let mut gradient = scratch.gradient.image(stage.output);
    let planes = back.gradient.planes().zip(back.output.planes()).zip(gradient.again().planes());
    for (((gradient, plane), output), norm) in planes.zip(back.norm) {
        dispatch(NormGradient {
            gradient: gradient.pixels,
            plane: plane.pixels,
            mean: &norm.mean,
            gradient_scale: Lanes(norm.gradient_scale.0.map(|scale| scale * back.factor)),
            distance_scale: norm.distance_scale,
            offset: norm.offset,
            output: output.pixels,
        });
    }
    let gradient = Image::from(gradient);
    dispatch(MatrixGradient { input: front, gradient, sum: &mut sums.matrix });
    if let Some(target) = back.target {
        let output = scratch.front_gradient.image(stage.front_shape());
        dispatch(Multiply { input: gradient, matrix: &packed.transposed, output });
        front_backward(stage, packed, sums, back.input.image(), target, scratch);
    }
}

/// Computes the gradient of the input from the gradient of the front, which is in `scratch`.
fn front_backward(
    stage: &Stage,
    packed: &Packed,
    sums: &mut Packed,
    input: Image<'_>,
    (mut target, arrival): (ImageMut<'_>, Arrival),
    scratch: &mut Scratch,
) {
    let gradients = scratch.front_gradient.written(stage.front_shape());
    match stage.front {
        Front::Patches { .. } => {}
        Front::OffsetPair => scatter_pair(stage, gradients, input, (target, arrival)),
        Front::Rectified => {
            if arrival == Arrival::First && stage.reads.len() < target.shape.nodes {
                target.lanes.fill(Lanes::ZERO);
            }
            for (number, &node) in stage.reads.iter().enumerate() {
                let planes = gradients.node(number).planes().zip(input.node(node).planes());
                for ((gradient, sign), output) in planes.zip(target.again().node(node).planes()) {
                    dispatch(RectifierGradient { gradient, sign, arrival, output });
                }
            }
        }
        Front::Window(window) => {
            let frames = scratch.frames.written(stage.frames_shape());
            let mut sums = scratch.gradient_frame.plane(frames.shape.side);
            for (block, (frame, output)) in frames.planes().zip(target.planes()).enumerate() {
                window.scatter(gradients, block, sums.again());
                let gradient = sums.read().without_border(window.padding());
                let sign = frame.without_border(window.padding());
                match window.rectified {
                    true => dispatch(RectifierGradient { gradient, sign, arrival, output }),
                    false => unframe(gradient, arrival, output),
                }
            }
        }
        Front::Depthwise(taps) => {
            let padding = taps.padding();
            let frames = scratch.frames.written(stage.frames_shape());
            let mut gradient_frame = scratch.gradient_frame.plane(frames.shape.side);
            let mut plane = scratch.plane.plane(stage.input.side);
            let blocks = gradients.planes().zip(frames.planes()).zip(target.planes());
            for (block, ((gradient, frame), output)) in blocks.enumerate() {
                dispatch(WeightGradient { taps, frame, gradient, sum: sums.taps_mut(block, taps) });
                dispatch(Frame {
                    plane: gradient,
                    spread: taps.stride,
                    padding,
                    entry: Activation::Copy,
                    frame: gradient_frame.again(),
                });
                dispatch(Depthwise {
                    taps: taps.unstrided(),
                    frame: gradient_frame.read(),
                    weights: packed.turned(block, taps),
                    output: plane.again(),
                });
                // The frame's middle holds what ReLU let through.
                let sign = frame.without_border(padding);
                dispatch(RectifierGradient { gradient: plane.read(), sign, arrival, output });
            }
        }
    }
}

/// Pairs of pixels: one of an output plane, and the one that it reads in an input plane twice as large.
fn every_other(side_out: usize, side_in: usize, offset: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..side_out).flat_map(move |y| {
        (0..side_out).map(move |x| (y * side_out + x, (2 * y + offset) * side_in + 2 * x + offset))
    })
}

/// Fills the two nodes of a [`Front::OffsetPair`].
fn gather_pair(stage: &Stage, input: Image<'_>, mut front: ImageMut<'_>) {
    for offset in 0..front.shape.nodes {
        for (output, plane) in front.again().node(offset).planes().zip(stage.planes(input)) {
            for (to, from) in every_other(output.side, plane.side, offset) {
                output.pixels[to] = Lanes(plane.pixels[from].0.map(|x| if x < 0.0 { 0.0 } else { x }));
            }
        }
    }
}

/// Takes the gradients of the two nodes of a [`Front::OffsetPair`] to the input, through its ReLU.
fn scatter_pair(
    stage: &Stage,
    gradients: Image<'_>,
    input: Image<'_>,
    (mut target, arrival): (ImageMut<'_>, Arrival),
) {
    if arrival == Arrival::First {
        target.lanes.fill(Lanes::ZERO);
    }
    for offset in 0..gradients.shape.nodes {
        let mut gradients = gradients.node(offset).planes();
        for &node in &stage.reads {
            let planes = input.node(node).planes().zip(target.again().node(node).planes());
            // Planes come first, so that the end of a node takes no gradient of the next.
            for ((plane, sum), gradient) in planes.zip(gradients.by_ref()) {
                for (from, to) in every_other(gradient.side, plane.side, offset) {
                    let lanes = sum.pixels[to].0.iter_mut().zip(plane.pixels[to].0);
                    for ((sum, x), gradient) in lanes.zip(gradient.pixels[from].0) {
                        *sum += if x > 0.0 { gradient } else { 0.0 };
                    }
                }
            }
        }
    }
}

/// Gathers the surroundings of each pixel, channel by channel and row by row, zero outside.
fn gather_patches(picture: &[f32], side: usize, stride: usize, mut front: ImageMut<'_>) {
    front.lanes.fill(Lanes::ZERO);
    // Output rows (or columns) whose tap in this row (or column) of the window is inside the picture.
    let inside = |tap: usize| 1_usize.saturating_sub(tap)..(side - tap.saturating_sub(1)).div_ceil(stride);
    for tap in 0..27 {
        let (channel, ky, kx) = (tap / 9, tap / 3 % 3, tap % 3);
        let plane = front.again().plane(tap / LANES);
        for y in inside(ky) {
            for x in inside(kx) {
                let pixel = (y * stride + ky - 1) * side + x * stride + kx - 1;
                plane.pixels[y * plane.side + x].0[tap % LANES] = picture[3 * pixel + channel];
            }
        }
    }
}
