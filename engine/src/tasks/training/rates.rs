//! The learning rates of a task's training.

use relativenas_core::{
    config::{RateSchedule, RetrainConfig},
    tasks::schedule::{WarmPolynomial, steps},
};

use crate::training::Schedule;

/// The share of the rate with which the warm-up of the polynomial schedule begins: 1e-5 of 0.01 as published.
const FIRST_SHARE: f64 = 1e-3;

/// The learning rate of every step.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    schedule: Schedule,
    warmup_steps: usize,
    milestones: Vec<usize>,
}

impl Rates {
    pub fn of(config: &RetrainConfig) -> Self {
        Self {
            schedule: Schedule::of(config),
            warmup_steps: config.warmup_steps as usize,
            milestones: config.milestones.iter().map(|&epoch| epoch as usize).collect(),
        }
    }

    pub fn epochs(&self) -> u32 {
        self.schedule.epochs
    }

    /// The rate of step `batch` in an epoch of `batches` steps; epochs and steps count from 0.
    pub fn rate(&self, epoch: u32, batch: usize, batches: usize) -> f64 {
        let Schedule { shape, epochs, learning_rate: base, warmup_epochs, .. } = self.schedule;
        match shape {
            RateSchedule::Steps if epoch >= warmup_epochs => steps(base, epoch as usize, &self.milestones),
            RateSchedule::Polynomial => {
                let warm_up = self.warmup_steps;
                let steps = epochs as usize * batches;
                let rates = WarmPolynomial {
                    start: base * FIRST_SHARE,
                    base,
                    warm_up,
                    steps,
                    ..WarmPolynomial::PUBLISHED
                };
                rates.rate(epoch as usize * batches + batch)
            }
            _ => self.schedule.learning_rate(epoch),
        }
    }
}

#[cfg(test)]
mod tests {
    use relativenas_core::config::Layers;

    use super::*;

    fn of_preset(name: &str) -> Rates {
        let mut layers = Layers::built_in();
        layers.add_preset(name).expect("a preset");
        Rates::of(&layers.config().expect("valid").retrain)
    }

    #[test]
    fn presets_have_the_published_rates() {
        let check =
            |found: f64, expected: f64| assert!((found - expected).abs() <= 1e-9 * expected, "{found}");
        let detection = of_preset("detection");
        check(detection.rate(0, 9, 10), 0.01);
        check(detection.rate(100, 0, 10), 0.005);
        let segmentation = of_preset("segmentation");
        // 2975 images in batches of 16 are 186 steps; 430 epochs are 79,980 steps.
        check(segmentation.rate(0, 0, 186), 1e-5);
        check(segmentation.rate(2, 128, 186), 5.623_413_251_903_491e-5 * 10_f64.powf(0.75));
        let (done, all) = (f64::from(200 * 186 + 7 - 1000), f64::from(430 * 186 - 1000));
        check(segmentation.rate(200, 7, 186), 0.01 * (1.0 - done / all).powf(0.9));
        let keypoints = of_preset("keypoints");
        check(keypoints.rate(89, 0, 9), 1e-3);
        check(keypoints.rate(90, 8, 9), 1e-4);
        check(keypoints.rate(120, 0, 9), 1e-5);
    }
}
