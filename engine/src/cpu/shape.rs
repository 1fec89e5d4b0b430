//! How feature maps lie in memory.

use super::simd::Lanes;

/// One image of a feature map: planes of sixteen channels, each a square of pixels, one plane after
/// the other. Images of a batch follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapShape {
    /// Planes, each a block of sixteen channels.
    pub blocks: usize,
    /// Rows of a plane, and columns.
    pub side: usize,
}

impl MapShape {
    /// Pixels of a plane: its length in memory.
    pub fn pixels(self) -> usize {
        self.side * self.side
    }

    /// Length of an image in memory.
    pub fn length(self) -> usize {
        self.blocks * self.pixels()
    }

    /// Image number `n` of a batch.
    pub fn image(self, batch: &[Lanes], n: usize) -> &[Lanes] {
        &batch[n * self.length()..][..self.length()]
    }

    /// One plane of an image.
    pub fn plane(self, image: &[Lanes], block: usize) -> &[Lanes] {
        &image[block * self.pixels()..][..self.pixels()]
    }
}
