//! Pairs that are estimated again because their losses differ by less than the noise.

use relativenas_core::{
    cost::Limits,
    event::Event,
    search::Slot,
    search::{Ask, Repeat, Search, SearchSettings, Verdict},
    searcher::SearcherKind,
};

use crate::fixture::{SHAPE, estimate, settings};

fn doubting(searcher: SearcherKind, noise: f64, estimates: u32) -> SearchSettings {
    SearchSettings { repeat: Repeat { noise, estimates }, ..settings(searcher, 4, 2, 7) }
}

#[test]
fn a_pair_within_the_noise_is_estimated_again_until_its_mean_losses_are_not_or_there_were_enough() {
    // The noise, the losses of each estimation of the pair, and the slot that is fast.
    let cases: [(f64, &[[f64; 2]], usize); 6] = [
        (0.4, &[[1.0, 1.5]], 0),
        (1.0, &[[1.0, 1.1], [3.0, 1.0]], 1),
        // A difference of 0.9 is less than 1; a mean of 0.8 over two estimations is not less than 1 / √2.
        (1.0, &[[1.9, 1.0], [1.7, 1.0]], 1),
        (1.0, &[[1.0, 1.1], [1.1, 1.0], [1.0, 1.2]], 0),
        // A tie after all of them goes to the first.
        (1.0, &[[1.0, 1.5], [1.5, 1.0], [1.0, 1.0]], 0),
        (1.0, &[[1.0, 1.1], [f64::NAN, 1.0]], 1),
    ];
    for (noise, told, fast) in cases {
        let settings = doubting(SearcherKind::SlowFast, noise, 3);
        let (mut search, _) = Search::new(settings.clone()).expect("valid");
        let mut rest = told.iter();
        let events = loop {
            let Ask::Estimate(estimation) = search.ask() else { unreachable!("the first pair") };
            assert_eq!((estimation.pair, estimation.repeat as usize), (0, told.len() - rest.len()));
            let losses = rest.next().expect("asked no oftener");
            let (verdicts, events) = search.tell(&losses.map(estimate));
            if !events.is_empty() {
                assert_eq!(verdicts[0].fast, Some(Slot(fast)), "{told:?}");
                break events;
            }
            assert_eq!(verdicts, [Verdict::default()]);
            search = Search::resume(settings.clone(), search.state().clone()).expect("its own state");
        };
        assert_eq!(rest.len(), 0, "{told:?}");
        let Event::PairCompared { estimations, learners, .. } = &events[0] else { panic!("{events:?}") };
        assert_eq!(*estimations as usize, told.len());
        for (slot, learner) in learners.iter().enumerate() {
            let mean = told.iter().map(|losses| losses[slot]).sum::<f64>() / told.len() as f64;
            let found = learner.estimate.loss;
            assert!((found.0 - mean).abs() < 1e-12 || found.0.is_nan() && mean.is_nan(), "{found} {mean}");
        }
        assert_eq!(search.state().evaluations, 2 * told.len() as u64, "each is paid for");
        let Ask::Estimate(next) = search.ask() else { unreachable!("the second pair") };
        assert_eq!((next.pair, next.repeat), (1, 0));
    }
}

#[test]
fn pairs_at_once_are_not_estimated_again() {
    let settings = SearchSettings { pairs_at_once: 2, ..doubting(SearcherKind::SlowFast, 0.1, 3) };
    let error = Search::new(settings).expect_err("refused").to_string();
    assert_eq!(
        error,
        "pairs cannot be estimated again where 2 of them are estimated at once; the noise must be 0 then"
    );
}

#[test]
fn every_searcher_that_pairs_estimates_again_alike() {
    let evaluations = |settings: SearchSettings| {
        let (mut search, _) = Search::new(settings).expect("valid");
        while let Ask::Estimate(estimation) = search.ask() {
            let told: Vec<_> = estimation.candidates.iter().map(|_| estimate(1.0)).collect();
            search.tell(&told);
        }
        search.state().evaluations
    };
    for searcher in SearcherKind::ALL {
        let expected = if searcher == SearcherKind::RegularizedEvolution { 8 } else { 3 * 8 };
        assert_eq!(evaluations(doubting(searcher, 0.1, 3)), expected, "{searcher}");
        assert_eq!(evaluations(doubting(searcher, 0.1, 1)), 8);
        assert_eq!(evaluations(doubting(searcher, 0.0, 3)), 8);
    }
    // If the violations of limits differ, losses do not matter.
    let limits = Limits { max_parameters: 1, max_multiply_adds: 0, shape: Some(SHAPE), ..Limits::default() };
    let settings = SearchSettings { limits, ..doubting(SearcherKind::Random, 0.1, 3) };
    assert_eq!(evaluations(settings), 8);
}

#[test]
fn whoever_is_injected_into_the_pair_in_hand_is_estimated_from_the_beginning() {
    let (mut search, _) = Search::new(doubting(SearcherKind::SlowFast, 1.0, 3)).expect("valid");
    let repeat = |search: &Search| match search.ask() {
        Ask::Estimate(estimation) => estimation.repeat,
        Ask::Done => unreachable!("the first pair"),
    };
    let pairs = search.state().pairs.clone();
    search.tell(&[estimate(1.0), estimate(1.0)]);
    search.inject(pairs[1][0], vec![0.5; 32]);
    assert_eq!(repeat(&search), 1, "that is another pair");
    search.inject(pairs[0][1], vec![0.5; 32]);
    assert_eq!(repeat(&search), 0);
}
