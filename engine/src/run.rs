//! A run: its folder, its log and checkpoints, its socket, and the thread that does the work.
//!
//! The main thread serves the socket and watches for signals. One thread owns the work (a search,
//! or a training) and its tensors, one writes. They meet in [`control::Control`] and in the recorder's queue.

pub mod checkpoint;
mod clock;
pub mod control;
mod recorder;
mod search_estimator;
mod searching;
mod server;
mod setup;
mod stopped;
mod tensors;
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
    manifest::{BUILD, EngineAddress, files},
    protocol::{Hello, PROTOCOL},
};
use relativenas_run::{
    address::{socket_folder, this_host},
    held::HeldRun,
    sessions::Did,
};
pub use relativenas_run::{disk, log};
use tokio::{
    signal::unix,
    sync::{oneshot, watch},
};

use control::Control;
use log::{EventLog, Extent};
use recorder::Recorder;
pub use stopped::StoppedSearch;
use work::{Outcome, Work};

/// How an engine is started on a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Go on where the file system has no locks.
    pub force: bool,
    /// Begin paused.
    pub paused: bool,
}

/// How long a finished engine waits for clients to read the end and leave.
const FAREWELL: Duration = Duration::from_secs(5);

/// How often the engine looks whether its folder and socket are still there.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Goes on with the run in `path` until it is done, or somebody ends it.
///
/// # Errors
/// If the run cannot go on; the message is for `engine.log`.
pub fn run(path: &Path, options: Options) -> anyhow::Result<()> {
    let mut folder = HeldRun::hold(path, options.force)?;
    let found = log::whole_lines(&folder.folder.file(files::EVENTS))?;
    let (newest, passed_over) = checkpoint::newest(&folder.folder.file(files::CHECKPOINTS), found)?;
    for problem in passed_over {
        say(&format!("checkpoint passed over: {problem}"));
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
    let (work, facts) = Work::prepare(&folder.manifest, newest)?;
    let hello = Hello {
        protocol: PROTOCOL,
        build: BUILD.to_owned(),
        pid: std::process::id(),
        device: match facts.threads {
            0 => facts.device.clone(),
            1 => format!("{} · 1 thread", facts.device),
            threads => format!("{} · {threads} threads", facts.device),
        },
        events: 0,
    };
    let disk = folder.disk();
    folder.complete(&disk, facts)?;
    note(&folder, Did::Started);

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
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(attend(&server, done, &control))?;
    let outcome = worker.join().map_err(|_| anyhow::anyhow!("the thread that works panicked"))?;
    let did = match &outcome {
        Ok(Outcome::Done) => Did::Finished,
        Ok(Outcome::Left) => Did::Stopped,
        Err(_) => Did::Failed,
    };
    note(&folder, did);
    outcome.map(|_| ())
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
) -> anyhow::Result<()> {
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
    let mut hang_up = unix::signal(unix::SignalKind::hangup())?; // Taken, so that it does not end us.
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip); // After a stop, once will do.
    let mut socket = None;
    loop {
        tokio::select! {
            _ = &mut done => break,
            _ = terminate.recv() => control.abort(),
            _ = interrupt.recv() => control.abort(),
            _ = hang_up.recv() => {}
            _ = look.tick() => {
                if !server.folder.exists() {
                    say("the run's folder is gone; leaving");
                    control.abort();
                } else if let Err(error) = server.folder.disk().permit() {
                    say(&format!("{error}; leaving"));
                    control.abort();
                } else if socket.as_ref().is_none_or(|path: &PathBuf| !path.exists()) {
                    socket = Some(open_socket(server)?);
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

/// Listens, and writes down where. Called again if somebody removed the socket.
fn open_socket(server: &Arc<server::Server>) -> anyhow::Result<PathBuf> {
    let path = socket_folder()?.join(format!("{}.sock", std::process::id()));
    let listener = server::listen(&path).with_context(|| format!("listening on {}", path.display()))?;
    let address = EngineAddress {
        pid: std::process::id(),
        host: this_host(),
        socket: path.display().to_string(),
        build: BUILD.to_owned(),
    };
    tokio::spawn(Arc::clone(server).serve(listener));
    server.folder.publish_address(&server.folder.disk(), &address)?;
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
