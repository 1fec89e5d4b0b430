//! Products with small matrices: pointwise convolutions and their gradients.
//!
//! A matrix from `i` to `o` blocks of channels is packed as `[o][i · 16]` [`Lanes`]: for each output block, one
//! [`Lanes`] of weights an input channel.

use super::{
    shape::{Image, ImageMut},
    tiles::{Line, in_tiles, store},
};
use crate::simd::{Kernel, LANES, Lanes, Simd};

/// `output = matrix · input` at every pixel.
pub struct Multiply<'a> {
    pub input: Image<'a>,
    pub matrix: &'a [Lanes],
    pub output: ImageMut<'a>,
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let pixels = self.output.shape.pixels();
        let rows = self.input.lanes.len() / pixels * LANES;
        let matrices = self.matrix.chunks_exact(rows);
        for (output, matrix) in self.output.lanes.chunks_exact_mut(pixels).zip(matrices) {
            in_tiles(simd, pixels, Product { input: self.input.lanes, matrix, output });
        }
    }
}

/// One output plane of a [`Multiply`].
struct Product<'a> {
    /// All planes of the input.
    input: &'a [Lanes],
    /// The rows of this output block, `[i · 16]`.
    matrix: &'a [Lanes],
    output: &'a mut [Lanes],
}

impl Line for Product<'_> {
    #[inline(always)]
    fn tile<S: Simd, const T: usize>(&mut self, simd: S, start: usize) {
        let pixels = self.output.len();
        let mut sums = [simd.zero(); T];
        for (input, matrix) in self.input.chunks_exact(pixels).zip(self.matrix.chunks_exact(LANES)) {
            let input = &input[start..start + T];
            for (channel, weights) in matrix.iter().enumerate().take(LANES) {
                let weights = simd.load(weights);
                for t in 0..T {
                    sums[t] = simd.mul_add(simd.splat(input[t].0[channel]), weights, sums[t]);
                }
            }
        }
        store(simd, sums, &mut self.output[start..start + T]);
    }
}

/// Adds the gradient of a [`Multiply`]'s matrix: the sum over pixels of input times gradient.
pub struct MatrixGradient<'a> {
    pub input: Image<'a>,
    /// The gradient of the product's output.
    pub gradient: Image<'a>,
    /// The gradient of the matrix, packed as the matrix is.
    pub sum: &'a mut [Lanes],
}

impl Kernel for MatrixGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let pixels = self.gradient.shape.pixels();
        let rows = self.input.lanes.len() / pixels * LANES;
        let gradients = self.gradient.lanes.chunks_exact(pixels);
        for (sums, gradient) in self.sum.chunks_exact_mut(rows).zip(gradients) {
            let inputs = self.input.lanes.chunks_exact(pixels);
            for (sums, input) in sums.chunks_exact_mut(LANES).zip(inputs) {
                let mut registers = [simd.zero(); LANES];
                for (register, sum) in registers.iter_mut().zip(sums.iter()) {
                    *register = simd.load(sum);
                }
                for (input, gradient) in input.iter().zip(gradient) {
                    let gradient = simd.load(gradient);
                    for (register, &input) in registers.iter_mut().zip(&input.0) {
                        *register = simd.mul_add(simd.splat(input), gradient, *register);
                    }
                }
                for (register, sum) in registers.into_iter().zip(sums) {
                    simd.store(register, sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cpu::{shape::MapShape, testing::noise},
        simd::dispatch,
    };

    #[test]
    fn a_product_and_its_gradient_are_sums_over_channels_and_pixels() {
        let (side, blocks_in, blocks_out) = (5, 2, 3);
        let pixels = side * side;
        let (shape_in, shape_out) = (MapShape::one(blocks_in, side), MapShape::one(blocks_out, side));
        let lanes_in = noise(1, shape_in.length());
        let input = Image { lanes: &lanes_in, shape: shape_in };
        let matrix = noise(2, blocks_out * blocks_in * LANES);
        let gradient = noise(3, shape_out.length());
        let mut output = vec![Lanes::ZERO; shape_out.length()];
        let written = ImageMut { lanes: &mut output, shape: shape_out };
        dispatch(Multiply { input, matrix: &matrix, output: written });
        let mut sum = vec![Lanes([1.0; LANES]); matrix.len()];
        let of_output = Image { lanes: &gradient, shape: shape_out };
        dispatch(MatrixGradient { input, gradient: of_output, sum: &mut sum });
        for out in 0..blocks_out {
            for lane in 0..LANES {
                for pixel in 0..pixels {
                    let expected: f32 = (0..blocks_in * LANES)
                        .map(|c| {
                            lanes_in[c / LANES * pixels + pixel].0[c % LANES]
                                * matrix[out * blocks_in * LANES + c].0[lane]
                        })
                        .sum();
                    assert!((output[out * pixels + pixel].0[lane] - expected).abs() < 1e-4);
                }
                for c in 0..blocks_in * LANES {
                    let expected: f32 = (0..pixels)
                        .map(|p| {
                            lanes_in[c / LANES * pixels + p].0[c % LANES] * gradient[out * pixels + p].0[lane]
                        })
                        .sum();
                    let found = sum[out * blocks_in * LANES + c].0[lane] - 1.0;
                    assert!((found - expected).abs() < 1e-4);
                }
            }
        }
    }
}
