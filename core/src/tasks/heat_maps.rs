//! Joints as heat maps: the maps that a network is trained to output, and the positions of joints in maps.

use super::joints::{JOINTS, PAIRS};

/// Width and height of the network's input, in pixels.
pub const INPUT: [usize; 2] = [192, 256];
/// Width and height of a map, in its pixels.
pub const MAP: [usize; 2] = [48, 64];

/// The number of input pixels for each pixel of a map, in each direction.
const STRIDE: f64 = 4.0;
/// The standard deviation of the Gaussian around a joint, in pixels of the map.
const SIGMA: f64 = 2.0;
/// The distance, in pixels of the map, that the patch around a joint reaches to each side: three standard
/// deviations.
const REACH: i64 = 6;

/// The maps that a network is trained to give for one person.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The maps, `[joints, 64, 48]`, with values from 0 to 1.
    pub maps: Vec<f32>,
    /// 1 for a joint that counts, 0 for one that is not labelled or whose patch lies outside.
    pub weights: [f32; JOINTS],
}

/// The position of a joint's peak in its map, as column and row, for the joint's position in pixels of the input.
/// Halves are rounded up; below zero, numbers are rounded toward zero.
pub fn centre([x, y]: [f64; 2]) -> [i64; 2] {
    [x, y].map(|at| (at / STRIDE + 0.5).trunc() as i64)
}

/// The target of joints in pixels of the input. Hidden joints count like visible ones.
///
/// A joint counts if any pixel of its patch lies in the map. (The published program also counts a joint whose
/// patch ends exactly at the left or upper border, outside of the map.)
pub fn target(joints: &[[f64; 2]; JOINTS], labelled: &[bool; JOINTS]) -> Target {
    let [width, height] = MAP.map(|n| n as i64);
    let mut maps = vec![0.0; JOINTS * MAP[0] * MAP[1]];
    let mut weights = [0.0; JOINTS];
    for (joint, map) in maps.chunks_exact_mut(MAP[0] * MAP[1]).enumerate() {
        let [x, y] = centre(joints[joint]);
        let (left, right) = ((x - REACH).max(0), (x + REACH + 1).min(width));
        let (top, bottom) = ((y - REACH).max(0), (y + REACH + 1).min(height));
        if !labelled[joint] || left >= right || top >= bottom {
            continue;
        }
        weights[joint] = 1.0;
        for row in top..bottom {
            for column in left..right {
                let squared = ((column - x).pow(2) + (row - y).pow(2)) as f64;
                map[(row * width + column) as usize] = (-squared / (2.0 * SIGMA * SIGMA)).exp() as f32;
            }
        }
    }
    Target { maps, weights }
}

/// The position of the greatest value of one map `[64, 48]`, as column and row, and the value. Of equal
/// values the first in row-major order counts; column and row are 0 where no value is above 0.
pub fn peak(map: &[f32]) -> ([usize; 2], f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (place, &heat) in map.iter().enumerate() {
        if heat > best.1 {
            best = (place, heat);
        }
    }
    let place = if best.1 > 0.0 { best.0 } else { 0 };
    ([place % MAP[0], place / MAP[0]], best.1)
}

/// The peak of a map, moved by a quarter of a pixel towards its greater neighbour in x and in y, except at
/// the border and next to it.
pub fn refined_peak(map: &[f32]) -> ([f64; 2], f32) {
    let ([column, row], heat) = peak(map);
    let mut place = [column as f64, row as f64];
    if column > 1 && column < MAP[0] - 1 && row > 1 && row < MAP[1] - 1 {
        let at = |column: usize, row: usize| map[row * MAP[0] + column];
        let towards = |after: f32, before: f32| match after.partial_cmp(&before) {
            Some(std::cmp::Ordering::Greater) => 0.25,
            Some(std::cmp::Ordering::Less) => -0.25,
            _ => 0.0,
        };
        place[0] += towards(at(column + 1, row), at(column - 1, row));
        place[1] += towards(at(column, row + 1), at(column, row - 1));
    }
    (place, heat)
}

/// For each joint, the share of images in which it is found within a twentieth of the map's size; `None` for a joint
/// that lies in the first two rows or columns in every image, because such targets are not counted.
///
/// Peaks are `[column, row]`. (The published program exchanges width and height here.)
pub fn correct_joints(
    found: &[[[usize; 2]; JOINTS]],
    targets: &[[[usize; 2]; JOINTS]],
) -> [Option<f64>; JOINTS] {
    std::array::from_fn(|joint| {
        let pairs = found.iter().zip(targets).map(|(f, t)| (f[joint], t[joint]));
        let counted: Vec<_> = pairs.filter(|(_, target)| target[0] > 1 && target[1] > 1).collect();
        let near = |&&(found, target): &&([usize; 2], [usize; 2])| {
            let part = |axis: usize| (found[axis] as f64 - target[axis] as f64) / (MAP[axis] as f64 / 10.0);
            part(0).hypot(part(1)) < 0.5
        };
        (!counted.is_empty()).then(|| counted.iter().filter(near).count() as f64 / counted.len() as f64)
    })
}

/// Exchanges the values of left and right joints, as is needed in a mirror image.
pub fn exchange<T>(values: &mut [T; JOINTS]) {
    for (left, right) in PAIRS {
        values.swap(left, right);
    }
}

/// The joints in the mirror image of a picture with this width in pixels. Joints that are not labelled stay
/// at 0.
pub fn mirror(joints: &mut [[f64; 2]; JOINTS], labelled: &mut [bool; JOINTS], width: usize) {
    for joint in joints.iter_mut() {
        joint[0] = width as f64 - 1.0 - joint[0];
    }
    exchange(joints);
    exchange(labelled);
    for (joint, labelled) in joints.iter_mut().zip(labelled) {
        if !*labelled {
            *joint = [0.0; 2];
        }
    }
}
