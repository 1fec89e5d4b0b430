use std::{
    path::Path,
    sync::{Arc, LazyLock},
    thread,
};

use relativenas_core::{
    config::Layers,
    event::{Event, Line},
    manifest::{BUILD, Job, Manifest, RUN_FORMAT, files},
    protocol::{Activity, Command, Mode, Progress, StepUnit},
    randomness::RANDOMNESS_VERSION,
};
use tokio::sync::watch;

use crate::{
    ranks::Alone,
    run::{
        checkpoint,
        control::Control,
        disk::Disk,
        log::{self, EventLog, Extent},
        outcome::Outcome,
        recorder::Recorder,
        searching::SearchJob,
    },
};

/// A small search with finals of so many architectures.
fn manifest(architectures: usize, threads: usize) -> Manifest {
    let mut layers = Layers::built_in();
    let (architectures, threads) = (architectures.to_string(), threads.to_string());
    for (key, value) in [
        ("search.population", "4"),
        ("search.generations", "2"),
        ("data.train_images", "16"),
        ("data.valid_images", "8"),
        ("network.channels", "4"),
        ("network.cells", "3"),
        ("training.batch", "8"),
        ("device.kind", "cpu"),
        ("device.threads", &threads),
        ("finals.architectures", &architectures),
        ("finals.epochs", "1"),
    ] {
        layers.add_assignment(&format!("{key}={value}")).expect("a setting");
    }
    Manifest {
        format: RUN_FORMAT,
        randomness: RANDOMNESS_VERSION,
        job: Job::Search,
        build: BUILD.to_owned(),
        created: 0,
        follows: None,
        config: layers.config().expect("valid"),
        origins: Default::default(),
        genotype: None,
        branched_from: None,
        engine: None,
    }
}

/// Begins the run in `folder`, or goes on with it; `steer` is told how far it is while it works.
fn work(folder: &Path, manifest: &Manifest, steer: impl FnMut(&Progress, &Control)) -> Outcome {
    let mut steer = steer;
    let found = log::whole_lines(&folder.join(files::EVENTS)).expect("readable");
    let (newest, passed_over) = checkpoint::newest(&folder.join(files::CHECKPOINTS), found).expect("listed");
    assert_eq!(passed_over, Vec::<String>::new());
    let extent = newest.as_ref().map_or(Extent::default(), |found| found.state.log);
    let (log, _) = EventLog::open(&folder.join(files::EVENTS), extent).expect("a log");
    let (mut job, _) = SearchJob::prepare(manifest, newest, &(Arc::new(Alone) as _)).expect("a search");
    let control = Arc::new(Control::new(job.bounds(), false));
    let (sender, _extent) = watch::channel(log.extent());
    let recorder =
        Recorder::start(Disk::default(), log, folder, Arc::clone(&control), sender).expect("a thread");
    let mut progress = control.progress();
    let worker = thread::spawn({
        let control = Arc::clone(&control);
        move || {
            let outcome = job.go_on(&control, &recorder);
            let written = recorder.finish();
            control.finish(); // The last word, however it ended.
            written.expect("written");
            outcome.expect("nothing fails")
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    loop {
        let now = progress.borrow_and_update().clone();
        if now.activity == Activity::Finished {
            break;
        }
        steer(&now, &control);
        runtime.block_on(progress.changed()).expect("the control lives");
    }
    worker.join().expect("no panic")
}

fn events(folder: &Path) -> Vec<Event> {
    let text = std::fs::read_to_string(folder.join(files::EVENTS)).expect("a log");
    let event = |line: &str| serde_json::from_str::<Line>(line).expect("a line").event;
    text.lines().map(event).collect()
}

/// The events of a run that nobody interrupts.
fn undisturbed(manifest: &Manifest) -> Vec<Event> {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(work(folder.path(), manifest, |_, _| {}), Outcome::Done);
    events(folder.path())
}

/// Finals of four, whose trainings are done two at a time.
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

/// Ends the run at once in the middle of a training of the finals, goes on, and compares.
fn check_resumed(manifest: &Manifest, expected: &[Event], place: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = work(folder.path(), manifest, |progress, control| {
        let begun = progress.members.first().is_some_and(|member| member.batch > 0);
        if progress.generation == 2 && progress.seconds_left.is_some() && begun && in_finals(control) {
            let inject = Command::Inject { individual: 0, position: vec![0.5; 32] };
            let refused = control.steer(&inject).expect_err("it is too late");
            assert_eq!(refused, "the finals are under way; nobody can be replaced any more");
            if progress.pair >= place {
                control.abort();
            }
        }
    });
    assert_eq!(outcome, Outcome::Left);
    let before = events(folder.path());
    assert!(before.len() < expected.len() && before[..] == expected[..before.len()], "{before:?}");
    assert!(before.iter().any(|e| matches!(e, Event::FinalsBegan { .. })), "{before:?}");
    assert_eq!(work(folder.path(), manifest, |_, _| {}), Outcome::Done);
    assert_eq!(events(folder.path()), *expected);
}

/// Whether generations lie behind, and the ranking too.
fn in_finals(control: &Control) -> bool {
    let refused = control.steer(&Command::PauseAt { generation: Some(2) });
    refused.is_err_and(|why| why.starts_with("the finals are under way"))
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
fn a_round_is_a_step_and_pauses_between_trainings() {
    let (manifest, expected) = &*FOUR;
    let folder = tempfile::tempdir().expect("a folder");
    let mut stepped = false;
    let outcome = work(folder.path(), manifest, |progress, control| {
        if !stepped && progress.generation == 2 && in_finals(control) {
            stepped = true;
            control.steer(&Command::Step { unit: StepUnit::Generation, count: 1 }).expect("accepted");
        } else if progress.mode == Mode::Paused {
            control.steer(&Command::Stop).expect("accepted");
        }
    });
    assert_eq!(outcome, Outcome::Left);
    let before = events(folder.path());
    assert!(matches!(before.last(), Some(Event::FinalsRoundEnded { round: 0, .. })), "{before:?}");
    assert_eq!(work(folder.path(), manifest, |_, _| {}), Outcome::Done);
    assert_eq!(events(folder.path()), *expected);
}
