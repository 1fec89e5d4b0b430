//! 3×3 pools of one plane of sixteen channels, and their gradients.

use super::simd::{Kernel, Lanes, Simd};

/// Rows (or columns) of the input under output row `y`: the part of the window that is inside.
#[inline(always)]
fn covered(y: usize, stride: usize, side: usize) -> std::ops::Range<usize> {
    let centre = y * stride;
    centre.saturating_sub(1)..(centre + 2).min(side)
}

/// The largest value under the window.
pub struct MaxPool<'a> {
    pub plane: &'a [Lanes],
    pub side: usize,
    pub stride: usize,
    pub output: &'a mut [Lanes],
}

impl Kernel for MaxPool<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let side_out = (self.side - 1) / self.stride + 1;
        for (y, line) in self.output.chunks_exact_mut(side_out).enumerate() {
            let rows = covered(y, self.stride, self.side);
            for (x, output) in line.iter_mut().enumerate() {
                let columns = covered(x, self.stride, self.side);
                simd.store(largest(simd, self.plane, self.side, rows.clone(), columns), output);
            }
        }
    }
}

#[inline(always)]
fn largest<S: Simd>(
    simd: S,
    plane: &[Lanes],
    side: usize,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
) -> S::V {
    let mut largest = simd.splat(f32::NEG_INFINITY);
    for row in rows {
        for pixel in &plane[row * side + columns.start..row * side + columns.end] {
            largest = simd.max(largest, simd.load(pixel));
        }
    }
    largest
}

/// Adds gradients of outputs to the first of the largest inputs under each window.
pub struct MaxPoolGradient<'a> {
    pub plane: &'a [Lanes],
    pub side: usize,
    pub stride: usize,
    pub gradient: &'a [Lanes],
    pub factor: f32,
    pub sum: &'a mut [Lanes],
}

impl Kernel for MaxPoolGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let side_out = (self.side - 1) / self.stride + 1;
        let factor = simd.splat(self.factor);
        for (y, line) in self.gradient.chunks_exact(side_out).enumerate() {
            let rows = covered(y, self.stride, self.side);
            for (x, gradient) in line.iter().enumerate() {
                let columns = covered(x, self.stride, self.side);
                let largest = largest(simd, self.plane, self.side, rows.clone(), columns.clone());
                let mut left = simd.mul(simd.load(gradient), factor);
                for row in rows.clone() {
                    let place = row * self.side + columns.start..row * self.side + columns.end;
                    for (pixel, sum) in self.plane[place.clone()].iter().zip(&mut self.sum[place]) {
                        let won = simd.where_equal(simd.load(pixel), largest, left);
                        left = simd.sub(left, won);
                        simd.store(simd.add(simd.load(sum), won), sum);
                    }
                }
            }
        }
    }
}

/// The mean under the window; pixels outside are not counted.
pub struct AveragePool<'a> {
    pub plane: &'a [Lanes],
    pub side: usize,
    pub stride: usize,
    pub output: &'a mut [Lanes],
}

impl Kernel for AveragePool<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let side_out = (self.side - 1) / self.stride + 1;
        for (y, line) in self.output.chunks_exact_mut(side_out).enumerate() {
            let rows = covered(y, self.stride, self.side);
            for (x, output) in line.iter_mut().enumerate() {
                let columns = covered(x, self.stride, self.side);
                let mut sum = simd.zero();
                for row in rows.clone() {
                    let start = row * self.side;
                    for pixel in &self.plane[start + columns.start..start + columns.end] {
                        sum = simd.add(sum, simd.load(pixel));
                    }
                }
                let share = simd.splat(1.0 / (rows.len() * columns.len()) as f32);
                simd.store(simd.mul(sum, share), output);
            }
        }
    }
}

/// Adds gradients of outputs, in equal shares, to the inputs under each window.
pub struct AveragePoolGradient<'a> {
    pub side: usize,
    pub stride: usize,
    pub gradient: &'a [Lanes],
    pub factor: f32,
    pub sum: &'a mut [Lanes],
}

impl Kernel for AveragePoolGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let side_out = (self.side - 1) / self.stride + 1;
        for (y, line) in self.gradient.chunks_exact(side_out).enumerate() {
            let rows = covered(y, self.stride, self.side);
            for (x, gradient) in line.iter().enumerate() {
                let columns = covered(x, self.stride, self.side);
                let share = simd.splat(self.factor / (rows.len() * columns.len()) as f32);
                let gradient = simd.mul(simd.load(gradient), share);
                for row in rows.clone() {
                    let start = row * self.side;
                    for sum in &mut self.sum[start + columns.start..start + columns.end] {
                        simd.store(simd.add(simd.load(sum), gradient), sum);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;
    use crate::cpu::{
        simd::dispatch,
        testing::{from_tensor, noise, to_tensor},
    };

    fn check(side: usize, stride: usize) {
        let side_out = (side - 1) / stride + 1;
        // Rounded, so that there are ties.
        let plane: Vec<_> =
            noise(1, side * side).iter().map(|p| Lanes(p.0.map(|x| (4.0 * x).round()))).collect();
        let gradient = noise(2, side_out * side_out);
        let input = to_tensor(&plane, side).contiguous().set_requires_grad(true);
        let s = [stride as i64; 2];
        let pools = [
            input.max_pool2d([3, 3], s, [1, 1], [1, 1], false),
            input.avg_pool2d([3, 3], s, [1, 1], false, false, None),
        ];
        let mut outputs = [vec![Lanes::ZERO; gradient.len()], vec![Lanes::ZERO; gradient.len()]];
        let mut sums = [noise(3, plane.len()), noise(3, plane.len())];
        let (plane, g) = (&plane[..], &gradient[..]);
        dispatch(MaxPool { plane, side, stride, output: &mut outputs[0] });
        dispatch(AveragePool { plane, side, stride, output: &mut outputs[1] });
        dispatch(MaxPoolGradient { plane, side, stride, gradient: g, factor: 2.0, sum: &mut sums[0] });
        dispatch(AveragePoolGradient { side, stride, gradient: g, factor: 2.0, sum: &mut sums[1] });
        for ((pool, output), sum) in pools.iter().zip(&outputs).zip(&sums) {
            same(output, pool);
            let product = (pool * to_tensor(g, side_out)).sum(Kind::Float);
            let expected = &Tensor::run_backward(&[product], &[&input], true, false)[0];
            same(sum, &(expected * 2.0 + to_tensor(&noise(3, plane.len()), side)));
        }
    }

    fn same(found: &[Lanes], expected: &Tensor) {
        let expected = from_tensor(expected);
        assert_eq!(found.len(), expected.len());
        for (f, e) in found.iter().flat_map(|f| f.0).zip(expected.iter().flat_map(|e| e.0)) {
            assert!((f - e).abs() < 1e-4, "{f} for {e}");
        }
    }

    #[test]
    fn pools_and_their_gradients_are_those_of_libtorch() {
        for side in [8, 9] {
            check(side, 1);
            check(side, 2);
        }
    }
}
