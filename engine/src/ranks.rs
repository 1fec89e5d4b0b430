//! Several devices that work on one training or one search, and how they communicate.
//!
//! A rank is one engine with one device. The ranks of a search share its learners. In a training all ranks
//! hold the same weights, each computes its [`Share`] of every batch, and the results are added up, always in
//! the order of ranks: the sums depend on the number of ranks, and not on how they were started or are
//! connected. Rank 0 is the engine that clients are connected to; it makes all decisions.
//!
//! [`Alone`] is a single rank. [`Threads`] are the threads of one process, each with a device. With the
//! feature `mpi`, `Mpi` are processes on one machine or several.

mod agreement;
mod crew;
#[cfg(feature = "mpi")]
mod mpi;
mod share;
mod threads;

use std::fmt;

pub use agreement::{Card, Disagreement, agree};
pub use crew::{RankLayout, together};
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub use share::Share;
pub use threads::Threads;

/// One of the ranks of a training or search, with its connection to the others.
pub trait Ranks: fmt::Debug + Send + Sync {
    /// The number of this rank, counted from 0.
    fn rank(&self) -> usize;

    /// The number of ranks.
    fn count(&self) -> usize;

    /// The place of this rank among the ranks on its machine.
    fn place(&self) -> RankPlace;

    /// A description of a rank by which a person can find it: its number, its machine, its process.
    fn name(&self, rank: usize) -> String;

    /// Replaces the values by their sums over all ranks, each of which passes as many values. Each sum is
    /// taken in the order of ranks, so it has the same bits on every rank, however the ranks are connected.
    ///
    /// # Errors
    /// If a rank does not take part within the timeout, or has ended.
    fn all_reduce(&self, values: &mut [f32]) -> Result<(), RanksError>;

    /// Replaces the bytes of the other ranks by those of rank `root`. There is no timeout, because `root` may
    /// be paused.
    ///
    /// # Errors
    /// If a rank has ended.
    fn broadcast(&self, root: usize, bytes: &mut Vec<u8>) -> Result<(), RanksError>;

    /// Waits until all ranks have called it.
    ///
    /// # Errors
    /// If a rank does not call it within the timeout, or has ended.
    fn barrier(&self) -> Result<(), RanksError>;
}

/// The place of a rank on its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankPlace {
    /// The number of this rank among those on the machine, counted from 0.
    pub on_host: usize,
    /// The number of ranks on the machine.
    pub of_host: usize,
    /// The number of ranks that may use the same cores as this one, itself included.
    pub on_cores: usize,
}

impl RankPlace {
    pub const ALONE: Self = Self { on_host: 0, of_host: 1, on_cores: 1 };
}

/// Why ranks cannot continue together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RanksError {
    #[error(
        "{ranks} did not take part in an exchange within {seconds} s: it hangs, or its machine does. `relativenas resume` \
         continues from the last checkpoint; device.rank_timeout says how long ranks wait for each other"
    )]
    Silent { ranks: String, seconds: u64 },
    #[error(
        "{ranks} has ended, and the others cannot continue without it; `relativenas resume` continues from the last checkpoint"
    )]
    Gone { ranks: String },
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

/// A single rank, which has no other ranks to communicate with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Ranks for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn count(&self) -> usize {
        1
    }

    fn place(&self) -> RankPlace {
        RankPlace::ALONE
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
    /// Whether this is rank 0, which makes the decisions, writes files and serves clients.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// This rank's part of each batch; no rank gets a part of fewer than `least` images.
    pub fn share(&self, least: usize) -> Share {
        Share { rank: self.rank(), ranks: self.count(), least }
    }

    /// The decision of rank 0, which alone calls `decision`. The other ranks wait for it.
    ///
    /// # Errors
    /// If a rank has ended.
    pub fn decide(&self, decision: impl FnOnce() -> bool) -> Result<bool, RanksError> {
        if self.count() == 1 {
            return Ok(decision());
        }
        let mut word = if self.is_first() { vec![u8::from(decision())] } else { Vec::new() };
        self.broadcast(0, &mut word)?;
        Ok(word == [1])
    }

    /// The bytes that every rank passes as `mine`, in the order of ranks.
    ///
    /// # Errors
    /// If a rank has ended.
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
    /// If a rank has ended.
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
