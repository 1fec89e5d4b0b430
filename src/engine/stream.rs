//! Following a run from its first event on. Events come from its log and from the engine that works on it, also when
//! engines end, die and are started again; from an engine come its progress and its answers too.

#[cfg(test)]
mod tests;

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use relativenas_core::{
    event::Line,
    protocol::{Activity, Answer, Command, EngineLine, Hello, Progress, Reply},
};
use relativenas_run::log::{Growth, LogFollower};

use super::{
    connection::{Connection, Received, Sender},
    liveness::{Liveness, address, liveness, this_host},
};
use crate::folder::RunFolder;

/// How long [`RunStream::hear`] waits if nothing arrives.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often a run without an engine is checked, because it may be resumed from another shell.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Follows a run. [`RunStream::hear`] returns what comes next, one item at a time.
pub struct RunStream {
    folder: RunFolder,
    log: LogFollower,
    source: Source,
    state: StreamState,
}

/// An item of a [`RunStream`].
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // Nearly all are lines of the log, so boxing the others saves nothing.
pub enum Said {
    /// The next events, in order and each once: several at once from the file, one at a time from an engine.
    Lines(Vec<Line>),
    /// What the engine is doing.
    Progress(Progress),
    /// The engine's answer to a command.
    Answer(Answer),
    /// An engine has greeted, and can be steered from now on.
    Reached(Hello),
    /// The engine is no longer connected: it has ended, has died, or has closed the connection because its lines were
    /// not read for too long. If it lives, it will be reached again.
    Closed,
    /// An engine lives, but cannot be reached at this moment, with the reason: it is about to listen or about to end.
    Unheard(anyhow::Error),
    /// No engine works on the run. One that is started later will be noticed.
    Gone,
    /// The engine is on another machine and cannot be reached from here; the error says how it can.
    Elsewhere(anyhow::Error),
    /// The run was resumed, perhaps from an earlier event. All events so far are void, no engine is connected, and
    /// all events come again from the first one.
    Anew,
    /// Nothing arrived in time.
    Nothing,
    /// The run is finished. Nothing else will follow.
    Finished,
}

/// Where the items of a stream come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The log alone.
    Log,
    LogAndEngine,
}

/// What a stream does next.
enum StreamState {
    /// It passes on the greeting of an engine that was reached before the log was read.
    Greeting(Connection),
    /// It reads what the file holds. An engine may be connected already.
    Reading(Option<Connection>),
    /// It looks for an engine.
    Seeking,
    /// It asks an engine that has greeted for what follows.
    Asking(Connection),
    /// It listens to an engine.
    Listening(Connection),
    /// It has closed the connection, because the engine is done and waits for its clients to leave.
    HungUp,
    /// There is no engine that could be reached at this time.
    Away(Instant),
    /// Nothing will follow, because the run is finished, or because of an error.
    Over,
}

impl RunStream {
    /// The stream of a run, whether or not an engine works on it.
    pub fn of(folder: &RunFolder) -> Self {
        Self::new(folder, Source::LogAndEngine, StreamState::Reading(None))
    }

    /// The stream of a run whose engine has just greeted.
    ///
    /// # Errors
    /// If the connection is lost already.
    pub fn over(folder: &RunFolder, connection: Connection) -> Result<Self> {
        connection.set_patience(Some(PATIENCE))?;
        Ok(Self::new(folder, Source::LogAndEngine, StreamState::Greeting(connection)))
    }

    /// The events of a run as they are written to its log. No engine is looked for, and [`RunStream::hear`] never
    /// waits: it says [`Said::Nothing`] at the end of what is written so far.
    pub fn of_log(folder: &RunFolder) -> Self {
        Self::new(folder, Source::Log, StreamState::Reading(None))
    }

    fn new(folder: &RunFolder, source: Source, state: StreamState) -> Self {
        Self { folder: folder.clone(), log: folder.follow(), source, state }
    }

    /// Waits for the next item. If nothing arrives for a tenth of a second, that is [`Said::Nothing`]; only for the
    /// greeting of an engine it waits longer.
    ///
    /// # Errors
    /// If the log is damaged, or an engine sends what cannot be understood. The stream is over then.
    pub fn hear(&mut self) -> Result<Said> {
        loop {
            // If an error leaves this function, the stream is over.
            let (state, said) = match std::mem::replace(&mut self.state, StreamState::Over) {
                StreamState::Greeting(connection) => {
                    let hello = connection.hello().clone();
                    (StreamState::Reading(Some(connection)), Some(Said::Reached(hello)))
                }
                StreamState::Reading(connection) => self.read(connection)?,
                StreamState::Seeking => self.seek()?,
                StreamState::Asking(connection) => self.ask(connection),
                StreamState::Listening(connection) => self.listen(connection)?,
                StreamState::HungUp => (StreamState::Reading(None), Some(Said::Closed)),
                StreamState::Away(since) => self.wait(since),
                StreamState::Over => (StreamState::Over, Some(Said::Finished)),
            };
            self.state = state;
            if let Some(said) = said {
                return Ok(said);
            }
        }
    }

    /// The connection to the engine, from [`Said::Reached`] to [`Said::Closed`] or [`Said::Anew`].
    fn connection(&self) -> Option<&Connection> {
        match &self.state {
            StreamState::Greeting(connection)
            | StreamState::Asking(connection)
            | StreamState::Listening(connection) => Some(connection),
            StreamState::Reading(connection) => connection.as_ref(),
            StreamState::Seeking | StreamState::HungUp | StreamState::Away(_) | StreamState::Over => None,
        }
    }

    /// Why the engine that was reached can be watched but not steered, if it cannot.
    pub fn watch_only(&self) -> Option<String> {
        self.connection().and_then(Connection::watch_only)
    }

    /// A sender of commands to the engine that was reached, for another thread. An engine that is done ends only
    /// after all senders were dropped.
    ///
    /// # Errors
    /// If no engine is connected, or no more files can be opened.
    pub fn sender(&self) -> Result<Sender> {
        self.connection().ok_or_else(|| anyhow!("no engine is listening"))?.sender()
    }

    /// Sends a command to the engine, which answers with [`Said::Answer`] of the same id.
    ///
    /// # Errors
    /// If no engine is connected, or it cannot be steered.
    pub fn steer(&self, id: u64, command: Command) -> Result<()> {
        self.sender()?.steer(id, command)
    }

    /// Reads on in the file. At its end, an engine is asked for what follows.
    fn read(&mut self, connection: Option<Connection>) -> Result<(StreamState, Option<Said>)> {
        Ok(match self.log.look()? {
            Growth::Lines(lines) => (StreamState::Reading(connection), Some(Said::Lines(lines))),
            Growth::CutBack => (StreamState::Reading(None), Some(Said::Anew)),
            Growth::Nothing => match connection {
                // Its greeting may be older than the events that were read since.
                Some(connection) => self.follow(connection),
                None if self.log.is_finished() => (StreamState::Over, None),
                None if self.source == Source::Log => (StreamState::Reading(None), Some(Said::Nothing)),
                None => (StreamState::Seeking, None),
            },
        })
    }

    fn seek(&mut self) -> Result<(StreamState, Option<Said>)> {
        let error = match Connection::open(&self.folder) {
            Ok(connection) => {
                connection.set_patience(Some(PATIENCE))?;
                let hello = connection.hello().clone();
                return Ok((StreamState::Asking(connection), Some(Said::Reached(hello))));
            }
            Err(error) => error,
        };
        let is_alive = liveness(&self.folder) == Liveness::Alive;
        Ok(match (is_alive, self.is_here()) {
            (true, true) => {
                thread::sleep(PATIENCE);
                (StreamState::Seeking, Some(Said::Unheard(error)))
            }
            (true, false) => (StreamState::Away(Instant::now()), Some(Said::Elsewhere(error))),
            // It may have written its last events since the file was read.
            (false, _) => match self.log.look()? {
                Growth::Lines(lines) => (StreamState::Reading(None), Some(Said::Lines(lines))),
                Growth::CutBack => (StreamState::Reading(None), Some(Said::Anew)),
                Growth::Nothing => (StreamState::Away(Instant::now()), Some(Said::Gone)),
            },
        })
    }

    /// Whether the engine, if there is one, is on this machine.
    fn is_here(&self) -> bool {
        address(&self.folder).is_none_or(|address| address.host == this_host())
    }

    /// Asks an engine that was reached after the log was read to its end. If it has fewer events, it has cut the log.
    fn ask(&mut self, connection: Connection) -> (StreamState, Option<Said>) {
        if connection.hello().events < self.log.events() {
            self.log.start_over();
            return (StreamState::Reading(None), Some(Said::Anew));
        }
        self.follow(connection)
    }

    fn follow(&self, mut connection: Connection) -> (StreamState, Option<Said>) {
        match connection.follow(self.log.events()) {
            Ok(()) => (StreamState::Listening(connection), None),
            // It failed after its greeting.
            Err(_) => (StreamState::Reading(None), Some(Said::Closed)),
        }
    }

    fn listen(&mut self, mut connection: Connection) -> Result<(StreamState, Option<Said>)> {
        let said = match connection.receive()? {
            Received::Line(EngineLine::Log(line)) => {
                self.log.take(&line).then(|| Said::Lines(vec![line])) // A known one is passed over.
            }
            Received::Line(EngineLine::Reply(Reply::Progress(progress))) => {
                if progress.activity == Activity::Finished {
                    return Ok((StreamState::HungUp, Some(Said::Progress(progress))));
                }
                Some(Said::Progress(progress))
            }
            Received::Line(EngineLine::Reply(Reply::Answer(answer))) => Some(Said::Answer(answer)),
            Received::Line(EngineLine::Reply(Reply::Hello(_))) => None,
            Received::Nothing => Some(Said::Nothing),
            Received::Closed => return Ok((StreamState::Reading(None), Some(Said::Closed))),
        };
        Ok((StreamState::Listening(connection), said))
    }

    /// Waits for an engine, which has cut the log before it can be reached.
    fn wait(&mut self, since: Instant) -> (StreamState, Option<Said>) {
        if since.elapsed() < CHECK_EVERY {
            thread::sleep(PATIENCE);
            return (StreamState::Away(since), Some(Said::Nothing));
        }
        // A probe holds the lock too, but does not listen.
        let is_held = liveness(&self.folder) == Liveness::Alive && self.is_here();
        if is_held && Connection::open(&self.folder).is_ok() {
            self.log.start_over();
            return (StreamState::Reading(None), Some(Said::Anew));
        }
        (StreamState::Away(Instant::now()), None)
    }
}
