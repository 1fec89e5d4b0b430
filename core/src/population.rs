//! The population: individuals with a position and a velocity in the search space.

use serde::{Deserialize, Serialize};

use crate::{
    randomness::{Purpose, Streams},
    space::Space,
};

/// Individuals of the largest population that a search may have; a larger one is a typing mistake.
pub const MOST_INDIVIDUALS: usize = 10_000;

/// An architecture vector and how it last moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Individual {
    /// One real number a gene, each in `[0, upper]`.
    pub position: Vec<f64>,
    /// How far each gene moved last, before clamping; as long as `position`.
    pub velocity: Vec<f64>,
}

impl Individual {
    /// An individual at `position` whose velocity is zero.
    pub fn at(position: Vec<f64>) -> Self {
        Self { velocity: vec![0.0; position.len()], position }
    }
}

/// A position drawn uniformly in the bounds of `space`. `generation` is 0 for the first population.
pub fn sample_position(space: Space, streams: &Streams, generation: u32, individual: usize) -> Vec<f64> {
    let mut stream = streams.stream(Purpose::Population, u64::from(generation), individual as u64);
    (0..space.genes()).map(|gene| stream.unit() * space.upper(gene)).collect()
}

/// Mean Euclidean distance to the mean position; 0 for an empty population.
///
/// It falls also where losses carry no signal at all, because every slow learner moves towards
/// a fast one: it measures agreement, not progress.
pub fn diversity<'a>(positions: impl Iterator<Item = &'a [f64]> + Clone) -> f64 {
    let count = positions.clone().count() as f64;
    let Some(genes) = positions.clone().next().map(<[f64]>::len) else {
        return 0.0;
    };
    let mut mean = vec![0.0; genes];
    for position in positions.clone() {
        for (m, x) in mean.iter_mut().zip(position) {
            *m += x;
        }
    }
    mean.iter_mut().for_each(|m| *m /= count);
    let distance = |p: &[f64]| p.iter().zip(&mean).map(|(x, m)| (x - m).powi(2)).sum::<f64>().sqrt();
    positions.map(distance).sum::<f64>() / count
}
