//! What the tests of the kernels share.

use tch::{Kind, Tensor};

use crate::simd::{LANES, Lanes};
use relativenas_core::randomness::{Purpose, Streams};

/// Uniform in [-1, 1).
pub fn noise(seed: u64, count: usize) -> Vec<Lanes> {
    let mut stream = Streams::new(seed).stream(Purpose::Probe, 0, 0);
    (0..count).map(|_| Lanes([(); LANES].map(|()| 2.0 * stream.unit() as f32 - 1.0))).collect()
}

/// One plane as `[1, 16, side, side]`.
pub fn to_tensor(plane: &[Lanes], side: usize) -> Tensor {
    let values: Vec<f32> = plane.iter().flat_map(|p| p.0).collect();
    let side = side as i64;
    Tensor::from_slice(&values).view([1, side, side, LANES as i64]).permute([0, 3, 1, 2])
}

/// A `[1, 16, H, W]` tensor as one plane.
pub fn from_tensor(tensor: &Tensor) -> Vec<Lanes> {
    let tensor = tensor.detach().to_kind(Kind::Float).permute([0, 2, 3, 1]).contiguous().view([-1]);
    let values = Vec::<f32>::try_from(tensor).unwrap();
    values.as_chunks().0.iter().copied().map(Lanes).collect()
}
