//! Several threads on one batch, each with images of its own.
//!
//! They meet where batch norm needs sums over the batch. What they exchange are numbers of single images in
//! the order of the images, so a feature map is the same to the last bit however many threads there are; only
//! the sums of weights' gradients are rounded in another order.

use std::{
    panic::resume_unwind,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use crate::simd::Lanes;

/// Two numbers for each channel of one block, over the pixels of one image: a mean and a sum of squared
/// distances, or two sums.
pub type Sums = (Lanes, Lanes);

/// Runs all tasks at the same time, the first one in this thread, and returns their results in order.
///
/// # Panics
/// If a task panics.
pub fn at_once<T: Send>(tasks: Vec<impl FnOnce() -> T + Send>) -> Vec<T> {
    let mut tasks = tasks.into_iter();
    let Some(first) = tasks.next() else { return Vec::new() };
    thread::scope(|scope| {
        let others: Vec<_> = tasks.map(|task| scope.spawn(task)).collect();
        let mut results = vec![first()];
        results.extend(others.into_iter().map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic))));
        results
    })
}

/// What the threads of a team wait at until all of them have handed in their sums.
#[derive(Debug)]
pub struct Barrier {
    members: usize,
    state: Mutex<BarrierState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct BarrierState {
    /// How often all members have met.
    round: usize,
    /// How many members have handed in their sums in this round.
    arrived: usize,
    /// What each member handed in, in this round and in the one before; no member is further behind.
    brought: [Vec<Vec<Sums>>; 2],
    /// A member panicked, so the others must not wait for it.
    broken: bool,
}

impl Barrier {
    /// A barrier for so many members.
    pub fn new(members: usize) -> Self {
        let brought = [(); 2].map(|()| vec![Vec::new(); members]);
        Self {
            members,
            state: Mutex::new(BarrierState { brought, ..BarrierState::default() }),
            changed: Condvar::new(),
        }
    }

    /// How many members meet here.
    pub fn members(&self) -> usize {
        self.members
    }

    fn state(&self) -> MutexGuard<'_, BarrierState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread of a team, by its number at the barrier.
#[derive(Debug)]
pub struct Member<'a> {
    barrier: &'a Barrier,
    index: usize,
}

impl<'a> Member<'a> {
    /// The member with this number, counted from 0.
    pub fn new(barrier: &'a Barrier, index: usize) -> Self {
        Self { barrier, index }
    }

    /// Whether this member does what must be done once for the whole team.
    pub fn is_first(&self) -> bool {
        self.index == 0
    }

    /// The numbers of all members, in the order of the members. Waits until all have handed theirs in.
    ///
    /// # Panics
    /// If another member panicked.
    pub fn gather(&self, mine: Vec<Sums>) -> Vec<Sums> {
        if self.barrier.members == 1 {
            return mine;
        }
        let mut state = self.barrier.state();
        let round = state.round;
        state.brought[round % 2][self.index] = mine;
        state.arrived += 1;
        if state.arrived == self.barrier.members {
            (state.arrived, state.round) = (0, round + 1);
            self.barrier.changed.notify_all();
        }
        while state.round == round && !state.broken {
            state = self.barrier.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        assert!(!state.broken, "another thread of this learner panicked");
        state.brought[round % 2].concat()
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.barrier.state().broken = true;
            self.barrier.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::LANES;

    #[test]
    fn every_member_gets_all_sums_in_order_in_every_round() {
        let barrier = Barrier::new(3);
        let sums = |member: usize, round: usize| {
            vec![(Lanes([member as f32; LANES]), Lanes([round as f32; LANES])); member + 1]
        };
        thread::scope(|scope| {
            for index in 0..3 {
                let (barrier, sums) = (&barrier, &sums);
                scope.spawn(move || {
                    let member = Member::new(barrier, index);
                    for round in 0..200 {
                        let expected = [sums(0, round), sums(1, round), sums(2, round)].concat();
                        assert_eq!(member.gather(sums(index, round)), expected);
                    }
                });
            }
        });
    }

    #[test]
    fn a_member_that_panics_takes_the_others_along() {
        let barrier = Barrier::new(2);
        let outcomes = thread::scope(|scope| {
            let waiting = scope.spawn(|| Member::new(&barrier, 0).gather(Vec::new()));
            let failing = scope.spawn(|| {
                let _member = Member::new(&barrier, 1);
                resume_unwind(Box::new("failed"));
            });
            (waiting.join().is_err(), failing.join().is_err())
        });
        assert_eq!(outcomes, (true, true));
    }
}
