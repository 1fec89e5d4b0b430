//! The list of runs for the screen. It is made on a thread of its own, because many runs take a while to read.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use relativenas_ui::messages::Message;

use super::outlet::Outlet;

/// Sends lists of runs, none of which is older than a change that the screen was told of before.
#[derive(Clone)]
pub struct Listing {
    outlet: Outlet,
    state: Arc<Mutex<ListingState>>,
}

#[derive(Default)]
struct ListingState {
    /// A list is being made.
    under_way: bool,
    /// How many changes there were.
    changes: u64,
}

impl Listing {
    pub fn new(outlet: Outlet) -> Self {
        Self { outlet, state: Arc::default() }
    }

    /// Records that runs were changed, and tells the screen with this message. A list that is being made may be
    /// from before, so it is made again.
    pub fn change(&self, message: Option<Message>) {
        let mut state = self.lock();
        state.changes += 1;
        // It is sent before the lock is released, so that no list from before can follow it.
        message.into_iter().for_each(|message| self.outlet.send(message));
    }

    /// Sends the list that `make` makes, unless one is being made: that one will be new enough.
    pub fn list(&self, make: impl Fn() -> Message + Send + 'static) {
        if mem::replace(&mut self.lock().under_way, true) {
            return;
        }
        let listing = self.clone();
        thread::spawn(move || {
            loop {
                let before = listing.lock().changes;
                let list = make();
                let mut state = listing.lock();
                if state.changes == before {
                    state.under_way = false;
                    listing.outlet.send(list);
                    return;
                }
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, ListingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::channel,
    };

    use super::*;

    #[test]
    fn a_list_from_before_a_change_is_made_again() {
        let (sender, receiver) = channel();
        let listing = Listing::new(Outlet::new(sender));
        let done = |text: String| Message::Done(text);
        let (changing, made) = (listing.clone(), AtomicU64::new(0));
        listing.list(move || {
            let number = made.fetch_add(1, Ordering::Relaxed) + 1;
            if number == 1 {
                changing.change(Some(done("renamed".to_owned())));
                changing.list(move || done("not made".to_owned()));
            }
            done(format!("list {number}"))
        });
        drop(listing);
        let heard: Vec<_> = receiver.iter().map(|message| format!("{message:?}")).collect();
        assert_eq!(heard, [r#"Done("renamed")"#, r#"Done("list 2")"#]);
    }
}
