//! Ranks that are threads of one process: several devices without MPI, and the reference for tests of MPI.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Place, Ranks, RanksError};

/// A rank that is a thread.
#[derive(Debug)]
pub struct Threads {
    rank: usize,
    exchange: Arc<Exchange>,
}

/// The exchange through which the threads pass what they contribute.
#[derive(Debug)]
struct Exchange {
    count: usize,
    timeout: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The number of exchanges that are finished.
    round: u64,
    /// What ranks have contributed to the current exchange.
    contributions: Vec<Option<Contribution>>,
    /// What ranks contributed to the last exchange.
    shown: Arc<Vec<Contribution>>,
    /// A rank that has ended.
    gone: Option<usize>,
}

/// What a rank contributes to an exchange.
#[derive(Clone, Debug)]
enum Contribution {
    Numbers(Vec<f32>),
    Bytes(Vec<u8>),
    Nothing,
}

impl Threads {
    /// Makes `count` connected ranks, which wait for each other no longer than `timeout`.
    pub fn crew(count: usize, timeout: Duration) -> Vec<Self> {
        let state = State { contributions: vec![None; count], ..State::default() };
        let exchange =
            Arc::new(Exchange { count, timeout, state: Mutex::new(state), changed: Condvar::new() });
        (0..count).map(|rank| Self { rank, exchange: Arc::clone(&exchange) }).collect()
    }

    /// Passes to every rank what every rank contributed.
    fn show_all(
        &self,
        mine: Contribution,
        timeout: Option<Duration>,
    ) -> Result<Arc<Vec<Contribution>>, RanksError> {
        let (exchange, began) = (&*self.exchange, Instant::now());
        let mut state = exchange.lock();
        let round = state.round;
        state.contributions[self.rank] = Some(mine);
        if state.contributions.iter().all(Option::is_some) {
            state.shown = Arc::new(state.contributions.iter_mut().filter_map(Option::take).collect());
            state.round += 1;
            exchange.changed.notify_all();
        }
        while state.round == round {
            if let Some(gone) = state.gone {
                return Err(RanksError::Gone { who: self.name(gone) });
            }
            let Some(timeout) = timeout else {
                state = exchange.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let Some(left) = timeout.checked_sub(began.elapsed()) else {
                let missing = (0..exchange.count).filter(|&rank| state.contributions[rank].is_none());
                let who = missing.map(|rank| self.name(rank)).collect::<Vec<_>>().join(", ");
                return Err(RanksError::Silent { who, seconds: timeout.as_secs() });
            };
            state = exchange.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(Arc::clone(&state.shown))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.exchange.lock().gone = Some(self.rank);
        self.exchange.changed.notify_all();
    }
}

impl Exchange {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ranks for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.exchange.count
    }

    fn place(&self) -> Place {
        let count = self.exchange.count;
        Place { on_host: self.rank, of_host: count, on_cores: count }
    }

    fn name(&self, rank: usize) -> String {
        format!("rank {rank} (a thread of process {})", std::process::id())
    }

    fn all_reduce(&self, values: &mut [f32]) -> Result<(), RanksError> {
        let all = self.show_all(Contribution::Numbers(values.to_vec()), Some(self.exchange.timeout))?;
        for (rank, contribution) in all.iter().enumerate() {
            let Contribution::Numbers(theirs) = contribution else { continue };
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
        let all = self.show_all(mine, None)?;
        if let Some(Contribution::Bytes(theirs)) = all.get(root) {
            bytes.clone_from(theirs);
        }
        Ok(())
    }

    fn barrier(&self) -> Result<(), RanksError> {
        self.show_all(Contribution::Nothing, Some(self.exchange.timeout)).map(drop)
    }
}
