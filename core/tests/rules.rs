//! The rules of the search, checked on whatever a search may meet.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use relativenas_core::{
    cost::{Limits, cost},
    event::{Event, Learner, Line},
    genotype::{Genotype, GenotypeFormat},
    latency::{LatencyTable, OperationLatency, Spot},
    loss::Loss,
    network::{NetworkKind, NetworkShape},
    operation::Operation,
    population::Individual,
    population::IndividualId,
    published,
    search::Slot,
    search::{
        Ask, Candidate, Estimate, Estimation, Repeat, Schedule, Search, SearchSettings, SearchState, Stage,
        Verdict,
    },
    searcher::SearcherKind,
    slow_fast,
    space::Space,
    weight_set::{Entry, Hits, WeightKey, WeightSet, entering},
};

fn settings(searcher: SearcherKind, population: usize, generations: u32, seed: u64) -> SearchSettings {
    SearchSettings {
        space: Space::Cells,
        searcher,
        population,
        pairs_at_once: 1,
        generations,
        seed,
        mutation: 0.0,
        warm_up: 0,
        one_shot: false,
        repeat: Default::default(),
        schedule: Schedule { learning_rate: 0.1, learning_rate_end: 0.001, drop_path: 0.3 },
        limits: Limits::default(),
    }
}

fn estimate(loss: f64) -> Estimate {
    Estimate { loss: Loss(loss), accuracy: 100.0 - loss, train_loss: Loss(loss), hits: 3, misses: 1 }
}

/// Losses as a device gives them, good and bad; few different ones, so that ties occur.
fn a_loss() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (0..8_u8).prop_map(f64::from),
        6 => 0.0..8.0,
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
    ]
}

fn a_searcher() -> impl Strategy<Value = SearcherKind> {
    prop::sample::select(SearcherKind::ALL.to_vec())
}

fn a_position() -> impl Strategy<Value = Vec<f64>> {
    let genes: Vec<_> = (0..Space::Cells.genes())
        .map(|gene| {
            let choices = Space::Cells.choices(gene);
            // Whole numbers are where decoding is special.
            prop_oneof![0.0..=choices as f64, (0..=choices).prop_map(|whole| whole as f64)]
        })
        .collect();
    genes
}

/// Losses for whatever a search asks: the number of the answer picks one.
fn tell_next(
    search: &mut Search,
    losses: &[f64],
    answered: &mut usize,
) -> Option<(Vec<Verdict>, Vec<Event>)> {
    let Ask::Estimate(estimation) = search.ask() else { return None };
    let estimates: Vec<_> = (estimation.candidates.iter())
        .map(|_| {
            *answered += 1;
            estimate(losses[*answered % losses.len()])
        })
        .collect();
    Some(search.tell(&estimates))
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_stays_within_the_choices(position in a_position()) {
        let indices = Space::Cells.decode(&position).expect("within the bounds");
        for (gene, &index) in indices.iter().enumerate() {
            prop_assert!(index < Space::Cells.choices(gene), "gene {gene}: {index}");
            let floor = if position[gene].fract() == 0.0 { position[gene] - 1.0 } else { position[gene].floor() };
            prop_assert_eq!(index as f64, floor.max(0.0));
        }
    }

    #[test]
    fn encoding_is_undone_by_decoding(position in a_position()) {
        let genotype = Genotype::decode(&position).expect("within the bounds");
        let encoded = genotype.encode().expect("decoded from this space");
        prop_assert_eq!(Genotype::decode(&encoded), Ok(genotype));
        prop_assert_eq!(Space::Cells.decode(&encoded), Space::Cells.decode(&position));
    }

    #[test]
    fn vectors_outside_the_bounds_are_refused(
        position in a_position(),
        gene in 0..32_usize,
        wrong in prop_oneof![Just(f64::NAN), Just(-1e-9), Just(f64::INFINITY), 7.001..100.0],
    ) {
        let mut position = position;
        position[gene] = wrong;
        prop_assert!(Genotype::decode(&position).is_err());
        prop_assert!(Genotype::decode(&position[1..]).is_err());
    }

    #[test]
    fn genotypes_survive_every_text_form(position in a_position()) {
        let genotype = Genotype::decode(&position).expect("within the bounds");
        for format in [GenotypeFormat::Darts, GenotypeFormat::Json, GenotypeFormat::Toml] {
            prop_assert_eq!(Genotype::parse(&genotype.format(format)), Ok(genotype.clone()));
        }
    }

    #[test]
    fn no_text_makes_the_genotype_reader_panic(text in ".{0,120}", at in 0..400_usize, cut in 0..8_usize) {
        // Arbitrary text alone, and arbitrary text in the middle of a valid genotype.
        let _ = Genotype::parse(&text);
        let genotype = published::genotype("RelativeNAS").expect("published");
        for format in [GenotypeFormat::Darts, GenotypeFormat::Json, GenotypeFormat::Toml] {
            let mut valid = genotype.format(format);
            let (from, to) = (at.min(valid.len()), (at + cut).min(valid.len()));
            valid.replace_range(from..to, &text);
            if let Err(error) = Genotype::parse(&valid) {
                prop_assert!(error.to_string().len() < 2000);
            }
        }
    }

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
        for gene in 0..32 {
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
                let fast = verdict.fast.expect("one of them is fast");
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
            // Its last population stands in order of size, whatever the losses.
            prop_assert!(ranking.iter().map(|r| r.individual).eq(IndividualId::all(6)));
            return Ok(());
        }
        for pair in ranking.windows(2) {
            // Not a number comes last, and equal losses in the order of individuals.
            let (a, b) = (pair[0].loss, pair[1].loss);
            prop_assert!(a.is_finite() || !b.is_finite());
            prop_assert!(!(a.is_finite() && b.is_finite()) || a.0 <= b.0);
            let tie = a == b || !a.is_finite();
            prop_assert!(!tie || pair[0].individual < pair[1].individual);
        }
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

    #[test]
    fn the_fast_learner_wins_and_the_slow_one_fills_gaps(
        before in prop::collection::vec(a_position(), 0..4), fast in a_position(), slow in a_position(),
    ) {
        let mut set = WeightSet::default();
        for (generation, position) in before.iter().enumerate() {
            set.adopt(generation as u32, [(IndividualId(9), &hold(position, "before"))]);
        }
        let unchanged = set.clone();
        let (fast, slow) = (hold(&fast, "fast"), hold(&slow, "slow"));
        set.adopt(7, [(IndividualId(1), &fast), (IndividualId(2), &slow)]);
        let keys = unchanged.entries().map(|(key, _)| key).chain(fast.keys().copied()).chain(slow.keys().copied());
        for key in keys {
            let (old, new) = (unchanged.get(key), set.get(key));
            let writer = if fast.contains_key(&key) {
                Some(("fast", 1))
            } else if slow.contains_key(&key) && key.is_operation() {
                Some(("slow", 2))
            } else {
                None
            };
            if let Some((name, individual)) = writer {
                let entry = new.expect("written");
                prop_assert_eq!((entry.value, entry.trained.individual, entry.trained.generation), (name, IndividualId(individual), 7));
                prop_assert_eq!(entry.trained.updates, old.map_or(0, |e| e.trained.updates) + 1);
            } else {
                prop_assert_eq!(new, old, "{}", key);
            }
        }
        // Whoever sends weights to somebody else need not send more than what enters.
        let mut sent = unchanged;
        let keys = |held: &BTreeMap<WeightKey, &'static str>| held.keys().copied().collect::<Vec<_>>();
        let entering = entering(&[keys(&fast), keys(&slow)]);
        let [of_fast, of_slow] = [(&fast, &entering[0]), (&slow, &entering[1])]
            .map(|(held, keys)| keys.iter().map(|key| (*key, held[key])).collect::<BTreeMap<_, _>>());
        sent.adopt(7, [(IndividualId(1), &of_fast), (IndividualId(2), &of_slow)]);
        prop_assert_eq!(&sent, &set);
        let mut nobody = set.clone();
        nobody.adopt(8, []);
        prop_assert_eq!(nobody, set);
    }

    #[test]
    fn a_view_s_history_of_the_weight_set_is_the_weight_set_s(
        pairs in prop::collection::vec((a_position(), a_position()), 1..4),
    ) {
        let (mut with_values, mut history) = (WeightSet::default(), WeightSet::default());
        for (generation, (fast, slow)) in pairs.iter().enumerate() {
            let (fast_held, slow_held) = (hold(fast, "fast"), hold(slow, "slow"));
            with_values.adopt(generation as u32, [(IndividualId(1), &fast_held), (IndividualId(2), &slow_held)]);
            let sorted = |held: &BTreeMap<WeightKey, &str>| held.keys().copied().collect::<Vec<_>>();
            history.adopt_keys(generation as u32, &[(IndividualId(1), sorted(&fast_held)), (IndividualId(2), sorted(&slow_held))]);
        }
        let trained = |(key, entry): (_, &Entry<&str>)| (key, entry.trained);
        let expected: Vec<_> = with_values.entries().map(trained).collect();
        prop_assert_eq!(history.entries().map(|(key, entry)| (key, entry.trained)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_operation_with_weights_is_a_hit_or_a_miss(
        before in prop::collection::vec(a_position(), 0..4), position in a_position(),
    ) {
        let mut set = WeightSet::default();
        for position in &before {
            set.adopt(0, [(IndividualId(0), &hold(position, "trained"))]);
        }
        let keys = keys(&position);
        let (values, Hits { hits, misses }) = set.inherit(&keys, |_| "fresh");
        let operations: Vec<_> = keys.iter().filter(|key| key.is_operation()).collect();
        prop_assert_eq!(hits + misses, operations.len());
        prop_assert_eq!(misses, operations.iter().filter(|key| values[key] == "fresh").count());
        prop_assert_eq!(hits, operations.iter().filter(|key| set.get(***key).is_some()).count());
    }

    #[test]
    fn keys_are_distinct_have_weights_and_survive_text(position in a_position()) {
        let genotype = Genotype::decode(&position).expect("within the bounds");
        let (keys, places) = (keys(&position), SHAPE.places(&genotype));
        prop_assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        for key in keys {
            prop_assert_eq!(key.to_string().parse(), Ok(key));
            if let WeightKey::Operation { cell, candidate } = key {
                let (node, input, operation) = WeightKey::describe_candidate(candidate);
                prop_assert_eq!(WeightKey::candidate(node, input, operation), candidate);
                prop_assert!(operation.has_parameters(places[cell].stride(input)));
            }
        }
    }
}

const SHAPE: NetworkShape = NetworkShape { kind: NetworkKind::Cifar, channels: 16, cells: 8, classes: 10 };

fn keys(position: &[f64]) -> Vec<WeightKey> {
    WeightKey::of_genotype(&Genotype::decode(position).expect("within the bounds"), &SHAPE)
}

/// What a learner at this position holds, marked with `name`.
fn hold(position: &[f64], name: &'static str) -> BTreeMap<WeightKey, &'static str> {
    keys(position).into_iter().map(|key| (key, name)).collect()
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

#[test]
fn pairs_at_once_are_asked_for_together_and_told_one_by_one() {
    // Losses know nothing of weights here, so pairs at once change nothing but when they are asked for.
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
    // Children of one estimation do not know each other; each still takes the place of the oldest.
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
        format!("{pairs} pairs at once are no part of a generation, which has 2; it must be from 1 to 2")
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

/// A search to its end, every loss being 1; all events, as lines of JSON.
fn events_of(settings: SearchSettings) -> Vec<String> {
    let (mut search, events) = Search::new(settings).expect("valid");
    let mut lines: Vec<_> = events.iter().map(json).collect();
    let mut answered = 0;
    while let Some((_, events)) = tell_next(&mut search, &[1.0], &mut answered) {
        lines.extend(events.iter().map(json));
    }
    lines
}

#[test]
fn a_mutated_gene_is_at_rest_and_all_others_move_as_without_mutation() {
    let (mut mutated, mut moved) = (0, 0);
    for seed in 0..20 {
        // In the first generation both searches meet alike, and the same learners are slow.
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
    // Of 20 × 5 × 32 genes a tenth, with a standard deviation of 17.
    assert_eq!(mutated + moved, 3200);
    assert!((250..390).contains(&mutated), "{mutated}");
}

/// A search with a warm-up of two generations, two more after it, to its end; every estimation, and all events.
fn with_warm_up(searcher: SearcherKind) -> (Vec<Estimation>, Vec<Event>) {
    let settings = SearchSettings { warm_up: 2, ..settings(searcher, 6, 4, 7) };
    let (mut search, mut events) = Search::new(settings.clone()).expect("valid");
    let mut estimations = Vec::new();
    while let Ask::Estimate(estimation) = search.ask() {
        // Whoever goes on from a stored state goes on alike.
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

fn doubting(searcher: SearcherKind, noise: f64, estimates: u32) -> SearchSettings {
    SearchSettings { repeat: Repeat { noise, estimates }, ..settings(searcher, 4, 2, 7) }
}

#[test]
fn a_pair_within_the_noise_is_estimated_again_until_its_mean_losses_are_not_or_there_were_enough() {
    // The noise, what the pair is told, and who is fast.
    let cases: [(f64, &[[f64; 2]], usize); 6] = [
        (0.4, &[[1.0, 1.5]], 0),
        (1.0, &[[1.0, 1.1], [3.0, 1.0]], 1),
        // 0.9 is within 1; a mean of 0.8 over two is not within 1 / √2.
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
        "pairs cannot be estimated again where 2 are estimated at once; the noise must be 0 then"
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
    // Where limits tell the two apart, losses are not asked.
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

#[test]
fn a_warm_up_trains_the_same_networks_whichever_searcher_follows_and_moves_nobody() {
    let mut warmed = BTreeSet::new();
    for searcher in SearcherKind::ALL {
        let (estimations, events) = with_warm_up(searcher);
        let (first, rest): (Vec<_>, Vec<_>) = estimations.into_iter().partition(|e| e.stage == Stage::WarmUp);
        assert!(first.iter().all(|e| e.generation < 2 && e.candidates.len() == 2), "{searcher}");
        assert_eq!(first.len(), 2 * 3);
        warmed.insert(json(&first));
        // The search begins with the population that was drawn first, and that nobody moved.
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
    assert!(error.starts_with("without a warm-up nobody would ever train"), "{error}");
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

#[test]
fn mutation_concerns_searchers_with_slow_learners_only() {
    for searcher in SearcherKind::ALL {
        let events = |mutation| events_of(SearchSettings { mutation, ..settings(searcher, 6, 3, 4) });
        assert_eq!(events(0.0) != events(0.5), searcher.moves_slow_learners(), "{searcher}");
    }
}

fn is_convolution(operation: Operation) -> bool {
    use Operation::{DilConv3x3, DilConv5x5, SepConv3x3, SepConv5x5};
    matches!(operation, SepConv3x3 | SepConv5x5 | DilConv3x3 | DilConv5x5)
}

/// A millisecond for a convolution, wherever it is, and two for all that is beside.
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
            // Losses that prefer slow networks change nothing.
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
                            // The lot asks nobody; its ranking does.
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
        // Losses that prefer small networks change nothing.
        let losses: Vec<_> =
            estimation.candidates.iter().map(|c| estimate(parameters(&c.position) as f64)).collect();
        if let Some(Event::SearchFinished { ranking, .. }) = search.tell(&losses).1.last() {
            rank_1 = Some(ranking[0].individual);
        }
    }
    let within = drawn.iter().copied().filter(|&found| found <= 260_000);
    assert!(drawn.iter().any(|&found| found > 260_000), "the limit excludes nobody: {drawn:?}");
    let winner = &search.state().population[rank_1.expect("the search is over")];
    assert_eq!(Some(parameters(&winner.position)), within.max(), "{drawn:?}");
}
