//! The effect of a key that was pressed in an overlay.

use relativenas_core::protocol::Command;

use crate::{actions::Action, messages::Request, views::architecture::Beside};

/// What the app is to do after a key in an overlay. All but `Stay` and `Ask` close the overlay.
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
    /// Lists only the runs that contain these words.
    Filter(String),
    /// Shows a sentence above the footer.
    Say(&'static str),
    Leave,
    /// Stops the engine, and leaves when it has agreed.
    StopAndLeave,
}
