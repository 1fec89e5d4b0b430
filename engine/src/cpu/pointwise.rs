//! Kernels that treat every pixel alone: sums of paths, moments, gradients through batch norm.

use super::shape::{Plane, PlaneMut};
use crate::simd::{Kernel, Lanes, Simd};

/// The map `scale · x + shift`, with one `scale` and one `shift` for every channel of a block.
#[derive(Clone, Copy, Debug)]
pub struct Affine {
    pub scale: Lanes,
    pub shift: Lanes,
}

impl Affine {
    /// Leaves everything as it is.
    pub const IDENTITY: Self = Self { scale: Lanes([1.0; 16]), shift: Lanes::ZERO };

    /// The same map, its result multiplied with a number.
    pub fn times(&self, factor: f32) -> Self {
        Self {
            scale: Lanes(self.scale.0.map(|x| x * factor)),
            shift: Lanes(self.shift.0.map(|x| x * factor)),
        }
    }
}

/// One plane from one or two others, each through a map of its own: `output = first(x) + second(y)`.
pub struct Blend<'a> {
    pub first: (&'a [Lanes], Affine),
    pub second: Option<(&'a [Lanes], Affine)>,
    pub output: &'a mut [Lanes],
}

impl Kernel for Blend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (first, Affine { scale, shift }) = self.first;
        let (scale, shift) = (simd.load(&scale), simd.load(&shift));
        let Some((second, other)) = self.second else {
            for (output, x) in self.output.iter_mut().zip(first) {
                simd.store(simd.mul_add(simd.load(x), scale, shift), output);
            }
            return;
        };
        let (other_scale, shift) = (simd.load(&other.scale), simd.add(shift, simd.load(&other.shift)));
        for ((output, x), y) in self.output.iter_mut().zip(first).zip(second) {
            let sum = simd.mul_add(simd.load(x), scale, shift);
            simd.store(simd.mul_add(simd.load(y), other_scale, sum), output);
        }
    }
}

/// ReLU of a plane, or of several that follow each other.
pub struct Rectify<'a> {
    pub plane: &'a [Lanes],
    pub output: &'a mut [Lanes],
}

impl Kernel for Rectify<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let zero = simd.zero();
        for (output, x) in self.output.iter_mut().zip(self.plane) {
            // In this order, what is not a number stays so.
            simd.store(simd.max(zero, simd.load(x)), output);
        }
    }
}

/// The mean of a plane, and the sum of squared distances from it.
pub struct Moments<'a> {
    pub plane: &'a [Lanes],
}

impl Kernel for Moments<'_> {
    type Output = (Lanes, Lanes);

    /// In two passes, because sums of squares would lose precision where the mean is large.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> (Lanes, Lanes) {
        let mut sums = [simd.zero(); 4];
        let (quads, rest) = self.plane.as_chunks::<4>();
        for quad in quads {
            for (sum, x) in sums.iter_mut().zip(quad) {
                *sum = simd.add(*sum, simd.load(x));
            }
        }
        for x in rest {
            sums[0] = simd.add(sums[0], simd.load(x));
        }
        let mean = simd.mul(total(simd, sums), simd.splat(1.0 / self.plane.len() as f32));
        let mut squares = [simd.zero(); 4];
        for quad in quads {
            for (square, x) in squares.iter_mut().zip(quad) {
                let distance = simd.sub(simd.load(x), mean);
                *square = simd.mul_add(distance, distance, *square);
            }
        }
        for x in rest {
            let distance = simd.sub(simd.load(x), mean);
            squares[0] = simd.mul_add(distance, distance, squares[0]);
        }
        let mut result = (Lanes::ZERO, Lanes::ZERO);
        simd.store(mean, &mut result.0);
        simd.store(total(simd, squares), &mut result.1);
        result
    }
}

#[inline(always)]
fn total<S: Simd>(simd: S, parts: [S::V; 4]) -> S::V {
    simd.add(simd.add(parts[0], parts[1]), simd.add(parts[2], parts[3]))
}

/// What batch norm's gradient needs to know of a plane: the sum of the gradient, and of the
/// gradient times the distance from the mean.
pub struct GradientMoments<'a> {
    /// The gradient of batch norm's output.
    pub gradient: &'a [Lanes],
    /// What batch norm read.
    pub plane: &'a [Lanes],
    /// What it subtracted.
    pub mean: &'a Lanes,
}

impl Kernel for GradientMoments<'_> {
    type Output = (Lanes, Lanes);

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> (Lanes, Lanes) {
        let mean = simd.load(self.mean);
        let (mut sums, mut products) = ([simd.zero(); 4], [simd.zero(); 4]);
        let (gradients, gradients_left) = self.gradient.as_chunks::<4>();
        let (planes, planes_left) = self.plane.as_chunks::<4>();
        for (gradient, plane) in gradients.iter().zip(planes) {
            for i in 0..4 {
                let gradient = simd.load(&gradient[i]);
                let distance = simd.sub(simd.load(&plane[i]), mean);
                sums[i] = simd.add(sums[i], gradient);
                products[i] = simd.mul_add(gradient, distance, products[i]);
            }
        }
        for (gradient, x) in gradients_left.iter().zip(planes_left) {
            let gradient = simd.load(gradient);
            sums[0] = simd.add(sums[0], gradient);
            products[0] = simd.mul_add(gradient, simd.sub(simd.load(x), mean), products[0]);
        }
        let mut result = (Lanes::ZERO, Lanes::ZERO);
        simd.store(total(simd, sums), &mut result.0);
        simd.store(total(simd, products), &mut result.1);
        result
    }
}

/// The gradient before batch norm: `gradient_scale · g + distance_scale · (x − mean) + offset`.
pub struct NormGradient<'a> {
    /// The gradient of batch norm's output, g.
    pub gradient: &'a [Lanes],
    /// What batch norm read, x.
    pub plane: &'a [Lanes],
    pub mean: &'a Lanes,
    pub gradient_scale: Lanes,
    pub distance_scale: Lanes,
    pub offset: Lanes,
    pub output: &'a mut [Lanes],
}

impl Kernel for NormGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let scale = simd.load(&self.gradient_scale);
        let distance_scale = simd.load(&self.distance_scale);
        let (mean, offset) = (simd.load(self.mean), simd.load(&self.offset));
        for ((output, gradient), x) in self.output.iter_mut().zip(self.gradient).zip(self.plane) {
            let distance = simd.sub(simd.load(x), mean);
            let shifted = simd.mul_add(distance, distance_scale, offset);
            simd.store(simd.mul_add(simd.load(gradient), scale, shifted), output);
        }
    }
}

/// Whether a gradient is the first that reaches its place, or adds to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is written.
    First,
    /// It is added.
    Later,
}

/// Passes a gradient back through ReLU, which lets it through where the pixel of `sign` is positive. The rows
/// of `sign` and `gradient` may be longer than those of the output, so that they may be the middle of a
/// frame.
pub struct RectifierGradient<'a> {
    pub gradient: Plane<'a>,
    /// The input of ReLU or its output: both are positive at the same pixels.
    pub sign: Plane<'a>,
    pub arrival: Arrival,
    pub output: PlaneMut<'a>,
}

impl Kernel for RectifierGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let outputs = self.output.pixels.chunks_exact_mut(self.output.side);
        let rows = outputs.zip(self.gradient.pixels.chunks(self.gradient.side));
        for ((output, gradient), sign) in rows.zip(self.sign.pixels.chunks(self.sign.side)) {
            let pixels = output.iter_mut().zip(gradient).zip(sign);
            if self.arrival == Arrival::First {
                for ((output, gradient), sign) in pixels {
                    simd.store(simd.where_positive(simd.load(sign), simd.load(gradient)), output);
                }
            } else {
                for ((output, gradient), sign) in pixels {
                    let passed = simd.where_positive(simd.load(sign), simd.load(gradient));
                    simd.store(simd.add(simd.load(output), passed), output);
                }
            }
        }
    }
}

/// Adds a plane times a number to another, or writes it if it is the first.
pub struct Accumulate<'a> {
    pub plane: &'a [Lanes],
    pub factor: f32,
    pub arrival: Arrival,
    pub output: &'a mut [Lanes],
}

impl Kernel for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let factor = simd.splat(self.factor);
        for (output, x) in self.output.iter_mut().zip(self.plane) {
            let x = simd.mul(simd.load(x), factor);
            let sum = if self.arrival == Arrival::First { x } else { simd.add(simd.load(output), x) };
            simd.store(sum, output);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cpu::testing::noise, simd::dispatch};

    #[test]
    fn moments_survive_a_mean_far_from_zero() {
        let plane: Vec<_> = noise(1, 101).iter().map(|p| Lanes(p.0.map(|x| 1000.0 + x))).collect();
        let (mean, squares) = dispatch(Moments { plane: &plane });
        for lane in 0..16 {
            let values: Vec<f64> = plane.iter().map(|p| f64::from(p.0[lane])).collect();
            let expected = values.iter().sum::<f64>() / 101.0;
            assert!((f64::from(mean.0[lane]) - expected).abs() < 1e-3);
            let expected: f64 = values.iter().map(|x| (x - expected).powi(2)).sum();
            assert!((f64::from(squares.0[lane]) / expected - 1.0).abs() < 1e-3);
        }
    }
}
