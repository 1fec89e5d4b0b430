//! A loss, the fitness of an architecture, and their order from best to worst.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::number;

/// A loss that survives serialisation even if it is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Loss(#[serde(with = "number")] pub f64);

impl Loss {
    /// Orders losses from best to worst. What is not finite, of either sign, comes last.
    pub fn order(self, other: Self) -> Ordering {
        let key = |l: Self| if l.0.is_finite() { l.0 } else { f64::INFINITY };
        // Not `total_cmp`, which tells 0 from −0: equal losses are a tie.
        key(self).partial_cmp(&key(other)).unwrap_or(Ordering::Equal)
    }
}

/// The loss of an architecture, and whether it keeps within the limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fitness {
    pub loss: Loss,
    /// By how much it exceeds the limits; 0 within them.
    pub violation: f64,
}

impl Fitness {
    /// Orders from best to worst: a loss that is not a number loses to any other, then the smaller
    /// violation wins, then the lower loss.
    pub fn order(self, other: Self) -> Ordering {
        let broken = |f: Self| !f.loss.0.is_finite();
        broken(self)
            .cmp(&broken(other))
            .then(self.violation.partial_cmp(&other.violation).unwrap_or(Ordering::Equal))
            .then(self.loss.order(other.loss))
    }
}
