//! Following a run without a screen: its events are printed as lines in words, or as JSON, one event a line.

mod finals;
mod printer;

use std::{
    io::Write,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use relativenas_core::{
    event::Line,
    manifest::files,
    protocol::{Answer, Command},
    view::{Phase, RunView, SearchView, TrainingView},
};
use relativenas_run::sessions::was_left_in_order;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};

use crate::{
    engine::{
        connection::Connection,
        start::{StartedEngine, explanation},
        stream::{RunStream, Said},
    },
    failure,
    folder::RunFolder,
};
use printer::Printer;
pub use printer::Style;

/// How long an engine may take to end after it closed the connection.
const LEAVING: Duration = Duration::from_secs(30);

/// Which events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// All events, because the run was just made.
    Beginning,
    /// Only new events.
    Now,
}

/// Prints a run until it is finished or stopped, or a signal ends this command.
///
/// The first SIGINT asks an engine that this command started to stop after a checkpoint; the second ends this
/// command, and the engine with it. SIGTERM and SIGUSR1, by which a batch system announces its time limit, make the
/// engine stop at once with a checkpoint. An engine that this command did not start goes on in all cases.
///
/// # Errors
/// If the engine fails, or what comes from it cannot be understood.
pub fn follow(
    folder: &RunFolder,
    mut engine: Option<StartedEngine>,
    from: From,
    style: Style,
    out: &mut dyn Write,
) -> Result<ExitCode> {
    let connection = match &mut engine {
        Some(engine) => engine.connect()?,
        None => Connection::open(folder)?,
    };
    let known = match from {
        From::Beginning => 0,
        From::Now => connection.hello().events,
    };
    let stream = RunStream::over(folder, connection)?;
    let (interrupted, hurried) = (Arc::default(), Arc::default());
    for (signal, flag) in [(SIGINT, &interrupted), (SIGTERM, &hurried), (SIGUSR1, &hurried)] {
        signal_hook::flag::register(signal, Arc::clone(flag)).context("signals cannot be caught")?;
    }
    let follower = Follower {
        folder,
        engine,
        view: RunView::default(),
        printer: Printer::new(style, out),
        known: Known::Events(known),
        interrupted,
        hurried,
        stopping: false,
        unsent: 0,
        closed: None,
    };
    follower.follow(stream)
}

struct Follower<'a> {
    folder: &'a RunFolder,
    /// The engine, if it was started by this command.
    engine: Option<StartedEngine>,
    view: RunView,
    printer: Printer<'a>,
    /// Which events are folded into the view without being printed.
    known: Known,
    /// Set by SIGINT.
    interrupted: Arc<AtomicBool>,
    /// Set by SIGTERM and SIGUSR1.
    hurried: Arc<AtomicBool>,
    /// The engine was asked to stop.
    stopping: bool,
    /// How often it is to be asked to stop once it can be reached again.
    unsent: usize,
    /// When the engine was last no longer connected; `None` while it is.
    closed: Option<Instant>,
}

/// Events that the user knows already, so that they are not printed.
#[derive(Clone, Copy)]
enum Known {
    /// So many of the first ones.
    Events(u64),
    /// Those that were written up to this time, in milliseconds since 1970 UTC.
    Until(i64),
}

impl Known {
    fn is_known(self, line: &Line) -> bool {
        match self {
            Self::Events(count) => line.seq < count,
            Self::Until(time) => line.time <= time,
        }
    }
}

impl Follower<'_> {
    fn follow(mut self, mut stream: RunStream) -> Result<ExitCode> {
        loop {
            match stream.hear()? {
                Said::Lines(lines) => {
                    lines.iter().try_for_each(|line| self.print(line))?;
                    if self.view.phase() == Phase::Finished {
                        return self.finish(stream);
                    }
                }
                Said::Progress(progress) => self.printer.progress(&progress, &self.view)?,
                Said::Answer(Answer { refused: Some(why), .. }) => bail!("the engine does not stop: {why}"),
                Said::Answer(_) | Said::Nothing => {}
                Said::Reached(_) => {
                    self.closed = None;
                    self.ask_to_stop(&stream, 0);
                }
                Said::Closed => self.closed = Some(Instant::now()),
                // It was asked to stop, and takes as long as it needs for its checkpoint.
                Said::Unheard(_) if self.stopping && self.unsent == 0 && self.engine.is_some() => {
                    return self.gone();
                }
                // An engine that is leaving closes its socket a moment before it gives its lock back.
                Said::Unheard(error) if self.closed.is_some_and(|since| since.elapsed() > LEAVING) => {
                    return Err(error);
                }
                Said::Unheard(_) => {}
                Said::Anew => {
                    self.closed = Some(Instant::now());
                    self.known = Known::Until(self.view.changed_at);
                    self.view = RunView::default();
                    self.printer.note("resumed from a checkpoint; what was done after it is done again")?;
                }
                Said::Elsewhere(error) => return Err(error),
                Said::Gone | Said::Finished => return self.gone(),
            }
            if self.interrupted.swap(false, Ordering::Relaxed) {
                if self.engine.is_none() || self.stopping {
                    return self.leave();
                }
                self.printer.note("stopping after a checkpoint (interrupt again to stop at once)")?;
                self.ask_to_stop(&stream, 1);
            }
            if self.hurried.swap(false, Ordering::Relaxed) {
                if self.engine.is_none() {
                    return self.leave();
                }
                self.printer.note("leaving at once, with a checkpoint")?;
                // An engine that is asked to stop twice does not finish a pair.
                self.ask_to_stop(&stream, 2);
            }
        }
    }

    /// Folds an event into the view, and prints it unless it is known.
    fn print(&mut self, line: &Line) -> Result<()> {
        self.view.apply(line)?;
        let words = self.view.log.pop_back();
        if self.known.is_known(line) { Ok(()) } else { self.printer.line(line, words.as_ref()) }
    }

    /// Asks the engine this many times more to stop. What cannot be sent is sent to the engine that is reached
    /// next; if it is gone, nothing needs to be sent.
    fn ask_to_stop(&mut self, stream: &RunStream, times: usize) {
        self.stopping |= times > 0;
        self.unsent += times;
        while self.unsent > 0 && stream.steer(1, Command::Stop).is_ok() {
            self.unsent -= 1;
        }
    }

    fn finish(mut self, stream: RunStream) -> Result<ExitCode> {
        drop(stream); // An engine that is done waits for its clients to leave.
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

    /// Ends this command after the engine ended before the run was finished.
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::fixture;

    /// Takes what is printed; as soon as something is, the run has this log.
    struct Resuming<'a> {
        printed: Vec<u8>,
        folder: &'a RunFolder,
        log: Option<Vec<Line>>,
    }

    impl Write for Resuming<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(log) = self.log.take() {
                fixture::write_log(self.folder, &log);
            }
            self.printed.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_done_again_after_a_resume_is_printed_again_and_nothing_else() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        let lines = fixture::log(3);
        let later: Vec<_> = lines.iter().map(|l| Line { time: l.time + 60_000, ..l.clone() }).collect();
        let resumed = [&lines[..4], &later[4..]].concat();
        fixture::write_log(&folder, &lines[..6]);
        let mut out = Resuming { printed: Vec::new(), folder: &folder, log: Some(resumed) };
        let follower = Follower {
            folder: &folder,
            engine: None,
            view: RunView::default(),
            printer: Printer::new(Style::Json, &mut out),
            known: Known::Events(2),
            interrupted: Arc::default(),
            hurried: Arc::default(),
            stopping: false,
            unsent: 0,
            closed: None,
        };
        follower.follow(RunStream::of_log(&folder)).expect("finished");
        let printed = String::from_utf8(out.printed).expect("UTF-8");
        let printed: Vec<Line> =
            printed.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
        assert_eq!(printed, [&lines[2..6], &later[4..]].concat());
    }
}
