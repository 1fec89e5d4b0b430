//! Lines of pixels in tiles: so many neighbours at once that their sums stay in the processor's registers.

use crate::simd::{Lanes, Simd};

/// A line of output pixels that can be computed a few neighbours at a time.
pub trait Line {
    /// Computes `T` pixels, the first of which is number `start`. It must be `#[inline(always)]`, so that it is
    /// compiled with the instructions of `S`.
    fn tile<S: Simd, const T: usize>(&mut self, simd: S, start: usize);
}

/// Computes a line of so many pixels: eight at a time, and what is left one by one.
#[inline(always)]
pub fn in_tiles<S: Simd>(simd: S, pixels: usize, mut line: impl Line) {
    let mut pixel = 0;
    while pixel + 8 <= pixels {
        line.tile::<S, 8>(simd, pixel);
        pixel += 8;
    }
    while pixel < pixels {
        line.tile::<S, 1>(simd, pixel);
        pixel += 1;
    }
}

/// Writes the sums of a tile.
#[inline(always)]
pub fn store<S: Simd, const T: usize>(simd: S, sums: [S::V; T], pixels: &mut [Lanes]) {
    for (sum, pixel) in sums.into_iter().zip(pixels) {
        simd.store(sum, pixel);
    }
}
