//! The protocol between the command (the client) and the engine: one JSON object a line.
//!
//! A client sends [`Request`]s. The engine answers with one [`Reply::Hello`], then log lines
//! verbatim (see [`crate::event::Line`]), progress, and an answer to every command.

use serde::{Deserialize, Serialize};

use crate::{event::Line, loss::Loss, population::IndividualId};

/// The version of the protocol. A client of another version may watch an engine, but not steer it.
pub const PROTOCOL: u32 = 1;

/// The longest line that a client may send, in bytes.
pub const REQUEST_LIMIT: usize = 1 << 20;
/// No line of an engine or of a log is longer, in bytes: a generation of the largest population moves
/// within half of it.
pub const LINE_LIMIT: usize = 1 << 25;

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Request {
    /// Send the log from this event on, then what follows.
    Follow { from: u64 },
    /// Sends a command. Its answer has the same id.
    Steer { id: u64, command: Command },
}

/// A command to the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Takes effect within a batch.
    Pause,
    Continue,
    /// Goes on for this many pairs, generations or epochs, then pauses.
    Step {
        unit: StepUnit,
        count: u32,
    },
    /// Ends the engine after a checkpoint; the run can be resumed.
    Stop,
    /// Pauses when this generation begins; `None` clears it.
    PauseAt {
        generation: Option<u32>,
    },
    /// Pauses after a loss that is not a number.
    PauseOnNan {
        on: bool,
    },
    /// Puts an architecture vector in an individual's place, between pairs.
    Inject {
        individual: IndividualId,
        position: Vec<f64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepUnit {
    Pair,
    Generation,
    /// An epoch of a training; the other units are those of a search.
    Epoch,
}

/// A line that an engine sends, apart from lines of the log.
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
    /// Version and commit of the engine.
    pub build: String,
    pub pid: u32,
    /// The device, such as `cpu · 2 threads` or `cuda:0 NVIDIA H100`.
    pub device: String,
    /// Events in the log when the client connected.
    pub events: u64,
    /// The name of the run that it works on.
    #[serde(default)]
    pub run: String,
    /// The token in the run's `engine.json`. Process id, host and socket path do not identify an engine where
    /// containers share folders.
    #[serde(default)]
    pub token: String,
}

/// What the engine is doing. It is never logged, and each one replaces the one before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub mode: Mode,
    pub activity: Activity,
    pub generation: u32,
    pub pair: usize,
    /// Individuals in training, as many as are estimated together.
    pub members: Vec<MemberProgress>,
    pub images_per_second: f64,
    /// Seconds until the run ends, if it can be told.
    pub seconds_left: Option<f64>,
    /// What a person should know, such as a full disk.
    pub notice: Option<String>,
    /// The generation at whose beginning the engine will pause.
    #[serde(default)]
    pub pause_at: Option<u32>,
    #[serde(default)]
    pub pause_on_nan: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Running,
    /// A pause was asked for and is not reached yet.
    Pausing,
    Paused,
    /// The engine runs until a step is done.
    Stepping,
    Stopping,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    #[default]
    Starting,
    Training,
    Validating,
    Ranking,
    /// Between pairs, or done.
    Idle,
    Finished,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberProgress {
    pub individual: IndividualId,
    pub validating: bool,
    pub batch: usize,
    pub batches: usize,
    /// The loss of this stage so far; `None` until it was read from the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
}

/// The engine's answer to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub id: u64,
    /// Why it was refused; `None` if it was accepted.
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
