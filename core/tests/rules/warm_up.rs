//! Warm-ups, and one-shot searches after them.

use std::collections::BTreeSet;

use relativenas_core::{
    event::Event,
    loss::Loss,
    search::Slot,
    search::{Ask, Candidate, Estimate, Estimation, Schedule, Search, SearchSettings, Stage, Verdict},
    searcher::SearcherKind,
    space::Space,
};

use crate::fixture::{estimate, json, settings};

/// Runs a search with a warm-up of two generations and two more after it; returns all estimations and all events.
fn with_warm_up(searcher: SearcherKind) -> (Vec<Estimation>, Vec<Event>) {
    let settings = SearchSettings { warm_up: 2, ..settings(searcher, 6, 4, 7) };
    let (mut search, mut events) = Search::new(settings.clone()).expect("valid");
    let mut estimations = Vec::new();
    while let Ask::Estimate(estimation) = search.ask() {
        // A search that continues from a stored state takes the same steps.
        let stored = serde_json::from_str(&json(search.state())).expect("plain data");
        search = Search::resume(settings.clone(), stored).expect("its own state");
        let loss = |c: &Candidate| if estimation.stage == Stage::WarmUp { f64::NAN } else { c.position[0] };
        let found: Vec<_> = estimation
            .candidates
            .iter()
            .map(|c| Estimate { train_loss: Loss(0.5), ..estimate(loss(c)) })
            .collect();
        events.extend(search.tell(&found).1);
        estimations.push(estimation);
    }
    (estimations, events)
}

#[test]
fn a_warm_up_trains_the_same_networks_whichever_searcher_follows_and_moves_nobody() {
    let mut warmed = BTreeSet::new();
    for searcher in SearcherKind::ALL {
        let (estimations, events) = with_warm_up(searcher);
        let (first, rest): (Vec<_>, Vec<_>) = estimations.into_iter().partition(|e| e.stage == Stage::WarmUp);
        assert!(first.iter().all(|e| e.generation < 2 && e.candidates.len() == 2), "{searcher}");
        assert_eq!(first.len(), 2 * 3);
        warmed.insert(json(&first));
        // The search begins with the population that was drawn first, which the warm-up has not moved.
        let Event::PopulationSampled { positions } = &events[0] else { panic!("{:?}", events[0]) };
        for candidate in rest.iter().filter(|e| e.generation == 2).flat_map(|e| &e.candidates) {
            assert_eq!(candidate.position, positions[candidate.individual], "{searcher}");
        }
        let moved = |event: &Event| match event {
            Event::GenerationFinished { generation: ..2, moves, .. } => moves.len(),
            _ => 0,
        };
        assert_eq!(events.iter().map(moved).sum::<usize>(), 0);
        let judged = |event: &Event| matches!(event, Event::PairCompared { generation: ..2, .. });
        assert!(!events.iter().any(judged), "{searcher}");
        let Some(Event::SearchFinished { evaluations, .. }) = events.last() else { panic!("{searcher}") };
        assert_eq!(*evaluations, 4 * 6, "the warm-up is paid for");
    }
    assert_eq!(warmed.len(), 1);
}

#[test]
fn in_a_warm_up_whoever_ended_in_numbers_gives_in_order() {
    for (losses, expected) in [([1.0, 0.5], &[0, 1][..]), ([f64::NAN, 0.5], &[1]), ([f64::INFINITY; 2], &[])]
    {
        let settings = SearchSettings { warm_up: 1, ..settings(SearcherKind::SlowFast, 4, 2, 1) };
        let (mut search, _) = Search::new(settings).expect("valid");
        let told = losses.map(|train_loss| Estimate { train_loss: Loss(train_loss), ..estimate(f64::NAN) });
        let (verdicts, events) = search.tell(&told);
        assert_eq!(
            verdicts,
            [Verdict { fast: None, slow: None, gives: expected.iter().copied().map(Slot).collect() }]
        );
        assert!(
            matches!(&events[..], [Event::WeightsWarmed { gives, .. }] if gives == expected),
            "{events:?}"
        );
    }
}

#[test]
fn one_shot_learners_are_compared_and_write_nothing() {
    let settings = SearchSettings { warm_up: 1, one_shot: true, ..settings(SearcherKind::SlowFast, 4, 2, 1) };
    let (mut search, _) = Search::new(settings.clone()).expect("valid");
    for losses in [[1.0, 0.5], [0.5, 1.0]] {
        let (verdicts, _) = search
            .tell(&losses.map(|train_loss| Estimate { train_loss: Loss(train_loss), ..estimate(f64::NAN) }));
        assert_eq!(verdicts[0].gives, [Slot(0), Slot(1)], "the warm-up writes");
    }
    let (verdicts, events) =
        search.tell(&[1.0, 0.5].map(|l| Estimate { train_loss: Loss::NAN, ..estimate(l) }));
    assert_eq!(verdicts, [Verdict { fast: Some(Slot(1)), slow: Some(Slot(0)), gives: Vec::new() }]);
    assert!(matches!(&events[..], [Event::PairCompared { gives, .. }] if gives.is_empty()), "{events:?}");
    let error = Search::new(SearchSettings { warm_up: 0, ..settings }).expect_err("refused").to_string();
    assert!(
        error.starts_with("without a warm-up the weights that one-shot learners are judged by"),
        "{error}"
    );
}

#[test]
fn learners_that_inherit_nothing_keep_the_first_rates_and_give_nothing() {
    let schedule = Schedule { learning_rate: 0.1, learning_rate_end: 0.001, drop_path: 0.4 };
    let alone = SearchSettings { inherit: false, schedule, ..settings(SearcherKind::SlowFast, 4, 10, 1) };
    for generation in 0..10 {
        assert_eq!((alone.learning_rate(generation), alone.drop_path(generation)), (0.1, 0.0));
    }
    let (mut search, _) = Search::new(alone.clone()).expect("valid");
    let (verdicts, events) = search.tell(&[1.0, 0.5].map(estimate));
    assert_eq!(verdicts, [Verdict { fast: Some(Slot(1)), slow: Some(Slot(0)), gives: Vec::new() }]);
    assert!(matches!(&events[..], [Event::PairCompared { gives, .. }] if gives.is_empty()), "{events:?}");
    let error = Search::new(SearchSettings { warm_up: 1, ..alone }).expect_err("refused").to_string();
    assert!(error.starts_with("learners that inherit nothing have no use for a warm-up"), "{error}");
}

#[test]
fn rates_of_a_one_shot_search_reach_their_ends_within_the_warm_up() {
    let schedule = Schedule { learning_rate: 0.1, learning_rate_end: 0.001, drop_path: 0.4 };
    let trained = SearchSettings { warm_up: 4, schedule, ..settings(SearcherKind::SlowFast, 4, 10, 1) };
    let one_shot = SearchSettings { one_shot: true, ..trained.clone() };
    for generation in 0..10 {
        let rates = |s: &SearchSettings| (s.learning_rate(generation), s.drop_path(generation));
        let at = |g, of| (schedule.learning_rate(g, of), schedule.drop_path(g, of));
        assert_eq!(rates(&trained), at(generation, 10));
        assert_eq!(rates(&one_shot), at(generation.min(3), 4));
    }
}

#[test]
fn a_warm_up_leaves_generations_to_search_in() {
    let refuse = |settings: SearchSettings| {
        let error = Search::new(settings).expect_err("refused").to_string();
        assert!(error.contains("shorter than the search"), "{error}");
    };
    refuse(SearchSettings { warm_up: 3, ..settings(SearcherKind::Random, 4, 3, 1) });
    let space = Space::NasBench201;
    refuse(SearchSettings { warm_up: 1, space, ..settings(SearcherKind::Random, 4, 3, 1) });
}

#[test]
fn the_largest_of_a_search_after_a_warm_up_are_of_its_own_draws() {
    let (estimations, _) = with_warm_up(SearcherKind::Largest);
    let drawn: Vec<_> = estimations
        .iter()
        .filter(|e| e.stage == Stage::Search)
        .flat_map(|e| e.candidates.iter().map(|c| json(&c.position)))
        .collect();
    let ranked = estimations.iter().filter(|e| e.stage == Stage::Ranking).flat_map(|e| &e.candidates);
    for candidate in ranked {
        assert!(drawn.contains(&json(&candidate.position)), "{candidate:?}");
    }
}
