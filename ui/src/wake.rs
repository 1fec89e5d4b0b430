//! Everything that can wake the screen, and the queue in which it waits to be handled.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crossterm::event::Event;

use crate::messages::Message;

/// Something that wakes the screen. The screen sleeps until one of these arrives or a deadline has passed.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // Nearly all of them are messages, so boxing them saves nothing.
pub enum Wake {
    /// A key, pasted text, a mouse event or a new size.
    Terminal(Event),
    /// The terminal has answered the question where its cursor is.
    Answered,
    Message(Message),
    /// The senders of messages are gone, so no more messages will come.
    Disconnected,
    /// The terminal is gone, or cannot be read.
    HungUp,
    /// The program was told to stop for a while, as by `kill -TSTP`.
    Stopped,
    /// The program was continued after it was suspended; other programs may have changed the terminal
    /// meanwhile.
    Continued,
    /// A signal told the program to end, or one of its threads panicked.
    Terminated,
}

/// A queue of wakes that wait to be handled. All but messages and [`Wake::Disconnected`] are taken first.
#[derive(Default)]
pub struct Mailbox {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    urgent: VecDeque<Wake>,
    messages: VecDeque<Wake>,
}

impl Mailbox {
    /// Adds a wake, and wakes the thread that waits in [`Mailbox::take`].
    pub fn put(&self, wake: Wake) {
        let mut waiting = self.lock();
        match wake {
            Wake::Message(_) | Wake::Disconnected => waiting.messages.push_back(wake),
            _ => waiting.urgent.push_back(wake),
        }
        self.arrived.notify_one();
    }

    /// Waits until something has arrived, or until `deadline`, and takes all of it: messages last.
    pub fn take(&self, deadline: Option<Instant>) -> Vec<Wake> {
        let mut waiting = self.lock();
        while waiting.urgent.is_empty() && waiting.messages.is_empty() {
            let Some(deadline) = deadline else {
                waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                break;
            }
            let waited = self.arrived.wait_timeout(waiting, left);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let Waiting { urgent, messages } = &mut *waiting;
        urgent.drain(..).chain(messages.drain(..)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_comes_before_messages() {
        let mailbox = Mailbox::default();
        mailbox.put(Wake::Message(Message::Done("exported".to_owned())));
        mailbox.put(Wake::Terminal(Event::Resize(80, 24)));
        let taken = mailbox.take(Some(Instant::now()));
        assert!(matches!(taken[..], [Wake::Terminal(_), Wake::Message(_)]), "{taken:?}");
        assert!(mailbox.take(Some(Instant::now())).is_empty());
    }
}
