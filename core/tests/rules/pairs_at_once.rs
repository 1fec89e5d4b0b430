//! Pairs that are estimated at once.

use relativenas_core::{
    search::{Ask, Search, SearchSettings},
    searcher::SearcherKind,
};

use crate::fixture::{estimate, json, settings};

#[test]
fn pairs_at_once_are_asked_for_together_and_told_one_by_one() {
    // Losses do not depend on weights here, so pairs at once change only when each pair is asked for.
    let loss = |individual: usize, generation: u32| ((individual * 7 + generation as usize) % 5) as f64;
    let events = |searcher, pairs_at_once, asked: &mut Vec<Vec<usize>>| {
        let settings = SearchSettings { pairs_at_once, ..settings(searcher, 10, 3, 3) };
        let (mut search, events) = Search::new(settings).expect("valid");
        let mut lines: Vec<_> = events.iter().map(json).collect();
        while let Ask::Estimate(estimation) = search.ask() {
            asked.push(estimation.candidates.iter().map(|c| c.individual.0).collect());
            let losses: Vec<_> = (estimation.candidates.iter())
                .map(|c| estimate(loss(c.individual.0, estimation.generation)))
                .collect();
            let (verdicts, told) = search.tell(&losses);
            for (pair, verdict) in verdicts.iter().enumerate() {
                let places = verdict.fast.iter().chain(&verdict.slow).chain(&verdict.gives);
                let together = searcher.together();
                assert!(places.copied().all(|place| place.0 / together == pair), "{pair}: {verdict:?}");
            }
            lines.extend(told.iter().map(json));
        }
        lines
    };
    for searcher in [SearcherKind::SlowFast, SearcherKind::Random, SearcherKind::CoinFlip] {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        assert_eq!(events(searcher, 1, &mut one), events(searcher, 2, &mut two));
        // Five pairs a generation: two, two and the last; the ranking likewise.
        let sizes: Vec<_> = two.iter().map(Vec::len).collect();
        assert_eq!(sizes, [4, 4, 2].repeat(4));
        assert_eq!(one.concat(), two.concat());
    }
    // Children of one estimation are no parents of each other; each still replaces the oldest individual.
    let (mut one, mut all) = (Vec::new(), Vec::new());
    let evolution = SearcherKind::RegularizedEvolution;
    assert_ne!(events(evolution, 1, &mut one), events(evolution, 10, &mut all));
    assert_eq!(one.concat(), all.concat());
}

#[test]
fn more_pairs_at_once_than_a_generation_has_are_refused() {
    let error = |searcher, pairs_at_once| {
        let settings = SearchSettings { pairs_at_once, ..settings(searcher, 4, 1, 1) };
        Search::new(settings).err().map(|error| error.to_string())
    };
    let of_two = |pairs| {
        format!("{pairs} pairs cannot be estimated at once, as a generation has 2; it must be from 1 to 2")
    };
    assert_eq!(error(SearcherKind::SlowFast, 0), Some(of_two(0)));
    assert_eq!(error(SearcherKind::SlowFast, 3), Some(of_two(3)));
    assert_eq!(error(SearcherKind::SlowFast, 2), None);
    assert_eq!(error(SearcherKind::RegularizedEvolution, 4), None);
}

#[test]
fn one_pair_at_once_is_written_and_read_as_before_there_were_more() {
    let one = settings(SearcherKind::SlowFast, 4, 2, 1);
    assert!(!json(&one).contains("pairs_at_once"), "{}", json(&one));
    assert_eq!(serde_json::from_str::<SearchSettings>(&json(&one)).ok(), Some(one.clone()));
    let two = SearchSettings { pairs_at_once: 2, ..one };
    assert_eq!(serde_json::from_str::<SearchSettings>(&json(&two)).ok(), Some(two));
}
