//! A home for one test, and the programs in it.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use relativenas_core::event::{Event, Line};

/// No wait in these tests takes longer; a test that would wait for ever fails instead.
const PATIENCE: Duration = Duration::from_secs(120);

/// Settings of a search that ends within seconds on the CPU.
pub const TINY: [&str; 9] = [
    "device.kind=cpu",
    "search.population=4",
    "search.generations=2",
    "data.train_images=48",
    "data.valid_images=32",
    "network.channels=2",
    "network.cells=3",
    "training.batch=16",
    "device.threads=1",
];

/// A home for one test; removed with everything in it when the test ends.
pub struct Stage {
    home: tempfile::TempDir,
}

impl Stage {
    pub fn new() -> Self {
        assert!(
            engine().exists(),
            "{} is missing; `cargo build --release --workspace --bins` makes it (make test does)",
            engine().display()
        );
        Self { home: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.home.path().join(relative)
    }

    /// The folder that runs are made in.
    pub fn runs(&self) -> PathBuf {
        self.path("data/relativenas/runs")
    }

    /// `relativenas` with arguments, in this home.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relativenas"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("RELATIVENAS_ENGINE", engine())
            .stdin(Stdio::null());
        command
    }

    /// Runs `relativenas` to its end.
    pub fn relativenas<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(self.command(arguments).output().expect("the command starts"))
    }

    /// A tiny headless search named `name`, to its end or however `more` makes it.
    pub fn search(&self, name: &str, more: &[&str]) -> Ran {
        self.relativenas(self.search_arguments(name, more))
    }

    pub fn search_arguments(&self, name: &str, more: &[&str]) -> Vec<String> {
        let mut arguments: Vec<String> = ["search", "--headless", "--name", name].map(Into::into).into();
        for setting in TINY {
            arguments.extend(["--set".into(), setting.into()]);
        }
        arguments.extend(more.iter().map(|&a| a.into()));
        arguments
    }

    /// The events of a run.
    pub fn events(&self, run: &str) -> Vec<Event> {
        let text = fs::read_to_string(self.runs().join(run).join("events.jsonl")).expect("the run has a log");
        let lines: Vec<Line> = text.lines().map(|l| serde_json::from_str(l).expect("a whole line")).collect();
        assert!(lines.iter().enumerate().all(|(i, l)| l.seq == i as u64), "events are counted without gaps");
        lines.into_iter().map(|l| l.event).collect()
    }
}

/// The engine's program, which lies beside that of the command.
pub fn engine() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_relativenas")).with_file_name("relativenas-engine")
}

/// Samples of the formats that users bring.
pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Checks that the program ended with this code, and printed this to standard error.
    #[track_caller]
    pub fn refused(self, code: i32, message: &str) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(self.stderr.contains(message), "expected: {message}\n{self:#?}");
    }
}

/// Waits until a condition holds; `what` names it if it does not in time.
#[track_caller]
pub fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
