//! What the screen is told, and what it asks for. Files, processes and sockets are on the other side.

use std::path::PathBuf;

use relativenas_core::{
    event::Line,
    genotype::Genotype,
    probe::Probe,
    protocol::{Answer, Command, Hello, Progress},
    view::{RunState, RunView},
};

/// Something the screen is told.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // Log lines are nearly all of the traffic.
pub enum Message {
    /// A run is shown from now on; everything before belonged to another one.
    Opened {
        run: RunName,
        folder: PathBuf,
    },
    /// Several events of the run at once while it is read from its file, one at a time live.
    Lines(Vec<Line>),
    Progress(Progress),
    Link(Link),
    /// The outcome of a [`Request::Steer`].
    Answer(Answer),
    /// All runs, newest first.
    Runs(Vec<RunSummary>),
    /// Another run's curves, asked for with [`Request::Compare`].
    Compared {
        run: RunName,
        view: Box<RunView>,
    },
    /// A compared run has gone on.
    Grown {
        run: RunName,
        view: Box<RunView>,
    },
    Genotype {
        name: String,
        genotype: Genotype,
    },
    /// What is known of a probe of this run.
    Probe {
        run: RunName,
        word: ProbeWord,
    },
    /// The answer to the [`Request::Plan`] of this number.
    Planned {
        id: u64,
        plan: Plan,
    },
    /// Something that was asked for is done, such as an export; the text says where it is.
    Done(String),
    /// Something that was asked for failed; the text says what, and the way out.
    Failed(String),
}

/// What a search that was not started yet amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How long it takes, how large its networks are and where it runs, in words.
    pub cost: String,
    /// Why it would not start, if that is known.
    pub problem: Option<String>,
    /// What the folder that is typed holds, in words.
    pub found: String,
    /// What the folder that is typed may be meant to be.
    pub completions: Vec<String>,
}

/// The state of a probe.
#[derive(Clone, Debug, PartialEq)]
pub enum ProbeWord {
    /// How far it is, in words.
    UnderWay(String),
    Found(Probe),
    /// It ended without a finding.
    Ended,
}

/// The name of a run: that of its folder.
pub type RunName = String;

/// How the screen hangs together with an engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// The log is read; there is no word of an engine yet.
    #[default]
    Connecting,
    /// Steering is possible.
    Live(Hello),
    /// An engine of another protocol version: it can be watched, not steered.
    WatchOnly { hello: Hello, why: String },
    /// The run is looked at without an engine.
    NoEngine,
    /// The engine is gone before the run was finished.
    Dead { last_words: Vec<String>, resume: String },
}

/// A line of the list of runs.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    pub run: RunName,
    pub folder: PathBuf,
    /// `search` or `train`, searcher and data set in a few words.
    pub what: String,
    pub state: RunState,
    pub generation: u32,
    pub generations: u32,
    pub best_loss: Option<f64>,
    /// Seconds since the run last changed.
    pub age_seconds: u64,
    pub alive: bool,
    /// Why the run cannot be read, if it cannot.
    pub problem: Option<String>,
    /// The runs of a study, which stands among the runs as one line.
    pub study: Option<Vec<StudyRun>>,
}

/// A run of a study that was begun.
#[derive(Clone, Debug, PartialEq)]
pub struct StudyRun {
    pub run: RunName,
    pub folder: PathBuf,
    pub searcher: String,
    /// Whether it trains a search's winner from scratch, to judge it; otherwise it is a search.
    pub judges: bool,
    pub state: RunState,
    /// Generations of a search, epochs of a training.
    pub done: u32,
    pub of: u32,
    pub best_loss: Option<f64>,
    /// Of a training that is finished, in per cent.
    pub test_accuracy: Option<f64>,
    /// Who works on it, in words.
    pub worker: Option<String>,
}

/// Something the screen asks for. Every request is answered by a [`Message`].
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Steer {
        id: u64,
        command: Command,
    },
    ListRuns,
    /// Shows a run: attached where an engine lives, as it is in its files otherwise.
    Open {
        run: RunName,
    },
    /// Starts a search with a preset and settings laid over it, then opens it.
    Start {
        preset: Option<String>,
        settings: Vec<(String, String)>,
        name: Option<String>,
        /// It waits before its first pair.
        paused: bool,
    },
    /// What a search that was not started yet amounts to.
    Plan {
        id: u64,
        preset: Option<String>,
        settings: Vec<(String, String)>,
        /// A folder that is being typed.
        path: Option<String>,
    },
    /// Starts an engine on a stopped run, then opens it.
    Resume {
        run: RunName,
    },
    /// Starts a new run from where an earlier generation began, then opens it.
    Branch {
        generation: u32,
    },
    Export {
        what: Exported,
        format: ExportFormat,
    },
    /// Reads a genotype file, or a published name.
    ReadGenotype {
        from: String,
    },
    Compare {
        run: RunName,
    },
    /// Every run whose losses may be compared with those of the run that is shown.
    CompareAll,
    /// Finds out whether the comparison of the shown search is any good.
    Probe,
    EndProbe,
}

/// What is exported from the run that is shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Exported {
    Individual(usize),
    /// The best so far, or the winner: the vector whose loss was shown, wherever its individual is now.
    Best {
        individual: usize,
        /// The generation of its estimate; `None` for the final ranking.
        generation: Option<u32>,
        loss: f64,
        position: Vec<f64>,
    },
    /// Several individuals, a file each.
    Several(Vec<usize>),
    /// The network of a training.
    Network,
    /// Every individual, a file each.
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    Darts,
    Json,
    Toml,
    Dot,
    Svg,
    Pytorch,
    /// The curves.
    Csv,
}

/// A run that was shown last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    pub run: RunName,
    pub rest: Rest,
}

/// What becomes of a run without the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// There was no word of an engine yet.
    Unknown,
    /// Its engine lives.
    Engine,
    /// No engine lives, and the run could be resumed.
    Stopped,
    Dead,
    Finished,
}

/// Why the screen was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A person left the run that was shown, if one was.
    Left(Option<Left>),
    /// The engine was asked to stop after a checkpoint.
    Stopped { run: RunName },
    /// The terminal is gone.
    HungUp,
}
