//! Drawing which paths of a batch are dropped.

use relativenas_core::randomness::Stream;
use tch::{Device, TchError, Tensor};

use crate::device::send;

/// Draws masks for a whole batch, `[genes, N] f32`; see [`super::Pass::drop_path`]. Returns `None` if no path
/// is ever dropped. The masks are drawn from the streams of the run, because libtorch has a single generator
/// for the whole process.
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
