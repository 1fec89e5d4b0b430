//! Searches that are stored and resumed, and the states and settings that are refused.

use proptest::prelude::*;
use relativenas_core::{
    event::Line,
    population::IndividualId,
    search::{Search, SearchSettings, SearchState},
    searcher::SearcherKind,
    space::Space,
};

use crate::fixture::{a_loss, a_position, a_searcher, estimate, json, settings, tell_next};

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_search_that_is_stored_at_any_point_ends_as_if_it_had_not_been(
        searcher in a_searcher(),
        losses in prop::collection::vec(a_loss(), 1..30),
        seed: u64,
        half in 1..5_usize,
        generations in 1..4_u32,
        injected in prop::option::of((0..8_usize, a_position())),
        stop in 0..60_usize,
        mutation in prop_oneof![Just(0.0), 0.0..=1.0], pairs in 1..4_usize,
    ) {
        let pairs_at_once = pairs.min(half);
        let settings =
            SearchSettings { mutation, pairs_at_once, ..settings(searcher, 2 * half, generations, seed) };
        let (mut search, _) = Search::new(settings.clone()).expect("valid");
        let mut answered = 0;
        for _ in 0..stop {
            if tell_next(&mut search, &losses, &mut answered).is_none() {
                break;
            }
        }
        if let Some((individual, position)) = injected
            && search.accepts_injections()
        {
            search.inject(IndividualId(individual % (2 * half)), position);
        }
        let stored = json(search.state());
        let state: SearchState = serde_json::from_str(&stored).expect("it was just written");
        let mut resumed = Search::resume(settings, state).expect("its own state");
        prop_assert_eq!(json(resumed.state()), stored);
        let mut resumed_answered = answered;
        loop {
            let told = tell_next(&mut search, &losses, &mut answered);
            let told_resumed = tell_next(&mut resumed, &losses, &mut resumed_answered);
            prop_assert_eq!(json(&told), json(&told_resumed));
            if told.is_none() {
                break;
            }
        }
        prop_assert_eq!(json(search.state()), json(resumed.state()));
        prop_assert!(search.state().finished);
    }

    #[test]
    fn events_survive_the_log(
        searcher in a_searcher(), losses in prop::collection::vec(a_loss(), 1..30), seed: u64,
    ) {
        let (mut search, mut events) = Search::new(settings(searcher, 4, 2, seed)).expect("valid");
        let mut answered = 0;
        while let Some((_, more)) = tell_next(&mut search, &losses, &mut answered) {
            events.extend(more);
        }
        for (seq, event) in events.into_iter().enumerate() {
            let line = Line { seq: seq as u64, time: 1_700_000_000_000, event };
            let written = json(&line);
            let read: Line = serde_json::from_str(&written).expect("it was just written");
            // Text is compared, because NaN equals nothing.
            prop_assert_eq!(json(&read), written);
        }
    }
}

#[test]
fn a_state_is_refused_by_another_search() {
    let ours = settings(SearcherKind::SlowFast, 6, 2, 1);
    let (search, _) = Search::new(ours.clone()).expect("valid");
    let refuse = |settings: SearchSettings, change: fn(&mut SearchState), reason: &str| {
        let mut state = search.state().clone();
        change(&mut state);
        let error = Search::resume(settings, state).expect_err(reason).to_string();
        assert!(error.ends_with(reason), "{error}");
    };
    refuse(settings(SearcherKind::SlowFast, 8, 2, 1), |_| {}, "it has another number of individuals");
    refuse(settings(SearcherKind::RegularizedEvolution, 6, 2, 1), |_| {}, "another number of pairs");
    refuse(SearchSettings { space: Space::NasBench201, ..ours.clone() }, |_| {}, "outside the space");
    refuse(ours.clone(), |s| s.generation = 3, "it has seen more generations");
    refuse(ours.clone(), |s| s.done = 3, "its generation has no pair left");
    refuse(ours.clone(), |s| s.told = vec![vec![estimate(1.0); 2]], "more often than it is to be");
    refuse(
        ours.clone(),
        |s| s.pairs[0] = vec![IndividualId(0), IndividualId(6)],
        "not those of this searcher and population",
    );
    refuse(ours.clone(), |s| (s.generation, s.finished) = (2, true), "not as long as it should be");
    assert!(Search::resume(ours, search.state().clone()).is_ok());
}

#[test]
fn settings_that_make_no_search_are_refused() {
    let refuse = |population, generations, message: &str| {
        let error = Search::new(settings(SearcherKind::SlowFast, population, generations, 1));
        assert_eq!(error.expect_err(message).to_string(), message);
    };
    refuse(5, 1, "a population of 5 cannot be paired; it must be even, from 2 to 10000");
    refuse(0, 1, "a population of 0 cannot be paired; it must be even, from 2 to 10000");
    refuse(4, 0, "a search needs at least one generation");
}
