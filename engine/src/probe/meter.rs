//! The progress of a probe and the time that it will still take, printed to standard error.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use relativenas_core::search::{BatchDone, Flow};

/// The time between updates of the line on a terminal, or between lines for a program that watches.
const ON_TERMINAL: Duration = Duration::from_millis(500);
/// The time between lines elsewhere, such as in a file.
const ELSEWHERE: Duration = Duration::from_secs(30);

/// Counts training batches; each stands for its share of the validation too.
pub struct ProbeMeter {
    /// The number of epochs of all learners together.
    epochs: usize,
    batches: AtomicUsize,
    began: Instant,
    said: Mutex<Instant>,
    on_terminal: bool,
    every: Duration,
}

impl ProbeMeter {
    pub fn new(epochs: usize, watched: bool) -> Self {
        let began = Instant::now();
        let on_terminal = io::stderr().is_terminal();
        let every = if on_terminal || watched { ON_TERMINAL } else { ELSEWHERE };
        Self { epochs, batches: AtomicUsize::new(0), began, said: Mutex::new(began), on_terminal, every }
    }

    /// Counts a batch of any candidate, and prints the progress from time to time.
    pub fn note(&self, done: BatchDone) -> Flow {
        if done.validating {
            return Flow::Go;
        }
        let batches = self.batches.fetch_add(1, Ordering::Relaxed) + 1;
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() >= self.every {
            *said = Instant::now();
            let share = batches as f64 / (self.epochs * done.batches) as f64;
            self.print(&progress(share, self.began.elapsed()));
        }
        Flow::Go
    }

    /// Clears the line on the terminal.
    pub fn finish(&self) {
        if self.on_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K"); // A failure to print it is ignored.
        }
    }

    fn print(&self, text: &str) {
        let mut out = io::stderr();
        let _ = if self.on_terminal {
            write!(out, "\r{text}\x1b[K").and_then(|()| out.flush())
        } else {
            writeln!(out, "{text}")
        };
    }
}

/// The progress in words after `elapsed`; `share` is from 0 to 1.
fn progress(share: f64, elapsed: Duration) -> String {
    let left = elapsed.as_secs_f64() * (1.0 - share).max(0.0) / share;
    format!("probing: {:.0} %, {} left", 100.0 * share, duration(left))
}

fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        0 | 1 if seconds < 90.0 => format!("{seconds:.0} s"),
        0..120 => format!("{minutes} min"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_what_was_done() {
        assert_eq!(progress(0.25, Duration::from_secs(20)), "probing: 25 %, 60 s left");
        assert_eq!(progress(0.1, Duration::from_secs(60)), "probing: 10 %, 9 min left");
        assert_eq!(progress(0.01, Duration::from_secs(100)), "probing: 1 %, 2 h 45 min left");
    }
}
