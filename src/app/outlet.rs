//! The channel to the screen. Messages about a run are sent only as long as that run is shown.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    mpsc::{SendError, Sender},
};

use relativenas_ui::messages::Message;

/// Sends messages to the screen.
#[derive(Clone)]
pub struct Outlet {
    sender: Sender<Message>,
    /// The number of runs that were opened so far, which is the number of the present run.
    turn: Arc<Mutex<u64>>,
}

/// A sender of messages about one run. It is closed as soon as another run is opened.
#[derive(Clone)]
pub struct RunOutlet {
    outlet: Outlet,
    number: u64,
}

/// Messages about a run are no longer needed, because another run was opened or the screen is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl Outlet {
    pub fn new(sender: Sender<Message>) -> Self {
        Self { sender, turn: Arc::default() }
    }

    /// Sends a message that belongs to no run. If the screen is gone, the message is dropped.
    pub fn send(&self, message: Message) {
        let _ = self.sender.send(message);
    }

    /// Opens the sender of the next run, and closes that of the run before.
    pub fn next_run(&self) -> RunOutlet {
        let mut turn = self.lock();
        *turn += 1;
        RunOutlet { outlet: self.clone(), number: *turn }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunOutlet {
    /// Sends a message, unless another run was opened meanwhile: the two never mix.
    ///
    /// # Errors
    /// If no more messages are needed.
    pub fn send(&self, message: Message) -> Result<(), Closed> {
        let turn = self.outlet.lock();
        if *turn != self.number {
            return Err(Closed);
        }
        self.outlet.sender.send(message).map_err(|SendError(_)| Closed)
    }

    pub fn is_open(&self) -> bool {
        *self.outlet.lock() == self.number
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_feed_that_was_replaced_is_not_heard() {
        let (sender, receiver) = channel();
        let outlet = Outlet::new(sender);
        let first = outlet.next_run();
        let done = |text: &str| Message::Done(text.to_owned());
        first.send(done("first")).expect("open");
        let second = outlet.next_run();
        assert_eq!(first.send(done("late")), Err(Closed));
        assert!(!first.is_open());
        second.send(done("second")).expect("open");
        drop((outlet, first, second));
        let heard: Vec<_> = receiver.iter().map(|m| format!("{m:?}")).collect();
        assert_eq!(heard, [r#"Done("first")"#, r#"Done("second")"#]);
    }
}
