//! The state of a run: how far it is by its events, and whether an engine works on it or how the last engine ended.

use serde::{Serialize, Serializer};

/// How far a run is, derived from its events alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Empty,
    /// The first generations train the weight set, and no network is validated.
    WarmUp,
    Searching,
    /// The last population is being ranked.
    Ranking,
    /// The best architectures are trained from scratch.
    Finals,
    Training,
    Finished,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "starting",
            Self::WarmUp => "warm-up",
            Self::Searching => "searching",
            Self::Ranking => "ranking",
            Self::Finals => "finals",
            Self::Training => "training",
            Self::Finished => "finished",
        }
    }
}

/// The present state of a run. Its name is the `phase` in `status --json` and `runs --json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// The run is finished, or an engine works on it.
    In(Phase),
    Paused,
    /// An engine lives, and ends after its next checkpoint.
    Stopping,
    /// No engine lives, because it was asked to end.
    Stopped,
    /// No engine lives, and the last one ended without saying so.
    Dead,
    /// The command of a study that worked on the run failed.
    Failed,
    /// The files of the run cannot be read.
    Unreadable,
}

impl RunState {
    pub fn name(self) -> &'static str {
        match self {
            Self::In(phase) => phase.name(),
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Dead => "dead",
            Self::Failed => "failed",
            Self::Unreadable => "unreadable",
        }
    }

    pub fn is_finished(self) -> bool {
        self == Self::In(Phase::Finished)
    }

    /// Whether no engine works on the run although it is not finished.
    pub fn is_left(self) -> bool {
        matches!(self, Self::Stopped | Self::Dead)
    }
}

impl Serialize for RunState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
