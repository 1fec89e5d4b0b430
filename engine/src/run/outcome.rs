//! How the work on a run ended.

/// How the work on a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of the work is done.
    Done,
    /// The run was stopped; it can be resumed.
    Stopped,
}
