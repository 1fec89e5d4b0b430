//! Tensors that are filled from their names, as tests/golden/README.md tells.

use super::figures::Rule;

/// Tensors of numbers that are uniformly distributed and depend only on a name.
pub struct Filling(Rule);

impl Filling {
    pub fn read() -> Self {
        Self(Rule::read())
    }

    /// The input of a network with this name, in single precision.
    pub fn input(&self, name: &str, numbers: usize) -> Vec<f32> {
        self.0.fill(name, numbers, |unit| (unit - 0.5) * 3.4)
    }

    /// The product of two tensors: one has a number for each place, the other one for each row of `width` places.
    pub fn by_row(&self, name: &str, suffix: &str, numbers: usize, width: usize) -> Vec<f32> {
        let factors = self.input(&format!("{name}{suffix}"), numbers / width);
        let values = self.input(name, numbers);
        values.iter().enumerate().map(|(i, v)| v * factors[i / width]).collect()
    }
}
