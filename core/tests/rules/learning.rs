//! How slow learners move, and which individuals move at all.

use std::collections::BTreeSet;

use proptest::prelude::*;
use relativenas_core::{
    event::Event,
    population::Individual,
    population::IndividualId,
    published,
    search::{Ask, Search, SearchSettings},
    searcher::SearcherKind,
    slow_fast,
    space::Space,
};

use crate::fixture::{a_loss, a_position, estimate, events_of, settings, tell_next};

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_slow_learner_stays_in_bounds_and_moves_by_its_clamped_velocity(
        slow in a_position(),
        fast in a_position(),
        velocity in prop::collection::vec(-9.0..9.0, 32),
        lambdas in prop::collection::vec(0.0..1.0, 64),
    ) {
        let before = Individual { position: slow, velocity };
        let mut after = before.clone();
        slow_fast::learn(Space::Cells, &mut after, &fast, &lambdas[..32], &lambdas[32..]);
        for gene in Space::Cells.gene_indices() {
            prop_assert!((0.0..=Space::Cells.upper(gene)).contains(&after.position[gene]));
            let unclamped = before.position[gene] + after.velocity[gene];
            prop_assert_eq!(after.position[gene], unclamped.clamp(0.0, Space::Cells.upper(gene)));
        }
    }

    #[test]
    fn a_generation_pairs_everybody_once_and_moves_the_slow_only(
        searcher in prop::sample::select(vec![SearcherKind::SlowFast, SearcherKind::CoinFlip]),
        losses in prop::collection::vec(a_loss(), 1..40),
        seed: u64,
        half in 1..8_usize,
    ) {
        let (mut search, _) = Search::new(settings(searcher, 2 * half, 3, seed)).expect("valid");
        let mut answered = 0;
        for _ in 0..3 {
            let paired: Vec<_> = search.state().pairs.concat();
            prop_assert_eq!(paired.len(), 2 * half);
            prop_assert_eq!(paired.into_iter().collect::<BTreeSet<_>>().len(), 2 * half);
            let before = search.state().population.clone();
            let (mut slow, mut compared) = (BTreeSet::new(), 0);
            let mut moved = None;
            while moved.is_none() {
                let (_, events) = tell_next(&mut search, &losses, &mut answered).expect("not done");
                for event in events {
                    match event {
                        Event::PairCompared { slow: Some(individual), .. } => {
                            slow.insert(individual);
                            compared += 1;
                        }
                        Event::PairCompared { .. } => compared += 1,
                        Event::GenerationFinished { moves, .. } => moved = Some(moves),
                        _ => {}
                    }
                }
            }
            prop_assert_eq!(compared, half);
            let moves = moved.unwrap_or_default();
            prop_assert_eq!(moves.iter().map(|m| m.individual).collect::<BTreeSet<_>>(), slow.clone());
            for (individual, now) in IndividualId::all(before.len()).zip(&search.state().population) {
                prop_assert!(Space::Cells.decode(&now.position).is_ok());
                if !slow.contains(&individual) {
                    prop_assert_eq!(now, &before[individual]);
                }
            }
        }
    }
}

#[test]
fn a_mutated_gene_is_at_rest_and_all_others_move_as_without_mutation() {
    let (mut mutated, mut moved) = (0, 0);
    for seed in 0..20 {
        // In the first generation both searches have the same pairs and the same slow learners.
        let moves = |mutation| {
            let settings = SearchSettings { mutation, ..settings(SearcherKind::SlowFast, 10, 1, seed) };
            let (mut search, _) = Search::new(settings).expect("valid");
            let told = (0..5).flat_map(|_| search.tell(&[estimate(1.0), estimate(2.0)]).1);
            let ended = told.into_iter().find_map(|event| match event {
                Event::GenerationFinished { moves, .. } => Some(moves),
                _ => None,
            });
            ended.expect("five pairs are a generation")
        };
        for (plain, some) in moves(0.0).iter().zip(&moves(0.1)) {
            assert_eq!(plain.individual, some.individual);
            assert!(Space::Cells.decode(&some.position).is_ok());
            for gene in 0..Space::Cells.genes() {
                if some.velocity[gene] == 0.0 && plain.velocity[gene] != 0.0 {
                    mutated += 1;
                } else {
                    assert_eq!(some.position[gene], plain.position[gene]);
                    assert_eq!(some.velocity[gene], plain.velocity[gene]);
                    moved += 1;
                }
            }
        }
    }
    // A tenth of 20 × 5 × 32 genes is expected, with a standard deviation of 17.
    assert_eq!(mutated + moved, 3200);
    assert!((250..390).contains(&mutated), "{mutated}");
}

#[test]
fn mutation_concerns_searchers_with_slow_learners_only() {
    for searcher in SearcherKind::ALL {
        let events = |mutation| events_of(SearchSettings { mutation, ..settings(searcher, 6, 3, 4) });
        assert_eq!(events(0.0) != events(0.5), searcher.moves_slow_learners(), "{searcher}");
    }
}

#[test]
fn who_is_injected_into_regularized_evolution_is_estimated_before_it_dies() {
    let (mut search, _) = Search::new(settings(SearcherKind::RegularizedEvolution, 4, 3, 1)).expect("valid");
    for _ in 0..5 {
        search.tell(&[estimate(1.0)]);
    }
    let position = published::genotype("RelativeNAS").and_then(|g| g.encode().ok()).expect("searched");
    search.inject(IndividualId(2), position.clone());
    let Ask::Estimate(child) = search.ask() else { unreachable!("two generations are left") };
    assert_eq!(child.candidates[0].individual, IndividualId(1));
    search.tell(&[estimate(1.0)]);
    let Ask::Estimate(injected) = search.ask() else { unreachable!("two generations are left") };
    assert_eq!(
        (injected.candidates[0].individual, &injected.candidates[0].position),
        (IndividualId(2), &position)
    );
}
