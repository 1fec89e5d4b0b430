use std::sync::Arc;

use relativenas_core::{
    event::Event,
    latency::{LatencyTable, OperationLatency, Spot},
    manifest::Manifest,
    operation::Operation,
};

use crate::run::{
    fixture::{self, events, work},
    outcome::Outcome,
};

/// A small search whose networks may take this many milliseconds for a batch.
fn manifest(max_latency: &str) -> Manifest {
    fixture::small_search(&[("search.max_latency", max_latency), ("device.threads", "1")])
}

/// A table in which separable convolutions take a millisecond and everything else no time.
fn table(manifest: &Manifest) -> LatencyTable {
    let entry = |spot| {
        Operation::SEARCHED.map(|operation| {
            let slow = matches!(operation, Operation::SepConv3x3 | Operation::SepConv5x5);
            OperationLatency { operation, spot, nanoseconds: if slow { 1_000_000 } else { 0 } }
        })
    };
    LatencyTable {
        device: "made up".to_owned(),
        batch: 8,
        remainder: 0,
        calibration: Vec::new(),
        operations: Spot::all(&manifest.config.search_network(10)).into_iter().flat_map(entry).collect(),
    }
}

fn table_of(events: &[Event]) -> Option<&LatencyTable> {
    match events.first() {
        Some(Event::SearchStarted { settings, .. }) => settings.limits.latencies.as_deref(),
        other => panic!("{other:?}"),
    }
}

fn violations(events: &[Event]) -> Vec<f64> {
    let of = |event: &Event| match event {
        Event::PairCompared { learners, .. } => learners.iter().map(|l| l.violation).collect(),
        _ => Vec::new(),
    };
    events.iter().flat_map(of).collect()
}

#[test]
fn a_search_with_a_table_of_latencies_is_gone_on_with_to_the_same_events() {
    let mut manifest = manifest("6.0");
    manifest.latency = Some(Arc::new(table(&manifest)));
    let whole = tempfile::tempdir().expect("a folder");
    assert_eq!(work(whole.path(), &manifest, |_, _| {}), Outcome::Done);
    let expected = events(whole.path());
    assert_eq!(table_of(&expected), manifest.latency.as_deref());
    let violations = violations(&expected);
    assert!(violations.contains(&0.0) && violations.iter().any(|&v| v > 0.0), "{violations:?}");

    let cut = tempfile::tempdir().expect("a folder");
    let outcome = work(cut.path(), &manifest, |progress, control| {
        let begun = progress.activity.networks().next().is_some_and(|(_, progress)| progress.batch > 0);
        if progress.activity.generation_or_epoch() == Some(1) && begun {
            control.abort();
        }
    });
    assert_eq!(outcome, Outcome::Stopped);
    assert!(events(cut.path()).len() < expected.len());
    assert_eq!(work(cut.path(), &manifest, |_, _| {}), Outcome::Done);
    assert_eq!(events(cut.path()), expected);
}

#[test]
fn latencies_are_measured_when_a_search_with_a_limit_begins() {
    let manifest = manifest("1000000.0");
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(work(folder.path(), &manifest, |_, control| control.abort()), Outcome::Stopped);
    let events = events(folder.path());
    let measured = table_of(&events).expect("a table");
    assert_eq!(measured.check(&manifest.config.search_network(10)), Ok(()));
    assert_eq!((measured.batch, measured.device.as_str()), (8, "cpu, 1 thread"));
}

#[test]
fn a_table_of_another_network_is_refused() {
    let mut manifest = manifest("6.0");
    let mut table = table(&manifest);
    table.operations.remove(0);
    manifest.latency = Some(Arc::new(table));
    let ranks: Arc<dyn crate::ranks::Ranks> = Arc::new(crate::ranks::Alone);
    let refused = super::SearchJob::prepare(&manifest, None, &ranks).err().expect("refused");
    let error = format!("{refused:#}");
    assert!(
        error.starts_with("run.toml: the table of latencies has no max_pool_3x3 on 4 channels"),
        "{error}"
    );
}
