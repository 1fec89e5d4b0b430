//! A loss, the fitness of an architecture, and their order from best to worst.

use std::{cmp::Ordering, fmt, ops::Sub};

use serde::{Deserialize, Serialize};

use crate::number;

/// A loss, which may be NaN or infinite, and is serialised without change in either case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Loss(#[serde(with = "number")] pub f64);

impl Loss {
    /// The loss where there is none, or where it is not a number.
    pub const NAN: Self = Self(f64::NAN);

    /// Whether it is neither NaN nor infinite.
    pub fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    /// Orders losses from best to worst. NaN and infinities of either sign come last, as equals.
    pub fn order(self, other: Self) -> Ordering {
        let key = |l: Self| if l.0.is_finite() { l.0 } else { f64::INFINITY };
        // Not `total_cmp`, which tells 0 from −0: equal losses are a tie.
        key(self).partial_cmp(&key(other)).unwrap_or(Ordering::Equal)
    }
}

/// The difference of two losses: negative if the first is the lower one.
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
    /// By how much the architecture exceeds the limits; 0 within them.
    pub violation: f64,
}

impl Fitness {
    /// Orders from best to worst: first a finite loss wins against one that is not, then the smaller violation wins,
    /// then the lower loss.
    pub fn order(self, other: Self) -> Ordering {
        let broken = |f: Self| !f.loss.is_finite();
        broken(self)
            .cmp(&broken(other))
            .then(self.violation.partial_cmp(&other.violation).unwrap_or(Ordering::Equal))
            .then(self.loss.order(other.loss))
    }
}
