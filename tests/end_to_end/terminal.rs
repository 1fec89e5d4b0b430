//! What a person does in a terminal: a real one, with a screen that is read back.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{ioctl_tiocsctty, setsid},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::{
    search::{lines, pid, signal},
    stage::{Stage, wait_until},
};

/// A terminal with a program in it.
struct Terminal {
    master: Option<OwnedFd>,
    screen: Arc<Mutex<Screen>>,
    child: Child,
}

struct Screen {
    parser: vt100::Parser,
    bytes: usize,
    /// The end of what came last, in which a question may have begun.
    tail: Vec<u8>,
}

/// How fast a terminal takes what is written: in pieces of so many bytes, with a pause after each.
#[derive(Clone, Copy)]
struct Link {
    piece: usize,
    pause: Duration,
}

const FAST: Link = Link { piece: 4096, pause: Duration::ZERO };
/// 600 bytes a second.
const SLOW: Link = Link { piece: 30, pause: Duration::from_millis(50) };

/// The escape sequence that asks a terminal where its cursor is, and an answer.
const QUESTION: &[u8] = b"\x1b[6n";
const ANSWER: &[u8] = b"\x1b[1;1R";

impl Screen {
    /// Shows what arrives; returns how often it was asked where the cursor is.
    fn take(&mut self, bytes: &[u8]) -> usize {
        self.parser.process(bytes);
        self.bytes += bytes.len();
        self.tail.extend_from_slice(bytes);
        let questions = self.tail.windows(QUESTION.len()).filter(|window| *window == QUESTION).count();
        self.tail.drain(..self.tail.len().saturating_sub(QUESTION.len() - 1));
        questions
    }
}

impl Terminal {
    fn start(command: Command, size: (u16, u16)) -> Self {
        Self::start_behind(FAST, command, size)
    }

    fn start_behind(link: Link, mut command: Command, (rows, columns): (u16, u16)) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a terminal");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("text");
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("a size");
        let slave = File::options().read(true).write(true).open(name).expect("the terminal's other end");
        command
            .env("TERM", "xterm-256color")
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::from(slave.try_clone().expect("a handle")))
            .stdout(Stdio::from(slave.try_clone().expect("a handle")))
            .stderr(Stdio::from(slave));
        // SAFETY: only async-signal-safe system calls between fork and exec.
        unsafe {
            command.pre_exec(|| {
                setsid()?;
                ioctl_tiocsctty(rustix::stdio::stdin())?;
                Ok(())
            });
        }
        let child = command.spawn().expect("the command starts");
        drop(command); // It holds the terminal's other end.
        let parser = vt100::Parser::new(rows, columns, 0);
        let screen = Arc::new(Mutex::new(Screen { parser, bytes: 0, tail: Vec::new() }));
        let mut output = File::from(master.as_fd().try_clone_to_owned().expect("a handle"));
        thread::spawn({
            let screen = Arc::clone(&screen);
            move || {
                let mut buffer = vec![0; link.piece];
                while let Ok(read @ 1..) = output.read(&mut buffer) {
                    let questions = screen.lock().expect("no panic").take(&buffer[..read]);
                    let answered = output.write_all(&ANSWER.repeat(questions));
                    thread::sleep(link.pause);
                    if answered.is_err() {
                        return;
                    }
                }
            }
        });
        Self { master: Some(master), screen, child }
    }

    fn text(&self) -> String {
        self.screen.lock().expect("no panic").parser.screen().contents()
    }

    fn bytes(&self) -> usize {
        self.screen.lock().expect("no panic").bytes
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        let began = Instant::now();
        while !self.text().contains(text) {
            assert!(began.elapsed() < Duration::from_secs(60), "waited for {text:?}:\n{}", self.text());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn press(&self, keys: &str) {
        let mut input = File::from(self.master.as_ref().expect("open").try_clone().expect("a handle"));
        input.write_all(keys.as_bytes()).expect("typed");
    }

    fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        self.screen.lock().expect("no panic").parser.screen_mut().set_size(rows, columns);
        tcsetwinsize(self.master.as_ref().expect("open"), size).expect("a size");
    }

    /// Waits until the program has ended; the test fails if that takes longer than `limit`.
    #[track_caller]
    fn ends_within(&mut self, limit: Duration) {
        let began = Instant::now();
        while self.child.try_wait().expect("a child").is_none() {
            assert!(began.elapsed() < limit, "still running after {limit:?}:\n{}", self.text());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A search that is long enough to be watched.
fn search(stage: &Stage, name: &str) -> Command {
    let mut arguments = stage.search_arguments(name, &["--set", "search.generations=200"]);
    arguments.retain(|a| a != "--headless");
    stage.command(arguments)
}

#[test]
fn a_search_is_paused_stepped_detached_and_attached_again() {
    let stage = Stage::new();
    let mut terminal = Terminal::start(search(&stage, "seen"), (40, 140));
    terminal.wait_for("pair 0 compared");
    terminal.press(" ");
    terminal.wait_for("paused");
    let folder = stage.runs().join("seen");
    let before = lines(&folder);
    terminal.press("s");
    wait_until("a pair was stepped", || lines(&folder) > before);
    terminal.wait_for("paused");
    terminal.press("q");
    terminal.ends_within(Duration::from_secs(5));
    assert!(terminal.text().contains("relativenas attach seen"), "{}", terminal.text());

    let mut again = Terminal::start(stage.command(["attach", "seen"]), (24, 80));
    again.wait_for("paused");
    again.press("2");
    again.wait_for("POPULATION");
    again.press("q");
    again.ends_within(Duration::from_secs(5));
    stage.relativenas(["stop", "seen"]).succeeded();
}

#[test]
fn a_closed_terminal_ends_the_screen_and_not_the_engine() {
    let stage = Stage::new();
    let mut terminal = Terminal::start(search(&stage, "train"), (24, 80));
    let folder = stage.runs().join("train");
    terminal.wait_for("pair");
    wait_until("a pair was compared", || lines(&folder) > 3);
    terminal.master = None;
    // The reader holds a handle until the other end is closed, so the signal of a lost line is sent explicitly.
    signal(terminal.child.id().to_string(), "-HUP");
    terminal.ends_within(Duration::from_secs(2));
    let before = lines(&folder);
    wait_until("the engine goes on", || lines(&folder) > before);
    stage.relativenas(["stop", "train"]).succeeded();
}

#[test]
fn an_engine_that_was_killed_is_shown_as_dead_with_the_way_back() {
    let stage = Stage::new();
    let terminal = Terminal::start(search(&stage, "killed"), (40, 140));
    terminal.wait_for("pair 0 compared");
    signal(pid(&stage.runs().join("killed")), "-KILL");
    terminal.wait_for("relativenas resume killed");
}

#[test]
fn on_a_slow_link_frames_do_not_queue_before_what_a_key_shows() {
    let stage = Stage::new();
    let mut terminal = Terminal::start_behind(SLOW, search(&stage, "slow"), (24, 80));
    terminal.wait_for("pair 0 compared");
    // Long enough for a second of frames to become many seconds of bytes, if the program did not wait for the
    // terminal.
    thread::sleep(Duration::from_secs(20));
    let began = Instant::now();
    terminal.press("Q");
    terminal.wait_for("checkpoint");
    let took = began.elapsed();
    println!("a key was shown after {took:.1?}");
    assert!(took < Duration::from_secs(6), "a key was shown after {took:?}");
    terminal.press("y");
    terminal.wait_for("stopp");
    terminal.press("q");
    terminal.ends_within(Duration::from_secs(30));
}

#[test]
fn a_paused_run_writes_nothing_to_the_terminal_and_a_new_size_is_drawn_at_once() {
    let stage = Stage::new();
    let terminal = Terminal::start(search(&stage, "idle"), (40, 140));
    terminal.wait_for("pair 0 compared");
    terminal.press(" ");
    terminal.wait_for("paused");
    // Whatever was on its way when the pause was reached has arrived when nothing comes for a second.
    let mut before = usize::MAX;
    wait_until("the screen is quiet", || {
        let now = terminal.bytes();
        let quiet = now == before;
        before = now;
        thread::sleep(Duration::from_secs(1));
        quiet
    });
    let (quiet, began) = (terminal.bytes(), Instant::now());
    while began.elapsed() < Duration::from_secs(2) {
        thread::sleep(Duration::from_millis(50));
        assert_eq!(terminal.bytes(), quiet, "an idle screen writes nothing");
    }
    terminal.resize(24, 80);
    wait_until("the screen is drawn again", || terminal.bytes() > quiet);
    terminal.wait_for("paused");
    stage.relativenas(["stop", "idle"]).succeeded();
}
