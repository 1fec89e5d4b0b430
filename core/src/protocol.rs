//! The protocol between the command (the client) and the engine: one JSON object a line.
//!
//! A client sends [`Request`]s. The engine answers with one [`Reply::Hello`], then log lines
//! verbatim (see [`crate::event::Line`]), progress, and an answer to every command.

use serde::{Deserialize, Serialize};

use crate::{event::Line, loss::Loss, population::IndividualId, search::Stage};

/// The version of the protocol. A client of another version may watch an engine, but not steer it.
pub const PROTOCOL: u32 = 2;

/// The longest line that a client may send, in bytes.
pub const REQUEST_LIMIT: usize = 1 << 20;
/// The greatest length of a line of an engine or of a log, in bytes: the moves of the largest population take
/// less than half of it.
pub const LINE_LIMIT: usize = 1 << 25;

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Request {
    /// Asks for the lines of the log from this event on, and for those that will follow.
    Follow { from: u64 },
    /// Sends a command. The answer has the same id.
    Steer { id: u64, command: Command },
}

/// A command to the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Pauses; this takes effect within a batch.
    Pause,
    Continue,
    /// Continues for this number of pairs, generations or epochs, then pauses.
    Step {
        unit: StepUnit,
        count: u32,
    },
    /// Ends the engine after a checkpoint; the run can be resumed.
    Stop,
    /// Pauses when this generation begins, or this epoch of a training; `None` clears it.
    PauseAt {
        generation: Option<u32>,
    },
    /// Pauses after a loss that is not a number.
    PauseOnNan {
        on: bool,
    },
    /// Replaces an individual by an architecture vector, when the present pair is done.
    Inject {
        individual: IndividualId,
        position: Vec<f64>,
    },
}

/// What the steps of [`Command::Step`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepUnit {
    Pair,
    Generation,
    /// An epoch of a training; the other units are those of a search.
    Epoch,
}

/// A line that an engine sends, except for lines of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Hello(Hello),
    Progress(Progress),
    Answer(Answer),
}

/// Any line that an engine sends.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant)] // Nearly all lines are of the log, so boxing them saves nothing.
pub enum EngineLine {
    Log(Line),
    Reply(Reply),
}

/// The first line of every connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: u32,
    /// The version and fingerprint of the engine; see [`crate::manifest::BUILD`].
    pub build: String,
    pub pid: u32,
    /// The device, such as `cpu · 2 threads` or `cuda:0 NVIDIA H100`.
    pub device: String,
    /// The number of events in the log when the client connected.
    pub events: u64,
    /// The name of the run that the engine works on.
    #[serde(default)]
    pub run: String,
    /// The token in the run's `engine.json`. Process id, host and socket path do not identify an engine where
    /// containers share folders.
    #[serde(default)]
    pub token: String,
}

/// What the engine is doing now. It is never logged, and a new one replaces the one before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub mode: Mode,
    pub activity: Activity,
    pub images_per_second: f64,
    /// Seconds until the run ends, if this can be estimated.
    pub seconds_left: Option<f64>,
    /// A message for the user, such as that the disk is full.
    pub notice: Option<String>,
    /// The generation, or the epoch of a training, at whose beginning the engine will pause.
    #[serde(default)]
    pub pause_at: Option<u32>,
    #[serde(default)]
    pub pause_on_nan: bool,
}

/// Whether the engine works, waits or is about to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Running,
    /// A pause was asked for and has not been reached yet.
    Pausing,
    Paused,
    /// The engine works until the steps of [`Command::Step`] are done.
    Stepping,
    /// The engine ends after its next checkpoint.
    Stopping,
}

/// The work that the engine does, and where in the run that is. Between two pieces of work it stays the one that
/// was done last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "snake_case")]
pub enum Activity {
    /// Libtorch and the data are loaded.
    #[default]
    Starting,
    /// Candidates of a search are estimated.
    Estimating {
        stage: Stage,
        generation: u32,
        /// The number of the pair in its generation, counted from 0; of several pairs, that of the first.
        pair: usize,
        members: Vec<MemberProgress>,
    },
    /// Architectures that a search found are trained from scratch, to see which is the best.
    Finals {
        /// The round, counted from 0.
        round: u32,
        /// The number of trainings of this round that were done before.
        trainings: usize,
        members: Vec<MemberProgress>,
    },
    /// A full network is trained for an epoch, and validated after it.
    Training { epoch: u32, progress: BatchProgress },
    /// The best weights of a training are evaluated on the test set.
    Testing { progress: BatchProgress },
    /// The run is finished.
    Finished,
}

impl Activity {
    /// The individuals that are being estimated or trained now; empty unless the run is a search.
    pub fn members(&self) -> &[MemberProgress] {
        match self {
            Self::Estimating { members, .. } | Self::Finals { members, .. } => members,
            Self::Starting | Self::Training { .. } | Self::Testing { .. } | Self::Finished => &[],
        }
    }

    /// Each network in training, or in evaluation, with its progress: every member, or the only network, which is
    /// no individual.
    pub fn networks(&self) -> impl Iterator<Item = (Option<IndividualId>, &BatchProgress)> {
        let only = match self {
            Self::Training { progress, .. } | Self::Testing { progress } => Some((None, progress)),
            Self::Starting | Self::Estimating { .. } | Self::Finals { .. } | Self::Finished => None,
        };
        self.members().iter().map(|member| (Some(member.individual), &member.progress)).chain(only)
    }

    /// The generation of a search or the epoch of a training that the work belongs to.
    pub fn generation_or_epoch(&self) -> Option<u32> {
        match self {
            Self::Estimating { generation, .. } => Some(*generation),
            Self::Training { epoch, .. } => Some(*epoch),
            Self::Starting | Self::Finals { .. } | Self::Testing { .. } | Self::Finished => None,
        }
    }

    /// Whether all networks at work are being validated or tested.
    pub fn is_validating(&self) -> bool {
        let mut networks = self.networks().peekable();
        networks.peek().is_some() && networks.all(|(_, progress)| progress.validating)
    }
}

/// The progress of an individual that is being estimated or trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberProgress {
    /// In a warm-up, the number of the network among those of its generation.
    pub individual: IndividualId,
    pub progress: BatchProgress,
}

/// How far a network is in its epoch, its validation or its test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BatchProgress {
    pub validating: bool,
    /// The number of batches of this epoch or validation that are done.
    pub batch: usize,
    /// The number of all its batches.
    pub batches: usize,
    /// The mean loss of these batches so far; `None` until it was read from the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
}

/// The engine's answer to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub id: u64,
    /// The reason why the command was refused; `None` if it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Move, population::MOST_INDIVIDUALS, space::Space};

    #[test]
    fn the_largest_population_moves_in_one_line() {
        let longest = vec![-1.2345678901234567e-308; Space::Cells.genes()];
        let moved = Move {
            individual: IndividualId(MOST_INDIVIDUALS - 1),
            position: longest.clone(),
            velocity: longest,
        };
        let length = serde_json::to_vec(&moved).expect("plain data").len();
        assert!(MOST_INDIVIDUALS * (length + 1) < LINE_LIMIT, "{length} bytes each");
    }
}
