//! Ranks that are processes on one machine or several, connected by MPI.
//!
//! Every exchange is started without blocking and then polled, so that a rank that waits notices when it
//! takes too long. An all-reduce is an all-to-all of pieces, a sum in the order of ranks, and an all-gather:
//! it sends as many bytes as a ring, and the sums are the same with every implementation of MPI.

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

use super::{Disagreement, RankPlace, Ranks, RanksError};
use crate::failure;

/// The tag of messages by which a rank says that it is waiting.
const WAITING: c_int = 1;

/// The greatest number of bytes in a message, because MPI counts in `int`.
const LONGEST: usize = 1 << 30;

/// A rank that has waited this long sleeps between polls, so that other processes can use its core.
const BRISK: Duration = Duration::from_millis(20);
/// The time between polls after that.
const NAP: Duration = Duration::from_micros(500);
/// The time between polls of a rank that has waited for seconds, because the run is paused or another rank
/// hangs.
const SLEEP: Duration = Duration::from_millis(20);

/// The ranks that MPI started, from the side of one of them.
#[derive(Debug)]
pub struct Mpi {
    rank: usize,
    ranks: Vec<Process>,
    timeout: Duration,
    /// Held by the thread that calls MPI, since only one may do so at a time.
    turn: Mutex<()>,
}

/// The process of a rank.
#[derive(Debug, Serialize, Deserialize)]
struct Process {
    host: String,
    pid: u32,
    /// The cores that the process may use, in the kernel's notation.
    cores: String,
}

impl Mpi {
    /// Calls `does` as one of `count` ranks, with a timeout for exchanges. If it fails on one of them, that
    /// rank prints the error and ends all ranks; an error that all ranks have in common is printed by the
    /// first rank alone.
    ///
    /// # Errors
    /// The error of `does` on the first rank; the other ranks do not return in that case.
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
                // A failure to print the error is ignored.
                let _ = writeln!(io::stderr(), "relativenas-engine: {text}");
                abort();
            }
            Ok(()) => drop(universe),
        }
        outcome
    }

    /// Connects to the other ranks. MPI ends when the universe is dropped, in this thread.
    fn join(count: usize, timeout: Duration) -> Result<(Self, Option<Universe>), RanksError> {
        // Serialized: one thread calls MPI while it works, and this thread ends it.
        let universe = mpi::initialize_with_threading(Threading::Serialized);
        let (universe, threading) =
            universe.map_or((None, mpi::environment::threading_support()), |(u, t)| (Some(u), t));
        if threading < Threading::Serialized {
            return Err(RanksError::Threading);
        }
        let (mut rank, mut found) = (0, 0);
        // SAFETY: MPI is initialised, and both pointers are to an `int`.
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
    /// Ranks that wait long tell rank 0 so repeatedly; when rank 0 has waited too long, it can name the ranks
    /// that did not. If rank 0 itself hangs, the others find out a little later.
    ///
    /// # Errors
    /// If it takes longer than the timeout.
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
                self.report_waiting();
            }
            if self.rank == 0 && waited >= word && !asked {
                asked = true;
                self.waiting_ranks(); // What was said before is old.
            }
            if let Some(timeout) = timeout {
                let patience = if self.rank == 0 { timeout } else { timeout + timeout / 2 };
                if waited >= patience {
                    return Err(self.timed_out(timeout));
                }
            }
            match waited {
                _ if waited < BRISK => thread::yield_now(),
                _ if waited < 100 * BRISK => thread::sleep(NAP),
                _ => thread::sleep(SLEEP),
            }
        }
    }

    /// Waits until a request is done, and returns the memory that it reads or writes. If it takes too long,
    /// the request stays active, so the memory is never freed; the process ends soon after.
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

    /// Sends the bytes of rank `root` to all ranks, and returns them; every rank passes as many bytes.
    ///
    /// The receivers wait without a timeout, because the first rank may be paused before it sends. The sender
    /// waits for them no longer than the timeout of an exchange.
    ///
    /// # Errors
    /// If the receivers do not take the bytes in time.
    fn sent_by(&self, root: usize, mut bytes: Vec<u8>) -> Result<Vec<u8>, RanksError> {
        let mut request = no_request();
        // SAFETY: `finish` keeps the bytes until the request is done.
        unsafe {
            let (start, length, root) = (bytes.as_mut_ptr().cast(), counted(bytes.len()), counted(root));
            ffi::MPI_Ibcast(start, length, ffi::RSMPI_UINT8_T, root, ffi::RSMPI_COMM_WORLD, &mut request);
        }
        let timeout = (self.rank == root).then_some(self.timeout);
        self.finish(request, timeout, bytes)
    }

    fn timed_out(&self, timeout: Duration) -> RanksError {
        let missing: Vec<_> = if self.rank == 0 {
            let waiting = self.waiting_ranks();
            (1..self.count()).filter(|rank| !waiting.contains(rank)).collect()
        } else {
            vec![0]
        };
        let names = missing.iter().map(|&rank| self.name(rank)).collect::<Vec<_>>();
        let ranks = if names.is_empty() { "a rank (all are waiting)".to_owned() } else { names.join(", ") };
        RanksError::Silent { ranks, seconds: timeout.as_secs() }
    }

    /// Sends rank 0 a message without content, which says that this rank is waiting.
    fn report_waiting(&self) {
        let mut request = no_request();
        // SAFETY: nothing is sent, so no memory has to stay valid; MPI sends small messages at once.
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

    /// The ranks that said that they are waiting since this was called last.
    fn waiting_ranks(&self) -> BTreeSet<usize> {
        let mut waiting = BTreeSet::new();
        loop {
            let mut there = 0;
            // SAFETY: a status consists of plain numbers, which MPI fills in.
            let mut status = unsafe { std::mem::zeroed::<ffi::MPI_Status>() };
            // SAFETY: both pointers are valid; the message has no content.
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

    /// The index at which each rank's piece of this many values begins, followed by the end of the last
    /// piece.
    fn pieces(&self, values: usize) -> Vec<usize> {
        (0..=self.count()).map(|rank| rank * values / self.count()).collect()
    }
}

/// The null request, which MPI overwrites.
fn no_request() -> MPI_Request {
    // SAFETY: this reads a constant.
    unsafe { ffi::RSMPI_REQUEST_NULL }
}

/// A number in the type in which MPI counts.
fn counted(number: usize) -> c_int {
    c_int::try_from(number).unwrap_or(c_int::MAX)
}

/// The cores that this process may use, in the kernel's notation; empty if the kernel does not tell.
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

    fn place(&self) -> RankPlace {
        let own = &self.ranks[self.rank];
        let on_host = |ranks: &[Process]| ranks.iter().filter(|other| other.host == own.host).count();
        let on_cores = |other: &&Process| other.host == own.host && other.cores == own.cores;
        RankPlace {
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
        // SAFETY: every rank's piece lies within `sent`, and `received` has room for one of each. `finish`
        // keeps all of it until the request is done.
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

/// Ignores signals that launchers send to all ranks: the first rank receives them and tells the others.
fn ignore_signals() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Ends all ranks at once, whatever they are doing.
fn abort() -> ! {
    // This gives the error message time to reach the launcher.
    thread::sleep(Duration::from_millis(200));
    // SAFETY: MPI is initialised; this call does not return.
    unsafe { ffi::MPI_Abort(ffi::RSMPI_COMM_WORLD, 1) };
    std::process::exit(1)
}
