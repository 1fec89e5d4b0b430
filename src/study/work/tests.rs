use relativenas_core::searcher::SearcherKind;

use super::*;
use crate::{
    fixture,
    study::extend::{Extension, extend},
};

#[test]
fn a_worker_takes_the_runs_of_a_study_that_was_extended() {
    let runs = tempfile::tempdir().expect("a folder");
    let plan = Plan::new(vec![SearcherKind::SlowFast, SearcherKind::Random], 1, 0);
    let study = Study::create(runs.path(), "chance", plan, &fixture::config()).expect("made");
    for name in ["slow-fast-1", "random-1"] {
        fixture::write_log(&fixture::run(&study.runs(), name), &fixture::log(3));
    }
    let signals = Signals::catch().expect("caught");
    let worker = Worker::new(&study, Duration::from_secs(60), signals, String::new).expect("a worker");
    let next = || match worker.next().expect("readable") {
        Next::Run(run, _) => Some(run.name()),
        Next::Wait(_) | Next::Nothing => None,
    };
    assert_eq!(next(), None, "every run is finished");
    extend(&study, &Extension { seeds: Some(2), ..Extension::default() }).expect("extended");
    assert_eq!(next().as_deref(), Some("slow-fast-2"));
    std::fs::write(study.path().join("study.toml"), "half").expect("written");
    assert_eq!(worker.plan().seeds, 2, "a file that cannot be read changes nothing");
}
