//! What an overlay wants after a key.

use relativenas_core::protocol::Command;

use crate::{actions::Action, messages::Request, views::architecture::Beside};

/// What an overlay wants after a key. All but `Stay` and `Ask` close it.
#[derive(Clone, Debug)]
pub enum Reaction {
    Stay,
    Close,
    /// The key is none of the overlay's: it closes, and the key does what it does without it.
    Pass,
    Act(Action),
    Request(Request),
    /// Asks for something that only the other side can find wrong: the overlay stays until then.
    Ask(Request),
    Steer(Command),
    Compare(Box<Beside>),
    Find(String),
    /// A sentence above the footer.
    Say(&'static str),
    Leave,
    /// Stops the engine, and leaves when it has agreed.
    StopAndLeave,
}
