//! The population: individuals with a position and a velocity in the search space.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    randomness::{Purpose, Streams},
    space::Space,
};

/// The greatest number of individuals of a search; a greater number is taken for a typing mistake.
pub const MOST_INDIVIDUALS: usize = 10_000;

/// The number of an individual in its population, counted from 0. An individual keeps it for the whole search.
///
/// Lists with one entry for each individual are indexed by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IndividualId(pub usize);

impl IndividualId {
    /// All individuals of a population of this size, in order.
    pub fn all(population: usize) -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator + Clone {
        (0..population).map(Self)
    }
}

impl fmt::Display for IndividualId {
    /// The number, with the width that the format asks for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for IndividualId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// An architecture vector and how it last moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Individual {
    /// One real number for each gene, between 0 and [`Space::upper`].
    pub position: Vec<f64>,
    /// How far each gene moved last, before the position was clamped; as long as `position`.
    pub velocity: Vec<f64>,
}

impl Individual {
    /// An individual at `position` whose velocity is zero.
    pub fn at(position: Vec<f64>) -> Self {
        Self { velocity: vec![0.0; position.len()], position }
    }
}

/// A position drawn uniformly in the bounds of `space`. `generation` is 0 for the first population.
pub fn sample_position(
    space: Space,
    streams: &Streams,
    generation: u32,
    individual: IndividualId,
) -> Vec<f64> {
    let mut stream = streams.stream(Purpose::Population, u64::from(generation), individual.0 as u64);
    space.gene_indices().map(|gene| stream.unit() * space.upper(gene)).collect()
}

/// The mean Euclidean distance of positions to their mean; 0 for an empty population.
///
/// It falls even if losses say nothing about architectures, because every slow learner moves towards a fast one. So a
/// low diversity does not show that a search has made progress.
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
