//! The signals that end a worker.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};

/// How urgently a worker must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A person, with Ctrl-C: runs are stopped in order.
    Interrupted,
    /// SIGTERM or SIGUSR1, by which a batch system announces that it will soon kill the worker: runs leave at
    /// once with a checkpoint.
    Terminated,
}

/// The signals that arrived, counted, so that each of several runs can be told of every one.
pub struct Signals {
    interrupt: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
    came: AtomicUsize,
    hurry: AtomicBool,
}

impl Signals {
    /// Catches SIGINT, SIGTERM and SIGUSR1 from now on.
    ///
    /// # Errors
    /// If signals cannot be caught.
    pub fn catch() -> Result<Self> {
        let [interrupt, terminate] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        for (signal, flag) in [(SIGINT, &interrupt), (SIGTERM, &terminate), (SIGUSR1, &terminate)] {
            signal_hook::flag::register(signal, Arc::clone(flag)).context("signals cannot be caught")?;
        }
        Ok(Self { interrupt, terminate, came: AtomicUsize::new(0), hurry: AtomicBool::new(false) })
    }

    /// Counts the signals since the last call, and returns how urgent they were.
    pub fn glance(&self) -> Option<Urgency> {
        let terminate = self.terminate.swap(false, Ordering::Relaxed);
        let interrupt = self.interrupt.swap(false, Ordering::Relaxed);
        if !terminate && !interrupt {
            return None;
        }
        // Set before the count, so that every thread that sees the count also sees the urgency.
        self.hurry.fetch_or(terminate, Ordering::SeqCst);
        self.came.fetch_add(1, Ordering::SeqCst);
        Some(if terminate { Urgency::Terminated } else { Urgency::Interrupted })
    }

    /// How many times [`Signals::glance`] found signals so far.
    pub fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }

    /// How urgently the worker must end; `None` if it need not.
    pub fn ending(&self) -> Option<Urgency> {
        let hurry =
            || if self.hurry.load(Ordering::SeqCst) { Urgency::Terminated } else { Urgency::Interrupted };
        (self.came() > 0).then(hurry)
    }

    /// The signal that is passed on to a run.
    pub fn to_pass_on(&self) -> Signal {
        if self.hurry.load(Ordering::SeqCst) { Signal::TERM } else { Signal::INT }
    }
}
