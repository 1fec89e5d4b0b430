//! Probes of finished, running and other runs.

use std::{collections::BTreeSet, fs};

use relativenas_core::{event::Event, loss::Loss, population::IndividualId, probe::tau_b, space::Space};

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
    assert_eq!(printed["from"], "population");
    for (sizes, found) in [("parameters", "by_parameters"), ("multiply_adds", "by_multiply_adds")] {
        let list = |name: &str| {
            let numbers = printed[name].as_array().expect("a list").iter();
            numbers.map(|number| number.as_f64().expect("a number")).collect::<Vec<_>>()
        };
        let negative: Vec<_> = list(sizes).iter().map(|size| -size).collect();
        assert_eq!(printed[found]["tau"].as_f64(), tau_b(&negative, &list("scratch_losses")), "{sizes}");
    }

    let page = stage.relativenas(["report", "one", "--format", "markdown"]).succeeded().stdout;
    assert!(page.contains("Is the comparison any good?"), "{page}");
}

#[test]
fn architectures_of_the_whole_search_are_ranked_where_that_is_asked_for() {
    let stage = Stage::new();
    stage.search("one", &[]).succeeded();
    let few = ["probe", "one", "--pairs", "1", "--epochs", "1", "--architectures", "5"];
    stage.relativenas(few.iter().chain(&["--from", "population"])).refused(1, "`--from search` draws");
    stage.relativenas(few).refused(2, "--from");
    let asked: Vec<_> = few.into_iter().chain(["--from", "search"]).collect();
    let said = stage.relativenas(&asked).succeeded().stdout;

    // What individuals were: at first, and wherever they moved.
    let mut all = BTreeSet::new();
    let decode = |position: &Vec<f64>| Space::Cells.decode(position).expect("in the space");
    for event in stage.events("one") {
        match event {
            Event::PopulationSampled { positions } => all.extend(positions.iter().map(decode)),
            Event::GenerationFinished { moves, .. } => {
                all.extend(moves.iter().map(|m| decode(&m.position)));
            }
            _ => {}
        }
    }
    assert!(all.len() > 5, "{} architectures", all.len());
    assert!(said.contains(&format!("5 architectures, drawn from {} distinct ones", all.len())), "{said}");

    let printed = stage.relativenas(asked.into_iter().chain(["--json"])).succeeded().stdout;
    let printed: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    let positions: Vec<Vec<f64>> = serde_json::from_value(printed["positions"].clone()).expect("vectors");
    let drawn: BTreeSet<_> = positions.iter().map(decode).collect();
    assert!(drawn.len() == 5 && drawn.is_subset(&all), "distinct, and of the search");
    for list in ["shared_losses", "scratch_losses", "parameters", "multiply_adds"] {
        assert_eq!(printed[list].as_array().map(Vec::len), Some(5), "{list}");
    }
    let kept = fs::read_to_string(stage.runs().join("one/probe.json")).expect("written");
    let kept: serde_json::Value = serde_json::from_str(&kept).expect("JSON");
    assert_eq!(kept["from"]["search"]["distinct"], all.len());
    assert_eq!((&kept["individuals"], &kept["tau"]), (&5.into(), &printed["tau"]));
    let page = stage.relativenas(["report", "one", "--format", "markdown"]).succeeded().stdout;
    assert!(page.contains(&format!("5 of {} architectures of the search", all.len())), "{page}");
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

fn ranked(event: Event) -> Option<(IndividualId, Loss)> {
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
