//! The run that is on the screen: its events, its engine, and what was asked of it.

use std::path::PathBuf;

use relativenas_core::{
    probe::Probe,
    protocol::{Activity, Command, Mode, Progress},
    search::Stage,
    view::{History, Phase, RunView, SearchView, Stop},
};

use crate::messages::{Evaluated, Link, Load, RunAfterwards, RunName};

/// A run, and the screen's connection to its engine.
#[derive(Clone, Debug)]
pub struct Shown {
    pub run: RunName,
    pub folder: PathBuf,
    pub view: RunView,
    /// The events, from which the run at earlier moments is computed.
    pub history: History,
    /// The moment that is shown; `None` is now.
    pub moment: Option<Moment>,
    pub link: Link,
    /// The latest progress that the engine reported; `None` where there is no engine.
    pub progress: Option<Progress>,
    /// The load that the engine puts on its machine, if it is known.
    pub load: Option<Load>,
    /// The change of mode that was asked for, until the engine reports it.
    pub asked: Option<Asked>,
    /// Why the log cannot be followed, if it cannot.
    pub broken: Option<String>,
    /// The result of the newest probe of this search.
    pub probe: Option<Probe>,
    /// The result of the last evaluation of this training's best weights that was started from this screen.
    pub evaluated: Option<Evaluated>,
    /// How far the work is that goes on in the background for this run, in words; `None` if there is none.
    pub working: Option<String>,
}

/// An earlier moment that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub stop: Stop,
    /// Whether a replay is under way from there.
    pub playing: bool,
}

/// A change of the engine's mode that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Pause,
    Continue,
    Step,
    Stop,
}

impl Asked {
    pub fn of(command: &Command) -> Option<Self> {
        match command {
            Command::Pause => Some(Self::Pause),
            Command::Continue => Some(Self::Continue),
            Command::Step { .. } => Some(Self::Step),
            Command::Stop => Some(Self::Stop),
            Command::PauseAt { .. } | Command::PauseOnNan { .. } | Command::Inject { .. } => None,
        }
    }

    /// Whether the engine reports that it is doing, or has done, what was asked for.
    fn is_seen_in(self, mode: Mode) -> bool {
        match self {
            Self::Pause => matches!(mode, Mode::Pausing | Mode::Paused | Mode::Stopping),
            Self::Continue => matches!(mode, Mode::Running),
            Self::Step => matches!(mode, Mode::Stepping | Mode::Paused),
            Self::Stop => matches!(mode, Mode::Stopping),
        }
    }
}

/// What the run is doing: by the report of its engine if there is one, else by its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    Connecting,
    Starting,
    Training,
    Validating,
    /// Losses are read from a table instead of training a network.
    LookingUp,
    Ranking,
    /// The best weights of a training are evaluated on the test set.
    Testing,
    /// A pause was asked for on this screen, and the engine has not reported it yet.
    PauseRequested,
    Pausing,
    Paused,
    Stepping,
    ContinueRequested,
    StopRequested,
    Stopping,
    Finished,
    /// No engine lives, and the run could be resumed.
    Stopped,
    Dead,
    /// The screen shows an earlier moment.
    Past,
    /// The screen shows an earlier moment, and the run is replayed from there.
    Replayed,
}

impl RunStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Starting => "starting",
            Self::Training => "training",
            Self::Validating => "validating",
            Self::LookingUp => "looking up",
            Self::Ranking => "ranking",
            Self::Testing => "testing",
            Self::PauseRequested => "pause asked",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::Stepping => "stepping",
            Self::ContinueRequested => "going on",
            Self::StopRequested => "stop asked",
            Self::Stopping => "stopping",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Dead => "engine died",
            Self::Past => "the past",
            Self::Replayed => "replay",
        }
    }
}

impl Shown {
    pub fn new(run: RunName, folder: PathBuf, kept_log_lines: usize) -> Self {
        Self {
            run,
            folder,
            view: RunView::new(kept_log_lines),
            history: History::default(),
            moment: None,
            link: Link::Connecting,
            progress: None,
            load: None,
            asked: None,
            broken: None,
            probe: None,
            evaluated: None,
            working: None,
        }
    }

    pub fn search(&self) -> Option<&SearchView> {
        self.view.search.as_ref()
    }

    /// Whether a full network is trained, instead of a search.
    pub fn is_training(&self) -> bool {
        self.view.training.is_some()
    }

    pub fn is_live(&self) -> bool {
        matches!(self.link, Link::Live(_))
    }

    pub fn take_progress(&mut self, progress: Progress) {
        if self.asked.is_some_and(|asked| asked.is_seen_in(progress.mode)) {
            self.asked = None;
        }
        self.progress = Some(progress);
    }

    pub fn take_link(&mut self, link: Link) {
        if !matches!(link, Link::Live(_) | Link::WatchOnly { .. }) {
            self.progress = None;
            self.load = None;
            self.asked = None;
        }
        self.link = link;
    }

    /// The state in which the run is when the screen is left.
    pub fn afterwards(&self) -> RunAfterwards {
        match self.status() {
            RunStatus::Connecting => RunAfterwards::Unknown,
            RunStatus::Finished => RunAfterwards::Finished,
            RunStatus::Stopped => RunAfterwards::Stopped,
            RunStatus::Dead => RunAfterwards::Dead,
            _ => RunAfterwards::Engine,
        }
    }

    fn reads_a_table(&self) -> bool {
        self.search().is_some_and(|search| search.network.is_none())
    }

    /// Whether `space` continues the run instead of pausing it.
    pub fn is_held(&self) -> bool {
        matches!(self.status(), RunStatus::Paused | RunStatus::Pausing | RunStatus::PauseRequested)
    }

    /// Whether its engine was asked to end.
    pub fn is_stopping(&self) -> bool {
        matches!(self.status(), RunStatus::StopRequested | RunStatus::Stopping)
    }

    pub fn status(&self) -> RunStatus {
        if let Some(moment) = self.moment {
            return if moment.playing { RunStatus::Replayed } else { RunStatus::Past };
        }
        let finished = self.view.phase() == Phase::Finished;
        match self.link {
            Link::Connecting => return RunStatus::Connecting,
            Link::Dead { .. } => return if finished { RunStatus::Finished } else { RunStatus::Dead },
            Link::NoEngine => return if finished { RunStatus::Finished } else { RunStatus::Stopped },
            Link::Live(_) | Link::WatchOnly { .. } => {}
        }
        let Some(progress) = &self.progress else {
            return if finished { RunStatus::Finished } else { RunStatus::Starting };
        };
        match (self.asked, progress.mode) {
            (_, Mode::Stopping) => RunStatus::Stopping,
            (Some(Asked::Stop), _) => RunStatus::StopRequested,
            (Some(Asked::Pause), _) => RunStatus::PauseRequested,
            (Some(Asked::Continue | Asked::Step), _) => RunStatus::ContinueRequested,
            (None, _) if progress.activity == Activity::Finished || finished => RunStatus::Finished,
            (None, Mode::Pausing) => RunStatus::Pausing,
            (None, Mode::Paused) => RunStatus::Paused,
            (None, Mode::Stepping) => RunStatus::Stepping,
            (None, Mode::Running) => match progress.activity {
                Activity::Starting => RunStatus::Starting,
                Activity::Estimating { stage: Stage::Ranking, .. } => RunStatus::Ranking,
                Activity::Estimating { .. } if self.reads_a_table() => RunStatus::LookingUp,
                Activity::Testing { .. } => RunStatus::Testing,
                Activity::Finished => RunStatus::Finished,
                _ if progress.activity.is_validating() => RunStatus::Validating,
                Activity::Estimating { .. } | Activity::Finals { .. } | Activity::Training { .. } => {
                    RunStatus::Training
                }
            },
        }
    }
}
