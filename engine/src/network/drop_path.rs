//! Which paths of a batch are dropped.

use relativenas_core::randomness::Stream;
use tch::{Device, TchError, Tensor};

use crate::device::send;

/// Draws masks for a whole batch: `[genes, N] f32`, see [`super::Pass::drop_path`]. `None` if
/// nothing is ever dropped. They are drawn from our streams, because libtorch's own generator is one
/// per process.
///
/// # Errors
/// If the device fails.
pub fn drop_path_masks(
    genes: usize,
    images: usize,
    probability: f64,
    stream: &mut Stream,
    device: Device,
) -> Result<Option<Tensor>, TchError> {
    if probability <= 0.0 {
        return Ok(None);
    }
    let kept = (1.0 / (1.0 - probability)) as f32;
    let masks: Vec<f32> =
        (0..genes * images).map(|_| if stream.unit() < probability { 0.0 } else { kept }).collect();
    let masks = Tensor::f_from_slice(&masks)?.f_reshape([genes as i64, images as i64])?;
    send(&masks, device).map(Some)
}
