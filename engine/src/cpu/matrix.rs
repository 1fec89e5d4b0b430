//! Products with small matrices: pointwise convolutions and their gradients.
//!
//! Images are planes: `planes[block · pixels + pixel]` holds channels `16·block..16·block + 16` of a
//! pixel. A matrix from `i` to `o` blocks of channels is packed as `[o][i · 16]` [`Lanes`]: for each
//! output block, one [`Lanes`] of weights an input channel.

use super::simd::{Kernel, LANES, Lanes, Simd};

/// `output = matrix · input`, pixel by pixel.
pub struct Multiply<'a> {
    pub input: &'a [Lanes],
    pub matrix: &'a [Lanes],
    pub output: &'a mut [Lanes],
    pub pixels: usize,
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = self.input.len() / self.pixels * LANES;
        let matrices = self.matrix.chunks_exact(rows);
        for (plane, matrix) in self.output.chunks_exact_mut(self.pixels).zip(matrices) {
            let mut pixel = 0;
            while pixel + 8 <= self.pixels {
                multiply_tile::<S, 8>(simd, self.input, matrix, plane, pixel);
                pixel += 8;
            }
            while pixel < self.pixels {
                multiply_tile::<S, 1>(simd, self.input, matrix, plane, pixel);
                pixel += 1;
            }
        }
    }
}

/// `T` neighbouring pixels of one output plane, kept in registers.
#[inline(always)]
fn multiply_tile<S: Simd, const T: usize>(
    simd: S,
    input: &[Lanes],
    matrix: &[Lanes],
    plane: &mut [Lanes],
    pixel: usize,
) {
    let pixels = plane.len();
    let mut sums = [simd.zero(); T];
    for (input, matrix) in input.chunks_exact(pixels).zip(matrix.chunks_exact(LANES)) {
        let input = &input[pixel..pixel + T];
        for (channel, weights) in matrix.iter().enumerate().take(LANES) {
            let weights = simd.load(weights);
            for t in 0..T {
                sums[t] = simd.mul_add(simd.splat(input[t].0[channel]), weights, sums[t]);
            }
        }
    }
    for (sum, output) in sums.into_iter().zip(&mut plane[pixel..pixel + T]) {
        simd.store(sum, output);
    }
}

/// Adds the gradient of a [`Multiply`]'s matrix: the sum over pixels of input times gradient.
pub struct MatrixGradient<'a> {
    pub input: &'a [Lanes],
    /// Of the product's output.
    pub gradient: &'a [Lanes],
    /// Packed as the matrix.
    pub sum: &'a mut [Lanes],
    pub pixels: usize,
}

impl Kernel for MatrixGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = self.input.len() / self.pixels * LANES;
        let gradients = self.gradient.chunks_exact(self.pixels);
        for (sums, gradient) in self.sum.chunks_exact_mut(rows).zip(gradients) {
            let inputs = self.input.chunks_exact(self.pixels);
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
    use crate::cpu::{simd::dispatch, testing::noise};

    #[test]
    fn a_product_and_its_gradient_are_sums_over_channels_and_pixels() {
        let (pixels, blocks_in, blocks_out) = (11, 2, 3);
        let input = noise(1, blocks_in * pixels);
        let matrix = noise(2, blocks_out * blocks_in * LANES);
        let gradient = noise(3, blocks_out * pixels);
        let mut output = vec![Lanes::ZERO; blocks_out * pixels];
        dispatch(Multiply { input: &input, matrix: &matrix, output: &mut output, pixels });
        let mut sum = vec![Lanes([1.0; LANES]); matrix.len()];
        dispatch(MatrixGradient { input: &input, gradient: &gradient, sum: &mut sum, pixels });
        for out in 0..blocks_out {
            for lane in 0..LANES {
                for pixel in 0..pixels {
                    let expected: f32 = (0..blocks_in * LANES)
                        .map(|c| {
                            input[c / LANES * pixels + pixel].0[c % LANES]
                                * matrix[out * blocks_in * LANES + c].0[lane]
                        })
                        .sum();
                    assert!((output[out * pixels + pixel].0[lane] - expected).abs() < 1e-4);
                }
                for c in 0..blocks_in * LANES {
                    let expected: f32 = (0..pixels)
                        .map(|p| {
                            input[c / LANES * pixels + p].0[c % LANES] * gradient[out * pixels + p].0[lane]
                        })
                        .sum();
                    let found = sum[out * blocks_in * LANES + c].0[lane] - 1.0;
                    assert!((found - expected).abs() < 1e-4);
                }
            }
        }
    }
}
