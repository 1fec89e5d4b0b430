//! Searches from beginning to end, and from interruption to the same end.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use relativenas_core::{event::Event, population::IndividualId};

use crate::stage::{Stage, samples, wait_until};

fn winner(events: &[Event]) -> IndividualId {
    match events.last() {
        Some(Event::SearchFinished { ranking, .. }) => ranking[0].individual,
        other => panic!("the last event is {other:?}"),
    }
}

#[test]
fn a_search_ends_with_a_ranking_and_its_winner_can_be_exported_and_read_back() {
    let stage = Stage::new();
    stage.search("one", &[]).succeeded();
    let events = stage.events("one");
    let Some(Event::SearchFinished { ranking, evaluations }) = events.last() else {
        panic!("the last event is {:?}", events.last());
    };
    assert_eq!((ranking.len(), *evaluations), (4, 8));
    assert!(ranking.iter().enumerate().all(|(i, r)| r.rank == i + 1 && r.loss.is_finite()));
    assert!(ranking.windows(2).all(|w| w[0].loss.order(w[1].loss).is_le()));

    let exported =
        stage.relativenas(["export", "one", "--rank", "1", "--format", "darts"]).succeeded().stdout;
    assert!(exported.starts_with("Genotype(normal=[("), "{exported}");
    let file = stage.path("winner.txt");
    fs::write(&file, &exported).expect("written");
    let file = file.to_str().expect("text");
    let decoded = stage.relativenas(["arch", "decode", file]).succeeded().stdout;
    assert!(decoded.contains(exported.trim()), "{decoded}");
    let cost = stage.relativenas(["arch", "cost", file, "--json"]).succeeded().stdout;
    let cost: serde_json::Value = serde_json::from_str(&cost).expect("JSON");
    assert!(cost["parameters"].as_u64() > Some(0) && cost["multiply_adds"].as_u64() > Some(0));
}

#[test]
fn cifar_10_in_its_binary_layout_is_searched() {
    let stage = Stage::new();
    let data = samples().join("cifar-10-batches-bin");
    let sizes = [
        "--data",
        data.to_str().expect("text"),
        "--set",
        "data.train_images=10",
        "--set",
        "data.valid_images=10",
    ];
    stage.search("cifar", &sizes).succeeded();
    let Event::SearchStarted { images, .. } = &stage.events("cifar")[0] else {
        panic!("a search begins with SearchStarted");
    };
    assert_eq!((images.name.as_str(), images.train, images.valid, images.classes), ("CIFAR-10", 10, 10, 10));
}

#[test]
fn the_same_seed_gives_the_same_events_and_another_seed_does_not() {
    let stage = Stage::new();
    for (name, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
        stage.search(name, &["--seed", seed]).succeeded();
    }
    assert_eq!(stage.events("a"), stage.events("b"));
    assert_ne!(stage.events("a"), stage.events("c"));
}

#[test]
fn a_search_that_was_terminated_in_the_middle_of_a_pair_ends_at_the_same_winner() {
    let stage = Stage::new();
    stage.search("whole", &[]).succeeded();

    let mut command = stage.command(stage.search_arguments("cut", &[])).spawn().expect("starts");
    let folder = stage.runs().join("cut");
    wait_until("the first pair was compared", || lines(&folder) > 3);
    signal(pid(&folder), "-TERM");
    command.wait().expect("the command ends");
    let before = stage.events("cut");
    assert!(
        !matches!(before.last(), Some(Event::SearchFinished { .. })),
        "terminated too late to test anything"
    );

    stage.relativenas(["resume", "cut", "--headless"]).succeeded();
    let (whole, cut) = (stage.events("whole"), stage.events("cut"));
    assert_eq!(whole, cut);
    assert_eq!(winner(&whole), winner(&cut));
}

#[test]
fn what_a_run_leaves_on_the_disk_is_for_its_owner_alone() {
    let stage = Stage::new();
    let mut command = stage.command(stage.search_arguments("private", &[])).spawn().expect("starts");
    let folder = stage.runs().join("private");
    wait_until("the engine listens", || folder.join("engine.json").exists());
    let address: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("engine.json")).expect("read")).expect("JSON");
    let socket = Path::new(address["socket"].as_str().expect("a path")).to_owned();
    let mode = |path: &Path| fs::metadata(path).expect("exists").permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(socket.parent().expect("a folder")), 0o700);
    stage.relativenas(["stop", "private"]).succeeded();
    command.wait().expect("the command ends");
}

#[test]
fn the_command_links_no_libtorch() {
    let program = fs::read(env!("CARGO_BIN_EXE_relativenas")).expect("read");
    let names = |needle: &[u8]| program.windows(needle.len()).any(|w| w == needle);
    assert!(!names(b"libtorch_cpu.so") && !names(b"libtorch.so"));
    assert!(names(b"libc.so.6"), "the names of shared libraries can be found this way");
}

/// The number of whole lines in a run's log so far.
pub fn lines(folder: &Path) -> usize {
    fs::read(folder.join("events.jsonl")).map_or(0, |bytes| bytes.iter().filter(|b| **b == b'\n').count())
}

/// The engine's process.
pub fn pid(folder: &Path) -> String {
    let address: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("engine.json")).expect("an engine")).expect("JSON");
    address["pid"].to_string()
}

pub fn signal(pid: String, signal: &str) {
    let status = std::process::Command::new("kill").args([signal, &pid]).status().expect("kill starts");
    assert!(status.success());
}
