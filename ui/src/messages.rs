//! Messages that the screen receives, and requests that it sends. The server that answers them is in the
//! command (`src/app`); only the server works with files, processes and sockets.

use std::path::{Path, PathBuf};

use relativenas_core::{
    config::Theme,
    event::Line,
    genotype::Genotype,
    loss::Loss,
    population::IndividualId,
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
    /// The next events of the run: several at once while it is read from its file, single ones while its engine
    /// works.
    Lines(Vec<Line>),
    Progress(Progress),
    /// The load that the run's engine puts on its machine; not sent if that is unknown.
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
    /// The answer to a [`Request::ReadGenotype`]; `name` is the text that was asked for.
    Genotype {
        name: String,
        genotype: Genotype,
    },
    /// The result of the last probe of the run in this folder, from before the run was opened.
    ProbedBefore {
        folder: PathBuf,
        probe: Probe,
    },
    /// News of work that goes on in the background for this run.
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
    /// A description of the data in the folder whose path was typed.
    pub found: String,
    /// Folders whose paths begin with what was typed.
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

    /// The participle, for a run with which this was done: `probed`.
    pub fn done(self) -> &'static str {
        match self {
            Self::Probe => "probed",
            Self::Evaluation => "evaluated",
        }
    }
}

/// The load that an engine puts on its machine. It is rounded, so that it stays the same while the engine is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Per cent of one core; more than 100 where several are at work.
    pub cpu: u32,
    /// Resident memory in multiples of 10 MB.
    pub memory: u64,
    /// The load of the graphics processors on which the engine works, if there are any and it is known.
    pub gpu: Option<GpuLoad>,
}

/// The load of the graphics processors on which an engine works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuLoad {
    /// Per cent of the time in which they worked, for whichever process; the mean if there are several.
    pub busy: u32,
    /// Memory in use on them, in multiples of 10 MB.
    pub memory: u64,
    pub owner: MemoryOwner,
}

/// The processes whose memory on a graphics processor is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryOwner {
    Engine,
    /// All processes on the device, because the driver does not report how much of it is the engine's.
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
    pub loss: Loss,
    /// Accuracy in per cent.
    pub top1: f64,
    /// Top-5 accuracy in per cent.
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
    /// The engine ended before the run was finished. `last_words` are the last lines that it wrote, `resume` is the
    /// command that resumes the run.
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
    /// Generations of a search, or epochs of a training, that are done.
    pub generation: u32,
    /// The same at the end of the run.
    pub generations: u32,
    pub best_loss: Option<Loss>,
    /// Seconds since the run last changed.
    pub age_seconds: u64,
    pub alive: bool,
    /// Why the run cannot be read, if it cannot.
    pub problem: Option<String>,
    /// The note that a person wrote about the run; empty if there is none.
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
    /// Generations of a search, or epochs of a training, that are done.
    pub done: u32,
    /// The same at the end of the run.
    pub of: u32,
    pub best_loss: Option<Loss>,
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
    /// Replaces the note about a run; an empty note removes it.
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
    /// Asks for the curves of the run in this folder, to lay them over those of the run that is shown.
    Compare {
        folder: PathBuf,
    },
    /// Asks for the curves of every run whose losses may be compared with those of the run that is shown, because it
    /// has the same protocol.
    CompareAll,
    /// Starts to find out how reliable the comparison of pairs is in the search that is shown.
    Probe,
    /// Starts to find out how good the best weights of the training that is shown are on the test images.
    Evaluate,
    /// Stores a theme, with which later screens begin.
    RememberTheme {
        theme: Theme,
    },
    /// Ends the work that goes on in the background.
    EndWork,
}

/// What is exported from the run that is shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Exported {
    Individual(IndividualId),
    /// The best so far, or the winner: the vector as it was when this loss was estimated. Its individual may
    /// have moved since.
    Best {
        individual: IndividualId,
        /// The generation of its estimate; `None` for the final ranking.
        generation: Option<u32>,
        loss: Loss,
        position: Vec<f64>,
    },
    /// Several individuals, a file each.
    Several(Vec<IndividualId>),
    /// The network of a training.
    Network,
    /// Every individual, a file each.
    All,
}

/// The format of an exported file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// The genotype as Python text, as programs of the DARTS family read it.
    Darts,
    Json,
    Toml,
    Dot,
    Svg,
    Pytorch,
    /// The curves of the run.
    Csv,
}

/// The run that was shown when the screen was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detached {
    pub folder: PathBuf,
    pub afterwards: RunAfterwards,
}

/// The state in which a run is when the screen is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunAfterwards {
    /// It is not known yet whether an engine works on the run.
    Unknown,
    /// An engine works on the run and goes on.
    Engine,
    /// No engine lives, and the run could be resumed.
    Stopped,
    /// The engine died before the run was finished.
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
