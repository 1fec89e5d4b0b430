//! Several devices on one training or one search: who they are, and what they say to each other.
//!
//! A rank is one engine with one device. Those of a search share its learners. In a training all ranks hold the same weights, each computes its [`Share`] of every
//! batch, and what they computed is added up, always in the order of ranks: what comes out depends on how many
//! there are, and not on how they were started or reach each other. Rank 0 is the engine that clients know;
//! whatever is decided is decided there.
//!
//! [`Alone`] is a single rank. [`Threads`] are the threads of one process, each with a device. With the feature
//! `mpi`, `Mpi` are processes on one machine or many.

mod agreement;
mod crew;
#[cfg(feature = "mpi")]
mod mpi;
mod share;
mod threads;

use std::fmt;

pub use agreement::{Card, Disagreement, agree};
pub use crew::{Ranked, together};
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub use share::Share;
pub use threads::Threads;

/// The ranks of a training, as one of them sees them.
pub trait Ranks: fmt::Debug + Send + Sync {
    /// Which one this is, counted from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn count(&self) -> usize;

    /// Where this one sits among those of its machine.
    fn place(&self) -> Place;

    /// A rank as a person can find it: its number, its machine, its process.
    fn name(&self, rank: usize) -> String;

    /// Puts the sums over all ranks in the place of the values, of which every rank has as many. Each sum is
    /// taken in the order of ranks, so it has the same bits everywhere, however the ranks are connected.
    ///
    /// # Errors
    /// If a rank does not come in time, or is gone.
    fn all_reduce(&self, values: &mut [f32]) -> Result<(), RanksError>;

    /// Puts what `root` has in the place of what the others have. Waits as long as it takes: `root` may be
    /// paused.
    ///
    /// # Errors
    /// If a rank is gone.
    fn broadcast(&self, root: usize, bytes: &mut Vec<u8>) -> Result<(), RanksError>;

    /// Waits until all ranks are here.
    ///
    /// # Errors
    /// If a rank does not come in time, or is gone.
    fn barrier(&self) -> Result<(), RanksError>;
}

/// Where a rank sits on its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counted from 0.
    pub on_host: usize,
    /// Ranks on the machine.
    pub of_host: usize,
    /// Ranks that may use the same cores as this one, itself included.
    pub on_cores: usize,
}

impl Place {
    pub const ALONE: Self = Self { on_host: 0, of_host: 1, on_cores: 1 };
}

/// Why ranks cannot go on together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RanksError {
    #[error(
        "{who} did not come to an exchange within {seconds} s: it hangs, or its machine does. `relativenas resume` \
         goes on from the last checkpoint; device.rank_timeout says how long ranks wait for each other"
    )]
    Silent { who: String, seconds: u64 },
    #[error(
        "{who} has ended, and the others cannot go on without it; `relativenas resume` goes on from the last checkpoint"
    )]
    Gone { who: String },
    #[error(
        "{found} ranks were started and {asked} were asked for; device.launcher has to start {{ranks}} of them, as \
         `mpirun -n {{ranks}}` does"
    )]
    Count { asked: usize, found: usize },
    #[error(
        "{asked} ranks were asked for, and this engine was built without MPI: `make mpi` builds one with it, and with \
         an empty device.launcher ranks are threads of one engine"
    )]
    NoMpi { asked: usize },
    #[error(
        "MPI of this machine cannot be called from more than one thread, which the engine needs; install another (Debian: apt install openmpi-bin libopenmpi-dev)"
    )]
    Threading,
}

/// A single rank, which has nobody to talk to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Ranks for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn count(&self) -> usize {
        1
    }

    fn place(&self) -> Place {
        Place::ALONE
    }

    fn name(&self, _rank: usize) -> String {
        format!("process {}", std::process::id())
    }

    fn all_reduce(&self, _values: &mut [f32]) -> Result<(), RanksError> {
        Ok(())
    }

    fn broadcast(&self, _root: usize, _bytes: &mut Vec<u8>) -> Result<(), RanksError> {
        Ok(())
    }

    fn barrier(&self) -> Result<(), RanksError> {
        Ok(())
    }
}

impl dyn Ranks + '_ {
    /// Whether this is the rank that decides, writes and talks to clients.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// The part of each batch that falls to this rank; nobody gets fewer than `least` images.
    pub fn share(&self, least: usize) -> Share {
        Share { rank: self.rank(), ranks: self.count(), least }
    }

    /// What rank 0 decides. The others do not ask themselves; they wait for it.
    ///
    /// # Errors
    /// If a rank is gone.
    pub fn decide(&self, decision: impl FnOnce() -> bool) -> Result<bool, RanksError> {
        if self.count() == 1 {
            return Ok(decision());
        }
        let mut word = if self.is_first() { vec![u8::from(decision())] } else { Vec::new() };
        self.broadcast(0, &mut word)?;
        Ok(word == [1])
    }

    /// What every rank has, in the order of ranks.
    ///
    /// # Errors
    /// If a rank is gone.
    pub fn gather(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, RanksError> {
        let all = (0..self.count()).map(|root| {
            let mut bytes = if root == self.rank() { mine.to_vec() } else { Vec::new() };
            self.broadcast(root, &mut bytes)?;
            Ok(bytes)
        });
        all.collect()
    }

    /// Sums over all ranks, in the order of ranks, of a few numbers in double precision.
    ///
    /// # Errors
    /// If a rank is gone.
    pub fn sums<const N: usize>(&self, mine: [f64; N]) -> Result<[f64; N], RanksError> {
        if self.count() == 1 {
            return Ok(mine);
        }
        let mut sums = [0.0; N];
        for bytes in self.gather(&mine.map(f64::to_le_bytes).concat())? {
            for (sum, number) in sums.iter_mut().zip(bytes.chunks_exact(8)) {
                *sum += number.try_into().map_or(f64::NAN, f64::from_le_bytes);
            }
        }
        Ok(sums)
    }
}

#[cfg(test)]
mod tests;
