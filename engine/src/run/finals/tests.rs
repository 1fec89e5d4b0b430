use std::sync::LazyLock;

use relativenas_core::{
    event::Event,
    manifest::Manifest,
    population::IndividualId,
    protocol::{Activity, Command, Mode, StepUnit},
};

use crate::run::{
    fixture::{self, events, work},
    outcome::Outcome,
};

/// A small search with finals of this many architectures.
fn manifest(architectures: usize, threads: usize) -> Manifest {
    manifest_of_seeds(architectures, 1, threads)
}

fn manifest_of_seeds(architectures: usize, seeds: u32, threads: usize) -> Manifest {
    let [architectures, seeds, threads] = [architectures, seeds as usize, threads].map(|n| n.to_string());
    fixture::small_search(&[
        ("device.threads", &threads),
        ("finals.architectures", &architectures),
        ("finals.epochs", "1"),
        ("finals.seeds", &seeds),
    ])
}

/// The events of a run that is not interrupted.
fn undisturbed(manifest: &Manifest) -> Vec<Event> {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(work(folder.path(), manifest, |_, _| {}), Outcome::Done);
    events(folder.path())
}

/// Finals of four architectures, which are trained two at a time.
static FOUR: LazyLock<(Manifest, Vec<Event>)> = LazyLock::new(|| {
    let manifest = manifest(4, 2);
    let events = undisturbed(&manifest);
    (manifest, events)
});

#[test]
fn finals_come_between_the_ranking_and_the_end() {
    let (_, events) = &*FOUR;
    let begin = events.iter().position(|e| matches!(e, Event::FinalsBegan { .. })).expect("finals");
    assert!(matches!(events[begin - 1], Event::IndividualRanked { .. }), "{:?}", events[begin - 1]);
    let kinds: Vec<_> = events[begin..]
        .iter()
        .map(|event| match event {
            Event::FinalsBegan { .. } => "begun".to_owned(),
            Event::FinalistTrained { round, epochs, figures, .. } => {
                assert_eq!(figures.train_losses.len(), *epochs as usize);
                assert!(figures.loss.is_finite() && figures.train_losses.iter().all(|l| l.0.is_finite()));
                format!("{round}: {epochs} epochs")
            }
            Event::FinalsRoundEnded { round, survivors } => format!("{round}: {} left", survivors.len()),
            Event::FinalsEnded { winner } => format!("won: {}", winner.is_some()),
            Event::SearchFinished { .. } => "finished".to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    let first = ["begun", "0: 1 epochs", "0: 1 epochs", "0: 1 epochs", "0: 1 epochs", "0: 2 left"];
    let second = ["1: 3 epochs", "1: 3 epochs", "1: 1 left", "won: true", "finished"];
    assert_eq!(kinds, [&first[..], &second[..]].concat());
}

#[test]
fn a_search_without_finals_ends_as_it_always_did() {
    let events = undisturbed(&manifest(0, 2));
    assert!(matches!(events[events.len() - 2], Event::IndividualRanked { .. }));
    assert!(matches!(events.last(), Some(Event::SearchFinished { .. })));
}

/// Aborts the run in the middle of a training of the finals, resumes it, and compares the events.
fn check_resumed(manifest: &Manifest, expected: &[Event], place: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = work(folder.path(), manifest, |progress, control| {
        if let Activity::Finals { trainings, members, .. } = &progress.activity
            && members[0].progress.batch > 0
        {
            let inject = Command::Inject { individual: IndividualId(0), position: vec![0.5; 32] };
            let refused = control.steer(&inject).expect_err("it is too late");
            assert_eq!(refused, "the finals are under way; no individual can be replaced any more");
            if *trainings >= place {
                control.abort();
            }
        }
    });
    assert_eq!(outcome, Outcome::Stopped);
    let before = events(folder.path());
    assert!(before.len() < expected.len() && before[..] == expected[..before.len()], "{before:?}");
    assert!(before.iter().any(|e| matches!(e, Event::FinalsBegan { .. })), "{before:?}");
    assert_eq!(work(folder.path(), manifest, |_, _| {}), Outcome::Done);
    assert_eq!(events(folder.path()), *expected);
}

#[test]
fn finals_that_were_cut_short_end_the_same_whoever_trains_at_once() {
    let (in_pairs, expected) = &*FOUR;
    check_resumed(in_pairs, expected, 0);
    check_resumed(in_pairs, expected, 2);
    let one_by_one = manifest(3, 1);
    check_resumed(&one_by_one, &undisturbed(&one_by_one), 1);
}

#[test]
fn every_seed_of_a_finalist_is_a_training_of_its_own_and_is_gone_on_with() {
    let manifest = manifest_of_seeds(3, 2, 2);
    let expected = undisturbed(&manifest);
    let trained = |event: &Event| match event {
        Event::FinalistTrained { round: 0, entrant, seed, figures, .. } => {
            Some((*seed, *entrant, figures.train_losses[0].0))
        }
        _ => None,
    };
    let trained: Vec<_> = expected.iter().filter_map(trained).collect();
    let who: Vec<_> = trained.iter().map(|&(seed, entrant, _)| (seed, entrant)).collect();
    assert_eq!(who, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]);
    for entrant in 0..3 {
        assert_ne!(trained[entrant].2, trained[3 + entrant].2, "the seed decides what is drawn");
    }
    // With several seeds, the first gives the same results as it does alone.
    let alone: Vec<_> = undisturbed(&manifest_of_seeds(3, 1, 2));
    let first = |events: &[Event]| {
        let of = |e: &&Event| matches!(e, Event::FinalistTrained { round: 0, seed: 0, .. });
        events.iter().filter(of).cloned().collect::<Vec<_>>()
    };
    assert_eq!(first(&alone), first(&expected));
    check_resumed(&manifest, &expected, 3);
    check_resumed(&manifest, &expected, 5);
}

#[test]
fn a_round_is_a_step_and_pauses_between_trainings() {
    let (manifest, expected) = &*FOUR;
    let folder = tempfile::tempdir().expect("a folder");
    let mut stepped = false;
    let outcome = work(folder.path(), manifest, |progress, control| {
        if !stepped && matches!(progress.activity, Activity::Finals { .. }) {
            stepped = true;
            control.steer(&Command::Step { unit: StepUnit::Generation, count: 1 }).expect("accepted");
        } else if progress.mode == Mode::Paused {
            control.steer(&Command::Stop).expect("accepted");
        }
    });
    assert_eq!(outcome, Outcome::Stopped);
    let before = events(folder.path());
    assert!(matches!(before.last(), Some(Event::FinalsRoundEnded { round: 0, .. })), "{before:?}");
    assert_eq!(work(folder.path(), manifest, |_, _| {}), Outcome::Done);
    assert_eq!(events(folder.path()), *expected);
}
