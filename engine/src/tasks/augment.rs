//! Augmentation for the transfer tasks: random variations of pictures together with their annotations.

pub mod boxes;
mod canvas;
mod colours;
pub mod joints;
pub mod masks;

use relativenas_core::randomness::Stream;

/// A random number, uniform between two limits.
fn uniform(low: f64, high: f64, stream: &mut Stream) -> f64 {
    low + (high - low) * stream.unit()
}

/// True or false, with equal probability.
fn half(stream: &mut Stream) -> bool {
    stream.bits() & 1 == 1
}
