//! Ranks that are processes, on one machine or many, over MPI.
//!
//! Everything is started without blocking and then asked after, so that whoever waits sees when it takes too long.
//! An all-reduce is an all-to-all of pieces, a sum in the order of ranks, and an all-gather: as many bytes travel as
//! in a ring, and the sums are the same under every implementation of MPI.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write as _},
    os::raw::c_int,
    ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use mpi::{
    Threading,
    environment::Universe,
    ffi::{self, MPI_Request},
};
use relativenas_run::host::this_host;
use serde::{Deserialize, Serialize};

use super::{Disagreement, Place, Ranks, RanksError};
use crate::failure;

/// Of messages that say "I am waiting".
const WAITING: c_int = 1;

/// A message has at most so many bytes, because MPI counts in `int`.
const LONGEST: usize = 1 << 30;

/// Whoever has waited so long lets others have its core.
const BRISK: Duration = Duration::from_millis(20);
/// Between two looks then.
const NAP: Duration = Duration::from_micros(500);
/// Between two looks of somebody who has waited for seconds: the run is paused, or somebody hangs.
const SLEEP: Duration = Duration::from_millis(20);

/// The ranks that MPI started, as one of them sees them.
#[derive(Debug)]
pub struct Mpi {
    rank: usize,
    ranks: Vec<Process>,
    timeout: Duration,
    /// MPI is called by one thread at a time.
    turn: Mutex<()>,
}

/// A process among the ranks.
#[derive(Debug, Serialize, Deserialize)]
struct Process {
    host: String,
    pid: u32,
    /// The cores that it may use, as the kernel lists them.
    cores: String,
}

impl Mpi {
    /// Does something as one of `count` ranks, which wait for each other at most so long. If it fails in one of them,
    /// that one says why and ends all; what they found together, the first one alone says.
    ///
    /// # Errors
    /// What failed, in the first rank; the others do not return then.
    pub fn with(
        count: usize,
        timeout: Duration,
        does: impl FnOnce(&Arc<dyn Ranks>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (joined, universe) = Self::join(count, timeout)?;
        if joined.rank != 0 {
            ignore_signals();
        }
        let ranks: Arc<dyn Ranks> = Arc::new(joined);
        let outcome = does(&ranks);
        match &outcome {
            Err(error) if error.is::<Disagreement>() => {
                drop(universe);
                if !ranks.is_first() {
                    std::process::exit(1);
                }
            }
            Err(error) => {
                let text = format!("{}: {}", ranks.name(ranks.rank()), failure::explain(error));
                // Whether it can be read changes nothing.
                let _ = writeln!(io::stderr(), "relativenas-engine: {text}");
                abort();
            }
            Ok(()) => drop(universe),
        }
        outcome
    }

    /// Becomes one of the ranks. MPI ends when the universe is dropped, in this thread.
    fn join(count: usize, timeout: Duration) -> Result<(Self, Option<Universe>), RanksError> {
        // Serialized: the thread that works calls it, and this one ends it.
        let universe = mpi::initialize_with_threading(Threading::Serialized);
        let (universe, threading) =
            universe.map_or((None, mpi::environment::threading_support()), |(u, t)| (Some(u), t));
        if threading < Threading::Serialized {
            return Err(RanksError::Threading);
        }
        let (mut rank, mut found) = (0, 0);
        // SAFETY: MPI is initialised, and both are valid places for an `int`.
        unsafe {
            ffi::MPI_Comm_rank(ffi::RSMPI_COMM_WORLD, &mut rank);
            ffi::MPI_Comm_size(ffi::RSMPI_COMM_WORLD, &mut found);
        }
        let (rank, found) = (usize::try_from(rank).unwrap_or(0), usize::try_from(found).unwrap_or(0));
        let unknown = || Process { host: String::new(), pid: 0, cores: String::new() };
        let ranks = (0..found).map(|_| unknown()).collect();
        let mut joined = Self { rank, ranks, timeout, turn: Mutex::new(()) };
        if found != count {
            let error = RanksError::Count { asked: count, found };
            drop(universe);
            if rank != 0 {
                std::process::exit(1); // The first one says it.
            }
            return Err(error);
        }
        let mine = Process { host: this_host(), pid: std::process::id(), cores: cores() };
        let all = (&joined as &dyn Ranks).gather(&serde_json::to_vec(&mine).unwrap_or_default())?;
        for (process, bytes) in joined.ranks.iter_mut().zip(all) {
            *process = serde_json::from_slice(&bytes).unwrap_or_else(|_| unknown());
        }
        Ok((joined, universe))
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a request is done.
    ///
    /// Those who wait long tell rank 0 again and again, so that when it has waited too long it knows who does not
    /// wait. If rank 0 is the one who hangs, the others find out a little later.
    ///
    /// # Errors
    /// If it takes too long.
    fn wait(&self, request: &mut MPI_Request, timeout: Option<Duration>) -> Result<(), RanksError> {
        let began = Instant::now();
        let word = self.timeout / 4;
        let (mut told, mut asked) = (Duration::ZERO, false);
        loop {
            let mut done = 0;
            // SAFETY: the request is valid, and MPI sets it to null when it is done.
            unsafe { ffi::MPI_Test(request, &mut done, ffi::RSMPI_STATUS_IGNORE) };
            if done != 0 {
                return Ok(());
            }
            let waited = began.elapsed();
            if self.rank != 0 && waited >= told + word {
                told = waited;
                self.say_that_i_wait();
            }
            if self.rank == 0 && waited >= word && !asked {
                asked = true;
                self.who_waits(); // What was said before is old.
            }
            if let Some(timeout) = timeout {
                let patience = if self.rank == 0 { timeout } else { timeout + timeout / 2 };
                if waited >= patience {
                    return Err(self.silent(timeout));
                }
            }
            match waited {
                _ if waited < BRISK => thread::yield_now(),
                _ if waited < 100 * BRISK => thread::sleep(NAP),
                _ => thread::sleep(SLEEP),
            }
        }
    }

    /// Waits until a request is done, with the memory that it reads and writes. If it takes too long, the request goes
    /// on, so the memory stays for ever; the process ends soon after.
    fn finish<M>(
        &self,
        mut request: MPI_Request,
        timeout: Option<Duration>,
        memory: M,
    ) -> Result<M, RanksError> {
        match self.wait(&mut request, timeout) {
            Ok(()) => Ok(memory),
            Err(error) => {
                std::mem::forget(memory);
                Err(error)
            }
        }
    }

    /// What `root` has, of as many bytes as all have.
    ///
    /// Whoever receives waits as long as it takes, because the first rank may be paused before it sends. Whoever
    /// sends much waits for the others to take it, and does that for no longer than any exchange may last.
    ///
    /// # Errors
    /// If the others do not take it in time.
    fn sent_by(&self, root: usize, mut bytes: Vec<u8>) -> Result<Vec<u8>, RanksError> {
        let mut request = no_request();
        // SAFETY: `finish` has the bytes until the request is done.
        unsafe {
            let (start, length, root) = (bytes.as_mut_ptr().cast(), counted(bytes.len()), counted(root));
            ffi::MPI_Ibcast(start, length, ffi::RSMPI_UINT8_T, root, ffi::RSMPI_COMM_WORLD, &mut request);
        }
        let timeout = (self.rank == root).then_some(self.timeout);
        self.finish(request, timeout, bytes)
    }

    fn silent(&self, timeout: Duration) -> RanksError {
        let missing: Vec<_> = if self.rank == 0 {
            let waiting = self.who_waits();
            (1..self.count()).filter(|rank| !waiting.contains(rank)).collect()
        } else {
            vec![0]
        };
        let names = missing.iter().map(|&rank| self.name(rank)).collect::<Vec<_>>();
        let who = if names.is_empty() { "a rank (all are waiting)".to_owned() } else { names.join(", ") };
        RanksError::Silent { who, seconds: timeout.as_secs() }
    }

    /// A message without content; that it comes is what it says.
    fn say_that_i_wait(&self) {
        let mut request = no_request();
        // SAFETY: nothing is sent, so no memory has to stay; small messages are on their way at once.
        unsafe {
            ffi::MPI_Isend(
                ptr::null(),
                0,
                ffi::RSMPI_UINT8_T,
                0,
                WAITING,
                ffi::RSMPI_COMM_WORLD,
                &mut request,
            );
            ffi::MPI_Request_free(&mut request);
        }
    }

    /// Everybody who said that it waits since this was called last.
    fn who_waits(&self) -> BTreeSet<usize> {
        let mut waiting = BTreeSet::new();
        loop {
            let mut there = 0;
            // SAFETY: a status is plain numbers, which MPI fills in.
            let mut status = unsafe { std::mem::zeroed::<ffi::MPI_Status>() };
            // SAFETY: both places are valid; what is received has no content.
            unsafe {
                let (world, any) = (ffi::RSMPI_COMM_WORLD, ffi::RSMPI_ANY_SOURCE);
                ffi::MPI_Iprobe(any, WAITING, world, &mut there, &mut status);
                if there == 0 {
                    return waiting;
                }
                let (kind, ignored) = (ffi::RSMPI_UINT8_T, ffi::RSMPI_STATUS_IGNORE);
                ffi::MPI_Recv(ptr::null_mut(), 0, kind, status.MPI_SOURCE, WAITING, world, ignored);
            }
            waiting.extend(usize::try_from(status.MPI_SOURCE));
        }
    }

    /// Where each rank's piece of so many values begins; one more for the end.
    fn pieces(&self, values: usize) -> Vec<usize> {
        (0..=self.count()).map(|rank| rank * values / self.count()).collect()
    }
}

/// What MPI puts a request in the place of.
fn no_request() -> MPI_Request {
    // SAFETY: a constant.
    unsafe { ffi::RSMPI_REQUEST_NULL }
}

/// As MPI counts.
fn counted(number: usize) -> c_int {
    c_int::try_from(number).unwrap_or(c_int::MAX)
}

/// The cores that this process may use, as the kernel lists them; empty if it does not say.
fn cores() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.unwrap_or_default().trim().to_owned()
}

impl Ranks for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.ranks.len()
    }

    fn place(&self) -> Place {
        let own = &self.ranks[self.rank];
        let on_host = |ranks: &[Process]| ranks.iter().filter(|other| other.host == own.host).count();
        let on_cores = |other: &&Process| other.host == own.host && other.cores == own.cores;
        Place {
            on_host: on_host(&self.ranks[..self.rank]),
            of_host: on_host(&self.ranks),
            on_cores: self.ranks.iter().filter(on_cores).count(),
        }
    }

    fn name(&self, rank: usize) -> String {
        match self.ranks.get(rank) {
            Some(Process { host, pid, .. }) => format!("rank {rank} on {host} (process {pid})"),
            None => format!("rank {rank}"),
        }
    }

    fn all_reduce(&self, values: &mut [f32]) -> Result<(), RanksError> {
        let (_turn, count, places) = (self.turn(), self.count(), self.pieces(values.len()));
        let own = places[self.rank + 1] - places[self.rank];
        let lengths: Vec<c_int> = places.windows(2).map(|piece| counted(piece[1] - piece[0])).collect();
        let starts: Vec<c_int> = places[..count].iter().map(|&start| counted(start)).collect();
        let own_lengths = vec![counted(own); count];
        let own_starts: Vec<c_int> = (0..count).map(|rank| counted(rank * own)).collect();
        let (sent, mut received) = (values.to_vec(), vec![0.0_f32; count * own]);
        let mut request = no_request();
        // SAFETY: every rank's piece lies within `sent`, and `received` has room for one of each. All of it stays
        // until the request is done: `finish` has it until then.
        unsafe {
            ffi::MPI_Ialltoallv(
                sent.as_ptr().cast(),
                lengths.as_ptr(),
                starts.as_ptr(),
                ffi::RSMPI_FLOAT,
                received.as_mut_ptr().cast(),
                own_lengths.as_ptr(),
                own_starts.as_ptr(),
                ffi::RSMPI_FLOAT,
                ffi::RSMPI_COMM_WORLD,
                &mut request,
            );
        }
        let memory = (sent, received, lengths, starts, own_lengths, own_starts);
        let (_, received, lengths, starts, ..) = self.finish(request, Some(self.timeout), memory)?;
        let (first, rest) = received.split_at(own);
        let mut sum = first.to_vec();
        for theirs in rest.chunks_exact(own.max(1)) {
            sum.iter_mut().zip(theirs).for_each(|(sum, value)| *sum += value);
        }
        let mut all = vec![0.0_f32; values.len()];
        let mut request = no_request();
        // SAFETY: as above; the pieces lie one after the other in `all`.
        unsafe {
            ffi::MPI_Iallgatherv(
                sum.as_ptr().cast(),
                counted(own),
                ffi::RSMPI_FLOAT,
                all.as_mut_ptr().cast(),
                lengths.as_ptr(),
                starts.as_ptr(),
                ffi::RSMPI_FLOAT,
                ffi::RSMPI_COMM_WORLD,
                &mut request,
            );
        }
        let (_, all, ..) = self.finish(request, Some(self.timeout), (sum, all, lengths, starts))?;
        values.copy_from_slice(&all);
        Ok(())
    }

    fn broadcast(&self, root: usize, bytes: &mut Vec<u8>) -> Result<(), RanksError> {
        let _turn = self.turn();
        let length = self.sent_by(root, (bytes.len() as u64).to_le_bytes().to_vec())?;
        let length = length.try_into().map_or(0, u64::from_le_bytes);
        let mut whole = std::mem::take(bytes);
        whole.resize(usize::try_from(length).unwrap_or(0), 0);
        for chunk in whole.chunks(LONGEST) {
            bytes.extend(self.sent_by(root, chunk.to_vec())?);
        }
        Ok(())
    }

    fn barrier(&self) -> Result<(), RanksError> {
        let (_turn, mut request) = (self.turn(), no_request());
        // SAFETY: the request is waited for.
        unsafe { ffi::MPI_Ibarrier(ffi::RSMPI_COMM_WORLD, &mut request) };
        self.finish(request, Some(self.timeout), ())
    }
}

/// Leaves signals to the first rank, which tells the others; launchers send them to all.
fn ignore_signals() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: to ignore a signal needs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Ends all ranks at once, whatever they do.
fn abort() -> ! {
    // Time for what was said to reach whoever collects it.
    thread::sleep(Duration::from_millis(200));
    // SAFETY: MPI is initialised; this does not return.
    unsafe { ffi::MPI_Abort(ffi::RSMPI_COMM_WORLD, 1) };
    std::process::exit(1)
}
