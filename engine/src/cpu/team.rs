//! Several threads on one batch, each with images of its own.
//!
//! They meet where batch norm wants sums over the batch. What they exchange are numbers of single
//! images in the order of the images, so a feature map is the same to the last bit however many
//! threads there are; only the sums of weights' gradients are rounded in another order.

use std::{
    ops::Range,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use super::simd::Lanes;

/// Two sums of one block of one image.
pub type Sums = (Lanes, Lanes);

/// The images of each of at most `members` threads; nobody has none.
pub fn shares(images: usize, members: usize) -> Vec<Range<usize>> {
    let members = members.clamp(1, images.max(1));
    let start = |member: usize| member * images / members;
    (0..members).map(|member| start(member)..start(member + 1)).collect()
}

/// Where the members of a team meet.
#[derive(Debug)]
pub struct Meeting {
    members: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    round: usize,
    arrived: usize,
    /// What each member brought, in this round and the one before: nobody is further behind.
    brought: [Vec<Vec<Sums>>; 2],
    /// A member panicked, so nobody needs to wait for it.
    broken: bool,
}

impl Meeting {
    pub fn new(members: usize) -> Self {
        let brought = [(); 2].map(|()| vec![Vec::new(); members]);
        Self { members, state: Mutex::new(State { brought, ..State::default() }), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread's seat in a meeting.
#[derive(Debug)]
pub struct Seat<'a> {
    meeting: &'a Meeting,
    member: usize,
}

impl<'a> Seat<'a> {
    pub fn new(meeting: &'a Meeting, member: usize) -> Self {
        Self { meeting, member }
    }

    /// Whether this member does what must be done once.
    pub fn is_first(&self) -> bool {
        self.member == 0
    }

    /// Everybody's sums, one member's after the other's. Waits for those who are not there yet.
    ///
    /// # Panics
    /// If another member did.
    pub fn gather(&self, mine: Vec<Sums>) -> Vec<Sums> {
        if self.meeting.members == 1 {
            return mine;
        }
        let mut state = self.meeting.state();
        let round = state.round;
        state.brought[round % 2][self.member] = mine;
        state.arrived += 1;
        if state.arrived == self.meeting.members {
            (state.arrived, state.round) = (0, round + 1);
            self.meeting.changed.notify_all();
        }
        while state.round == round && !state.broken {
            state = self.meeting.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        assert!(!state.broken, "another thread of this learner panicked");
        state.brought[round % 2].concat()
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.meeting.state().broken = true;
            self.meeting.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{panic, thread};

    use super::*;
    use crate::cpu::simd::LANES;

    #[test]
    fn shares_follow_each_other_and_nobody_is_idle() {
        assert_eq!(shares(7, 3), [0..2, 2..4, 4..7]);
        assert_eq!(shares(2, 8), [0..1, 1..2]);
        assert_eq!(shares(6, 2), [0..3, 3..6]);
    }

    #[test]
    fn everybody_sees_everybody_s_sums_in_order_in_every_round() {
        let meeting = Meeting::new(3);
        let sums = |member: usize, round: usize| {
            vec![(Lanes([member as f32; LANES]), Lanes([round as f32; LANES])); member + 1]
        };
        thread::scope(|scope| {
            for member in 0..3 {
                let (meeting, sums) = (&meeting, &sums);
                scope.spawn(move || {
                    let seat = Seat::new(meeting, member);
                    for round in 0..200 {
                        let expected = [sums(0, round), sums(1, round), sums(2, round)].concat();
                        assert_eq!(seat.gather(sums(member, round)), expected);
                    }
                });
            }
        });
    }

    #[test]
    fn a_member_that_panics_takes_the_others_along() {
        let meeting = Meeting::new(2);
        let outcomes = thread::scope(|scope| {
            let waiting = scope.spawn(|| Seat::new(&meeting, 0).gather(Vec::new()));
            let failing = scope.spawn(|| {
                let _seat = Seat::new(&meeting, 1);
                panic::resume_unwind(Box::new("failed"));
            });
            (waiting.join().is_err(), failing.join().is_err())
        });
        assert_eq!(outcomes, (true, true));
    }
}
