//! A run that is killed at random instants ends with the same events and weights as one that is not interrupted.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use relativenas_core::randomness::{Purpose, Streams};

use crate::stage::{Stage, engine};

/// The number of kills by default; RELATIVENAS_KILLS asks for more.
const KILLS: usize = 4;

/// Settings of a run of a few dozen pairs.
const LONGER: [&str; 4] = ["--set", "search.generations=6", "--set", "data.train_images=96"];

#[test]
fn a_search_killed_at_random_instants_ends_with_the_same_events_and_weights() {
    let asked = std::env::var("RELATIVENAS_KILLS").ok().and_then(|n| n.parse().ok());
    let kills: usize = asked.unwrap_or(KILLS);
    let stage = Stage::new();
    stage.search("whole", &LONGER).succeeded();
    let whole = stage.runs().join("whole");
    let mut done = 0;
    let mut most_lost = 0;
    let mut run = 0;
    while done < kills {
        let name = format!("killed-{run}");
        // The first engine is killed like all others; the run's folder is what it leaves.
        let folder = begin(&stage, &name);
        let mut random = Streams::new(run).stream(Purpose::Probe, 0, 0);
        while done < kills && !finished(&folder) {
            done += usize::from(kill_after(&folder, Duration::from_millis(300 + random.below(2500) as u64)));
            most_lost = most_lost.max(pairs_lost(&folder));
        }
        if !finished(&folder) {
            stage.relativenas(["resume", &name, "--headless"]).succeeded();
        }
        assert_eq!(stage.events("whole"), stage.events(&name), "{name}");
        assert_eq!(last_weights(&whole), last_weights(&folder), "{name}: weights, bit for bit");
        run += 1;
    }
    assert!(most_lost <= 1, "a kill lost {most_lost} pairs");
    println!("{done} kills in {run} runs, every one resumed to the same events and weights");
}

/// The number of pairs in the log that the newest checkpoint does not confirm, so that they will be estimated again.
fn pairs_lost(folder: &Path) -> usize {
    let Some(checkpoint) = newest_checkpoint(folder) else {
        return 0;
    };
    let Ok(text) = fs::read_to_string(checkpoint.join("state.json")) else {
        return 0;
    };
    let envelope: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let state: serde_json::Value =
        serde_json::from_str(envelope["state"].as_str().expect("text")).expect("JSON");
    let confirmed = state["log"]["events"].as_u64().expect("a number") as usize;
    let log = fs::read_to_string(folder.join("events.jsonl")).unwrap_or_default();
    log.lines().skip(confirmed).filter(|line| line.contains("\"pair_compared\"")).count()
}

#[test]
fn a_headless_engine_whose_parent_ended_while_it_was_loading_leaves() {
    let stage = Stage::new();
    stage.search("orphan", &["--set", "search.generations=1"]).succeeded();
    let gone = Command::new("true").spawn().and_then(|mut child| child.wait().map(|_| child.id()));
    let engine = Command::new(engine())
        .arg("run")
        .arg(stage.runs().join("orphan"))
        .args(["--die-with-parent", &gone.expect("a process that has ended").to_string()])
        .output()
        .expect("the engine starts");
    assert_eq!(engine.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&engine.stderr).contains("has ended already"), "{engine:?}");
}

/// A run's folder as `search` makes it, its engine killed at once.
fn begin(stage: &Stage, name: &str) -> PathBuf {
    let mut command = stage
        .command(stage.search_arguments(name, &LONGER))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let folder = stage.runs().join(name);
    crate::stage::wait_until("the folder is made", || folder.join("run.toml").exists());
    command.kill().expect("killed"); // The engine dies with the command that started it headless.
    command.wait().expect("ended");
    crate::stage::wait_until("its engine is gone", || !locked(&folder));
    folder
}

/// Starts an engine, and kills it after a while; returns whether it was still working then.
fn kill_after(folder: &Path, delay: Duration) -> bool {
    let mut engine = Command::new(engine())
        .arg("run")
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the engine starts");
    let began = Instant::now();
    while began.elapsed() < delay {
        if engine.try_wait().expect("a child").is_some() {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    engine.kill().expect("killed");
    engine.wait().expect("ended");
    true
}

fn locked(folder: &Path) -> bool {
    use rustix::fs::{FlockOperation, fcntl_lock};
    let Ok(file) = fs::File::open(folder.join("engine.lock")) else {
        return false;
    };
    fcntl_lock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

fn finished(folder: &Path) -> bool {
    fs::read_to_string(folder.join("events.jsonl")).is_ok_and(|text| text.contains("\"search_finished\""))
}

fn newest_checkpoint(folder: &Path) -> Option<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder.join("checkpoints"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|n| !n.to_string_lossy().starts_with('.')))
        .collect();
    found.sort();
    found.pop()
}

fn last_weights(folder: &Path) -> Vec<u8> {
    let checkpoint = newest_checkpoint(folder).expect("a checkpoint");
    fs::read(checkpoint.join("weights.safetensors")).expect("weights")
}
