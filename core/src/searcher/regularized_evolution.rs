//! Regularized evolution (Real et al., 2019): the best of a small tournament has a child with one mutation, which
//! replaces the oldest individual.
//!
//! A generation estimates one child for each individual. Individuals are replaced in the order of their numbers, so
//! the one that a child replaces is always the oldest.

use super::rule::Searcher;
use crate::{
    loss::{Fitness, Loss},
    population::{Individual, IndividualId},
    randomness::{Purpose, Streams},
    search::{
        estimation::{Estimate, Estimation, Slot, Verdict},
        settings::SearchSettings,
        state::SearchState,
    },
    space::{GeneIndex, Space},
};

/// The number of individuals that are drawn, with replacement, for a tournament.
const TOURNAMENT: usize = 5;

pub(super) struct RegularizedEvolution;

impl Searcher for RegularizedEvolution {
    fn pairs(&self, settings: &SearchSettings, _: &Streams, _: u32) -> Vec<Vec<IndividualId>> {
        IndividualId::all(settings.population).map(|i| vec![i]).collect()
    }

    fn position(
        &self,
        settings: &SearchSettings,
        streams: &Streams,
        state: &SearchState,
        individual: IndividualId,
    ) -> Vec<f64> {
        if state.losses[individual].is_none() {
            // The first population and injected architectures are estimated before they have children.
            return state.population[individual].position.clone();
        }
        let mut stream = streams.stream(Purpose::Mutation, u64::from(state.generation), individual.0 as u64);
        let fitness = |i: IndividualId| Fitness {
            loss: state.losses[i].unwrap_or(Loss(f64::INFINITY)),
            violation: settings.limits.violation(settings.space, &state.population[i].position),
        };
        let parent = (0..TOURNAMENT)
            .map(|_| IndividualId(stream.below(settings.population)))
            .map(|i| (i, fitness(i)))
            .min_by(|(_, a), (_, b)| a.order(*b))
            .map_or(individual, |(parent, _)| parent);
        let mut child = state.population[parent].position.clone();
        let gene = GeneIndex(stream.below(settings.space.genes()));
        let now = settings.space.decode_gene(gene, child[gene]);
        let other = stream.below(settings.space.choices(gene) - 1);
        child[gene] = Space::encode(&[if other < now { other } else { other + 1 }])[0];
        child
    }

    fn judge(&self, _: &Streams, _: &Estimation, estimates: &[Estimate], _: &[f64]) -> Verdict {
        if estimates[0].loss.is_finite() {
            Verdict { fast: Some(Slot(0)), slow: None, gives: vec![Slot(0)] }
        } else {
            Verdict::default()
        }
    }

    fn advance(&self, _: &SearchSettings, _: &Streams, _: &SearchState) -> Vec<(IndividualId, Individual)> {
        Vec::new()
    }
}
