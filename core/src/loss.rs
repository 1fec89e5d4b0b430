//! A loss, the fitness of an architecture, and their order from best to worst.

use std::{cmp::Ordering, fmt, ops::Sub};

use serde::{Deserialize, Serialize};

use crate::number;

/// A loss that survives serialisation even if it is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Loss(#[serde(with = "number")] pub f64);

impl Loss {
    /// What a loss is that is not a number.
    pub const NAN: Self = Self(f64::NAN);

    /// Whether it is a number, and not an infinite one.
    pub fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    /// Orders losses from best to worst. What is not finite, of either sign, comes last.
    pub fn order(self, other: Self) -> Ordering {
        let key = |l: Self| if l.0.is_finite() { l.0 } else { f64::INFINITY };
        // Not `total_cmp`, which tells 0 from −0: equal losses are a tie.
        key(self).partial_cmp(&key(other)).unwrap_or(Ordering::Equal)
    }
}

/// How far two losses are apart.
impl Sub for Loss {
    type Output = f64;

    fn sub(self, other: Self) -> f64 {
        self.0 - other.0
    }
}

impl fmt::Display for Loss {
    /// The number, with the precision that the format asks for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
        let broken = |f: Self| !f.loss.is_finite();
        broken(self)
            .cmp(&broken(other))
            .then(self.violation.partial_cmp(&other.violation).unwrap_or(Ordering::Equal))
            .then(self.loss.order(other.loss))
    }
}
