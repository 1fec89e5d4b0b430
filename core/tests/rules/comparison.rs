//! Which member of a pair is fast, and the ranking in the end.

use proptest::prelude::*;
use relativenas_core::{
    event::Event,
    population::IndividualId,
    search::Slot,
    search::{Ask, Search, Stage, Verdict},
    searcher::SearcherKind,
};

use crate::fixture::{a_loss, a_searcher, estimate, settings, tell_next};

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_lower_loss_is_fast_and_broken_ones_give_nothing(
        a in a_loss(), b in a_loss(), searcher in a_searcher(), seed: u64,
    ) {
        prop_assume!(searcher != SearcherKind::RegularizedEvolution);
        let (mut search, _) = Search::new(settings(searcher, 2, 2, seed)).expect("valid");
        let (mut verdicts, events) = search.tell(&[estimate(a), estimate(b)]);
        let verdict = verdicts.pop().expect("one pair");
        let gives = |slots: &[Slot]| slots.to_vec();
        match (a.is_finite(), b.is_finite()) {
            (false, false) => {
                prop_assert_eq!(verdict, Verdict::default());
                let stays = events.iter().any(
                    |e| matches!(e, Event::GenerationFinished { moves, .. } if moves.is_empty()));
                prop_assert!(stays || matches!(searcher, SearcherKind::Random | SearcherKind::Largest));
            }
            (true, false) => prop_assert_eq!(verdict, Verdict { fast: Some(Slot(0)), slow: Some(Slot(1)), gives: gives(&[Slot(0)]) }),
            (false, true) => prop_assert_eq!(verdict, Verdict { fast: Some(Slot(1)), slow: Some(Slot(0)), gives: gives(&[Slot(1)]) }),
            (true, true) => {
                let fast = verdict.fast.expect("one of the two is fast");
                let other = Slot(1 - fast.0);
                prop_assert_eq!((verdict.slow, verdict.gives), (Some(other), gives(&[fast, other])));
                if searcher != SearcherKind::CoinFlip {
                    // A tie makes the first member fast.
                    prop_assert_eq!(fast, Slot(usize::from(b < a)));
                }
            }
        }
    }

    #[test]
    fn a_search_ends_with_a_ranking_that_is_not_charged(
        searcher in a_searcher(), losses in prop::collection::vec(a_loss(), 1..30), seed: u64,
    ) {
        let (mut search, _) = Search::new(settings(searcher, 6, 2, seed)).expect("valid");
        let (mut answered, mut last, mut ranked) = (0, Vec::new(), Vec::new());
        while let Ask::Estimate(estimation) = search.ask() {
            let (_, events) = tell_next(&mut search, &losses, &mut answered).expect("not done");
            if estimation.stage == Stage::Ranking {
                ranked.extend(estimation.candidates.iter().map(|c| c.individual));
            }
            last = events;
        }
        prop_assert_eq!(ranked, IndividualId::all(6).collect::<Vec<_>>());
        let Some(Event::SearchFinished { ranking, evaluations }) = last.pop() else {
            return Err(TestCaseError::fail("no ranking"));
        };
        prop_assert_eq!(evaluations, 12);
        prop_assert_eq!(ranking.iter().map(|r| r.rank).collect::<Vec<_>>(), (1..=6).collect::<Vec<_>>());
        if searcher == SearcherKind::Largest {
            // Its last population is ranked by size, whatever the losses.
            prop_assert!(ranking.iter().map(|r| r.individual).eq(IndividualId::all(6)));
            return Ok(());
        }
        for pair in ranking.windows(2) {
            // Losses that are not numbers come last, and equal losses are in the order of individuals.
            let (a, b) = (pair[0].loss, pair[1].loss);
            prop_assert!(a.is_finite() || !b.is_finite());
            prop_assert!(!(a.is_finite() && b.is_finite()) || a.0 <= b.0);
            let tie = a == b || !a.is_finite();
            prop_assert!(!tie || pair[0].individual < pair[1].individual);
        }
    }
}
