//! Principal components of a sample that grows, and the plane of the first two.
//!
//! Instead of the sample, only its mean and the sums of products of deviations are kept, so adding a point
//! takes time in the square of its dimensions, and only once. Eigenvectors are computed by Jacobi's
//! rotations: slower than newer methods, but exact to rounding, the same on every machine, and short.

/// Count, mean, and sums of products of deviations from the mean.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleMoments {
    count: u64,
    mean: Vec<f64>,
    /// The sums of products, a symmetric matrix in row-major order.
    products: Vec<f64>,
}

impl SampleMoments {
    pub fn new(dimensions: usize) -> Self {
        Self { count: 0, mean: vec![0.0; dimensions], products: vec![0.0; dimensions * dimensions] }
    }

    /// Adds a point (Welford's update, for all pairs of dimensions).
    ///
    /// # Panics
    /// If the point has a different number of dimensions.
    pub fn add(&mut self, point: &[f64]) {
        let dimensions = self.mean.len();
        assert_eq!(point.len(), dimensions, "a point of other dimensions");
        self.count += 1;
        let before: Vec<f64> = point.iter().zip(&self.mean).map(|(x, mean)| x - mean).collect();
        for (mean, deviation) in self.mean.iter_mut().zip(&before) {
            *mean += deviation / self.count as f64;
        }
        // The deviation from the new mean, as a share of that from the old one.
        let after = (self.count - 1) as f64 / self.count as f64;
        for (row, x) in self.products.chunks_mut(dimensions).zip(&before) {
            for (product, y) in row.iter_mut().zip(&before) {
                *product += after * x * y;
            }
        }
    }

    /// The number of points.
    pub fn count(&self) -> u64 {
        self.count
    }

    fn total(&self) -> f64 {
        self.products.iter().step_by(self.mean.len() + 1).sum()
    }
}

/// A plane through the mean of a sample, along its two directions of most variance.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    origin: Vec<f64>,
    /// Two vectors of length 1 at right angles.
    axes: [Vec<f64>; 2],
    /// The share of the sample's variance that lies in the plane, from 0 to 1.
    pub share: f64,
}

impl Plane {
    /// The plane of the first two principal components. The sign of each axis is such that its component of largest
    /// magnitude is positive. `None` if all points are the same, or have fewer than two dimensions.
    pub fn of(moments: &SampleMoments) -> Option<Self> {
        let dimensions = moments.mean.len();
        let total = moments.total();
        if dimensions < 2 || total <= 0.0 || !total.is_finite() {
            return None;
        }
        let mut found = eigen(moments.products.clone(), dimensions).into_iter();
        let ((first, x), (second, y)) = (found.next()?, found.next()?);
        let share = ((first + second) / total).clamp(0.0, 1.0);
        Some(Self { origin: moments.mean.clone(), axes: [x, y], share })
    }

    /// The same plane, with axes that are turned (and mirrored, if that is nearer) to be as near as possible
    /// to those of an earlier plane.
    ///
    /// A plane can be spanned by any two axes in it. From sample to sample, principal components may change
    /// their signs and their order, and, where their variances are similar, also their directions. Turning
    /// the axes keeps a picture of the points steady.
    #[must_use]
    pub fn facing(self, former: &Self) -> Self {
        let [x, y] = &self.axes;
        let [u, v] = &former.axes;
        // The orthogonal matrix that is nearest to the products of both: its polar factor.
        let (a, b, c, d) = (dot(x, u), dot(x, v), dot(y, u), dot(y, v));
        let (turn, mirror) = ((a + d).hypot(c - b), (a - d).hypot(b + c));
        if turn.max(mirror) < 1e-9 {
            return self;
        }
        let mix = |p: f64, q: f64| x.iter().zip(y).map(|(x, y)| p * x + q * y).collect::<Vec<f64>>();
        let axes = if turn >= mirror {
            let (cos, sin) = ((a + d) / turn, (c - b) / turn);
            [mix(cos, sin), mix(-sin, cos)]
        } else {
            let (cos, sin) = ((a - d) / mirror, (b + c) / mirror);
            [mix(cos, sin), mix(sin, -cos)]
        };
        Self { axes, ..self }
    }

    /// The coordinates of a point's projection on the plane.
    pub fn project(&self, point: &[f64]) -> (f64, f64) {
        let along = |axis: &[f64]| {
            let offsets = point.iter().zip(&self.origin).map(|(x, origin)| x - origin);
            offsets.zip(axis).map(|(offset, axis)| offset * axis).sum()
        };
        (along(&self.axes[0]), along(&self.axes[1]))
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Sweeps over all pairs of dimensions; about eight are enough for any matrix that occurs.
const SWEEPS: usize = 40;

/// Eigenvalues of a symmetric matrix, the largest first, each with its eigenvector, by cyclic
/// rotations (Jacobi, 1846).
fn eigen(mut matrix: Vec<f64>, dimensions: usize) -> Vec<(f64, Vec<f64>)> {
    let n = dimensions;
    let mut vectors = vec![0.0; n * n];
    vectors.iter_mut().step_by(n + 1).for_each(|one| *one = 1.0);
    let size: f64 = matrix.iter().map(|x| x * x).sum();
    for _ in 0..SWEEPS {
        let off = |(at, x): (usize, &f64)| if at % (n + 1) == 0 { 0.0 } else { x * x };
        if matrix.iter().enumerate().map(off).sum::<f64>() <= 1e-26 * size {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut matrix, &mut vectors, n, (p, q));
            }
        }
    }
    let mut found: Vec<_> = (0..n)
        .map(|row| {
            let vector = &vectors[row * n..(row + 1) * n];
            let larger = |a: f64, b: f64| if b.abs() > a.abs() { b } else { a };
            let sign = vector.iter().copied().fold(0.0, larger).signum();
            (matrix[row * (n + 1)], vector.iter().map(|x| sign * x).collect())
        })
        .collect();
    found.sort_by(|(a, _), (b, _): &(f64, Vec<f64>)| b.total_cmp(a));
    found
}

/// Rotates two dimensions so that the matrix becomes 0 at their row and column.
fn rotate(matrix: &mut [f64], vectors: &mut [f64], n: usize, (p, q): (usize, usize)) {
    let meeting = matrix[p * n + q];
    if meeting == 0.0 {
        return;
    }
    let slope = (matrix[q * n + q] - matrix[p * n + p]) / (2.0 * meeting);
    let tan = slope.signum() / (slope.abs() + slope.hypot(1.0));
    let cos = 1.0 / tan.hypot(1.0);
    let sin = tan * cos;
    let turn = |values: &mut [f64], i: usize, j: usize| {
        let (a, b) = (values[i], values[j]);
        values[i] = cos * a - sin * b;
        values[j] = sin * a + cos * b;
    };
    for k in 0..n {
        turn(matrix, k * n + p, k * n + q);
    }
    for k in 0..n {
        turn(matrix, p * n + k, q * n + k);
        turn(vectors, p * n + k, q * n + k);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::{Purpose, Streams};

    /// Points drawn from a stream, stretched along each dimension.
    fn points(seed: u64, count: usize, stretch: &[f64]) -> Vec<Vec<f64>> {
        let mut stream = Streams::new(seed).stream(Purpose::Population, 0, 0);
        (0..count).map(|_| stretch.iter().map(|s| s * (stream.unit() - 0.5)).collect()).collect()
    }

    fn moments(points: &[Vec<f64>]) -> SampleMoments {
        let mut moments = SampleMoments::new(points[0].len());
        points.iter().for_each(|point| moments.add(point));
        moments
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn moments_are_those_of_the_whole_sample() {
        let points = points(1, 50, &[1.0, 2.0, 3.0]);
        let found = moments(&points);
        for i in 0..3 {
            let mean = |i: usize| points.iter().map(|p| p[i]).sum::<f64>() / 50.0;
            assert!(near(found.mean[i], mean(i)));
            for j in 0..3 {
                let sum: f64 = points.iter().map(|p| (p[i] - mean(i)) * (p[j] - mean(j))).sum();
                assert!(near(found.products[i * 3 + j], sum), "{i} {j}");
            }
        }
    }

    #[test]
    fn points_on_a_line_lie_on_the_first_axis_at_their_distances() {
        let along = [0.36, 0.48, 0.8];
        let points: Vec<Vec<f64>> =
            [-2.0, 0.5, 1.0, 3.5].iter().map(|t| along.iter().map(|a| 1.0 + t * a).collect()).collect();
        let plane = Plane::of(&moments(&points)).expect("they differ");
        assert!(near(plane.share, 1.0));
        let places: Vec<_> = points.iter().map(|p| plane.project(p)).collect();
        assert!(places.iter().all(|(_, y)| near(*y, 0.0)), "{places:?}");
        // The largest number of the axis is positive, and the axis passes through the mean, 0.75.
        let x: Vec<_> = places.iter().map(|(x, _)| x + 0.75).collect();
        assert!(x.iter().zip([-2.0, 0.5, 1.0, 3.5]).all(|(x, t)| near(*x, t)), "{x:?}");
    }

    #[test]
    fn eigenvectors_are_those_of_a_known_matrix() {
        // The diagonal matrix of 5 and 2, rotated by 30 degrees, with a 9 beside it.
        let (cos, sin) = (3.0_f64.sqrt() / 2.0, 0.5);
        let (a, b, d) =
            (5.0 * cos * cos + 2.0 * sin * sin, 3.0 * cos * sin, 5.0 * sin * sin + 2.0 * cos * cos);
        let found = eigen(vec![a, b, 0.0, b, d, 0.0, 0.0, 0.0, 9.0], 3);
        let expected = [(9.0, [0.0, 0.0, 1.0]), (5.0, [cos, sin, 0.0]), (2.0, [-sin, cos, 0.0])];
        for ((value, vector), (expected, axis)) in found.iter().zip(expected) {
            assert!(near(*value, expected), "{found:?}");
            assert!(vector.iter().zip(axis).all(|(x, y)| near(*x, y)), "{found:?}");
        }
    }

    #[test]
    fn the_axes_of_a_large_sample_are_at_right_angles_and_keep_what_variance_says() {
        let stretch: Vec<f64> = (0..32).map(|gene| 1.0 + f64::from(gene % 7)).collect();
        let moments = moments(&points(3, 60, &stretch));
        let found = eigen(moments.products.clone(), 32);
        for (at, (value, vector)) in found.iter().enumerate() {
            for (other, (_, beside)) in found.iter().enumerate() {
                assert!(near(dot(vector, beside), f64::from(u8::from(at == other))));
            }
            // Multiplied by the matrix, an eigenvector is only scaled.
            for (row, x) in moments.products.chunks(32).zip(vector) {
                assert!((dot(row, vector) - value * x).abs() < 1e-6);
            }
        }
        assert!(near(found.iter().map(|(value, _)| value).sum(), moments.total()));
    }

    #[test]
    fn a_plane_that_faces_a_former_one_keeps_signs_and_order() {
        let plane = |x: [f64; 3], y: [f64; 3]| Plane {
            origin: vec![0.0; 3],
            axes: [x.to_vec(), y.to_vec()],
            share: 1.0,
        };
        let former = plane([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]);
        let (cos, sin) = (0.8, 0.6);
        for axes in [
            ([-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]),
            ([0.0, 1.0, 0.0], [1.0, 0.0, 0.0]),
            ([0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]),
            ([cos, sin, 0.0], [-sin, cos, 0.0]),
            ([cos, sin, 0.0], [sin, -cos, 0.0]),
        ] {
            let turned = plane(axes.0, axes.1).facing(&former);
            for (axis, old) in turned.axes.iter().zip(&former.axes) {
                assert!(axis.iter().zip(old).all(|(a, b)| near(*a, *b)), "{axes:?}: {turned:?}");
            }
        }
        // The two planes have no common direction, so there is nothing to turn towards.
        let strange = Plane { axes: [vec![0.0, 0.0, 1.0], vec![0.0, 0.0, 1.0]], ..former.clone() };
        assert_eq!(strange.clone().facing(&former), strange);
    }

    #[test]
    fn new_data_moves_old_points_little_and_a_rotation_of_all_not_at_all() {
        // Two long directions of nearly the same length: their order is chance.
        let stretch = [4.0, 3.9, 1.0, 1.0];
        let (all, more) = (points(5, 200, &stretch), points(6, 20, &stretch));
        let mut growing = moments(&all);
        let before = Plane::of(&growing).expect("they differ");
        more.iter().for_each(|point| growing.add(point));
        let after = Plane::of(&growing).expect("they differ").facing(&before);
        for point in &all {
            let ((x, y), (u, v)) = (before.project(point), after.project(point));
            assert!((x - u).hypot(y - v) < 0.4, "{x} {y} went to {u} {v}");
        }
        let turned = |point: &Vec<f64>| {
            let (cos, sin) = (0.8, 0.6);
            let [a, b, c, d] = point[..] else { unreachable!("four dimensions") };
            vec![cos * a - sin * c, b, sin * a + cos * c, d]
        };
        let rotated: Vec<Vec<f64>> = all.iter().map(turned).collect();
        let there = Plane::of(&moments(&rotated)).expect("they differ");
        assert!(near(there.share, before.share));
        let distance = |plane: &Plane, p: &[f64], q: &[f64]| {
            let ((x, y), (u, v)) = (plane.project(p), plane.project(q));
            (x - u).hypot(y - v)
        };
        for (at, (p, q)) in all.iter().zip(&rotated).enumerate() {
            let (here, turned) = (distance(&before, p, &all[0]), distance(&there, q, &rotated[0]));
            assert!((here - turned).abs() < 1e-6, "{at}");
        }
    }

    #[test]
    fn points_that_are_all_the_same_have_no_plane() {
        assert_eq!(Plane::of(&moments(&vec![vec![0.5; 6]; 9])), None);
        assert_eq!(Plane::of(&SampleMoments::new(6)), None);
    }
}
