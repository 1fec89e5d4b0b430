//! How pictures vary in training, and what is known about them with them.

pub mod boxes;
mod canvas;
mod colours;
pub mod joints;
pub mod masks;

use relativenas_core::randomness::Stream;

/// Uniform between two numbers.
fn uniform(low: f64, high: f64, stream: &mut Stream) -> f64 {
    low + (high - low) * stream.unit()
}

/// Heads or tails.
fn half(stream: &mut Stream) -> bool {
    stream.bits() & 1 == 1
}
