//! Random search that keeps the largest networks, whatever their losses: the strongest of the simple controls.
//!
//! It draws, pairs, trains and validates exactly as random search does, so both cost the same and can be compared
//! under one protocol. But its last population consists of the largest of all vectors that it drew, the largest
//! first, and the final ranking is by size.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{
    random::Random,
    rule::{Searcher, compare},
};
use crate::{
    cost::{Limits, Part, cost},
    genotype::Genotype,
    network::{NetworkKind, NetworkShape},
    population::{Individual, IndividualId, sample_position},
    randomness::Streams,
    search::{
        estimation::{Estimate, Estimation, Verdict},
        settings::SearchSettings,
        state::SearchState,
    },
    space::{Space, VectorError},
    tabular::cell,
};

/// The network whose size is counted if a search names none: the published search network.
const PUBLISHED: NetworkShape =
    NetworkShape { kind: NetworkKind::Cifar, channels: 16, cells: 8, classes: 10 };

pub(super) struct Largest;

impl Searcher for Largest {
    fn judge(&self, _: &Streams, _: &Estimation, estimates: &[Estimate], violations: &[f64]) -> Verdict {
        compare(estimates, violations)
    }

    fn advance(
        &self,
        settings: &SearchSettings,
        streams: &Streams,
        state: &SearchState,
    ) -> Vec<(IndividualId, Individual)> {
        let SearchSettings { space, population, .. } = *settings;
        if state.generation + 1 < settings.generations {
            return Random.advance(settings, streams, state);
        }
        // As in every search, the first generation after the warm-up has the population that was drawn first.
        let later = settings.warm_up + 1..settings.generations;
        // Draws are derived from the seed, so none of them needs to be stored. Architectures that were injected into
        // the last generation are candidates too; earlier ones were replaced by the next draw, as in random search.
        let drawn = std::iter::once(0)
            .chain(later)
            .flat_map(|generation| IndividualId::all(population).map(move |i| (generation, i)))
            .map(|(generation, i)| sample_position(space, streams, generation, i))
            .chain(state.population.iter().map(|individual| individual.position.clone()));
        let kept = largest(space, &settings.limits, drawn, population);
        IndividualId::all(kept.len()).zip(kept.into_iter().map(Individual::at)).collect()
    }
}

/// The `count` largest architectures among `positions`, the largest first: those within the limits
/// before others, then by parameters, then by multiply-adds, then in the order in which they came.
/// Each architecture is taken once, unless there are too few.
pub(crate) fn largest(
    space: Space,
    limits: &Limits,
    positions: impl Iterator<Item = Vec<f64>>,
    count: usize,
) -> Vec<Vec<f64>> {
    let mut kept = Vec::new();
    for position in positions {
        let Ok(part) = size(space, limits, &position) else { continue };
        kept.push((limits.violation(space, &position), part, position));
        if kept.len() > 4 * count + 100 {
            keep_largest(space, &mut kept, count);
        }
    }
    keep_largest(space, &mut kept, count);
    let positions: Vec<_> = kept.into_iter().map(|(.., position)| position).collect();
    positions.iter().cycle().take(count).cloned().collect()
}

fn keep_largest(space: Space, kept: &mut Vec<(f64, Part, Vec<f64>)>, count: usize) {
    // A stable sort, so that of equals the first stays first.
    kept.sort_by(|(violation, part, _), (other_violation, other, _)| {
        let key = |part: &Part| Reverse((part.parameters, part.multiply_adds));
        violation.total_cmp(other_violation).then(key(part).cmp(&key(other)))
    });
    let mut known = BTreeSet::new();
    kept.retain(|(.., position)| space.decode(position).is_ok_and(|indices| known.insert(indices)));
    kept.truncate(count);
}

/// The parameters and multiply-adds of the network that a search trains at `position`. In [`Space::NasBench201`],
/// whose table does not have them, they are those of the operations of all edges.
///
/// # Errors
/// If the position lies outside the space.
pub fn size(space: Space, limits: &Limits, position: &[f64]) -> Result<Part, VectorError> {
    match space {
        Space::Cells => {
            let shape = limits.shape.as_ref().unwrap_or(&PUBLISHED);
            let cost = cost(&Genotype::decode(position)?, shape);
            Ok(Part { parameters: cost.parameters, multiply_adds: cost.multiply_adds })
        }
        Space::NasBench201 => Ok(cell::size(&cell::decode(position)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_architectures_come_first_and_each_once() {
        let cell = |indices: [usize; 6]| Space::encode(&indices);
        let (small, middle, other) = (cell([1; 6]), cell([3, 1, 1, 1, 1, 1]), cell([1, 3, 1, 1, 1, 1]));
        let large = cell([3, 2, 1, 1, 1, 1]);
        let drawn = [&small, &middle, &middle, &large, &other, &small].map(Clone::clone);
        let kept = |count| largest(Space::NasBench201, &Limits::default(), drawn.clone().into_iter(), count);
        // Of two that are equally large, the first that was drawn.
        assert_eq!(kept(3), [large.clone(), middle.clone(), other.clone()]);
        assert_eq!(kept(6)[4..], [large, middle], "where there are too few, they stand twice");
    }
}
