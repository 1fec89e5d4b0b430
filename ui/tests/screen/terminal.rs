//! The screen in a pseudo-terminal: it restores the terminal, writes nothing when idle, and ends on a hang-up.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    process::{Child, Command, Stdio},
    sync::mpsc::channel,
    time::{Duration, Instant},
};

use relativenas_core::protocol::Mode;
use relativenas_ui::messages::{Exit, Message};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, Termios, Winsize, tcgetattr, tcsetattr, tcsetwinsize},
};

use crate::{
    fake_run::FakeRun,
    stage::{RUN, folder, live, options},
};

/// Names the play that a child of this test shows on its terminal.
const PLAY: &str = "RELATIVENAS_UI_PLAY";

/// Where is the cursor? And an answer, without which a terminal is taken for one that only records.
const QUESTION: &[u8] = b"\x1b[6n";
const ANSWER: &[u8] = b"\x1b[1;1R";

/// Not a test by itself: the other tests start it in a terminal of its own.
#[test]
fn child() {
    let Ok(play) = std::env::var(PLAY) else { return };
    let (to_screen, inbox) = channel();
    let (outbox, _from_screen) = channel();
    let (mut run, lines) = FakeRun::new(20, 50);
    let opened = Message::Opened { run: RUN.to_owned(), folder: folder(RUN) };
    for message in [opened, Message::Lines(lines), Message::Lines(run.next_pair()), Message::Link(live())] {
        to_screen.send(message).expect("the inbox is open");
    }
    to_screen.send(Message::Progress(run.progress(3, Mode::Paused))).expect("the inbox is open");
    std::thread::spawn(move || match play.as_str() {
        // As fast as it can: 500 different messages a second.
        "flood" => {
            for batch in 0.. {
                std::thread::sleep(Duration::from_millis(2));
                if to_screen.send(Message::Progress(run.progress(batch % 98, Mode::Running))).is_err() {
                    break; // The screen is gone.
                }
            }
        }
        "panic" => {
            std::thread::sleep(Duration::from_millis(300));
            panic!("a fault in the program");
        }
        _ => loop {
            std::thread::park();
            let _ = &to_screen;
        },
    });
    match relativenas_ui::run(options(), inbox, outbox) {
        Ok(Exit::HungUp) => std::process::exit(3),
        Ok(_) => std::process::exit(0),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

/// A terminal with a screen in it.
struct Played {
    master: File,
    child: Child,
    /// The terminal's settings before the screen had it.
    before: Termios,
    /// Kept open, so that settings can be read after the child is gone.
    slave: File,
}

impl Played {
    /// In a terminal of 100×30.
    fn new(play: &str) -> Self {
        Self::sized(play, Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 })
    }

    fn sized(play: &str, size: Winsize) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a pseudo-terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a pseudo-terminal");
        let name = ptsname(&master, Vec::new()).expect("its name").into_string().expect("ASCII");
        let slave = File::options().read(true).write(true).open(name).expect("its other side");
        tcsetwinsize(&slave, size).expect("a size");
        // What the child echoes back would be taken for what it draws.
        let mut before = tcgetattr(&slave).expect("settings");
        before.local_modes.remove(rustix::termios::LocalModes::ECHO);
        tcsetattr(&slave, OptionalActions::Now, &before).expect("settings");
        let side = || Stdio::from(slave.try_clone().expect("a file"));
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command.args(["--exact", "terminal::child", "--nocapture", "--test-threads=1"]);
        command.env(PLAY, play).env("RUST_BACKTRACE", "0").stdin(side()).stdout(side()).stderr(side());
        // SAFETY: only calls that are safe after a fork.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                rustix::process::ioctl_tiocsctty(std::io::stdin())?;
                Ok(())
            });
        }
        let child = command.spawn().expect("the child");
        Self { master: File::from(master), child, before, slave }
    }

    /// What is written until it is quiet for so long, or `most` time is over; questions are answered.
    fn read(&mut self, quiet: Duration, most: Duration) -> String {
        let end = Instant::now() + most;
        let mut written = Vec::new();
        while Instant::now() < end {
            let wait = Timespec::try_from(quiet.min(end - Instant::now())).expect("short");
            let mut watched = [PollFd::from_borrowed_fd(self.master.as_fd(), PollFlags::IN)];
            if !matches!(poll(&mut watched, Some(&wait)), Ok(1..)) {
                break;
            }
            let mut buffer = [0; 65_536];
            match self.master.read(&mut buffer) {
                Ok(length @ 1..) => {
                    // The end of what came before may be the beginning of a question.
                    let from = written.len().saturating_sub(QUESTION.len() - 1);
                    written.extend_from_slice(&buffer[..length]);
                    let questions = written[from..].windows(QUESTION.len()).filter(|part| *part == QUESTION);
                    let answers = ANSWER.repeat(questions.count());
                    self.master.write_all(&answers).expect("the screen's side is open");
                }
                _ => break,
            }
        }
        String::from_utf8_lossy(&written).into_owned()
    }

    /// Waits for the first screen, and until it is quiet.
    fn begin(&mut self) -> String {
        let mut written = String::new();
        let end = Instant::now() + Duration::from_secs(20);
        while !written.contains("paused") && Instant::now() < end {
            written += &self.read(Duration::from_millis(300), Duration::from_secs(2));
        }
        assert!(written.contains("paused"), "no screen: {written}");
        written
    }

    /// Waits for the end; gives the exit code.
    fn end(mut self) -> Option<i32> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => return status.code(),
                None if Instant::now() > end => {
                    let _ = self.child.kill();
                    panic!("the screen does not end");
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

#[test]
fn the_terminal_is_given_back_as_it_was() {
    let mut played = Played::new("still");
    let first = played.begin();
    assert!(first.contains("\x1b[?1049h") && first.contains("\x1b[?2004h"), "{first:?}");
    played.master.write_all(b"q").expect("a key");
    let last = played.read(Duration::from_secs(1), Duration::from_secs(5));
    for end in ["\x1b[?2026l", "\x1b[?2004l", "\x1b[?1049l", "\x1b[?25h"] {
        assert!(last.contains(end), "{end:?} in {last:?}");
    }
    let after = tcgetattr(&played.slave).expect("settings");
    assert_eq!(format!("{after:?}"), format!("{:?}", played.before));
    assert_eq!(played.end(), Some(0));
}

#[test]
fn an_idle_screen_writes_nothing() {
    let mut played = Played::new("still");
    played.begin();
    let idle = played.read(Duration::from_millis(1500), Duration::from_millis(1500));
    assert_eq!(idle, "");
    played.master.write_all(b"q").expect("a key");
    assert_eq!(played.end(), Some(0));
}

#[test]
fn a_terminal_that_does_not_know_its_size_is_drawn_on_all_the_same() {
    let size = |ws_col, ws_row| Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
    let mut played = Played::sized("still", size(0, 0));
    let first = played.begin();
    assert!(!first.contains("NOW"), "80 columns have no room for the names of the top panels: {first}");
    tcsetwinsize(&played.slave, size(100, 30)).expect("a size");
    let larger = played.read(Duration::from_secs(1), Duration::from_secs(5));
    assert!(larger.contains("NOW"), "it follows once it is told a size: {larger}");
    played.master.write_all(b"q").expect("a key");
    assert_eq!(played.end(), Some(0));
}

#[test]
fn a_flood_of_messages_makes_ten_frames_a_second() {
    let mut played = Played::new("flood");
    played.begin_moving();
    let started = Instant::now();
    let written = played.read(Duration::from_millis(500), Duration::from_secs(2));
    let seconds = started.elapsed().as_secs_f64();
    let frames = written.matches("\x1b[?2026h").count();
    assert!(frames as f64 <= 10.0 * seconds + 1.0, "{frames} frames in {seconds:.1} s");
    assert!(frames >= 3, "{frames} frames in {seconds:.1} s");
    played.master.write_all(b"q").expect("a key");
    // Input comes before data: the flood does not hold up the key.
    played.read(Duration::from_secs(1), Duration::from_secs(5));
    assert_eq!(played.end(), Some(0));
}

#[test]
fn a_terminal_that_answers_late_gets_one_frame_until_then() {
    let mut played = Played::new("flood");
    played.begin_moving();
    // The test does not read and therefore does not answer: only the frame with the question is under way.
    std::thread::sleep(Duration::from_secs(2));
    let mut waiting = [0; 65_536];
    let length = played.master.read(&mut waiting).expect("a frame");
    let frames = waiting[..length].windows(8).filter(|part| *part == b"\x1b[?2026h").count();
    assert!(frames <= 1, "{frames} frames queued: {}", waiting[..length].escape_ascii());
    let questions = waiting[..length].windows(QUESTION.len()).filter(|part| *part == QUESTION).count();
    played.master.write_all(&ANSWER.repeat(questions)).expect("an answer");
    let after = played.read(Duration::from_millis(500), Duration::from_secs(2));
    assert!(after.matches("\x1b[?2026h").count() >= 3, "it goes on with the answer: {after:?}");
    played.master.write_all(b"q").expect("a key");
    played.read(Duration::from_secs(1), Duration::from_secs(5));
    assert_eq!(played.end(), Some(0));
}

#[test]
fn the_screen_is_gone_when_the_terminal_hangs_up() {
    let mut played = Played::new("still");
    played.begin();
    let Played { master, child, before, slave } = played;
    drop(slave);
    let hung_up = Instant::now();
    drop(master);
    // A terminal without its other side: the rest of the test needs none.
    let null = || File::open("/dev/null").expect("it is always there");
    let code = Played { master: null(), child, before, slave: null() }.end();
    let took = hung_up.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(code, Some(3));
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_reported() {
    let mut played = Played::new("panic");
    let mut written = played.begin();
    written += &played.read(Duration::from_secs(1), Duration::from_secs(3));
    let left = written.find("\x1b[?1049l").expect("the alternate screen is left");
    let report = written.find("a fault in the program").expect("the report");
    assert!(left < report);
    let after = tcgetattr(&played.slave).expect("settings");
    assert_eq!(after.local_modes, played.before.local_modes);
    // The screen ends after a panic on another thread.
    assert_eq!(played.end(), Some(0));
}

impl Played {
    /// Waits for the first frame of a screen that changes all the time.
    fn begin_moving(&mut self) {
        let end = Instant::now() + Duration::from_secs(20);
        let mut written = String::new();
        while !written.contains("THIS GENERATION") && Instant::now() < end {
            written += &self.read(Duration::from_millis(100), Duration::from_millis(200));
        }
        assert!(written.contains("THIS GENERATION"), "no screen: {written}");
    }
}
