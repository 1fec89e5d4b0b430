//! Probes of finished, running and other runs.

use std::fs;

use relativenas_core::event::Event;

use crate::{
    search::{pid, signal},
    stage::{Stage, wait_until},
    training::train_arguments,
};

#[test]
fn a_finished_search_is_probed_twice_with_the_same_result_and_stays_what_it_is() {
    let stage = Stage::new();
    stage.search("one", &[]).succeeded();
    let probe = || {
        let few = ["probe", "one", "--pairs", "6", "--epochs", "1", "--json"];
        stage.relativenas(few).succeeded().stdout
    };
    let folder = stage.runs().join("one");
    let read = |name: &str| fs::read(folder.join(name)).expect(name);
    let checkpoint = "checkpoints/0002-0002/weights.safetensors";
    let (events, weights) = (read("events.jsonl"), read(checkpoint));
    let first = probe();
    let kept = read("probe.json");
    let again = probe();
    assert_eq!(first, again);
    assert_eq!(read("probe.json"), kept);
    assert!(read("events.jsonl") == events && read(checkpoint) == weights, "nothing of the run changed");

    let printed: serde_json::Value = serde_json::from_str(&again).expect("JSON");
    let mut ranked: Vec<_> = stage.events("one").into_iter().filter_map(ranked).collect();
    ranked.sort_by_key(|(individual, _)| *individual);
    let ranked: Vec<_> = ranked.into_iter().map(|(_, loss)| loss).collect();
    assert_eq!(printed["shared_losses"], serde_json::json!(ranked), "the run's own ranking");
    assert_eq!((&printed["pairs"], &printed["individuals"]), (&6.into(), &4.into()));
    assert_ne!(printed["scratch_losses"], printed["shared_losses"]);

    let page = stage.relativenas(["report", "one", "--format", "markdown"]).succeeded().stdout;
    assert!(page.contains("Is the comparison any good?"), "{page}");
}

#[test]
fn a_headless_search_is_probed_when_it_is_finished() {
    let stage = Stage::new();
    let tiniest =
        ["search.population=2", "search.generations=1", "data.train_images=8", "data.valid_images=8"];
    let settings = tiniest.iter().flat_map(|setting| ["--set", setting]);
    let asked: Vec<_> = ["--json", "--probe"].into_iter().chain(settings).collect();
    let searched = stage.search("one", &asked).succeeded().stdout;
    let last = searched.lines().last().expect("lines");
    let printed: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!((&printed["run"], &printed["pairs"]), (&"one".into(), &50.into()));
    let flips = printed["flips"].as_u64().expect("a number");
    assert!(flips > 0 && flips < 50, "{flips} flips: draws decide some of such tiny trainings, not all");
}

fn ranked(event: Event) -> Option<(usize, f64)> {
    match event {
        Event::IndividualRanked { learner } => Some((learner.individual, learner.estimate.loss)),
        _ => None,
    }
}

#[test]
fn a_stopped_search_is_ranked_by_the_probe_and_can_still_be_resumed() {
    let stage = Stage::new();
    let mut command = stage.command(stage.search_arguments("cut", &["--paused"])).spawn().expect("starts");
    let folder = stage.runs().join("cut");
    wait_until("the engine listens", || folder.join("engine.json").exists());
    stage.relativenas(["probe", "cut"]).refused(1, "another engine (process");
    stage.relativenas(["step", "cut", "pair", "1", "--wait"]).succeeded();
    signal(pid(&folder), "-TERM");
    command.wait().expect("the command ends");

    let said = stage.relativenas(["probe", "cut", "--pairs", "2", "--epochs", "1"]).succeeded();
    assert!(said.stdout.starts_with("cut, after 0 generations:\nflip rate "), "{said:?}");
    assert!(said.stderr.contains("probe.json: written"), "{said:?}");
    stage.relativenas(["resume", "cut", "--headless"]).succeeded();
    assert!(matches!(stage.events("cut").last(), Some(Event::SearchFinished { .. })));
}

#[test]
fn a_training_has_nothing_to_probe() {
    let stage = Stage::new();
    stage.relativenas(train_arguments("one", &[])).succeeded();
    stage.relativenas(["probe", "one"]).refused(1, "one is a training; only a search has pairs to probe");
}
