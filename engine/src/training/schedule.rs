//! The learning rate and the drop path probability of every epoch.

use std::f64::consts::PI;

use relativenas_core::config::{RateSchedule, RetrainConfig};

/// The number of epochs at the end of a linear schedule that have a slope of their own.
const TAIL: u32 = 5;

/// The values that change from epoch to epoch. Epochs count from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrainSchedule {
    pub shape: RateSchedule,
    pub epochs: u32,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// The number of epochs in which the rate rises in equal steps to the highest, whatever the shape of the
    /// schedule.
    pub warmup_epochs: u32,
    /// The value that the probability of dropping a path rises towards.
    pub drop_path: f64,
}

impl RetrainSchedule {
    pub fn of(config: &RetrainConfig) -> Self {
        Self {
            shape: config.schedule,
            epochs: config.epochs,
            learning_rate: config.learning_rate,
            warmup_epochs: config.warmup_epochs,
            drop_path: config.drop_path,
        }
    }

    pub fn learning_rate(&self, epoch: u32) -> f64 {
        if epoch < self.warmup_epochs {
            return self.learning_rate * f64::from(epoch + 1) / f64::from(self.warmup_epochs);
        }
        self.learning_rate
            * match self.shape {
                RateSchedule::Cosine => 0.5 * (1.0 + (PI * f64::from(epoch) / f64::from(self.epochs)).cos()),
                RateSchedule::Linear => linear(epoch, self.epochs),
                // Only tasks have these; the rates of their steps are computed elsewhere.
                RateSchedule::Steps | RateSchedule::Polynomial => 1.0,
            }
    }

    /// The probability of dropping a path, which grows from 0 by the same amount in every epoch and would
    /// reach [`RetrainSchedule::drop_path`] after the last.
    pub fn drop_path(&self, epoch: u32) -> f64 {
        self.drop_path * f64::from(epoch) / f64::from(self.epochs)
    }
}

/// The published schedule for ImageNet, as a share of the highest rate.
///
/// With r epochs to go (this one included) and a tail of five, the rate is the share (r − 5)/(E − 5) until
/// the tail begins: a line that would reach 0 there. The tail is a line from 1/(E − 5), the value of the
/// first line in its last epoch, to 0: r/5 · 1/(E − 5). Without the tail, one line would end at the share
/// 1/E, five times as high. A training of five epochs or fewer has no tail.
fn linear(epoch: u32, epochs: u32) -> f64 {
    let left = f64::from(epochs.saturating_sub(epoch));
    if epochs <= TAIL {
        return left / f64::from(epochs);
    }
    let (tail, line) = (f64::from(TAIL), f64::from(epochs - TAIL));
    if left > tail { (left - tail) / line } else { left / tail / line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(shape: RateSchedule, epochs: u32, learning_rate: f64, warmup_epochs: u32) -> RetrainSchedule {
        RetrainSchedule { shape, epochs, learning_rate, warmup_epochs, drop_path: 0.3 }
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
    }

    #[test]
    fn the_cosine_begins_at_the_highest_rate_and_is_half_of_it_halfway() {
        let cifar = schedule(RateSchedule::Cosine, 600, 0.025, 0);
        near(cifar.learning_rate(0), 0.025);
        near(cifar.learning_rate(300), 0.0125);
        near(cifar.learning_rate(200), 0.025 * 0.75);
        assert!(cifar.learning_rate(599) > 0.0 && cifar.learning_rate(599) < 1e-6);
    }

    #[test]
    fn imagenet_warms_up_falls_on_a_line_and_levels_out() {
        let imagenet = schedule(RateSchedule::Linear, 250, 0.5, 5);
        for (epoch, expected) in [
            (0, 0.1),
            (4, 0.5),
            (5, 0.5 * 240.0 / 245.0),
            (100, 0.5 * 145.0 / 245.0),
            (244, 0.5 / 245.0),
            (245, 0.5 / 245.0),
            (246, 0.5 / 245.0 * 0.8),
            (249, 0.5 / 245.0 * 0.2),
        ] {
            near(imagenet.learning_rate(epoch), expected);
        }
    }

    #[test]
    fn a_short_linear_training_has_no_tail() {
        let short = schedule(RateSchedule::Linear, 4, 1.0, 0);
        assert_eq!([0, 1, 2, 3].map(|epoch| short.learning_rate(epoch)), [1.0, 0.75, 0.5, 0.25]);
    }

    #[test]
    fn every_rate_is_above_0_and_none_rises_after_the_warm_up() {
        for shape in [RateSchedule::Cosine, RateSchedule::Linear] {
            for epochs in 1..40 {
                let schedule = schedule(shape, epochs, 0.5, epochs / 4);
                let rates: Vec<_> = (epochs / 4..epochs).map(|epoch| schedule.learning_rate(epoch)).collect();
                assert!(rates.windows(2).all(|w| w[0] >= w[1]), "{shape:?} {epochs} {rates:?}");
                assert!(rates.iter().all(|&rate| rate > 0.0), "{shape:?} {epochs} {rates:?}");
            }
        }
    }

    #[test]
    fn drop_path_grows_with_the_epoch() {
        let cifar = schedule(RateSchedule::Cosine, 600, 0.025, 0);
        near(cifar.drop_path(0), 0.0);
        near(cifar.drop_path(300), 0.15);
    }
}
