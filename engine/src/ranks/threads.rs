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
    hub: Arc<Hub>,
}

/// Where the threads meet.
#[derive(Debug)]
struct Hub {
    count: usize,
    timeout: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Meetings that are over.
    round: u64,
    /// What ranks brought to the one that goes on.
    brought: Vec<Option<Brought>>,
    /// What they brought to the last one.
    shown: Arc<Vec<Brought>>,
    /// Somebody who will not come any more.
    gone: Option<usize>,
}

/// What a rank brings to a meeting.
#[derive(Clone, Debug)]
enum Brought {
    Numbers(Vec<f32>),
    Bytes(Vec<u8>),
    Nothing,
}

impl Threads {
    /// So many ranks that know each other. They wait for each other at most so long.
    pub fn crew(count: usize, timeout: Duration) -> Vec<Self> {
        let state = State { brought: vec![None; count], ..State::default() };
        let hub = Arc::new(Hub { count, timeout, state: Mutex::new(state), changed: Condvar::new() });
        (0..count).map(|rank| Self { rank, hub: Arc::clone(&hub) }).collect()
    }

    /// Shows everybody what everybody brought.
    fn meet(&self, mine: Brought, timeout: Option<Duration>) -> Result<Arc<Vec<Brought>>, RanksError> {
        let (hub, began) = (&*self.hub, Instant::now());
        let mut state = hub.lock();
        let round = state.round;
        state.brought[self.rank] = Some(mine);
        if state.brought.iter().all(Option::is_some) {
            state.shown = Arc::new(state.brought.iter_mut().filter_map(Option::take).collect());
            state.round += 1;
            hub.changed.notify_all();
        }
        while state.round == round {
            if let Some(gone) = state.gone {
                return Err(RanksError::Gone { who: self.name(gone) });
            }
            let Some(timeout) = timeout else {
                state = hub.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let Some(left) = timeout.checked_sub(began.elapsed()) else {
                let missing = (0..hub.count).filter(|&rank| state.brought[rank].is_none());
                let who = missing.map(|rank| self.name(rank)).collect::<Vec<_>>().join(", ");
                return Err(RanksError::Silent { who, seconds: timeout.as_secs() });
            };
            state = hub.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(Arc::clone(&state.shown))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.hub.lock().gone = Some(self.rank);
        self.hub.changed.notify_all();
    }
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ranks for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.hub.count
    }

    fn place(&self) -> Place {
        let count = self.hub.count;
        Place { on_host: self.rank, of_host: count, on_cores: count }
    }

    fn name(&self, rank: usize) -> String {
        format!("rank {rank} (a thread of process {})", std::process::id())
    }

    fn all_reduce(&self, values: &mut [f32]) -> Result<(), RanksError> {
        let all = self.meet(Brought::Numbers(values.to_vec()), Some(self.hub.timeout))?;
        for (rank, brought) in all.iter().enumerate() {
            let Brought::Numbers(theirs) = brought else { continue };
            if rank == 0 {
                values.copy_from_slice(theirs);
            } else {
                values.iter_mut().zip(theirs).for_each(|(sum, value)| *sum += value);
            }
        }
        Ok(())
    }

    fn broadcast(&self, root: usize, bytes: &mut Vec<u8>) -> Result<(), RanksError> {
        let mine = if root == self.rank { Brought::Bytes(std::mem::take(bytes)) } else { Brought::Nothing };
        let all = self.meet(mine, None)?;
        if let Some(Brought::Bytes(theirs)) = all.get(root) {
            bytes.clone_from(theirs);
        }
        Ok(())
    }

    fn barrier(&self) -> Result<(), RanksError> {
        self.meet(Brought::Nothing, Some(self.hub.timeout)).map(drop)
    }
}
