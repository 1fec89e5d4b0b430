//! Images in memory, as data sets hand them over.

use tch::Tensor;

/// Small images and their labels.
#[derive(Debug)]
pub struct ImageSet {
    /// `[N, 3, H, W] u8`.
    pub images: Tensor,
    /// `[N] i64`, each below `classes`.
    pub labels: Tensor,
    /// Mean of each channel, of pixels in [0, 1].
    pub mean: [f32; 3],
    /// Standard deviation of each channel, likewise.
    pub std: [f32; 3],
    pub classes: usize,
}

impl ImageSet {
    pub fn len(&self) -> usize {
        self.labels.size().first().map_or(0, |&n| n as usize)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
