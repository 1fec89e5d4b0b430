//! Kernels that slide a window over one plane of sixteen channels: depthwise convolutions.
//!
//! They read a plane that has been copied into a frame ([`Frame`]), so that no tap falls outside.

use super::{
    pointwise::Affine,
    shape::{Plane, PlaneMut},
    tiles::{Line, in_tiles, store},
};
use crate::simd::{Kernel, Lanes, Simd};

/// The taps of a depthwise convolution, which is padded so that stride 1 keeps the side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taps {
    /// Rows of the window, and columns: 3, 5 or 7.
    pub kernel: usize,
    /// How many pixels lie between the windows of neighbouring output pixels: 1 or 2.
    pub stride: usize,
    /// How many pixels lie between neighbouring taps: 1, or 2 where the window has 3 or 5 rows.
    pub dilation: usize,
}

impl Taps {
    /// Rows of zeros above the input and below it, and columns beside it.
    pub fn padding(self) -> usize {
        (self.kernel / 2) * self.dilation
    }

    /// Weights of one channel.
    pub fn count(self) -> usize {
        self.kernel * self.kernel
    }

    /// Rows and columns of the output for an input of this side.
    pub fn output_side(self, side: usize) -> usize {
        (side - 1) / self.stride + 1
    }

    /// Rows and columns of the framed input for an input of this side.
    pub fn framed_side(self, side: usize) -> usize {
        side + 2 * self.padding()
    }

    /// The same taps at stride 1, which the gradient of the input is computed with.
    pub fn unstrided(self) -> Self {
        Self { stride: 1, ..self }
    }
}

/// What happens to a value on its way into a frame.
#[derive(Clone, Copy)]
pub enum Activation<'a> {
    /// It stays as it is.
    Copy,
    /// ReLU.
    Relu,
    /// ReLU of `scale · x + shift`.
    AffineRelu(&'a Affine),
}

/// Copies a plane into the middle of a frame of zeros, which is `padding` pixels wide on every side. With
/// `spread`, neighbours come to lie that far apart and zeros between them.
pub struct Frame<'a> {
    pub plane: Plane<'a>,
    pub spread: usize,
    pub padding: usize,
    /// Is ignored where `spread` is more than 1: values are copied.
    pub entry: Activation<'a>,
    pub frame: PlaneMut<'a>,
}

impl Kernel for Frame<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (padding, spread, width) = (self.padding, self.spread, self.frame.side);
        let inner = width - 2 * padding;
        for (row, line) in self.frame.pixels.chunks_exact_mut(width).enumerate() {
            let inside = row.wrapping_sub(padding);
            if inside >= inner || inside % spread != 0 {
                line.fill(Lanes::ZERO);
                continue;
            }
            let start = inside / spread * self.plane.side;
            let pixels = &self.plane.pixels[start..start + self.plane.side];
            line[..padding].fill(Lanes::ZERO);
            line[padding + inner..].fill(Lanes::ZERO);
            let middle = &mut line[padding..padding + inner];
            if spread > 1 {
                middle.fill(Lanes::ZERO);
                for (to, from) in middle.chunks_mut(spread).zip(pixels) {
                    to[0] = *from;
                }
                continue;
            }
            let zero = simd.zero();
            match self.entry {
                Activation::Copy => middle.copy_from_slice(pixels),
                Activation::Relu => {
                    for (to, from) in middle.iter_mut().zip(pixels) {
                        simd.store(simd.max(zero, simd.load(from)), to);
                    }
                }
                Activation::AffineRelu(affine) => {
                    let (scale, shift) = (simd.load(&affine.scale), simd.load(&affine.shift));
                    for (to, from) in middle.iter_mut().zip(pixels) {
                        simd.store(simd.max(zero, simd.mul_add(simd.load(from), scale, shift)), to);
                    }
                }
            }
        }
    }
}

/// Calls a kernel's `slide` compiled for its taps: a kernel size, stride and dilation that are known at
/// compile time keep the window in registers.
macro_rules! slide_by_taps {
    ($kernel:ident, $simd:ident) => {{
        let Taps { kernel, stride, dilation } = $kernel.taps;
        match (kernel, stride, dilation) {
            (3, 1, 1) => $kernel.slide::<S, 3, 1, 1>($simd),
            (3, 2, 1) => $kernel.slide::<S, 3, 2, 1>($simd),
            (3, 1, 2) => $kernel.slide::<S, 3, 1, 2>($simd),
            (3, 2, 2) => $kernel.slide::<S, 3, 2, 2>($simd),
            (5, 1, 1) => $kernel.slide::<S, 5, 1, 1>($simd),
            (5, 2, 1) => $kernel.slide::<S, 5, 2, 1>($simd),
            (5, 1, 2) => $kernel.slide::<S, 5, 1, 2>($simd),
            (5, 2, 2) => $kernel.slide::<S, 5, 2, 2>($simd),
            (7, 1, 1) => $kernel.slide::<S, 7, 1, 1>($simd),
            (7, 2, 1) => $kernel.slide::<S, 7, 2, 1>($simd),
            _ => unreachable!("no operation has these taps: {:?}", $kernel.taps),
        }
    }};
}

/// A depthwise convolution of a framed plane.
pub struct Depthwise<'a> {
    pub taps: Taps,
    pub frame: Plane<'a>,
    /// The weights of each tap, row by row.
    pub weights: &'a [Lanes],
    pub output: PlaneMut<'a>,
}

impl Kernel for Depthwise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        slide_by_taps!(self, simd)
    }
}

impl Depthwise<'_> {
    #[inline(always)]
    fn slide<S: Simd, const K: usize, const STRIDE: usize, const DILATION: usize>(self, simd: S) {
        let Plane { pixels, side: width } = self.frame;
        for (y, output) in self.output.pixels.chunks_exact_mut(self.output.side).enumerate() {
            let frame = &pixels[y * STRIDE * width..];
            let row = Row::<K, STRIDE, DILATION> { frame, width, weights: self.weights, output };
            in_tiles(simd, self.output.side, row);
        }
    }
}

/// One output row of a [`Depthwise`].
struct Row<'a, const K: usize, const STRIDE: usize, const DILATION: usize> {
    /// The frame from the first row that the taps read.
    frame: &'a [Lanes],
    /// Pixels of a row of the frame.
    width: usize,
    weights: &'a [Lanes],
    output: &'a mut [Lanes],
}

impl<const K: usize, const STRIDE: usize, const DILATION: usize> Line for Row<'_, K, STRIDE, DILATION> {
    #[inline(always)]
    fn tile<S: Simd, const T: usize>(&mut self, simd: S, start: usize) {
        let length = (T - 1) * STRIDE + (K - 1) * DILATION + 1;
        let weights = &self.weights[..K * K];
        let mut sums = [simd.zero(); T];
        for ky in 0..K {
            let first = ky * DILATION * self.width + start * STRIDE;
            let row = &self.frame[first..first + length];
            for kx in 0..K {
                let weight = simd.load(&weights[ky * K + kx]);
                for t in 0..T {
                    sums[t] = simd.mul_add(simd.load(&row[t * STRIDE + kx * DILATION]), weight, sums[t]);
                }
            }
        }
        store(simd, sums, &mut self.output[start..start + T]);
    }
}

/// Adds the gradient of a [`Depthwise`]'s weights: for each tap, the sum over pixels of what it
/// read times the gradient of what it wrote.
pub struct WeightGradient<'a> {
    pub taps: Taps,
    pub frame: Plane<'a>,
    /// The gradient of the convolution's output.
    pub gradient: Plane<'a>,
    /// The gradient of each tap's weights, row by row.
    pub sum: &'a mut [Lanes],
}

impl Kernel for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        slide_by_taps!(self, simd)
    }
}

impl WeightGradient<'_> {
    #[inline(always)]
    fn slide<S: Simd, const K: usize, const STRIDE: usize, const DILATION: usize>(self, simd: S) {
        let length = (K - 1) * DILATION + 1;
        let Plane { pixels: frame, side: width } = self.frame;
        let Plane { pixels: gradients, side } = self.gradient;
        let mut sums = [[simd.zero(); K]; K];
        for (y, line) in gradients.chunks_exact(side).enumerate() {
            let mut rows = [&frame[..0]; K];
            for (ky, row) in rows.iter_mut().enumerate() {
                let start = (y * STRIDE + ky * DILATION) * width;
                *row = &frame[start..start + (side - 1) * STRIDE + length];
            }
            for (x, gradient) in line.iter().enumerate() {
                let gradient = simd.load(gradient);
                for (sums, row) in sums.iter_mut().zip(rows) {
                    // Rows are long enough; a panic here would keep the sums out of registers.
                    let Some(row) = row.get(x * STRIDE..x * STRIDE + length) else { break };
                    for (kx, sum) in sums.iter_mut().enumerate() {
                        *sum = simd.mul_add(simd.load(&row[kx * DILATION]), gradient, *sum);
                    }
                }
            }
        }
        for (sum, total) in sums.iter().flatten().zip(self.sum) {
            let new = simd.add(simd.load(total), *sum);
            simd.store(new, total);
        }
    }
}

/// A depthwise kernel turned by 180 degrees, with which the gradient of the input is computed from that of
/// the output.
pub fn turned(weights: &[Lanes]) -> Vec<Lanes> {
    weights.iter().rev().copied().collect()
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;
    use crate::{
        cpu::testing::{from_tensor, noise, to_tensor},
        simd::dispatch,
    };

    /// Forward, gradient of the weights and of the input, against libtorch.
    fn check(taps: Taps, side: usize) {
        let (out_side, width) = (taps.output_side(side), taps.framed_side(side));
        let plane = noise(1, side * side);
        let weights = noise(2, taps.count());
        let gradient = noise(3, out_side * out_side);

        let input = to_tensor(&plane, side).set_requires_grad(true);
        let kernel = to_tensor(&weights, taps.kernel).permute([1, 0, 2, 3]).detach().set_requires_grad(true);
        let pair = |n: usize| [n as i64; 2];
        let output = input.relu().conv2d(
            &kernel,
            None::<&Tensor>,
            pair(taps.stride),
            pair(taps.padding()),
            pair(taps.dilation),
            16,
        );
        let product = (&output * to_tensor(&gradient, out_side)).sum(tch::Kind::Float);
        let expected = Tensor::run_backward(&[product], &[&input, &kernel], false, false);

        let mut frame = vec![Lanes([9.0; 16]); width * width];
        let padding = taps.padding();
        dispatch(Frame {
            plane: Plane { pixels: &plane, side },
            spread: 1,
            padding,
            entry: Activation::Relu,
            frame: PlaneMut { pixels: &mut frame, side: width },
        });
        let framed = Plane { pixels: &frame, side: width };
        let mut found = vec![Lanes::ZERO; out_side * out_side];
        let written = PlaneMut { pixels: &mut found, side: out_side };
        dispatch(Depthwise { taps, frame: framed, weights: &weights, output: written });
        same(&found, &output, "output", taps);

        let mut sum = vec![Lanes::ZERO; taps.count()];
        let of_output = Plane { pixels: &gradient, side: out_side };
        dispatch(WeightGradient { taps, frame: framed, gradient: of_output, sum: &mut sum });
        same(&sum, &expected[1].permute([1, 0, 2, 3]), "weight gradient", taps);

        dispatch(Frame {
            plane: of_output,
            spread: taps.stride,
            padding,
            entry: Activation::Copy,
            frame: PlaneMut { pixels: &mut frame, side: width },
        });
        let mut found = vec![Lanes::ZERO; side * side];
        let turned = turned(&weights);
        dispatch(Depthwise {
            taps: taps.unstrided(),
            frame: Plane { pixels: &frame, side: width },
            weights: &turned,
            output: PlaneMut { pixels: &mut found, side },
        });
        for (found, value) in found.iter_mut().zip(&plane) {
            for (found, value) in found.0.iter_mut().zip(value.0) {
                *found = if value > 0.0 { *found } else { 0.0 };
            }
        }
        same(&found, &expected[0], "input gradient", taps);
    }

    fn same(found: &[Lanes], expected: &Tensor, what: &str, taps: Taps) {
        let expected = from_tensor(expected);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            for (f, e) in found.0.iter().zip(expected.0) {
                assert!((f - e).abs() < 1e-3, "{what} of {taps:?}: {f} for {e}");
            }
        }
    }

    #[test]
    fn depthwise_convolutions_are_those_of_libtorch() {
        for (kernel, dilation) in [(3, 1), (3, 2), (5, 1), (5, 2), (7, 1)] {
            for stride in [1, 2] {
                for side in [8, 11, 18] {
                    check(Taps { kernel, stride, dilation }, side);
                }
            }
        }
    }
}
