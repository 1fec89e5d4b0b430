//! Studies with several workers, of which some are killed, stopped or told to leave. The runs are searches of
//! a table, whose pace can be set.

use std::{
    fs,
    process::{Child, Output, Stdio},
};

use relativenas_core::event::Event;
use serde_json::Value;

use crate::{
    search::{pid, signal},
    stage::{Ran, Stage, wait_until},
};

/// Makes a study of these searchers with so many seeds. Every pair takes so many milliseconds.
fn make(stage: &Stage, name: &str, (searchers, seeds): (&str, &str), milliseconds: &str) {
    let pace = format!("table.milliseconds={milliseconds}");
    let mut arguments = vec!["study", "run", name, "--searchers", searchers, "--seeds", seeds];
    arguments.extend(["--judge-seeds", "0", "--preset", "nas-bench-201", "--no-work"]);
    for setting in ["search.population=10", "search.generations=3", "device.threads=1", &pace] {
        arguments.extend(["--set", setting]);
    }
    stage.relativenas(arguments).succeeded();
}

const ONE: (&str, &str) = ("slow-fast", "1");
const TWO: (&str, &str) = ("slow-fast,random", "1");
const FOUR: (&str, &str) = ("slow-fast,random", "2");

/// Starts a worker that loses its runs if it does not renew its claims for three seconds.
fn worker(stage: &Stage, study: &str, jobs: &str) -> Child {
    let mut command = stage.command(["study", "work", study, "--lease", "3", "--jobs", jobs]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

fn ended(worker: Child) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = worker.wait_with_output().expect("it ends");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

fn status(stage: &Stage, study: &str) -> Value {
    let Ran { stdout, .. } = stage.relativenas(["study", "status", study, "--json"]).succeeded();
    serde_json::from_str(&stdout).expect("JSON")
}

/// The events of all runs as text, because the training losses of a table are NaN, which does not equal itself.
fn events(stage: &Stage, study: &str) -> Vec<(String, String)> {
    let runs = fs::read_dir(stage.runs().join(study).join("runs")).expect("a study").flatten();
    let mut names: Vec<_> = runs.map(|run| run.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let text = |name: &str| {
        let events: Vec<Event> = stage.events(&format!("{study}/runs/{name}"));
        serde_json::to_string(&events).expect("plain data")
    };
    names.into_iter().map(|name| (name.clone(), text(&name))).collect()
}

/// The events of the same runs, done by one worker without interruptions.
fn undisturbed(stage: &Stage, runs: (&str, &str)) -> Vec<(String, String)> {
    make(stage, "undisturbed", runs, "0");
    stage.relativenas(["study", "work", "undisturbed"]).succeeded();
    events(stage, "undisturbed")
}

fn wait_for_pairs(stage: &Stage, run: &str, pairs: usize) {
    wait_until("some pairs are compared", || {
        let log = fs::read_to_string(stage.runs().join(run).join("events.jsonl")).unwrap_or_default();
        log.matches("pair_compared").count() >= pairs
    });
}

#[test]
fn workers_that_come_at_once_share_a_study_and_do_each_run_once() {
    let stage = Stage::new();
    make(&stage, "shared", FOUR, "10");
    let workers: Vec<_> = (0..3).map(|_| worker(&stage, "shared", "2")).collect();
    let said: Vec<_> = workers.into_iter().map(ended).collect();
    assert!(said.iter().all(|(code, _)| *code == Some(0)), "{said:#?}");
    let begun: usize = said.iter().map(|(_, said)| said.matches(": begins").count()).sum();
    let finished: usize = said.iter().map(|(_, said)| said.matches(": finished in").count()).sum();
    assert_eq!((begun, finished), (4, 4), "{said:#?}");
    assert!(events(&stage, "shared") == undisturbed(&stage, FOUR));
}

#[test]
fn what_a_killed_worker_was_at_is_done_by_another() {
    let stage = Stage::new();
    make(&stage, "orphans", TWO, "200");
    let mut first = worker(&stage, "orphans", "2");
    wait_for_pairs(&stage, "orphans/runs/slow-fast-1", 1);
    wait_for_pairs(&stage, "orphans/runs/random-1", 1);
    let held = status(&stage, "orphans");
    assert_eq!((held["held"].as_u64(), held["left"].as_u64()), (Some(2), Some(2)), "{held}");
    assert_eq!(held["begun"][0]["worker"]["pid"], first.id(), "{held}");
    first.kill().and_then(|()| first.wait()).expect("killed");
    // It waits until the leases have lapsed.
    let (code, said) = ended(worker(&stage, "orphans", "1"));
    assert_eq!((code, said.matches(": goes on").count()), (Some(0), 2), "{said}");
    assert!(events(&stage, "orphans") == undisturbed(&stage, TWO));
}

#[test]
fn a_worker_that_wakes_up_after_it_lost_its_run_writes_nothing_more() {
    let stage = Stage::new();
    make(&stage, "frozen", ONE, "200");
    let first = worker(&stage, "frozen", "1");
    let run = stage.runs().join("frozen/runs/slow-fast-1");
    wait_for_pairs(&stage, "frozen/runs/slow-fast-1", 2);
    let engine = pid(&run);
    // The engine is stopped too, as when a machine or a container is suspended.
    let processes = [first.id().to_string(), engine.clone()];
    processes.iter().for_each(|process| signal(process.clone(), "-STOP"));
    let second = worker(&stage, "frozen", "1");
    wait_until("the second worker has claimed the run", || {
        stage.runs().join("frozen/claims/slow-fast-1/000002").exists()
    });
    processes.iter().for_each(|process| signal(process.clone(), "-CONT"));
    wait_until("the first engine has left", || {
        fs::read_to_string(run.join("engine.log"))
            .unwrap_or_default()
            .contains("nothing more is written here")
    });
    let (_, said) = ended(first);
    assert!(said.contains("slow-fast-1: another worker has taken it over"), "{said}");
    let (code, said) = ended(second);
    assert!(code == Some(0) && said.contains("slow-fast-1: goes on"), "{said}");
    let diary = fs::read_to_string(run.join("sessions.jsonl")).expect("a diary");
    let of_the_first = diary.matches(&format!("\"pid\":{engine},")).count();
    assert_eq!(of_the_first, 1, "it began, and wrote nothing after it woke up:\n{diary}");
    assert!(events(&stage, "frozen") == undisturbed(&stage, ONE));
}

#[test]
fn a_worker_that_is_told_that_its_time_is_up_gives_its_run_back_and_goes_on_when_started_again() {
    let stage = Stage::new();
    make(&stage, "requeued", ONE, "200");
    for (told, pairs) in [("-USR1", 1), ("-TERM", 4)] {
        let worker = worker(&stage, "requeued", "1");
        wait_for_pairs(&stage, "requeued/runs/slow-fast-1", pairs);
        signal(worker.id().to_string(), told);
        let (code, said) = ended(worker);
        assert_eq!(code, Some(75), "{told}: {said}");
        let left = status(&stage, "requeued");
        assert_eq!((left["held"].as_u64(), &left["begun"][0]["worker"]), (Some(0), &Value::Null), "{left}");
    }
    let (code, said) = ended(worker(&stage, "requeued", "1"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("slow-fast-1: goes on"), "{said}");
    assert!(events(&stage, "requeued") == undisturbed(&stage, ONE));
}

#[test]
fn winners_are_trained_on_as_many_images_as_the_study_says() {
    let stage = Stage::new();
    let tiny = stage.search_arguments("", &[]);
    let settings = tiny.windows(2).filter(|pair| pair[0] == "--set").flatten().map(String::as_str);
    let study = ["study", "run", "judged", "--searchers", "random", "--seeds", "1", "--judge-images", "80"];
    let training = ["retrain.channels=2", "retrain.cells=3", "retrain.epochs=1", "retrain.batch=16"];
    let training = training.iter().flat_map(|&setting| ["--set", setting]);
    stage.relativenas(study.into_iter().chain(settings).chain(training)).succeeded();
    let images = |run: &str| {
        let manifest = fs::read_to_string(stage.runs().join("judged/runs").join(run).join("run.toml"));
        let manifest: toml::Table = manifest.expect("a run").parse().expect("TOML");
        manifest["config"]["data"]["train_images"].as_integer()
    };
    assert_eq!((images("random-1"), images("random-1-judged-1")), (Some(48), Some(80)));
    let figures = stage.relativenas(["report", "judged", "--format", "csv"]).succeeded().stdout;
    assert_eq!(figures.lines().count(), 2, "{figures}");
}

#[test]
fn without_slurm_the_job_script_is_written_and_the_way_out_said() {
    let stage = Stage::new();
    make(&stage, "elsewhere", ONE, "0");
    let script = stage.runs().join("elsewhere/slurm.sh");
    let mut command = stage.command(["study", "submit", "elsewhere", "--slurm", "--workers", "2"]);
    let Output { status, stderr, .. } =
        command.env("PATH", stage.path("nowhere")).output().expect("it starts");
    let said = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("run `sbatch {}` where it is", script.display())), "{said}");
    let printed = stage.relativenas(["study", "submit", "elsewhere", "--slurm", "--workers", "2", "--print"]);
    assert_eq!(fs::read_to_string(script).expect("written"), printed.succeeded().stdout);
}
