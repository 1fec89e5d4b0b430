//! Ranks that are threads of one process: several devices without MPI, and the reference that MPI is held against.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Place, Ranks, RanksError};

/// A rank in a thread.
#[derive(Debug)]
pub struct Threads {
    rank: usize,
    barrier: Arc<Barrier>,
}

/// Where the threads meet.
#[derive(Debug)]
struct Barrier {
    count: usize,
    timeout: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Meetings that are over.
    round: u64,
    /// What ranks contributions to the one that goes on.
    contributions: Vec<Option<Contribution>>,
    /// What they contributions to the last one.
    shown: Arc<Vec<Contribution>>,
    /// Somebody who will not come any more.
    gone: Option<usize>,
}

/// What a rank brings to a meeting.
#[derive(Clone, Debug)]
enum Contribution {
    Numbers(Vec<f32>),
    Bytes(Vec<u8>),
    Nothing,
}

impl Threads {
    /// So many ranks that know each other. They wait for each other at most so long.
    pub fn crew(count: usize, timeout: Duration) -> Vec<Self> {
        let state = State { contributions: vec![None; count], ..State::default() };
        let barrier = Arc::new(Barrier { count, timeout, state: Mutex::new(state), changed: Condvar::new() });
        (0..count).map(|rank| Self { rank, barrier: Arc::clone(&barrier) }).collect()
    }

    /// Shows everybody what everybody contributions.
    fn meet(
        &self,
        mine: Contribution,
        timeout: Option<Duration>,
    ) -> Result<Arc<Vec<Contribution>>, RanksError> {
        let (barrier, began) = (&*self.barrier, Instant::now());
        let mut state = barrier.lock();
        let round = state.round;
        state.contributions[self.rank] = Some(mine);
        if state.contributions.iter().all(Option::is_some) {
            state.shown = Arc::new(state.contributions.iter_mut().filter_map(Option::take).collect());
            state.round += 1;
            barrier.changed.notify_all();
        }
        while state.round == round {
            if let Some(gone) = state.gone {
                return Err(RanksError::Gone { who: self.name(gone) });
            }
            let Some(timeout) = timeout else {
                state = barrier.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let Some(left) = timeout.checked_sub(began.elapsed()) else {
                let missing = (0..barrier.count).filter(|&rank| state.contributions[rank].is_none());
                let who = missing.map(|rank| self.name(rank)).collect::<Vec<_>>().join(", ");
                return Err(RanksError::Silent { who, seconds: timeout.as_secs() });
            };
            state = barrier.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(Arc::clone(&state.shown))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.barrier.lock().gone = Some(self.rank);
        self.barrier.changed.notify_all();
    }
}

impl Barrier {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ranks for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.barrier.count
    }

    fn place(&self) -> Place {
        let count = self.barrier.count;
        Place { on_host: self.rank, of_host: count, on_cores: count }
    }

    fn name(&self, rank: usize) -> String {
        format!("rank {rank} (a thread of process {})", std::process::id())
    }

    fn all_reduce(&self, values: &mut [f32]) -> Result<(), RanksError> {
        let all = self.meet(Contribution::Numbers(values.to_vec()), Some(self.barrier.timeout))?;
        for (rank, contributions) in all.iter().enumerate() {
            let Contribution::Numbers(theirs) = contributions else { continue };
            if rank == 0 {
                values.copy_from_slice(theirs);
            } else {
                values.iter_mut().zip(theirs).for_each(|(sum, value)| *sum += value);
            }
        }
        Ok(())
    }

    fn broadcast(&self, root: usize, bytes: &mut Vec<u8>) -> Result<(), RanksError> {
        let mine = if root == self.rank {
            Contribution::Bytes(std::mem::take(bytes))
        } else {
            Contribution::Nothing
        };
        let all = self.meet(mine, None)?;
        if let Some(Contribution::Bytes(theirs)) = all.get(root) {
            bytes.clone_from(theirs);
        }
        Ok(())
    }

    fn barrier(&self) -> Result<(), RanksError> {
        self.meet(Contribution::Nothing, Some(self.barrier.timeout)).map(drop)
    }
}
