//! A run: its folder, its log and checkpoints, its socket, and the thread that does the work.
//!
//! The main thread serves the socket and watches for signals. One thread owns the work (a search,
//! or a training) and its tensors, one writes. They meet in [`control::Control`] and in the recorder's queue.

mod agreement;
pub mod checkpoint;
mod clock;
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
use work::Work;

use crate::ranks::{Ranked, Ranks};

/// How an engine is started on a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Go on where the file system has no locks.
    pub force: bool,
    /// Begin paused.
    pub paused: bool,
    pub ranked: Ranked,
    /// How long ranks wait for each other.
    pub rank_timeout: Duration,
    /// Leave when this process of this machine ends.
    pub leave_with: Option<i32>,
    /// Begin again where no checkpoint can be read, and lose what was done.
    pub restart: bool,
}

/// How long a finished engine waits for clients to read the end and leave.
const FAREWELL: Duration = Duration::from_secs(5);

/// Events of a run in which nothing is done yet; from its first checkpoint on there are no fewer.
const OPENING: u64 = 3;

/// How often the engine looks whether its folder and socket are still there.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Goes on with the run in `path` until it is done, or somebody ends it.
///
/// # Errors
/// If the run cannot go on; the message is for `engine.log`.
pub fn run(path: &Path, options: Options) -> anyhow::Result<()> {
    together::run(path, options)
}

/// Goes on with a run as the only rank, or the first one.
fn lead(path: &Path, options: Options, ranks: &Arc<dyn Ranks>) -> anyhow::Result<()> {
    together::same_build(&**ranks)?;
    let mut folder = HeldRun::hold(path, options.force)?;
    let found = log::whole_lines(&folder.folder.file(files::EVENTS))?;
    let (newest, passed_over) = checkpoint::newest(&folder.folder.file(files::CHECKPOINTS), found)?;
    for problem in &passed_over {
        say(&format!("checkpoint passed over: {problem}"));
    }
    if newest.is_none() && !options.restart {
        may_begin(folder.folder.reference(), found.events, &passed_over)?;
    }
    let edits = folder.folder.edits();
    if !edits.is_empty() {
        say(&edited(&edits));
    }
    let extent = newest.as_ref().map_or(Extent::default(), |found| found.state.log);
    folder.disk().permit()?; // Reading all of that takes a while.
    let (log, cut) = EventLog::open(&folder.folder.file(files::EVENTS), extent)?;
    if cut > 0 {
        say(&format!("{}: cut back by {cut} bytes to event {}", files::EVENTS, extent.events));
    }
    match &newest {
        Some(found) => say(&format!("going on from {}", found.path.display())),
        None => say("starting at the beginning"),
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
    let written = folder.complete(&disk, facts);
    written.with_context(|| format!("{}: cannot be written", files::MANIFEST))?;
    note(&folder, Did::Started);
    if options.paused {
        note(&folder, Did::Steered(Command::Pause)); // Whoever resumes the run knows by it that it waited.
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

/// Whether a run without a checkpoint that can be read may begin at its beginning: only if nothing is lost.
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

/// The thread that owns the work and its tensors.
fn carry_out(mut work: Work, control: &Control, recorder: Recorder) -> anyhow::Result<Outcome> {
    let outcome = work.go_on(control, &recorder);
    let written = recorder.finish().context("writing the run's folder");
    if matches!(outcome, Ok(Outcome::Done)) && written.is_ok() {
        control.finish();
    }
    // Why the recorder gave up says more than that it is gone.
    written.and(outcome)
}

/// Serves clients and signals until the worker is done and clients have read the end.
async fn attend(
    server: &Arc<server::Server>,
    mut done: oneshot::Receiver<()>,
    control: &Control,
    leave_with: Option<i32>,
) -> anyhow::Result<()> {
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
    let mut hang_up = unix::signal(unix::SignalKind::hangup())?; // Taken, so that it does not end us.
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip); // After a stop, once will do.
    let mut socket = None;
    // Whether it ever listened, and whether it was said that it does not.
    let (mut reached, mut lost) = (false, false);
    loop {
        tokio::select! {
            _ = &mut done => break,
            _ = terminate.recv() => control.abort(),
            _ = interrupt.recv() => control.abort(),
            _ = hang_up.recv() => {}
            _ = look.tick() => {
                if leave_with.is_some_and(has_ended) {
                    say("the command that started this has ended; leaving");
                    control.abort();
                }
                if !server.folder.exists() {
                    say("the run's folder is gone; leaving");
                    control.abort();
                } else if let Err(error) = server.folder.disk().permit() {
                    say(&format!("{error}; leaving"));
                    control.abort();
                } else if socket.as_ref().is_none_or(|path: &PathBuf| !path.exists()) {
                    match open_socket(server) {
                        Ok(path) => {
                            if lost {
                                say("the socket is open again");
                            }
                            (socket, reached, lost) = (Some(path), true, false);
                        }
                        // Nobody would ever reach it.
                        Err(error) if !reached => return Err(error),
                        Err(error) => {
                            if !lost {
                                say(&format!("{error:#}; the run goes on, and the socket is tried again"));
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

/// Whether there is no process of this number on this machine.
fn has_ended(pid: i32) -> bool {
    use rustix::{io::Errno, process};
    process::Pid::from_raw(pid).is_none_or(|pid| process::test_kill_process(pid) == Err(Errno::SRCH))
}

/// What computes, for a person.
fn device_in_words(facts: &EngineFacts, ranks: usize) -> String {
    let device = match facts.threads {
        0 => facts.device.clone(),
        1 => format!("{} · 1 thread", facts.device),
        threads => format!("{} · {threads} threads", facts.device),
    };
    if ranks > 1 { format!("{device} · {ranks} ranks") } else { device }
}

/// Listens, and writes down where. Called again if somebody removed the socket.
fn open_socket(server: &Arc<server::Server>) -> anyhow::Result<PathBuf> {
    let token = &server.hello.token;
    // A process id may be another engine's too, in a container that shares the folder.
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

/// Writes into the run's `sessions.jsonl` what this engine did. It is a diary: where it cannot be
/// written, the run goes on.
fn note(folder: &HeldRun, did: Did) {
    if let Err(error) = folder.note(&folder.disk(), did) {
        say(&format!("{}: {error}", files::SESSIONS));
    }
}

/// A line of engine.log.
pub(crate) fn say(text: &str) {
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
