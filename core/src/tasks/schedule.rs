//! Learning rates of the three tasks, as functions of the epoch or the step.

use std::f64::consts::PI;

/// A rate that falls from `base` to 0 along half a cosine over this many epochs (detection). Epochs are counted from
/// 0.
pub fn cosine(base: f64, epoch: usize, epochs: usize) -> f64 {
    base * (1.0 + (PI * epoch as f64 / epochs as f64).cos()) / 2.0
}

/// A rate that is divided by ten at each milestone (keypoints).
pub fn steps(base: f64, epoch: usize, milestones: &[usize]) -> f64 {
    base * 0.1_f64.powi(milestones.iter().filter(|&&milestone| epoch >= milestone).count() as i32)
}

/// A rate that grows by equal factors to `base`, then falls with a power of the share of steps that is left
/// (segmentation).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WarmPolynomial {
    /// The rate of the first step.
    pub start: f64,
    pub base: f64,
    /// The number of the last step at which the rate grows.
    pub warm_up: usize,
    /// The number of all steps.
    pub steps: usize,
    pub power: f64,
}

impl WarmPolynomial {
    /// The schedule of the published segmentation: 80,000 steps.
    pub const PUBLISHED: Self = Self { start: 1e-5, base: 0.01, warm_up: 1000, steps: 80_000, power: 0.9 };

    /// The rate of a step; the first step is number 0.
    pub fn rate(&self, step: usize) -> f64 {
        if step <= self.warm_up {
            let share = if self.warm_up == 0 { 1.0 } else { step as f64 / self.warm_up as f64 };
            return self.start * (self.base / self.start).powf(share);
        }
        let done = (step - self.warm_up) as f64 / self.steps.saturating_sub(self.warm_up).max(1) as f64;
        self.base * (1.0 - done.min(1.0)).powf(self.power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_without_warm_up_begins_at_its_base() {
        let plain = WarmPolynomial { warm_up: 0, steps: 10, ..WarmPolynomial::PUBLISHED };
        assert_eq!(plain.rate(0), 0.01);
        assert!((1..10).all(|step| plain.rate(step) < plain.rate(step - 1)));
        assert_eq!(plain.rate(10), 0.0);
        assert_eq!(plain.rate(11), 0.0);
    }
}
