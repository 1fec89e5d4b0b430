//! Results that threads compute before they are needed, in order.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    thread,
};

/// The results of `make` for the indices from 0 on, each computed by a thread before it is requested.
/// Dropping it ends the threads once each has finished its current result.
#[derive(Debug)]
pub struct Ahead<T> {
    /// One receiver for each thread; result `i` comes from thread `i` modulo their number.
    threads: Vec<Receiver<T>>,
    next: usize,
    count: usize,
}

impl<T: Send + 'static> Ahead<T> {
    /// Starts the threads. Each is at most `depth` results ahead.
    pub fn new(
        count: usize,
        threads: usize,
        depth: usize,
        make: impl Fn(usize) -> T + Send + Sync + 'static,
    ) -> Self {
        let (threads, make) = (threads.clamp(1, count.max(1)), Arc::new(make));
        let receivers = (0..threads).map(|first| {
            let (sender, receiver) = sync_channel(depth);
            let make = Arc::clone(&make);
            thread::spawn(move || {
                // Sending fails only if the receiver was dropped.
                (first..count).step_by(threads).all(|index| sender.send(make(index)).is_ok())
            });
            receiver
        });
        Self { threads: receivers.collect(), next: 0, count }
    }
}

/// Ends early only if a thread ended before its work was done.
impl<T> Iterator for Ahead<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.next == self.count {
            return None;
        }
        let made = self.threads[self.next % self.threads.len()].recv().ok()?;
        self.next += 1;
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_from_any_number_of_threads() {
        for threads in [1, 2, 7, 100] {
            let made: Vec<_> = Ahead::new(23, threads, 2, |index| index * index).collect();
            assert_eq!(made, (0..23).map(|index| index * index).collect::<Vec<_>>());
        }
        assert_eq!(Ahead::new(0, 3, 1, |index| index).count(), 0);
    }

    #[test]
    fn a_thread_that_ends_early_leaves_something_undone() {
        let mut ahead = Ahead::new(9, 2, 1, |index| {
            assert!(index < 4, "on purpose");
            index
        });
        assert_eq!(ahead.by_ref().count(), 4);
        assert_eq!(ahead.next(), None);
    }
}
