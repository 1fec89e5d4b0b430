//! How the work on a run came to its end.

/// How work came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Somebody ended it; it can be resumed.
    Stopped,
}
