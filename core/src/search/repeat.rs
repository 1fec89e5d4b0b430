//! Estimating a pair again where its losses are too near to each other to tell who is better.

use crate::loss::Loss;
use serde::{Deserialize, Serialize};

use super::estimation::{Estimate, Estimation, Stage};

/// When a pair is estimated again. The paper never does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeat {
    /// The standard deviation, over draws, of how far the losses of a pair are apart, as a probe measures it. A
    /// mean of n estimations knows that distance √n times as well. 0: no pair is estimated again.
    pub noise: f64,
    /// Estimations that a pair has at most.
    pub estimates: u32,
}

impl Default for Repeat {
    fn default() -> Self {
        Self { noise: 0.0, estimates: 1 }
    }
}

impl Repeat {
    pub fn is_off(&self) -> bool {
        self.noise == 0.0 || self.estimates <= 1
    }

    /// Whether a pair is estimated once more after it was told these estimates, one list an estimation.
    /// Every searcher does so alike, whatever it makes of losses, so that all pay the same.
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
        // A gap that is not a number is not within anything.
        gap < self.noise / count.sqrt() && told.len() < self.estimates as usize
    }
}

/// One estimate a candidate: the mean of all. Weights are the same each time, and so are hits.
pub(super) fn mean(told: &[Vec<Estimate>]) -> Vec<Estimate> {
    let Some(last) = told.last() else { return Vec::new() };
    if told.len() == 1 {
        return last.clone(); // To the last bit.
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
