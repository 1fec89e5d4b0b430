//! Limits of parameters, multiply-adds and latency.

use proptest::prelude::*;
use relativenas_core::{
    cost::{Limits, cost},
    event::{Event, Learner},
    genotype::Genotype,
    latency::{LatencyTable, OperationLatency, Spot},
    operation::Operation,
    search::Slot,
    search::{Ask, Search, SearchSettings, Stage},
    searcher::SearcherKind,
};

use crate::fixture::{SHAPE, estimate, json, settings};

fn is_convolution(operation: Operation) -> bool {
    use Operation::{DilConv3x3, DilConv5x5, SepConv3x3, SepConv5x5};
    matches!(operation, SepConv3x3 | SepConv5x5 | DilConv3x3 | DilConv5x5)
}

/// A table with a millisecond for each convolution, none for other operations, and a remainder of two.
fn made_up_latencies() -> LatencyTable {
    let entry = |spot| {
        Operation::SEARCHED.map(|operation| {
            let nanoseconds = if is_convolution(operation) { 1_000_000 } else { 0 };
            OperationLatency { operation, spot, nanoseconds }
        })
    };
    LatencyTable {
        device: "made up".to_owned(),
        batch: 1,
        remainder: 2_000_000,
        calibration: Vec::new(),
        operations: Spot::all(&SHAPE).into_iter().flat_map(entry).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn within_the_limits_wins_whatever_the_loss(
        losses in prop::collection::vec(0.0..8.0, 2), seed: u64, most in 100_000..500_000_u64,
    ) {
        let mut settings = settings(SearcherKind::SlowFast, 2, 1, seed);
        settings.limits = Limits { max_parameters: most, max_multiply_adds: 0, shape: Some(SHAPE), ..Limits::default() };
        let (mut search, _) = Search::new(settings).expect("valid");
        let Ask::Estimate(estimation) = search.ask() else { unreachable!("it just began") };
        let excess: Vec<_> = (estimation.candidates.iter())
            .map(|c| cost(&Genotype::decode(&c.position).expect("within the bounds"), &SHAPE).parameters)
            .map(|parameters| parameters.saturating_sub(most))
            .collect();
        let (verdicts, events) = search.tell(&[estimate(losses[0]), estimate(losses[1])]);
        let second = if excess[0] == excess[1] { losses[1] < losses[0] } else { excess[1] < excess[0] };
        prop_assert_eq!(verdicts[0].fast, Some(Slot(usize::from(second))));
        let Some(Event::PairCompared { learners, .. }) = events.first() else {
            return Err(TestCaseError::fail("no comparison"));
        };
        for (learner, excess) in learners.iter().zip(excess) {
            let expected = excess as f64 / most as f64;
            prop_assert_eq!(learner.violation, expected);
            let read: Learner = serde_json::from_str(&json(learner)).expect("it was just written");
            prop_assert_eq!(read.violation, expected);
            let hopeless = Learner { violation: f64::INFINITY, ..learner.clone() };
            prop_assert_eq!(serde_json::from_str::<Learner>(&json(&hopeless)).ok(), Some(hopeless));
        }
    }
}

#[test]
fn every_searcher_keeps_within_a_limit_of_latency() {
    let convolutions = |position: &[f64]| {
        let genotype = Genotype::decode(position).expect("within the bounds");
        let cells = (0..SHAPE.cells).map(|index| genotype.cell(SHAPE.cell_kind(index)));
        cells.flat_map(|cell| &cell.genes).filter(|gene| is_convolution(gene.operation)).count()
    };
    let limits = Limits {
        max_latency: 34.0,
        latencies: Some(made_up_latencies().into()),
        shape: Some(SHAPE),
        ..Limits::default()
    };
    for searcher in SearcherKind::ALL {
        let settings = SearchSettings { limits: limits.clone(), ..settings(searcher, 8, 6, 3) };
        let (mut search, _) = Search::new(settings).expect("valid");
        let (mut decided, mut ranking) = (0, Vec::new());
        while let Ask::Estimate(estimation) = search.ask() {
            // Losses that prefer slow networks make no difference.
            let losses: Vec<_> =
                estimation.candidates.iter().map(|c| 100 - convolutions(&c.position)).collect();
            for event in search.tell(&losses.iter().map(|&l| estimate(l as f64)).collect::<Vec<_>>()).1 {
                match event {
                    Event::PairCompared { learners, fast, .. } => {
                        for learner in &learners {
                            let excess = (2.0 + convolutions(&learner.position) as f64) / 34.0 - 1.0;
                            assert!((learner.violation - excess.max(0.0)).abs() < 1e-12, "{searcher}");
                        }
                        let [within, beyond] = [true, false].map(|is_within| {
                            let mut of = learners.iter().filter(|l| (l.violation == 0.0) == is_within);
                            (of.next(), of.next())
                        });
                        if let ((Some(within), None), (Some(_), None)) = (within, beyond) {
                            // A coin flip ignores losses and limits; the final ranking does not.
                            if searcher != SearcherKind::CoinFlip {
                                assert_eq!(fast, Some(within.individual), "{searcher}");
                            }
                            decided += 1;
                        }
                    }
                    Event::SearchFinished { ranking: found, .. } => ranking = found,
                    _ => {}
                }
            }
        }
        let population = &search.state().population;
        let within: Vec<_> =
            ranking.iter().map(|r| convolutions(&population[r.individual].position) <= 32).collect();
        assert!(within.is_sorted_by(|a, b| a >= b), "{searcher}: {within:?}");
        assert!(within[0] || searcher == SearcherKind::CoinFlip, "{searcher}: {within:?}");
        let in_pairs = searcher.together() == 2;
        assert!(!in_pairs || decided > 0, "{searcher}: the limit decides nothing");
    }
}

#[test]
fn the_largest_network_within_the_limits_is_first() {
    let limits =
        Limits { max_parameters: 260_000, max_multiply_adds: 0, shape: Some(SHAPE), ..Limits::default() };
    let settings = SearchSettings { limits, ..settings(SearcherKind::Largest, 6, 5, 3) };
    let (mut search, _) = Search::new(settings).expect("valid");
    let parameters =
        |position: &[f64]| cost(&Genotype::decode(position).expect("within the bounds"), &SHAPE).parameters;
    let (mut drawn, mut rank_1) = (Vec::new(), None);
    while let Ask::Estimate(estimation) = search.ask() {
        if estimation.stage == Stage::Search {
            drawn.extend(estimation.candidates.iter().map(|c| parameters(&c.position)));
        }
        // Losses that prefer small networks make no difference.
        let losses: Vec<_> =
            estimation.candidates.iter().map(|c| estimate(parameters(&c.position) as f64)).collect();
        if let Some(Event::SearchFinished { ranking, .. }) = search.tell(&losses).1.last() {
            rank_1 = Some(ranking[0].individual);
        }
    }
    let within = drawn.iter().copied().filter(|&found| found <= 260_000);
    assert!(drawn.iter().any(|&found| found > 260_000), "the limit excludes no network: {drawn:?}");
    let winner = &search.state().population[rank_1.expect("the search is over")];
    assert_eq!(Some(parameters(&winner.position)), within.max(), "{drawn:?}");
}
