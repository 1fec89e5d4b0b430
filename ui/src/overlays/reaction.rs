//! The effect of a key that was pressed in an overlay.

use relativenas_core::protocol::Command;

use crate::{actions::Action, messages::Request, views::architecture::Beside};

/// What an overlay wants after a key. All but `Stay` and `Ask` close it.
#[derive(Clone, Debug)]
pub enum Reaction {
    Stay,
    Close,
    /// The overlay does not use the key: it is closed, and the key has the effect it has without an overlay.
    Pass,
    Act(Action),
    Request(Request),
    /// Sends a request that may fail. The overlay stays open until the outcome is known.
    Ask(Request),
    Steer(Command),
    Compare(Box<Beside>),
    Find(String),
    /// Lists the runs alone that have these words.
    Filter(String),
    /// A sentence above the footer.
    Say(&'static str),
    Leave,
    /// Stops the engine, and leaves when it has agreed.
    StopAndLeave,
}
