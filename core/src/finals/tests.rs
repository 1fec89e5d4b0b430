use super::*;
use crate::{
    event::Learner,
    genotype::Genotype,
    population::IndividualId,
    search::{Ask, Estimate, SearchSettings},
    space::Space,
};

fn entrant(place: usize) -> Entrant {
    Entrant {
        source: EntrantSource::Ranking,
        individual: IndividualId(place),
        generation: 3,
        position: vec![0.5; 32],
        loss: Loss(1.0),
    }
}

/// Finals of this number of entrants with one seed each, judged by training loss.
fn finals(entrants: usize) -> Finals {
    finals_of_seeds(entrants, 1)
}

fn finals_of_seeds(entrants: usize, seeds: u32) -> Finals {
    let settings = FinalsSettings { architectures: entrants, epochs: 3, seeds, judge: Judge::TrainingLoss };
    let state = FinalsState {
        settings,
        entrants: (0..entrants).map(entrant).collect(),
        round: 0,
        going: (0..entrants).collect(),
        told: Vec::new(),
        trainings: 0,
        ended: false,
    };
    Finals::resume(state).expect("a beginning")
}

/// The result of a made-up training, in which every epoch has this training loss.
fn figures(loss: f64, epochs: u32) -> Figures {
    Figures { train_losses: vec![Loss(loss); epochs as usize], loss: Loss(2.0 * loss), accuracy: 50.0 }
}

/// Runs `finals` to their end with these losses of entrants; returns all events.
fn played(finals: &mut Finals, losses: &[f64]) -> Vec<Event> {
    played_by(finals, |entrant, _| losses[entrant])
}

/// As [`played`], with losses by entrant and seed.
fn played_by(finals: &mut Finals, loss: impl Fn(usize, u32) -> f64) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(Trainings { seed, epochs, entrants, .. }) = finals.ask() {
        let told = entrants.iter().map(|&e| figures(loss(e, seed), epochs)).collect();
        events.extend(finals.tell(told));
    }
    events
}

fn survivors(events: &[Event]) -> Vec<Vec<usize>> {
    let of = |event: &Event| match event {
        Event::FinalsRoundEnded { survivors, .. } => Some(survivors.clone()),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[test]
fn eight_are_halved_to_one_in_rounds_of_three_times_as_many_epochs() {
    let mut eight = finals(8);
    let events = played(&mut eight, &[0.8, 0.3, 0.5, 0.1, 0.9, 0.2, 0.7, 0.6]);
    assert_eq!(survivors(&events), [vec![3, 5, 1, 2], vec![3, 5], vec![3]]);
    assert_eq!(events.last(), Some(&Event::FinalsEnded { winner: Some(3) }));
    let epochs = |event: &Event| match event {
        Event::FinalistTrained { entrant, epochs, .. } => Some((*entrant, *epochs)),
        _ => None,
    };
    let trained: Vec<_> = events.iter().filter_map(epochs).collect();
    assert_eq!(trained[8..], [(3, 9), (5, 9), (1, 9), (2, 9), (3, 27), (5, 27)]);
    let all = TrainingWork { trainings: 8 + 4 + 2, epochs: 8 * 3 + 4 * 9 + 2 * 27 };
    assert_eq!((eight.state().settings.work(8), rounds_of(8)), (all, 3));
}

/// The losses of five entrants with three seeds each: entrant 2 is the best with its first seed and by far the worst
/// with the others, entrant 4 diverges once.
fn fickle(entrant: usize, seed: u32) -> f64 {
    match (entrant, seed) {
        (2, 0) => 0.1,
        (2, _) => 2.0,
        (4, 1) => f64::NAN,
        (4, _) => 0.2,
        _ => 0.5 + 0.1 * entrant as f64 - 0.01 * f64::from(seed),
    }
}

#[test]
fn with_several_seeds_the_mean_decides() {
    let mut five = finals_of_seeds(5, 3);
    let events = played_by(&mut five, fickle);
    assert_eq!(survivors(&events), [vec![0, 1, 3], vec![0, 1], vec![0]]);
    let trained = |event: &Event| match event {
        Event::FinalistTrained { round, seed, entrant, .. } => Some((*round, *seed, *entrant)),
        _ => None,
    };
    let trained: Vec<_> = events.iter().filter_map(trained).collect();
    let expected: Vec<_> = [(0, 5), (1, 3), (2, 2)]
        .into_iter()
        .flat_map(|(round, count)| (0..3).map(move |seed| (round, seed, count)))
        .flat_map(|(round, seed, count)| [0, 1, 3][..count.min(3)].iter().map(move |&e| (round, seed, e)))
        .collect();
    assert_eq!(trained[15..], expected[9..], "every seed in turn");
    assert_eq!(trained[..6], [(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3), (0, 0, 4), (0, 1, 0)]);
    let all = TrainingWork { trainings: 3 * (5 + 3 + 2), epochs: 3 * (5 * 3 + 3 * 9 + 2 * 27) };
    assert_eq!((five.state().settings.work(5), five.state().trainings), (all, 30));
    // By its first seed alone, entrant 2 would have won.
    assert_eq!(survivors(&played_by(&mut finals(5), fickle)).last(), Some(&vec![2]));
}

#[test]
fn a_single_seed_is_stored_as_before_there_were_several() {
    let mut two = finals(2);
    let events = played(&mut two, &[0.5, 0.4]);
    let text = serde_json::to_string(&(two.state(), &events)).expect("plain data");
    assert!(!text.contains("seed"), "{text}");
    let settings: FinalsSettings =
        serde_json::from_str(r#"{"architectures":2,"epochs":3,"judge":"training-loss"}"#)
            .expect("an old one");
    assert_eq!(settings, finals(2).state().settings);
}

#[test]
fn every_round_and_seed_draws_by_its_own() {
    let of = |round, seed| TrainingSeeds::of(7, round, seed);
    assert_eq!(of(0, 0).weights, 7, "of the search");
    assert_eq!(of(2, 1).weights, of(0, 1).weights, "whatever the round");
    let all = [of(0, 0), of(1, 0), of(0, 1), of(1, 1), of(0, 2)];
    let different: std::collections::BTreeSet<_> = all.iter().map(|s| s.draws).collect();
    assert_eq!(different.len(), all.len());
    assert!(of(0, 1).weights != 7 && of(0, 2).weights != of(0, 1).weights);
}

#[test]
fn a_tie_goes_to_who_stood_earlier_and_odd_numbers_keep_one_more() {
    let events = played(&mut finals(5), &[0.5, 0.5, 0.5, 0.5, 0.5]);
    assert_eq!(survivors(&events), [vec![0, 1, 2], vec![0, 1], vec![0]]);
}

#[test]
fn losses_that_are_no_numbers_lose() {
    let events = played(&mut finals(4), &[f64::NAN, f64::INFINITY, f64::NAN, 9.0]);
    assert_eq!(survivors(&events), [vec![3]]);
    assert_eq!(events.last(), Some(&Event::FinalsEnded { winner: Some(3) }));
    let events = played(&mut finals(4), &[f64::NAN; 4]);
    assert_eq!(events.last(), Some(&Event::FinalsEnded { winner: None }));
}

#[test]
fn the_judge_decides_which_figure_counts() {
    let given = Figures { train_losses: vec![Loss(2.0), Loss(1.0)], loss: Loss(0.5), accuracy: 80.0 };
    assert_eq!(given.judged(Judge::TrainingLoss), Loss(3.0));
    assert_eq!(given.judged(Judge::ValidationLoss), Loss(0.5));
}

#[test]
fn finals_that_go_on_from_any_state_end_the_same() {
    let losses = [0.4, 0.3, f64::NAN, 0.1, 0.5, 0.2];
    check_resumed(|| finals(6), |entrant, _| losses[entrant]);
    check_resumed(|| finals_of_seeds(5, 3), fickle);
}

fn check_resumed(begun: impl Fn() -> Finals, loss: impl Fn(usize, u32) -> f64) {
    let whole = played_by(&mut begun(), &loss);
    for stop in 1..begun().left_after(0).trainings as usize / 2 {
        let mut first = begun();
        let mut events = Vec::new();
        for _ in 0..stop {
            let Some(Trainings { seed, epochs, entrants, .. }) = first.ask() else { break };
            events.extend(first.tell(entrants.iter().map(|&e| figures(loss(e, seed), epochs)).collect()));
        }
        let stored = serde_json::to_string(first.state()).expect("plain data");
        let mut second =
            Finals::resume(serde_json::from_str(&stored).expect("read back")).expect("a good state");
        events.extend(played_by(&mut second, &loss));
        // Compared as text, because NaN is not equal to itself.
        let text = |events: &[Event]| serde_json::to_string(events).expect("plain data");
        assert_eq!(text(&events), text(&whole), "{stop}");
    }
}

#[test]
fn what_is_left_is_what_follows_the_trainings_in_hand() {
    let mut four = finals(4);
    let mut left = vec![four.left_after(2)];
    while let Some(trainings) = four.ask() {
        let told = trainings.entrants.iter().map(|&e| figures(e as f64, trainings.epochs)).collect();
        four.tell(told);
        left.push(four.left_after(2));
    }
    let work = |trainings, epochs| TrainingWork { trainings, epochs };
    assert_eq!(
        left,
        [work(4, 2 * 3 + 2 * 9), work(2, 2 * 9), TrainingWork::default(), TrainingWork::default()]
    );
    assert_eq!(finals(4).left_after(0), finals(4).state().settings.work(4));
    assert_eq!(finals(5).left_after(1), work(4 + 3 + 2, 4 * 3 + 3 * 9 + 2 * 27));
    assert_eq!(finals_of_seeds(5, 2).left_after(1), work(9 + 6 + 4, 9 * 3 + 6 * 9 + 4 * 27));
}

#[test]
fn trainings_that_are_told_one_by_one_end_as_those_that_are_told_in_pairs() {
    let losses = [0.4, 0.3, 0.6, 0.1, 0.5];
    let mut alone = finals(5);
    let mut events = Vec::new();
    while let Some(Trainings { epochs, entrants, .. }) = alone.ask() {
        events.extend(alone.tell(vec![figures(losses[entrants[0]], epochs)]));
    }
    assert_eq!(events, played(&mut finals(5), &losses));
}

#[test]
fn finals_are_counted_in_images_of_the_search() {
    let settings = FinalsSettings { architectures: 4, epochs: 3, seeds: 1, judge: Judge::TrainingLoss };
    let (finals, search) = (settings.work(4), TrainingWork::of_search(10, 10, 0, false));
    assert_eq!(finals.images(512, 256), (30 * 512, 6 * 256));
    assert_eq!(search.images(512, 256), (110 * 512, 110 * 256));
    let share = finals.share_of(search, 512, 256);
    assert!((share - (30.0 * 2.0 + 6.0) / (110.0 * 3.0)).abs() < 1e-12, "{share}");
}

#[test]
fn stored_finals_that_contradict_themselves_are_refused() {
    let state = finals(2).state().clone();
    let refused = |change: fn(&mut FinalsState)| {
        let mut state = state.clone();
        change(&mut state);
        Finals::resume(state).is_err()
    };
    assert!(refused(|s| s.going = vec![0, 2]));
    assert!(refused(|s| s.going.clear()));
    assert!(refused(|s| s.told = vec![figures(1.0, 3); 2]));
    assert!(refused(|s| s.settings.seeds = 0));
}

/// A finished search whose loss is the value of a gene, with its ranking and its history.
fn searched(limits: crate::cost::Limits) -> (Search, Vec<RankedIndividual>, EntrantHistory) {
    let settings = SearchSettings {
        space: Space::Cells,
        searcher: Default::default(),
        population: 6,
        pairs_at_once: 1,
        generations: 4,
        seed: 3,
        mutation: 0.0,
        warm_up: 0,
        one_shot: false,
        inherit: true,
        repeat: Default::default(),
        schedule: Default::default(),
        limits,
    };
    let (mut search, _) = Search::new(settings).expect("valid");
    let (mut history, mut ranking) = (EntrantHistory::default(), Vec::new());
    while let Ask::Estimate(estimation) = search.ask() {
        let estimate = |loss| Estimate { loss, accuracy: 1.0, train_loss: Loss(1.0), hits: 0, misses: 0 };
        let estimates: Vec<_> = estimation.candidates.iter().map(|c| estimate(Loss(c.position[1]))).collect();
        for event in search.tell(&estimates).1 {
            history.note(&event, 6, 4);
            if let Event::SearchFinished { ranking: found, .. } = event {
                ranking = found;
            }
        }
    }
    (search, ranking, history)
}

#[test]
fn entrants_are_distinct_and_come_from_the_ranking_and_from_later_generations() {
    let (search, ranking, history) = searched(Default::default());
    let settings = FinalsSettings { architectures: 6, epochs: 1, seeds: 1, judge: Judge::TrainingLoss };
    let (finals, _) = Finals::begin(settings, &search, &ranking, &history).expect("finals");
    let entrants = &finals.state().entrants;
    assert_eq!(entrants.len(), 6);
    assert_eq!(entrants[0].individual, ranking[0].individual);
    assert!(entrants[..3].iter().all(|e| e.source == EntrantSource::Ranking));
    assert!(entrants.iter().any(|e| e.source == EntrantSource::Search && e.generation >= 2), "{entrants:?}");
    for (place, entrant) in entrants.iter().enumerate() {
        let genotype = Genotype::decode(&entrant.position).expect("in the space");
        for other in &entrants[place + 1..] {
            assert_ne!(Genotype::decode(&other.position).as_ref(), Ok(&genotype));
        }
    }
    let none = FinalsSettings { architectures: 0, ..settings };
    assert!(Finals::begin(none, &search, &ranking, &history).is_none());
}

#[test]
fn a_history_keeps_the_best_of_one_architecture_and_nobody_beyond_the_limits() {
    let learner = |individual, loss, violation| Learner {
        individual,
        position: vec![0.5; 32],
        estimate: Estimate { loss, accuracy: 1.0, train_loss: Loss(1.0), hits: 0, misses: 0 },
        violation,
    };
    let compared = |generation, learners| Event::PairCompared {
        generation,
        pair: 0,
        estimations: 1,
        learners,
        fast: None,
        slow: None,
        gives: Vec::new(),
    };
    let mut history = EntrantHistory::default();
    history.note(&compared(1, vec![learner(IndividualId(0), Loss(0.1), 0.0)]), 2, 4);
    assert_eq!(history, EntrantHistory::default(), "the first half is not comparable");
    history.note(
        &compared(
            2,
            vec![learner(IndividualId(1), Loss(0.2), 0.5), learner(IndividualId(2), Loss::NAN, 0.0)],
        ),
        2,
        4,
    );
    assert_eq!(history, EntrantHistory::default(), "beyond the limits, and no number");
    history.note(
        &compared(
            2,
            vec![learner(IndividualId(3), Loss(0.5), 0.0), learner(IndividualId(4), Loss(0.3), 0.0)],
        ),
        2,
        4,
    );
    let (search, ..) = searched(Default::default());
    let settings = FinalsSettings { architectures: 2, epochs: 1, seeds: 1, judge: Judge::TrainingLoss };
    let (finals, _) = Finals::begin(settings, &search, &[], &history).expect("finals");
    let found: Vec<_> = finals.state().entrants.iter().map(|e| (e.individual, e.loss)).collect();
    assert_eq!(found, [(IndividualId(4), Loss(0.3))]);
}
