//! Following a run without a screen: human lines, or one JSON event a line.

mod finals;
mod printer;

use std::{
    io::Write,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use relativenas_core::{
    manifest::files,
    protocol::{Command, EngineLine, Reply},
    view::{Phase, RunView, SearchView, TrainingView},
};
use relativenas_run::sessions::was_left_in_order;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};

use crate::{
    engine::{
        connection::{Connection, Received},
        liveness::{Liveness, liveness},
        start::{StartedEngine, explanation},
    },
    failure,
    folder::RunFolder,
    log::LogReader,
};
use printer::Printer;
pub use printer::Style;

/// How often to check for signals while nothing arrives.
const GLANCE: Duration = Duration::from_millis(100);
/// How long an engine may take to end after it closed the connection.
const LEAVING: Duration = Duration::from_secs(30);

/// Which events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// All, of a run that was just made.
    Beginning,
    /// Only new events.
    Now,
}

/// Follows a run until it is finished, stopped, or a signal comes.
///
/// An engine that this command started is asked to stop by the first SIGINT, and left to die by
/// the second; SIGTERM and SIGUSR1, which announce that time is up, make it leave at once with a
/// checkpoint. Any other goes on.
///
/// # Errors
/// If the engine fails, or what comes from it cannot be understood.
pub fn follow(
    folder: &RunFolder,
    engine: Option<StartedEngine>,
    from: From,
    style: Style,
    out: &mut dyn Write,
) -> Result<ExitCode> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let hurried = Arc::new(AtomicBool::new(false));
    let mut follower = Follower {
        folder,
        engine,
        view: RunView::default(),
        printer: Printer::new(style, out),
        interrupted: Arc::clone(&interrupted),
        hurried: Arc::clone(&hurried),
        stopping: false,
    };
    let mut connection = follower.connect()?;
    for (signal, flag) in [(SIGINT, &interrupted), (SIGTERM, &hurried), (SIGUSR1, &hurried)] {
        signal_hook::flag::register(signal, Arc::clone(flag)).context("signals cannot be caught")?;
    }
    if from == From::Now {
        follower.catch_up(connection.hello().events)?;
    }
    loop {
        // An engine that failed after its greeting does not take this; why it did is found out below.
        let end = match connection.follow(follower.view.events) {
            Ok(()) => follower.exchange(&mut connection)?,
            Err(_) => End::Closed,
        };
        match end {
            End::Finished => return follower.finish(connection),
            End::Left => return follower.leave(),
            End::Closed => match follower.reconnect()? {
                Some(again) => connection = again,
                None => return follower.gone(),
            },
        }
    }
}

struct Follower<'a> {
    folder: &'a RunFolder,
    /// The engine, if it was started by this command.
    engine: Option<StartedEngine>,
    view: RunView,
    printer: Printer<'a>,
    /// Set by SIGINT.
    interrupted: Arc<AtomicBool>,
    /// Set by SIGTERM and SIGUSR1.
    hurried: Arc<AtomicBool>,
    /// The engine was asked to stop.
    stopping: bool,
}

/// Why the exchange with the engine ended.
enum End {
    /// The run is finished.
    Finished,
    /// A signal told us to leave.
    Left,
    /// The engine closed the connection.
    Closed,
}

impl Follower<'_> {
    fn connect(&mut self) -> Result<Connection> {
        let connection = match &mut self.engine {
            Some(engine) => engine.connect()?,
            None => Connection::open(self.folder)?,
        };
        connection.set_patience(Some(GLANCE))?;
        Ok(connection)
    }

    /// Folds the events before this one into the view, without printing them.
    fn catch_up(&mut self, events: u64) -> Result<()> {
        let mut reader = LogReader::new(self.folder);
        while self.view.events < events {
            let batch = reader.batch()?;
            if batch.is_empty() {
                break;
            }
            for line in batch.iter().filter(|l| l.seq < events) {
                self.view.apply(line)?;
            }
        }
        Ok(())
    }

    fn exchange(&mut self, connection: &mut Connection) -> Result<End> {
        loop {
            match connection.receive()? {
                Received::Line(EngineLine::Log(line)) => {
                    self.view.apply(&line)?;
                    let words = self.view.log.pop_back();
                    self.printer.line(&line, words.as_ref())?;
                    if self.view.phase() == Phase::Finished {
                        return Ok(End::Finished);
                    }
                }
                Received::Line(EngineLine::Reply(Reply::Progress(progress))) => {
                    self.printer.progress(&progress, &self.view)?;
                }
                Received::Line(EngineLine::Reply(Reply::Answer(answer))) => {
                    if let Some(why) = answer.refused {
                        bail!("the engine does not stop: {why}");
                    }
                }
                Received::Line(EngineLine::Reply(Reply::Hello(_))) | Received::Nothing => {}
                Received::Closed => return Ok(End::Closed),
            }
            if self.interrupted.swap(false, Ordering::Relaxed)
                && let Some(end) = self.interrupt(connection)?
            {
                return Ok(end);
            }
            if self.hurried.swap(false, Ordering::Relaxed)
                && let Some(end) = self.hurry(connection)?
            {
                return Ok(end);
            }
        }
    }

    /// Makes an engine that this command started leave with a checkpoint before it has finished what
    /// is in hand; says how the exchange ends, if it does at once.
    fn hurry(&mut self, connection: &mut Connection) -> Result<Option<End>> {
        if self.engine.is_none() {
            return Ok(Some(End::Left));
        }
        self.stopping = true;
        self.printer.note("leaving at once, with a checkpoint")?;
        // An engine that is asked to stop twice does not finish a pair.
        let asked = (1..=2).all(|id| connection.steer(id, Command::Stop).is_ok());
        Ok((!asked).then_some(End::Closed))
    }

    /// Handles SIGINT. Returns how the exchange ends, if it ends now.
    fn interrupt(&mut self, connection: &mut Connection) -> Result<Option<End>> {
        if self.engine.is_none() || self.stopping {
            return Ok(Some(End::Left));
        }
        self.stopping = true;
        self.printer.note("stopping after a checkpoint (once more leaves at once)")?;
        // An engine that is gone needs not be asked.
        Ok(connection.steer(1, Command::Stop).is_err().then_some(End::Closed))
    }

    /// Connects again to an engine that closed the connection because this command was slow; `None` if the
    /// engine is gone.
    fn reconnect(&mut self) -> Result<Option<Connection>> {
        if let Some(engine) = self.engine.as_mut().filter(|_| self.stopping) {
            engine.child.wait().context("the engine cannot be waited for")?;
            return Ok(None);
        }
        // An engine that is leaving closes its socket a moment before it gives its lock back.
        let deadline = Instant::now() + LEAVING;
        while liveness(self.folder) == Liveness::Alive {
            match Connection::open(self.folder) {
                Ok(connection) => {
                    connection.set_patience(Some(GLANCE))?;
                    return Ok(Some(connection));
                }
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => thread::sleep(GLANCE),
            }
        }
        Ok(None)
    }

    fn finish(mut self, connection: Connection) -> Result<ExitCode> {
        drop(connection); // An engine that is done waits for its clients to leave.
        if let Some(engine) = &mut self.engine {
            let status = engine.child.wait().context("the engine cannot be waited for")?;
            if !status.success() {
                bail!(
                    "the search is done, but the engine failed at the end ({status}){}",
                    engine.explanation()
                );
            }
        }
        self.printer.result(&self.view, self.folder)?;
        if self.view.search.as_ref().is_some_and(SearchView::has_no_winner) {
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn leave(mut self) -> Result<ExitCode> {
        let name = self.folder.reference();
        if self.engine.is_some() {
            self.printer
                .note(&format!("left; `relativenas resume {name}` goes on from the newest checkpoint"))?;
            return Ok(ExitCode::from(failure::INTERRUPTED));
        }
        self.printer.note(&format!("left it running; `relativenas attach {name}` comes back"))?;
        Ok(ExitCode::SUCCESS)
    }

    /// The error about a run whose engine did not end in order.
    fn failed(&self) -> anyhow::Error {
        let name = self.folder.reference();
        let complaint = match &self.engine {
            Some(engine) => engine.complaint(),
            None => self.folder.complaint(0),
        };
        let Some(why) = complaint else {
            let words = match &self.engine {
                Some(engine) => engine.explanation(),
                None => explanation(&self.folder.last_words(0, 20), self.folder),
            };
            return anyhow!(
                "{name}: the engine died; `relativenas resume {name}` goes on from the newest checkpoint{words}"
            );
        };
        // If all epochs of a training are done, resuming it would fail in the same way.
        if self.view.training.as_ref().is_some_and(TrainingView::has_no_best) {
            return anyhow!("{name}: {why}");
        }
        let log = self.folder.file(files::ENGINE_LOG);
        anyhow!(
            "{name}: the engine failed: {why}\n`relativenas resume {name}` goes on from the newest checkpoint once that is \
             mended; {} has more",
            log.display()
        )
    }

    /// The engine is gone before the run was finished.
    fn gone(mut self) -> Result<ExitCode> {
        let name = self.folder.reference();
        let resume = format!("`relativenas resume {name}` goes on from the newest checkpoint");
        let ended_well = match &mut self.engine {
            Some(engine) => engine.child.wait().context("the engine cannot be waited for")?.success(),
            None => was_left_in_order(self.folder),
        };
        if !ended_well {
            return Err(self.failed());
        }
        self.printer.note(&format!("{name}: stopped after a checkpoint; {resume}"))?;
        Ok(ExitCode::from(failure::INTERRUPTED))
    }
}
