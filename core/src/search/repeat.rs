//! Estimating a pair again if its losses are too near to each other to tell which learner is better.

use crate::loss::Loss;
use serde::{Deserialize, Serialize};

use super::estimation::{Estimate, Estimation, Stage};

/// When a pair is estimated again. The paper never does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeat {
    /// The standard deviation, over random draws, of the difference between the losses of a pair, as a probe measures
    /// it. A pair is estimated again while the difference of its mean losses over n estimations is less than
    /// `noise / √n`. With 0, no pair is estimated again.
    pub noise: f64,
    /// The greatest number of estimations of a pair.
    pub estimates: u32,
}

impl Default for Repeat {
    fn default() -> Self {
        Self { noise: 0.0, estimates: 1 }
    }
}

impl Repeat {
    /// Whether no pair is estimated again.
    pub fn is_off(&self) -> bool {
        self.noise == 0.0 || self.estimates <= 1
    }

    /// Whether a pair is estimated once more after these estimates, one list for each estimation. The rule is the
    /// same for all searchers with pairs, also for those that do not use losses, so that they cost the same.
    pub(super) fn wants_more(
        &self,
        estimation: &Estimation,
        told: &[Vec<Estimate>],
        violations: &[f64],
    ) -> bool {
        let pair = estimation.stage == Stage::Search && estimation.candidates.len() == 2;
        // Where limits decide, losses do not.
        if self.is_off() || !pair || violations[0] != violations[1] {
            return false;
        }
        let means = mean(told);
        let gap = (means[0].loss - means[1].loss).abs();
        let count = told.len() as f64;
        // With a gap that is NaN, the comparison is false, so the pair is not estimated again.
        gap < self.noise / count.sqrt() && told.len() < self.estimates as usize
    }
}

/// The mean estimate of each candidate. Inherited weights are the same each time, and so are hits.
pub(super) fn mean(told: &[Vec<Estimate>]) -> Vec<Estimate> {
    let Some(last) = told.last() else { return Vec::new() };
    if told.len() == 1 {
        return last.clone(); // Equal to the last bit.
    }
    let count = told.len() as f64;
    let of = |slot: usize, value: fn(&Estimate) -> f64| {
        told.iter().map(|estimates| value(&estimates[slot])).sum::<f64>() / count
    };
    last.iter()
        .enumerate()
        .map(|(slot, last)| Estimate {
            loss: Loss(of(slot, |e| e.loss.0)),
            accuracy: of(slot, |e| e.accuracy),
            train_loss: Loss(of(slot, |e| e.train_loss.0)),
            ..*last
        })
        .collect()
}
