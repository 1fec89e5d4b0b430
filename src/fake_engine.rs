//! An engine for tests: a process that holds the lock, listens on a socket and speaks the protocol,
//! but replays a made-up log instead of training.
//!
//! The process is this test program, started again to run [`process`] alone.

pub mod live;
mod tests;

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    net::Shutdown,
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::exit,
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use relativenas_core::{
    event::{Event, Line},
    manifest::{BUILD, EngineAddress, files},
    protocol::{Activity, Answer, Command, Hello, Mode, PROTOCOL, Progress, Reply, Request, StepUnit},
    search::Stage,
};
use relativenas_run::{
    disk::Disk,
    sessions::{Did, note},
};
use rustix::fs::{FlockOperation, fcntl_lock};

use crate::{
    engine::{
        liveness::this_host,
        program::EngineProgram,
        start::{StartOptions, StartedEngine, start},
    },
    fixture,
    folder::RunFolder,
};

/// The name of a file in a run's folder with which the fake engine greets a client and then fails.
pub const FAILS: &str = "fails";

/// The name of a file in a run's folder with which the fake engine greets as the engine of another run.
pub const STRANGER: &str = "stranger";

/// The name of a file in a run's folder with which the fake engine closes the connection to the first client that
/// follows the log without sending it any event, as an engine does with a client that has not read for too long. It
/// removes the file.
pub const HANGS_UP: &str = "hangs-up";

/// The token in the address and in the greeting of fake engines.
const TOKEN: &str = "fake";

/// The environment variable in which the process finds its arguments.
const VARIABLE: &str = "RELATIVENAS_FAKE_ENGINE";

/// Makes a program that is started like the engine.
fn program(folder: &Path) -> EngineProgram {
    let path = folder.join("relativenas-engine");
    let own = env::current_exe().expect("this test program");
    let script = format!(
        "#!/bin/sh\n{VARIABLE}=\"$*\" exec '{}' fake_engine::process --exact --ignored --nocapture\n",
        own.display()
    );
    fs::write(&path, script).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("made executable");
    EngineProgram::at(path)
}

/// Starts a fake engine on a run.
pub fn start_on(folder: &RunFolder, paused: bool) -> StartedEngine {
    let runs = folder.path().parent().expect("runs lie in a folder");
    let options = StartOptions { paused, ..StartOptions::default() };
    start(&program(runs), folder, options).expect("started")
}

#[test]
#[ignore = "no test, but the engine of other tests"]
fn process() {
    let Ok(arguments) = env::var(VARIABLE) else {
        return;
    };
    let words: Vec<_> = arguments.split(' ').collect();
    let ["run", folder, flags @ ..] = &words[..] else {
        panic!("started as `{arguments}`");
    };
    let engine = FakeEngine::new(Path::new(folder), flags.contains(&"--paused"));
    engine.serve();
}

struct FakeEngine {
    folder: PathBuf,
    log: Vec<Line>,
    state: Mutex<FakeState>,
    _lock: File,
}

struct FakeState {
    /// Lines of the log that are written.
    written: usize,
    mode: Mode,
    clients: Vec<UnixStream>,
}

impl FakeEngine {
    fn new(folder: &Path, paused: bool) -> Arc<Self> {
        let lock = File::create(folder.join(files::ENGINE_LOCK)).unwrap_or_else(|error| {
            eprintln!("relativenas-engine: {}: {error}", files::ENGINE_LOCK);
            exit(1);
        });
        fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).expect("no second engine");
        let written = fs::read_to_string(folder.join(files::EVENTS)).map_or(0, |t| t.lines().count());
        let mode = if paused { Mode::Paused } else { Mode::Running };
        let state = Mutex::new(FakeState { written, mode, clients: Vec::new() });
        let engine = Arc::new(Self { folder: folder.to_owned(), log: fixture::log(3), state, _lock: lock });
        engine.note(Did::Started);
        let begun = |line: &Line| matches!(line.event, Event::GenerationStarted { .. });
        if written == 0 {
            engine.advance(&mut engine.lock(), begun);
        }
        engine
    }

    fn serve(self: Arc<Self>) {
        let socket = self.folder.with_extension("sock");
        let _ = fs::remove_file(&socket); // Of an engine before.
        let listener = UnixListener::bind(&socket).expect("a short path");
        let address = EngineAddress {
            pid: std::process::id(),
            host: this_host(),
            socket: socket.display().to_string(),
            build: BUILD.to_owned(),
            token: TOKEN.to_owned(),
        };
        let text = serde_json::to_string(&address).expect("plain data");
        let path = self.folder.join(files::ENGINE);
        fs::write(path.with_extension("part"), text).expect("written");
        fs::rename(path.with_extension("part"), path).expect("moved");
        for client in listener.incoming() {
            let engine = Arc::clone(&self);
            thread::spawn(move || engine.attend(client.expect("a client")));
        }
    }

    /// Serves one client until it leaves.
    fn attend(&self, mut client: UnixStream) {
        let events = self.lock().written as u64;
        let hello = Hello {
            protocol: PROTOCOL,
            build: BUILD.to_owned(),
            pid: std::process::id(),
            device: "cpu · 1 thread".to_owned(),
            events,
            run: self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            token: if self.folder.join(STRANGER).exists() { "another" } else { TOKEN }.to_owned(),
        };
        let fails = self.folder.join(FAILS).exists();
        if fails {
            // It stops reading before it greets, so that a client that answers the greeting gets a broken
            // pipe.
            client.shutdown(Shutdown::Read).expect("shut");
        }
        send(&mut client, &Reply::Hello(hello));
        if fails {
            eprintln!("relativenas-engine: generation 0, pair 0: CUDA out of memory");
            thread::sleep(Duration::from_millis(300));
            exit(1);
        }
        for line in BufReader::new(client.try_clone().expect("a file")).lines() {
            let Ok(text) = line else { break };
            match serde_json::from_str(&text).expect("a request") {
                Request::Follow { from } => self.follow(&client, from as usize),
                Request::Steer { id, command } => self.steer(&mut client, id, &command),
            }
        }
        if self.lock().written == self.log.len() {
            self.leave(); // It is finished, and no client is left.
        }
    }

    fn follow(&self, client: &UnixStream, from: usize) {
        if fs::remove_file(self.folder.join(HANGS_UP)).is_ok() {
            client.shutdown(Shutdown::Both).expect("shut");
            return;
        }
        let mut client = client.try_clone().expect("a file");
        let mut state = self.lock();
        for line in &self.log[from..state.written] {
            send(&mut client, line);
        }
        state.clients.push(client);
        self.tell_progress(&mut state);
        if state.mode == Mode::Running {
            self.advance(&mut state, |_| false);
        }
    }

    fn steer(&self, client: &mut UnixStream, id: u64, command: &Command) {
        let mut state = self.lock();
        let refused = match command {
            Command::Inject { individual, .. } => Some(format!("there is no individual {individual}")),
            _ => None,
        };
        send(client, &Reply::Answer(Answer { id, refused }));
        match *command {
            Command::Pause => state.mode = Mode::Paused,
            Command::Step { unit, count } => {
                let ends = |line: &Line| match unit {
                    StepUnit::Pair => {
                        matches!(line.event, Event::PairCompared { .. } | Event::WeightsWarmed { .. })
                    }
                    StepUnit::Generation => matches!(line.event, Event::GenerationFinished { .. }),
                    StepUnit::Epoch => matches!(line.event, Event::EpochFinished { .. }),
                };
                for _ in 0..count {
                    self.advance(&mut state, ends);
                }
            }
            Command::Continue => {
                state.mode = Mode::Running;
                self.advance(&mut state, |_| false);
            }
            Command::Stop => self.leave(),
            // Nothing that a search would do: tests want to see an engine die.
            Command::PauseOnNan { .. } => {
                eprintln!("relativenas-engine: CUDA out of memory");
                exit(1);
            }
            _ => {}
        }
        self.tell_progress(&mut state);
    }

    /// Writes and sends lines up to one of this kind, or all.
    fn advance(&self, state: &mut FakeState, ends: impl Fn(&Line) -> bool) {
        let path = self.folder.join(files::EVENTS);
        let mut file = OpenOptions::new().create(true).append(true).open(path).expect("a log");
        while let Some(line) = self.log.get(state.written) {
            writeln!(file, "{}", serde_json::to_string(line).expect("plain data")).expect("written");
            state.written += 1;
            for client in &mut state.clients {
                send(client, line);
            }
            if ends(line) {
                return;
            }
        }
        self.tell_progress(state);
    }

    fn tell_progress(&self, state: &mut FakeState) {
        let finished = state.written == self.log.len();
        let between_pairs =
            Activity::Estimating { stage: Stage::Search, generation: 0, pair: 0, members: Vec::new() };
        let activity = if finished { Activity::Finished } else { between_pairs };
        let progress = Progress { mode: state.mode, activity, ..Progress::default() };
        for client in &mut state.clients {
            send(client, &Reply::Progress(progress.clone()));
        }
    }

    fn leave(&self) -> ! {
        self.note(Did::Stopped);
        exit(0)
    }

    fn note(&self, did: Did) {
        let folder = RunFolder::at(&self.folder).expect("a run");
        note(&Disk::default(), &folder, did).expect("written");
    }

    fn lock(&self) -> MutexGuard<'_, FakeState> {
        self.state.lock().expect("no thread panics")
    }
}

/// A client that left needs nothing.
fn send(client: &mut UnixStream, message: &impl serde::Serialize) {
    let text = serde_json::to_string(message).expect("plain data");
    let _ = client.write_all(format!("{text}\n").as_bytes());
}
