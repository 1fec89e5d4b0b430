//! Trainings on several ranks: threads of one engine always, processes over MPI where they can be started.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use relativenas_core::event::Event;

use crate::{
    search::{lines, pid, signal},
    stage::{Stage, engine, wait_until},
    training::train_arguments,
};

/// Ranks that are threads of one engine.
pub const THREADS: &str = "device.launcher=";
/// Ranks that are processes over MPI, of which there may be more than cores.
pub const MPI: &str = "device.launcher=mpirun --oversubscribe -n {ranks}";

/// A number of epochs that leaves a test enough time to interfere.
const MANY: &str = "5";

/// Whether ranks can be processes here. If not, it prints that, so that a test which does nothing does not look
/// like one that passed.
pub fn mpi_is_here() -> bool {
    let runs =
        |mut command: Command| command.stderr(Stdio::null()).output().is_ok_and(|o| o.status.success());
    let mut mpirun = Command::new("mpirun");
    mpirun.arg("--version");
    let mut engine = Command::new(engine());
    engine.arg("--mpi");
    let built = engine.output().is_ok_and(|output| output.stdout.trim_ascii() == b"true");
    let here = built && runs(mpirun);
    if !here {
        eprintln!(
            "not tested: ranks over MPI (the engine was built {} MPI)",
            if built { "with" } else { "without" }
        );
    }
    here
}

/// A tiny training on so many ranks, which `launcher` starts.
fn command(stage: &Stage, name: &str, ranks: usize, launcher: &str, more: &[&str]) -> Command {
    let ranks = ranks.to_string();
    // Six batches an epoch.
    let few = ["--set", "data.train_images=96", "--set", "data.valid_images=32"];
    let arguments = train_arguments(name, &[&few, &["--ranks", &ranks, "--set", launcher], more].concat());
    allowed(stage.command(arguments))
}

/// The command with the variables without which mpirun refuses to run as root.
pub fn allowed(mut command: Command) -> Command {
    for variable in ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] {
        command.env(variable, "1");
    }
    command
}

#[track_caller]
pub fn succeeded(mut command: Command) {
    let output = command.output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn weights(stage: &Stage, run: &str) -> Vec<u8> {
    fs::read(stage.runs().join(run).join("weights/last.safetensors")).expect("written")
}

#[track_caller]
fn same(stage: &Stage, first: &str, second: &str) {
    assert_eq!(stage.events(first), stage.events(second));
    assert!(weights(stage, first) == weights(stage, second), "other weights");
}

/// The process ids of all ranks, rank 0 first: children of one launcher, in the order of their start.
fn ranks(folder: &std::path::Path) -> Vec<String> {
    let stat = |pid: &str| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let parent =
        |pid: &str| stat(pid).rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1).map(str::to_owned));
    let first = pid(folder);
    let launcher = parent(&first).expect("rank 0 has a parent");
    let all =
        fs::read_dir("/proc").expect("there").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_rank =
        |pid: &String| parent(pid).as_ref() == Some(&launcher) && stat(pid).contains("relativenas-eng");
    let mut found: Vec<_> = all.filter(is_rank).collect();
    found.sort_by_key(|pid| pid.parse::<u32>().unwrap_or(0));
    assert_eq!(found.first(), Some(&first));
    found
}

/// What the command said on standard error when it had ended.
pub fn last_words(child: Child) -> String {
    let output = child.wait_with_output().expect("it ends");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Kills rank 1 of a run, and checks that the command names the rank and says how to go on.
pub fn kill_rank_1(stage: &Stage, run: &str, command: Child) {
    signal(ranks(&stage.runs().join(run))[1].clone(), "-KILL");
    let said = last_words(command);
    assert!(said.contains("rank 1 on ") && said.contains(" was killed (signal 9"), "{said}");
    assert!(said.contains(&format!("`relativenas resume {run}`")), "{said}");
}

/// Suspends rank 1 of a run whose ranks wait for each other for two seconds, and checks that the command names it.
pub fn suspend_rank_1(stage: &Stage, run: &str, command: Child) {
    let hanging = ranks(&stage.runs().join(run))[1].clone();
    signal(hanging.clone(), "-STOP");
    let said = last_words(command);
    let process = format!("(process {hanging}) did not take part in an exchange within 2 s");
    assert!(said.contains("rank 1 on ") && said.contains(&process), "{said}");
}

/// A training that is in its second epoch, and would go on for long.
fn in_its_second_epoch(stage: &Stage, name: &str, more: &[&str]) -> Child {
    let mut command = command(stage, name, 2, MPI, &[&["--epochs", MANY], more].concat());
    let child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("starts");
    wait_until("the first epoch is finished", || lines(&stage.runs().join(name)) >= 2);
    child
}

#[test]
fn ranks_over_mpi_give_the_bits_of_ranks_in_one_process() {
    if !mpi_is_here() {
        return;
    }
    let stage = Stage::new();
    for ranks in [2, 4] {
        let [threads, mpi] = ["threads", "mpi"].map(|kind| format!("{kind}-{ranks}"));
        succeeded(command(&stage, &threads, ranks, THREADS, &[]));
        succeeded(command(&stage, &mpi, ranks, MPI, &[]));
        same(&stage, &threads, &mpi);
    }
    assert_ne!(stage.events("mpi-2"), stage.events("mpi-4"), "batch norm is apart");
}

#[test]
fn ranks_that_were_terminated_within_an_epoch_end_at_the_same_weights() {
    let launchers = if mpi_is_here() { &[THREADS, MPI][..] } else { &[THREADS] };
    for launcher in launchers {
        let stage = Stage::new();
        succeeded(command(&stage, "whole", 2, launcher, &["--epochs", "3"]));
        let mut cut = command(&stage, "cut", 2, launcher, &["--epochs", "3"]).spawn().expect("starts");
        let folder = stage.runs().join("cut");
        wait_until("the first epoch is finished", || lines(&folder) >= 2);
        signal(pid(&folder), "-TERM");
        cut.wait().expect("the command ends");
        assert!(lines(&folder) < 5, "terminated too late to test anything");
        succeeded(allowed(stage.command(["resume", "cut", "--headless"])));
        same(&stage, "whole", "cut");
    }
}

#[test]
fn ranks_are_paused_and_stepped_like_one() {
    let launcher = if mpi_is_here() { MPI } else { THREADS };
    let stage = Stage::new();
    let mut child =
        command(&stage, "one", 2, launcher, &["--paused", "--epochs", MANY]).spawn().expect("starts");
    let folder = stage.runs().join("one");
    wait_until("the engine has begun", || lines(&folder) == 1);
    thread::sleep(Duration::from_millis(300)); // It would have gone on by now.
    assert_eq!(lines(&folder), 1);
    succeeded(stage.command(["step", "one", "epoch", "2", "--wait"]));
    // The pause may be told a moment before the epoch is on the disk.
    wait_until("both epochs are written", || lines(&folder) >= 3);
    assert_eq!(lines(&folder), 3);
    succeeded(stage.command(["continue", "one"]));
    wait_until("it goes on", || lines(&folder) > 3);
    succeeded(stage.command(["stop", "one"]));
    assert_eq!(child.wait().expect("the command ends").code(), Some(130));
    assert!(matches!(stage.events("one").last(), Some(Event::EpochFinished { .. })));
}

#[test]
fn a_killed_rank_ends_the_run_with_its_name_and_the_run_goes_on() {
    if !mpi_is_here() {
        return;
    }
    let stage = Stage::new();
    let child = in_its_second_epoch(&stage, "killed", &[]);
    kill_rank_1(&stage, "killed", child);
    succeeded(allowed(stage.command(["resume", "killed", "--headless"])));
    succeeded(command(&stage, "whole", 2, THREADS, &["--epochs", MANY]));
    same(&stage, "whole", "killed");
}

#[test]
fn a_rank_that_hangs_is_found_and_named() {
    if !mpi_is_here() {
        return;
    }
    let stage = Stage::new();
    let child = in_its_second_epoch(&stage, "hangs", &["--set", "device.rank_timeout=2"]);
    suspend_rank_1(&stage, "hangs", child);
}

#[test]
fn ranks_that_get_no_image_and_launchers_that_are_missing_are_refused() {
    let stage = Stage::new();
    let refused = |launcher: &str, more: &[&str], expected: &str| {
        let output = command(&stage, "none", 9, launcher, more).output().expect("starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{said}");
        assert!(!stage.runs().join("none").exists());
    };
    refused(
        THREADS,
        &[],
        "retrain.batch = 16 is too small for 9 ranks, each of which needs 2 or more images of a batch",
    );
    refused(
        "device.launcher=no-such-launcher -n {ranks}",
        &[],
        "starts them with `no-such-launcher`, which is not in PATH",
    );
    if mpi_is_here() {
        // Fewer than were asked for.
        refused("device.launcher=mpirun -n 1", &[], "1 ranks were started and 9 were asked for");
    }
}
