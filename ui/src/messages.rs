//! Messages that the screen receives, and requests that it sends. The server that answers them is in the
//! command (`src/app`); only the server works with files, processes and sockets.

use std::path::{Path, PathBuf};

use relativenas_core::{
    config::Theme,
    event::Line,
    genotype::Genotype,
    probe::Probe,
    protocol::{Answer, Command, Hello, Progress},
    view::{RunState, RunView},
};

/// A message to the screen.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // Nearly all messages are log lines, so boxing them saves nothing.
pub enum Message {
    /// A run is shown from now on; everything before belonged to another one.
    Opened {
        run: RunName,
        folder: PathBuf,
    },
    /// Several events of the run at once while it is read from its file, one at a time live.
    Lines(Vec<Line>),
    Progress(Progress),
    /// What the engine of the run takes of its machine; not sent where that cannot be told.
    Load(Load),
    Link(Link),
    /// The outcome of a [`Request::Steer`].
    Answer(Answer),
    /// All runs, newest first.
    Runs(Vec<RunSummary>),
    /// The curves of the run in this folder, which [`Request::Compare`] asked for.
    Compared {
        folder: PathBuf,
        view: Box<RunView>,
    },
    /// The present view of the compared run in this folder, because its log has grown.
    Grown {
        folder: PathBuf,
        view: Box<RunView>,
    },
    Genotype {
        name: String,
        genotype: Genotype,
    },
    /// What the last probe of the run in this folder found. It was made before the run was opened.
    ProbedBefore {
        folder: PathBuf,
        probe: Probe,
    },
    /// What is known of work that goes on in the background for this run.
    Work {
        /// The run's folder.
        folder: PathBuf,
        kind: WorkKind,
        word: WorkState,
    },
    /// The folder of a run has another name now.
    Renamed {
        from: PathBuf,
        to: PathBuf,
    },
    /// These folders, of runs or of studies with all their runs, exist no longer.
    Removed(Vec<PathBuf>),
    /// The answer to the [`Request::Plan`] of this number.
    Planned {
        id: u64,
        plan: Plan,
    },
    /// A request, such as an export, was carried out; the text describes the result.
    Done(String),
    /// A request failed; the text says why, and what to do.
    Failed(String),
}

/// An architecture that a training is about, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    pub genotype: Genotype,
    /// A short name, which becomes a part of the training's: `i07`, `winner`.
    pub name: String,
    /// Where it comes from, in words; they become the training's note.
    pub origin: String,
}

/// What is known of a search or a training before it is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How long it takes, how large its networks are and where it runs, in words.
    pub cost: String,
    /// Why it would not start, if that is known.
    pub problem: Option<String>,
    /// What the folder that is typed holds, in words.
    pub found: String,
    /// Folders that begin with what was typed.
    pub completions: Vec<String>,
}

/// Work in the background, which ends with the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// A probe of a search.
    Probe,
    /// An evaluation of a training's best weights on the test images.
    Evaluation,
}

impl WorkKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Evaluation => "evaluation",
        }
    }

    /// What the run is then: `probed`.
    pub fn done(self) -> &'static str {
        match self {
            Self::Probe => "probed",
            Self::Evaluation => "evaluated",
        }
    }
}

/// What an engine takes of its machine, rounded, so that an engine at rest always takes the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Per cent of one core; more than 100 where several are at work.
    pub cpu: u32,
    /// Resident memory in multiples of 10 MB.
    pub memory: u64,
    /// What it takes of graphics processors, where it works on them and that can be told.
    pub gpu: Option<GpuLoad>,
}

/// The load of the graphics processors on which an engine works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuLoad {
    /// Per cent of the time in which they were at work for any process; the mean of several.
    pub busy: u32,
    /// Memory in use on them, in multiples of 10 MB.
    pub memory: u64,
    pub owner: MemoryOwner,
}

/// Whose memory on a graphics processor is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryOwner {
    Engine,
    /// That of all processes on the device, where the driver does not tell how much of it is the engine's.
    Device,
}

/// The state of work in the background.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkState {
    /// How far it is, in words.
    UnderWay(String),
    Probed(Probe),
    Evaluated(Evaluated),
    /// It ended without a finding.
    Ended,
}

/// How good the best weights of a training are on the test images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluated {
    pub loss: f64,
    /// Accuracy in per cent.
    pub top1: f64,
    /// Share of images whose class is among the five that are deemed likeliest, in per cent.
    pub top5: f64,
    pub images: usize,
}

/// The name of a run: that of its folder. Runs in different directories may have the same name.
pub type RunName = String;

/// The name of the run in this folder.
pub fn run_name(folder: &Path) -> RunName {
    folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned()
}

/// How the screen is connected to the engine of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// The log is being read, and it is not known yet whether there is an engine.
    #[default]
    Connecting,
    /// The engine takes commands.
    Live(Hello),
    /// The engine can be watched but not steered, for the reason in `why`.
    WatchOnly { hello: Hello, why: String },
    /// No engine works on the run.
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
    /// What a person wrote about the run; empty where nobody did.
    pub note: String,
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
    /// The test accuracy of a finished training, in per cent.
    pub test_accuracy: Option<f64>,
    /// The worker that holds the run, in words.
    pub worker: Option<String>,
}

/// A request to the server, which answers it with a [`Message`].
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Steer {
        id: u64,
        command: Command,
    },
    ListRuns,
    /// Shows the run in this folder. If an engine works on it, the screen is attached to that engine.
    Open {
        folder: PathBuf,
    },
    /// Starts a run with a preset and settings laid over it, then opens it.
    Start {
        /// What is trained; `None` starts a search.
        architecture: Option<Architecture>,
        preset: Option<String>,
        settings: Vec<(String, String)>,
        name: Option<String>,
        /// Whether the run waits for a command before its first pair or epoch.
        paused: bool,
    },
    /// Asks what a run with these settings would take.
    Plan {
        id: u64,
        /// What is trained; `None` is a search.
        architecture: Option<Architecture>,
        preset: Option<String>,
        settings: Vec<(String, String)>,
        /// The path of a folder as far as it has been typed.
        path: Option<String>,
    },
    /// Starts an engine on a stopped run, then opens it.
    Resume {
        folder: PathBuf,
        /// Whether it waits for a command; otherwise it goes on as it was left.
        paused: bool,
    },
    /// Gives a run another name.
    Rename {
        folder: PathBuf,
        name: String,
    },
    /// Writes a note about a run in place of the one before; an empty one takes it away.
    Annotate {
        folder: PathBuf,
        note: String,
    },
    /// Removes the folders of runs.
    Remove {
        folders: Vec<PathBuf>,
    },
    /// Removes the folder of a study, with all its runs.
    RemoveStudy {
        folder: PathBuf,
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
        folder: PathBuf,
    },
    /// Every run whose losses may be compared with those of the run that is shown.
    CompareAll,
    /// Starts to find out how reliable the comparison of pairs is in the search that is shown.
    Probe,
    /// Starts to find out how good the best weights of the training that is shown are on the test images.
    Evaluate,
    /// Makes a theme the one that the next screen begins with.
    RememberTheme {
        theme: Theme,
    },
    /// Ends what goes on in the background.
    EndWork,
}

/// What is exported from the run that is shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Exported {
    Individual(usize),
    /// The best so far, or the winner: the vector as it was when this loss was estimated. Its individual may
    /// have moved since.
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

/// The run that was shown when the screen was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detached {
    pub folder: PathBuf,
    pub rest: RunAfterwards,
}

/// What becomes of a run without the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunAfterwards {
    /// It is not known yet whether an engine works on the run.
    Unknown,
    /// An engine works on the run and goes on.
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
    Detached(Option<Detached>),
    /// The engine was asked to stop after a checkpoint.
    Stopped { folder: PathBuf },
    /// The terminal is gone.
    HungUp,
}
