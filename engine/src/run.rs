//! A run: its folder, its log and checkpoints, its socket, and the thread that does the work.
//!
//! The main thread serves the socket and watches for signals. One thread owns the work (a search or a
//! training) and its tensors; another writes files. They communicate through [`control::Control`] and the
//! recorder's queue.

pub mod checkpoint;
mod clock;
mod comparable;
pub mod control;
mod finals;
#[cfg(test)]
mod fixture;
mod named_weights;
mod outcome;
mod recorder;
mod scale;
mod search_estimator;
mod searching;
mod server;
mod setup;
mod shared_estimation;
mod stopped;
mod tensors;
mod together;
mod training;
mod work;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use relativenas_core::{
    manifest::{BUILD, EngineAddress, EngineFacts, files},
    protocol::{Command, Hello, PROTOCOL},
};
use relativenas_run::{address::socket_folder, held::HeldRun, host::this_host, sessions::Did, token::token};
pub use relativenas_run::{disk, log};
use tokio::{
    signal::unix,
    sync::{oneshot, watch},
};

use control::Control;
use log::{EventLog, Extent};
use outcome::Outcome;
use recorder::Recorder;
pub use stopped::StoppedSearch;
#[cfg(test)]
pub(crate) use tensors::of_network as described_weights;
use work::RunJob;

use crate::ranks::{RankLayout, Ranks};

/// How an engine is started on a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Whether to work also where the file system has no locks.
    pub force: bool,
    /// Whether to begin paused.
    pub paused: bool,
    /// How many ranks share the work, and whether they are threads or processes.
    pub ranked: RankLayout,
    /// How long ranks wait for each other.
    pub rank_timeout: Duration,
    /// The id of a process on this machine; when that process ends, the engine stops working on the run.
    pub leave_with: Option<i32>,
    /// Whether to begin again, losing what was done, where no checkpoint can be read.
    pub restart: bool,
}

/// How long a finished engine waits for clients to read the last events and disconnect.
const FAREWELL: Duration = Duration::from_secs(5);

/// The number of events of a run that has just begun; from the first checkpoint on there are at least as
/// many.
const OPENING: u64 = 3;

/// How often the engine checks that its folder and socket still exist.
const POLL_EVERY: Duration = Duration::from_secs(2);

/// Works on the run in `path` until it is done or is stopped.
///
/// # Errors
/// If the run cannot continue; the message is for `engine.log`.
pub fn run(path: &Path, options: RunOptions) -> anyhow::Result<()> {
    together::run(path, options)
}

/// Works on a run as its only rank or the first one.
fn lead(path: &Path, options: RunOptions, ranks: &Arc<dyn Ranks>) -> anyhow::Result<()> {
    together::same_build(&**ranks)?;
    let mut folder = HeldRun::hold(path, options.force)?;
    let found = log::whole_lines(&folder.folder.file(files::EVENTS))?;
    let (newest, passed_over) = checkpoint::newest(&folder.folder.file(files::CHECKPOINTS), found)?;
    for problem in &passed_over {
        log_line(&format!("checkpoint skipped: {problem}"));
    }
    if newest.is_none() && !options.restart {
        may_begin(folder.folder.reference(), found.events, &passed_over)?;
    }
    let edits = folder.folder.edits();
    if !edits.is_empty() {
        log_line(&edited(&edits));
    }
    let extent = newest.as_ref().map_or(Extent::default(), |found| found.state.log);
    folder.disk().permit()?; // Reading all of that takes a while.
    let (log, cut) = EventLog::open(&folder.folder.file(files::EVENTS), extent)?;
    if cut > 0 {
        log_line(&format!("{}: cut back by {cut} bytes to event {}", files::EVENTS, extent.events));
    }
    match &newest {
        Some(found) => log_line(&format!("continuing from {}", found.path.display())),
        None => log_line("beginning a new run"),
    }
    together::send(&**ranks, &folder.manifest, newest.as_ref())?;
    let prepared = together::prepare(&folder.manifest, newest, ranks);
    let (work, facts) =
        if edits.is_empty() { prepared? } else { prepared.with_context(|| edited(&edits))? };
    let hello = Hello {
        protocol: PROTOCOL,
        build: BUILD.to_owned(),
        pid: std::process::id(),
        device: device_in_words(&facts, ranks.count()),
        events: 0,
        run: folder.folder.name(),
        token: token(),
    };
    let disk = folder.disk();
    let written = folder.complete(&disk, facts, work.latencies());
    written.with_context(|| format!("{}: cannot be written", files::MANIFEST))?;
    note(&folder, Did::Started);
    if options.paused {
        note(&folder, Did::Steered(Command::Pause)); // A later session shows that the run waited.
    }

    let control = Arc::new(Control::new(work.bounds(), options.paused));
    let (extent_sender, extent) = watch::channel(log.extent());
    let recorder = Recorder::start(disk, log, folder.path(), Arc::clone(&control), extent_sender)?;
    let folder = Arc::new(folder);
    let server = Arc::new(server::Server {
        folder: Arc::clone(&folder),
        control: Arc::clone(&control),
        extent,
        hello,
        clients: AtomicUsize::new(0),
    });
    let (working, done) = oneshot::channel::<()>();
    let worker = {
        let control = Arc::clone(&control);
        thread::Builder::new().name("work".into()).spawn(move || {
            let _working = working; // Dropped when the work ends, however it ends.
            carry_out(work, &control, recorder)
        })?
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(attend(
        &server,
        done,
        &control,
        options.leave_with,
    ))?;
    let outcome = worker.join().map_err(|_| anyhow::anyhow!("the thread that works panicked"))?;
    let did = match &outcome {
        Ok(Outcome::Done) => Did::Finished,
        Ok(Outcome::Stopped) => Did::Stopped,
        Err(_) => Did::Failed,
    };
    note(&folder, did);
    outcome.map(|_| ())
}

/// Whether a run may begin anew without a readable checkpoint: only if nothing is lost by it.
fn may_begin(run: &str, events: u64, damaged: &[String]) -> anyhow::Result<()> {
    if events <= OPENING && damaged.is_empty() {
        return Ok(());
    }
    let what = match damaged {
        [] => "it has no checkpoint any more".to_owned(),
        [one] => format!("its only checkpoint cannot be used ({one})"),
        [first, rest @ ..] => {
            format!(
                "none of its {} checkpoints can be used ({first}; and {} more)",
                damaged.len(),
                rest.len()
            )
        }
    };
    anyhow::bail!(
        "{what}, so it cannot go on: put the checkpoints back, or begin again with `relativenas resume {} \
         --restart`, which loses what was done ({events} events)",
        run
    )
}

fn edited(edits: &[String]) -> String {
    format!(
        "run.toml is not as it was when the run began ({}); put it back, or start a new run with other settings",
        edits.join("; ")
    )
}

/// Carries out the work in the thread that owns it and its tensors.
fn carry_out(mut work: RunJob, control: &Control, recorder: Recorder) -> anyhow::Result<Outcome> {
    let outcome = work.go_on(control, &recorder);
    let written = recorder.finish().context("writing the run's folder");
    if matches!(outcome, Ok(Outcome::Done)) && written.is_ok() {
        control.finish();
    }
    // The recorder's error says more than the worker's message that the recorder has ended.
    written.and(outcome)
}

/// Serves clients and signals until the worker is done and clients have read the last events.
async fn attend(
    server: &Arc<server::Server>,
    mut done: oneshot::Receiver<()>,
    control: &Control,
    leave_with: Option<i32>,
) -> anyhow::Result<()> {
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
    let mut hang_up = unix::signal(unix::SignalKind::hangup())?; // Received, so that it does not end the engine.
    let mut poll = tokio::time::interval(POLL_EVERY);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip); // After a stop, once will do.
    let mut socket = None;
    // Whether the socket was ever open, and whether its loss was reported.
    let (mut reached, mut lost) = (false, false);
    loop {
        tokio::select! {
            _ = &mut done => break,
            _ = terminate.recv() => control.abort(),
            _ = interrupt.recv() => control.abort(),
            _ = hang_up.recv() => {}
            _ = poll.tick() => {
                if leave_with.is_some_and(has_ended) {
                    log_line("the command that started this has ended; leaving");
                    control.abort();
                }
                if !server.folder.exists() {
                    log_line("the run's folder is gone; leaving");
                    control.abort();
                } else if let Err(error) = server.folder.disk().permit() {
                    log_line(&format!("{error}; leaving"));
                    control.abort();
                } else if socket.as_ref().is_none_or(|path: &PathBuf| !path.exists()) {
                    match open_socket(server) {
                        Ok(path) => {
                            if lost {
                                log_line("the socket is open again");
                            }
                            (socket, reached, lost) = (Some(path), true, false);
                        }
                        // Without a socket, no client could ever reach the run.
                        Err(error) if !reached => return Err(error),
                        Err(error) => {
                            if !lost {
                                log_line(&format!("{error:#}; the run continues, and the socket is tried again"));
                            }
                            (socket, lost) = (None, true);
                        }
                    }
                }
            }
        }
    }
    let finished = Instant::now();
    let mut idle_since = Instant::now();
    while finished.elapsed() < FAREWELL && idle_since.elapsed() < Duration::from_millis(300) {
        if server.clients.load(Ordering::Relaxed) > 0 {
            idle_since = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if let Some(path) = socket {
        let _ = std::fs::remove_file(path); // The next engine has a path of its own.
    }
    Ok(())
}

/// Whether no process with this id exists on this machine.
fn has_ended(pid: i32) -> bool {
    use rustix::{io::Errno, process};
    process::Pid::from_raw(pid).is_none_or(|pid| process::test_kill_process(pid) == Err(Errno::SRCH))
}

/// The device and its threads, in words.
fn device_in_words(facts: &EngineFacts, ranks: usize) -> String {
    let device = match facts.threads {
        0 => facts.device.clone(),
        1 => format!("{} · 1 thread", facts.device),
        threads => format!("{} · {threads} threads", facts.device),
    };
    if ranks > 1 { format!("{device} · {ranks} ranks") } else { device }
}

/// Opens a socket and publishes its address. It is opened again if its file was removed.
fn open_socket(server: &Arc<server::Server>) -> anyhow::Result<PathBuf> {
    let token = &server.hello.token;
    // In a container that shares the folder, another engine may have the same process id.
    let folder = socket_folder().context("the folder for sockets")?;
    let path = folder.join(format!("{}-{}.sock", std::process::id(), &token[..16.min(token.len())]));
    let listener = server::listen(&path).with_context(|| format!("listening on {}", path.display()))?;
    let address = EngineAddress {
        pid: std::process::id(),
        host: this_host(),
        socket: path.display().to_string(),
        build: BUILD.to_owned(),
        token: token.clone(),
    };
    tokio::spawn(Arc::clone(server).serve(listener));
    server.folder.publish_address(&server.folder.disk(), &address).context("telling where the socket is")?;
    Ok(path)
}

/// Appends what this engine did to the run's `sessions.jsonl`. This is for information only: where it cannot
/// be written, the run continues.
fn note(folder: &HeldRun, did: Did) {
    if let Err(error) = folder.note(&folder.disk(), did) {
        log_line(&format!("{}: {error}", files::SESSIONS));
    }
}

/// Writes a line to engine.log.
pub(crate) fn log_line(text: &str) {
    eprintln!("{} {text}", clock::stamp());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_whose_checkpoints_are_lost_begins_again_only_when_asked() {
        may_begin("r", OPENING, &[]).expect("nothing is done yet");
        let said = |events, damaged: &[&str]| {
            let damaged: Vec<_> = damaged.iter().map(|&text| text.to_owned()).collect();
            may_begin("'r (1)'", events, &damaged).expect_err("something would be lost").to_string()
        };
        let way_out = "so it cannot go on: put the checkpoints back, or begin again with `relativenas resume 'r (1)' \
                       --restart`, which loses what was done";
        assert_eq!(said(9, &[]), format!("it has no checkpoint any more, {way_out} (9 events)"));
        assert_eq!(said(1, &["a"]), format!("its only checkpoint cannot be used (a), {way_out} (1 events)"));
        let three = "none of its 3 checkpoints can be used (a; and 2 more)";
        assert_eq!(said(9, &["a", "b", "c"]), format!("{three}, {way_out} (9 events)"));
    }
}
