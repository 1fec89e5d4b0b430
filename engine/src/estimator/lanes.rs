//! Applying a function to items in several threads side by side.

use std::{panic::resume_unwind, thread};

/// Applies `does` to every item in `lanes` threads, and returns the results in the order of the items. With
/// one lane, the calling thread does the work. Item `i` waits for item `i - lanes`.
///
/// # Panics
/// If `does` panics.
pub fn in_lanes<T: Send, U: Send>(items: Vec<T>, lanes: usize, does: impl Fn(T) -> U + Sync) -> Vec<U> {
    if lanes <= 1 {
        return items.into_iter().map(does).collect();
    }
    let count = items.len();
    let mut dealt: Vec<Vec<T>> = (0..lanes).map(|_| Vec::new()).collect();
    items.into_iter().enumerate().for_each(|(place, item)| dealt[place % lanes].push(item));
    let does = &does;
    let mut done: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = dealt
            .into_iter()
            .map(|lane| scope.spawn(move || lane.into_iter().map(does).collect::<Vec<U>>()))
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Vec<U>>| {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic)).into_iter()
        };
        threads.into_iter().map(join).collect()
    });
    (0..count).filter_map(|place| done[place % lanes].next()).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Barrier};

    use super::*;

    #[test]
    fn items_come_out_in_their_order_from_as_many_threads() {
        let here = thread::current().id();
        for (items, lanes) in [(0, 2), (1, 1), (4, 1), (4, 2), (5, 3), (6, 6)] {
            let found = in_lanes((0..items).collect(), lanes, |item| (item, thread::current().id()));
            assert_eq!(
                found.iter().map(|(item, _)| *item).collect::<Vec<_>>(),
                (0..items).collect::<Vec<_>>()
            );
            let threads: BTreeSet<_> = found.iter().map(|(_, thread)| format!("{thread:?}")).collect();
            assert_eq!(threads.len(), lanes.min(items));
            assert_eq!(found.iter().all(|(_, thread)| *thread == here), lanes == 1 || items == 0);
        }
    }

    #[test]
    fn lanes_work_at_the_same_time() {
        // A single thread would wait forever.
        let both = Barrier::new(2);
        assert_eq!(in_lanes(vec![1, 2], 2, |item| (both.wait(), item).1), [1, 2]);
    }
}
