//! Searches on several ranks: their events are those of one process, whichever rank trains a learner.

use std::process::{Child, Command, Stdio};

use relativenas_core::event::Event;

use crate::{
    ranks::{MPI, THREADS, allowed, kill_rank_1, last_words, mpi_is_here, succeeded, suspend_rank_1},
    search::{lines, pid, signal},
    stage::{Stage, wait_until},
};

/// Three pairs a generation, two at once and the last alone; three batches a learner.
const THREE_PAIRS: [&str; 6] =
    ["--set", "search.population=6", "--set", "data.train_images=32", "--set", "data.valid_images=16"];
const TWO_AT_ONCE: [&str; 2] = ["--set", "search.pairs_at_once=2"];
/// A number of generations that leaves a test enough time to interfere.
const MANY: [&str; 2] = ["--set", "search.generations=6"];

fn launchers() -> &'static [&'static str] {
    if mpi_is_here() { &[THREADS, MPI] } else { &[THREADS] }
}

/// A tiny search on so many ranks, which `launcher` starts.
fn command(stage: &Stage, name: &str, ranks: usize, launcher: &str, more: &[&str]) -> Command {
    let ranks = ranks.to_string();
    let more = [&["--ranks", &ranks, "--set", launcher][..], &THREE_PAIRS, more].concat();
    allowed(stage.command(stage.search_arguments(name, &more)))
}

fn resumed(stage: &Stage, name: &str) {
    succeeded(allowed(stage.command(["resume", name, "--headless"])));
}

#[test]
fn a_search_on_ranks_is_the_search_on_one_process_event_for_event() {
    let stage = Stage::new();
    for (pairs, all_ranks) in [(1, &[2][..]), (2, &[2, 4])] {
        let at_once = format!("search.pairs_at_once={pairs}");
        // Ranks of both stages, and some that have no learner at the end of a generation.
        let more = ["--set", &at_once, "--set", "finals.architectures=2", "--set", "finals.epochs=1"];
        let one = format!("one-{pairs}");
        succeeded(command(&stage, &one, 1, THREADS, &more));
        for launcher in launchers() {
            for &ranks in all_ranks {
                let name = format!("{}-{pairs}-{ranks}", if *launcher == MPI { "mpi" } else { "threads" });
                succeeded(command(&stage, &name, ranks, launcher, &more));
                assert_eq!(stage.events(&name), stage.events(&one), "{name}");
            }
        }
    }
    let hits = |run: &str| -> Vec<_> {
        let compared = stage.events(run).into_iter().filter_map(|event| match event {
            Event::PairCompared { learners, .. } => Some(learners[0].estimate.hits),
            _ => None,
        });
        compared.take(3).collect()
    };
    assert!(hits("one-1")[1] > 0, "the second pair inherits from the first");
    assert_eq!(hits("one-2")[1], 0, "at once both begin with nothing");
    assert!(hits("one-2")[2] > 0);
}

#[test]
fn two_devices_that_are_named_are_the_search_on_one() {
    let stage = Stage::new();
    stage.search("one", &[]).succeeded();
    stage.search("two", &["--device", "cpu,cpu"]).succeeded();
    assert_eq!(stage.events("one"), stage.events("two"));
    stage
        .search("three", &["--device", "cpu,cpu,cpu"])
        .refused(1, "device.kind names 3 devices, and no more than 2");
    stage.search("twice", &["--device", "cuda:0,cuda:0"]).refused(2, "each once");
    stage.search("missing", &["--device", "cuda:0,cuda:99"]).refused(1, "was asked for, but ");
}

#[test]
fn ranks_that_were_stopped_within_a_generation_end_with_the_same_events() {
    let stage = Stage::new();
    succeeded(command(&stage, "whole", 1, THREADS, &TWO_AT_ONCE));
    for (launcher, name) in launchers().iter().zip(["threads", "mpi"]) {
        let more = [&TWO_AT_ONCE[..], &["--paused"]].concat();
        let mut child = command(&stage, name, 4, launcher, &more).spawn().expect("starts");
        let folder = stage.runs().join(name);
        wait_until("the engine has begun", || lines(&folder) == 3);
        // It writes its first lines before it listens; a pause changes nothing here.
        wait_until("the engine listens", || {
            stage.command(["pause", name]).output().is_ok_and(|output| output.status.success())
        });
        // Pairs at once are one step.
        succeeded(stage.command(["step", name, "pair", "1", "--wait"]));
        wait_until("both pairs are written", || lines(&folder) == 5);
        succeeded(stage.command(["stop", name]));
        assert_eq!(child.wait().expect("the command ends").code(), Some(130));
        assert!(matches!(
            stage.events(name).last(),
            Some(Event::PairCompared { generation: 0, pair: 1, .. })
        ));
        resumed(&stage, name);
        assert_eq!(stage.events(name), stage.events("whole"));
    }
}

/// A search on two ranks that has finished its first generation, and would go on for long.
fn in_its_second_generation(stage: &Stage, name: &str, launcher: &str, more: &[&str]) -> Child {
    let mut command = command(stage, name, 2, launcher, &[&MANY, more].concat());
    let child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("starts");
    wait_until("the first generation is finished", || lines(&stage.runs().join(name)) >= 7);
    child
}

#[test]
fn ranks_that_were_terminated_within_a_pair_end_with_the_same_events() {
    let stage = Stage::new();
    succeeded(command(&stage, "whole", 1, THREADS, &MANY));
    for (launcher, name) in launchers().iter().zip(["threads", "mpi"]) {
        let child = in_its_second_generation(&stage, name, launcher, &[]);
        signal(pid(&stage.runs().join(name)), "-TERM");
        last_words(child);
        resumed(&stage, name);
        assert_eq!(stage.events(name), stage.events("whole"));
    }
}

#[test]
fn a_killed_rank_of_a_search_is_named_and_the_search_goes_on() {
    if !mpi_is_here() {
        return;
    }
    let stage = Stage::new();
    let child = in_its_second_generation(&stage, "killed", MPI, &[]);
    kill_rank_1(&stage, "killed", child);
    resumed(&stage, "killed");
    succeeded(command(&stage, "whole", 1, THREADS, &MANY));
    assert_eq!(stage.events("killed"), stage.events("whole"));
}

#[test]
fn a_rank_of_a_search_that_hangs_is_found_and_named() {
    if !mpi_is_here() {
        return;
    }
    let stage = Stage::new();
    let child = in_its_second_generation(&stage, "hangs", MPI, &["--set", "device.rank_timeout=2"]);
    suspend_rank_1(&stage, "hangs", child);
}

#[test]
fn ranks_that_cannot_share_a_search_evenly_are_refused() {
    let stage = Stage::new();
    let refused = |ranks: usize, more: &[&str], expected: &str| {
        let output = command(&stage, "none", ranks, THREADS, more).output().expect("starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(expected), "{said}");
        assert!(!stage.runs().join("none").exists());
    };
    refused(
        4,
        &[],
        "4 ranks cannot share the 2 learners that this search estimates at once evenly; take 1 or 2, or",
    );
    refused(3, &TWO_AT_ONCE, "evenly; take 1, 2 or 4, or another search.pairs_at_once");
    refused(2, &["--set", "search.space=nas-bench-201"], "the losses of this search come from a table");
    refused(1, &["--set", "search.pairs_at_once=4"], "from 1 to half of search.population");
}
