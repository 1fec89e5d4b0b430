//! Runs in tests: begun in a folder or continued there, and steered between any two batches.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use relativenas_core::{
    config::Layers,
    event::{Event, Line},
    manifest::{BUILD, Job, Manifest, RUN_FORMAT, files},
    protocol::{Activity, Mode, Progress},
    randomness::RANDOMNESS_VERSION,
};
use tokio::sync::watch;

use super::{
    checkpoint,
    control::Control,
    disk::Disk,
    log::{self, EventLog, Extent},
    outcome::Outcome,
    recorder::Recorder,
    work::RunJob,
};
use crate::ranks::{Alone, Ranks};

/// The manifest of a run with these settings.
pub fn manifest(job: Job, layers: &Layers) -> Manifest {
    Manifest {
        format: RUN_FORMAT,
        randomness: RANDOMNESS_VERSION,
        job,
        build: BUILD.to_owned(),
        created: 0,
        follows: None,
        config: layers.config().expect("valid"),
        origins: Default::default(),
        genotype: None,
        branched_from: None,
        engine: None,
        latency: None,
    }
}

/// A search that ends within seconds, with further settings.
pub fn small_search(more: &[(&str, &str)]) -> Manifest {
    let few = [
        ("search.population", "4"),
        ("search.generations", "2"),
        ("data.train_images", "16"),
        ("data.valid_images", "8"),
        ("network.channels", "4"),
        ("network.cells", "3"),
        ("training.batch", "8"),
        ("device.kind", "cpu"),
    ];
    let mut layers = Layers::built_in();
    for (key, value) in few.iter().chain(more) {
        layers.add_assignment(&format!("{key}={value}")).expect("a setting");
    }
    manifest(Job::Search, &layers)
}

/// Begins the run in `folder`, or continues it. `steer` receives the progress after every batch, while the
/// run waits for it, and repeatedly while the run is paused.
pub fn work(folder: &Path, manifest: &Manifest, mut steer: impl FnMut(&Progress, &Control)) -> Outcome {
    let found = log::whole_lines(&folder.join(files::EVENTS)).expect("readable");
    let (newest, passed_over) = checkpoint::newest(&folder.join(files::CHECKPOINTS), found).expect("listed");
    assert_eq!(passed_over, Vec::<String>::new());
    let extent = newest.as_ref().map_or(Extent::default(), |found| found.state.log);
    let (log, _) = EventLog::open(&folder.join(files::EVENTS), extent).expect("a log");
    let ranks: Arc<dyn Ranks> = Arc::new(Alone);
    let (mut work, _) = RunJob::prepare(manifest, newest, &ranks).expect("a run");
    let control = Arc::new(Control::new(work.bounds(), false));
    let batches = observe(&control);
    let (sender, _extent) = watch::channel(log.extent());
    let recorder =
        Recorder::start(Disk::default(), log, folder, Arc::clone(&control), sender).expect("a thread");
    let worker = thread::spawn({
        let control = Arc::clone(&control);
        move || {
            let outcome = work.go_on(&control, &recorder);
            let written = recorder.finish();
            control.finish(); // Tells the loop below that nothing follows, however the work ended.
            written.expect("written");
            outcome.expect("nothing fails")
        }
    });
    let progress = control.progress();
    loop {
        match batches.progress.recv_timeout(Duration::from_millis(10)) {
            Ok(now) => {
                steer(&now, &control);
                batches.seen.send(()).expect("a batch waits");
            }
            Err(RecvTimeoutError::Timeout) => {
                let now = progress.borrow().clone();
                // A worker that panicked does not publish that it is finished.
                if now.activity == Activity::Finished || worker.is_finished() {
                    break;
                }
                if now.mode == Mode::Paused {
                    steer(&now, &control);
                }
            }
            Err(RecvTimeoutError::Disconnected) => unreachable!("the control lives"),
        }
    }
    worker.join().expect("no panic")
}

/// Batches as they are done; the run waits until each is marked as seen.
struct Batches {
    progress: mpsc::Receiver<Progress>,
    seen: mpsc::Sender<()>,
}

fn observe(control: &Control) -> Batches {
    let (sender, progress) = mpsc::sync_channel(0);
    let (seen, waiter) = mpsc::channel();
    let ends = Mutex::new((sender, waiter));
    control.observe(Box::new(move |now| {
        let (sender, waiter) = &*ends.lock().expect("no panic");
        // Sending fails only if the test has failed.
        if sender.send(now).is_ok() {
            let _ = waiter.recv();
        }
    }));
    Batches { progress, seen }
}

/// The events in the log of the run in `folder`.
pub fn events(folder: &Path) -> Vec<Event> {
    let text = fs::read_to_string(folder.join(files::EVENTS)).expect("a log");
    let event = |line: &str| serde_json::from_str::<Line>(line).expect("a line").event;
    text.lines().map(event).collect()
}
