//! 3×3 pools of one plane of sixteen channels, and their gradients. Windows are padded by one pixel; the
//! padding is never the maximum and is not counted in a mean.

use std::ops::Range;

use super::shape::{Plane, PlaneMut};
use crate::simd::{Kernel, Simd};

/// Rows and columns of a plane that a 3×3 window covers: the part of the window that is inside.
#[derive(Clone)]
struct Window {
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Window {
    /// The pixels of each covered row, in a plane of this side.
    #[inline(always)]
    fn pixels(&self, side: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let Range { start, end } = self.columns;
        self.rows.clone().map(move |row| row * side + start..row * side + end)
    }

    /// How many pixels it covers.
    #[inline(always)]
    fn count(&self) -> usize {
        self.rows.len() * self.columns.len()
    }
}

/// Rows (or columns) of the input that the window of output row `y` covers.
#[inline(always)]
fn covered(y: usize, stride: usize, side: usize) -> Range<usize> {
    let centre = y * stride;
    centre.saturating_sub(1)..(centre + 2).min(side)
}

/// The windows of all pixels of a pool's output, row by row.
struct Windows {
    /// Side of the pool's input.
    side: usize,
    stride: usize,
    /// Column of the next output pixel.
    x: usize,
    /// Row of the next output pixel.
    y: usize,
    rows: Range<usize>,
}

impl Windows {
    #[inline(always)]
    fn new(side: usize, stride: usize) -> Self {
        Self { side, stride, x: 0, y: 0, rows: covered(0, stride, side) }
    }
}

impl Iterator for Windows {
    type Item = Window;

    /// Never returns `None`: the iteration ends with the pixels of the output that it is zipped with.
    #[inline(always)]
    fn next(&mut self) -> Option<Window> {
        if self.x * self.stride >= self.side {
            self.x = 0;
            self.y += 1;
            self.rows = covered(self.y, self.stride, self.side);
        }
        let columns = covered(self.x, self.stride, self.side);
        self.x += 1;
        Some(Window { rows: self.rows.clone(), columns })
    }
}

/// The largest value under each window.
pub struct MaxPool<'a> {
    pub plane: Plane<'a>,
    pub stride: usize,
    pub output: PlaneMut<'a>,
}

impl Kernel for MaxPool<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let windows = Windows::new(self.plane.side, self.stride);
        for (output, window) in self.output.pixels.iter_mut().zip(windows) {
            simd.store(largest(simd, self.plane, &window), output);
        }
    }
}

#[inline(always)]
fn largest<S: Simd>(simd: S, plane: Plane<'_>, window: &Window) -> S::V {
    let mut largest = simd.splat(f32::NEG_INFINITY);
    for pixels in window.pixels(plane.side) {
        for pixel in &plane.pixels[pixels] {
            largest = simd.max(largest, simd.load(pixel));
        }
    }
    largest
}

/// Adds `factor` times the gradient of each output pixel to the first of the largest inputs under its window.
pub struct MaxPoolGradient<'a> {
    /// What the pool read.
    pub plane: Plane<'a>,
    pub stride: usize,
    /// The gradient of what the pool wrote.
    pub gradient: Plane<'a>,
    pub factor: f32,
    /// The gradient of what the pool read.
    pub sum: PlaneMut<'a>,
}

impl Kernel for MaxPoolGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let factor = simd.splat(self.factor);
        let windows = Windows::new(self.plane.side, self.stride);
        for (gradient, window) in self.gradient.pixels.iter().zip(windows) {
            let largest = largest(simd, self.plane, &window);
            let mut left = simd.mul(simd.load(gradient), factor);
            for pixels in window.pixels(self.plane.side) {
                for (pixel, sum) in self.plane.pixels[pixels.clone()].iter().zip(&mut self.sum.pixels[pixels])
                {
                    let won = simd.where_equal(simd.load(pixel), largest, left);
                    left = simd.sub(left, won);
                    simd.store(simd.add(simd.load(sum), won), sum);
                }
            }
        }
    }
}

/// The mean under each window.
pub struct AveragePool<'a> {
    pub plane: Plane<'a>,
    pub stride: usize,
    pub output: PlaneMut<'a>,
}

impl Kernel for AveragePool<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let windows = Windows::new(self.plane.side, self.stride);
        for (output, window) in self.output.pixels.iter_mut().zip(windows) {
            let mut sum = simd.zero();
            for pixels in window.pixels(self.plane.side) {
                for pixel in &self.plane.pixels[pixels] {
                    sum = simd.add(sum, simd.load(pixel));
                }
            }
            let share = simd.splat(1.0 / window.count() as f32);
            simd.store(simd.mul(sum, share), output);
        }
    }
}

/// Adds `factor` times the gradient of each output pixel, in equal shares, to the inputs under its window.
pub struct AveragePoolGradient<'a> {
    pub stride: usize,
    /// The gradient of what the pool wrote.
    pub gradient: Plane<'a>,
    pub factor: f32,
    /// The gradient of what the pool read.
    pub sum: PlaneMut<'a>,
}

impl Kernel for AveragePoolGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let windows = Windows::new(self.sum.side, self.stride);
        for (gradient, window) in self.gradient.pixels.iter().zip(windows) {
            let share = simd.splat(self.factor / window.count() as f32);
            let gradient = simd.mul(simd.load(gradient), share);
            for pixels in window.pixels(self.sum.side) {
                for sum in &mut self.sum.pixels[pixels] {
                    simd.store(simd.add(simd.load(sum), gradient), sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;
    use crate::{
        cpu::testing::{from_tensor, noise, to_tensor},
        simd::{Lanes, dispatch},
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
        let [of_max, of_average] = outputs.each_mut().map(|pixels| PlaneMut { pixels, side: side_out });
        let [sum_of_max, sum_of_average] = sums.each_mut().map(|pixels| PlaneMut { pixels, side });
        let (read, g) = (Plane { pixels: &plane, side }, Plane { pixels: &gradient, side: side_out });
        dispatch(MaxPool { plane: read, stride, output: of_max });
        dispatch(AveragePool { plane: read, stride, output: of_average });
        dispatch(MaxPoolGradient { plane: read, stride, gradient: g, factor: 2.0, sum: sum_of_max });
        dispatch(AveragePoolGradient { stride, gradient: g, factor: 2.0, sum: sum_of_average });
        for ((pool, output), sum) in pools.iter().zip(&outputs).zip(&sums) {
            same(output, pool);
            let product = (pool * to_tensor(&gradient, side_out)).sum(Kind::Float);
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
