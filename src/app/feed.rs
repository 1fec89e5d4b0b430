//! Feeds the screen one run: its log from the file, then what its engine sends.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use relativenas_core::{
    event::{Event, Line},
    protocol::{Activity, Command, EngineLine, Reply},
};
use relativenas_run::{RunError, sessions::was_left_in_order};
use relativenas_ui::messages::{Link, Message};

use super::{
    load::Gauge,
    outlet::{Closed, RunOutlet},
};
use crate::{
    engine::{
        connection::{Connection, Received, Sender},
        liveness::{Liveness, liveness},
        start::StartedEngine,
    },
    folder::RunFolder,
    log::LogReader,
};

/// How long the feed waits for the engine before it looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often a run without an engine is checked, because it may be resumed from another shell.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// The number of lines of `engine.log` that are shown when an engine has died.
const LAST_WORDS: usize = 12;

/// The way commands take to the engine of the run that is shown, while there is one.
pub type EngineSender = Arc<Mutex<Option<Sender>>>;

/// What a feed is made of.
pub struct Feed {
    pub folder: RunFolder,
    pub turn: RunOutlet,
    pub wire: EngineSender,
    /// The engine, if it was just started.
    pub engine: Option<StartedEngine>,
    /// The run is only shown; commands are not sent.
    pub only_watched: bool,
    /// What the engine is told as soon as it listens.
    pub first: Vec<Command>,
}

/// Why a feed ended or has to begin again.
enum FeedEnd {
    /// Another run is shown, or nothing.
    Unwanted,
    /// The run went on from an earlier event, so the events that were sent are no longer valid.
    Rewound,
    /// No engine can be reached.
    Silent,
    /// The run is finished: nothing will follow.
    Over,
}

impl From<Closed> for FeedEnd {
    fn from(Closed: Closed) -> Self {
        Self::Unwanted
    }
}

impl Feed {
    /// Feeds the screen until another run is shown.
    pub fn run(mut self) {
        loop {
            match self.feed() {
                Ok(FeedEnd::Unwanted | FeedEnd::Over) => return,
                Ok(FeedEnd::Rewound) => {}
                Ok(FeedEnd::Silent) => {
                    if !self.wait_for_engine() {
                        return;
                    }
                }
                Err(error) => {
                    // The events so far stay on the screen, with the reason why no more come.
                    let _ = self.turn.send(Message::Link(Link::NoEngine));
                    let _ = self.turn.send(Message::Failed(format!("{error:#}")));
                    return;
                }
            }
        }
    }

    fn feed(&mut self) -> Result<FeedEnd> {
        match self.try_feed() {
            Ok(end) => Ok(end),
            Err(FeedError::End(end)) => Ok(end),
            Err(FeedError::Error(error)) => Err(error),
        }
    }

    /// Shows the run from its beginning.
    fn try_feed(&mut self) -> Result<FeedEnd, FeedError> {
        // An engine that was just started cuts the log before it can be reached, so it is waited for.
        let connection = match self.engine.take() {
            Some(engine) => self.meet(engine)?,
            None => {
                self.open()?;
                None
            }
        };
        let mut told = SentEvents { reader: LogReader::new(&self.folder), events: 0, finished: false };
        self.tell_file(&mut told)?;
        let mut connection = match connection {
            Some(connection) => connection,
            None => match self.connect(&told)? {
                Some(connection) => connection,
                None => return Ok(told.end()),
            },
        };
        loop {
            if connection.hello().events < told.events {
                return Ok(FeedEnd::Rewound);
            }
            // An engine that failed after its greeting takes nothing more; that it is gone is said below.
            if connection.follow(told.events).is_ok() {
                self.listen(&mut connection, &mut told)?;
            }
            self.set_wire(None);
            drop(connection); // An engine that is done waits for its clients to leave.
            self.tell_file(&mut told)?;
            connection = match self.connect(&told)? {
                Some(connection) => connection,
                None => return Ok(told.end()),
            };
        }
    }

    fn open(&self) -> Result<(), Closed> {
        let folder = self.folder.path().to_owned();
        self.turn.send(Message::Opened { run: self.folder.name(), folder: folder.clone() })?;
        // A damaged probe must not keep the run from being shown; `report` reports the damage.
        if let Ok(Some(probe)) = self.folder.probe() {
            self.turn.send(Message::ProbedBefore { folder, probe })?;
        }
        Ok(())
    }

    /// Waits for an engine that was just started.
    fn meet(&mut self, mut engine: StartedEngine) -> Result<Option<Connection>, FeedError> {
        self.open()?;
        let met = engine.connect();
        let last_words = engine.last_words();
        let mut child = engine.child;
        // The end of a child process must be collected by its parent.
        thread::spawn(move || child.wait());
        match met {
            Ok(connection) => Ok(Some(self.welcome(connection)?)),
            Err(error) if last_words.is_empty() => Err(FeedError::Error(error)),
            Err(_) => {
                self.tell_file(&mut SentEvents {
                    reader: LogReader::new(&self.folder),
                    events: 0,
                    finished: false,
                })?;
                self.turn.send(Message::Link(self.dead(last_words)))?;
                Err(FeedError::End(FeedEnd::Silent))
            }
        }
    }

    /// Sends what is written in the file and was not sent yet.
    fn tell_file(&self, told: &mut SentEvents) -> Result<(), FeedError> {
        loop {
            let batch = told.reader.batch()?;
            if batch.is_empty() {
                return Ok(());
            }
            let new: Vec<_> = batch.into_iter().filter(|line| line.seq >= told.events).collect();
            self.tell(new, told)?;
        }
    }

    fn tell(&self, lines: Vec<Line>, told: &mut SentEvents) -> Result<(), Closed> {
        let Some(last) = lines.last() else {
            return Ok(());
        };
        told.events = last.seq + 1;
        told.finished |= matches!(last.event, Event::SearchFinished { .. } | Event::TrainingFinished { .. });
        self.turn.send(Message::Lines(lines))
    }

    /// Connects to the engine; if there is none, reports that to the screen.
    fn connect(&mut self, told: &SentEvents) -> Result<Option<Connection>, FeedError> {
        if told.finished {
            self.turn.send(Message::Link(Link::NoEngine))?;
            return Ok(None);
        }
        loop {
            match Connection::open(&self.folder) {
                Ok(connection) => return Ok(Some(self.welcome(connection)?)),
                // It is about to listen, or about to leave.
                Err(_) if liveness(&self.folder) == Liveness::Alive && self.is_here() => {
                    if !self.turn.is_open() {
                        return Err(FeedError::End(FeedEnd::Unwanted));
                    }
                    thread::sleep(LOOK_EVERY);
                }
                Err(error) => {
                    self.say_silent(&error)?;
                    return Ok(None);
                }
            }
        }
    }

    /// Whether the engine, if there is one, is on this machine.
    fn is_here(&self) -> bool {
        use crate::engine::liveness::{address, this_host};
        address(&self.folder).is_none_or(|a| a.host == this_host())
    }

    /// Reports that no engine can be reached: the run was stopped, its engine died, or runs on another
    /// machine.
    fn say_silent(&self, error: &anyhow::Error) -> Result<(), Closed> {
        let elsewhere = !self.is_here() && liveness(&self.folder) == Liveness::Alive;
        if elsewhere {
            self.turn.send(Message::Link(Link::NoEngine))?;
            return self.turn.send(Message::Failed(format!("{error:#}")));
        }
        let link = if was_left_in_order(&self.folder) {
            Link::NoEngine
        } else {
            self.dead(self.folder.last_words(0, LAST_WORDS))
        };
        self.turn.send(Message::Link(link))
    }

    fn dead(&self, last_words: Vec<String>) -> Link {
        Link::Dead { last_words, resume: format!("relativenas resume {}", self.folder.reference()) }
    }

    /// Reports the connection to the screen, and sends the first commands.
    fn welcome(&mut self, connection: Connection) -> Result<Connection, FeedError> {
        connection.set_patience(Some(LOOK_EVERY))?;
        let hello = connection.hello().clone();
        let why_only_watched = || {
            self.only_watched.then(|| format!("`relativenas attach {}` steers it", self.folder.reference()))
        };
        let link = match connection.watch_only().or_else(why_only_watched) {
            Some(why) => Link::WatchOnly { hello, why },
            None => {
                self.set_wire(Some(connection.sender()?));
                Link::Live(hello)
            }
        };
        self.turn.send(Message::Link(link))?;
        for command in std::mem::take(&mut self.first) {
            // No answer is awaited: the effect of the command is visible in the engine's progress.
            if let Err(why) = steer(&self.wire, 0, command) {
                self.turn.send(Message::Failed(why))?;
            }
        }
        Ok(connection)
    }

    /// Passes on what the engine sends, until it hangs up or is done.
    fn listen(&self, connection: &mut Connection, told: &mut SentEvents) -> Result<(), FeedError> {
        let mut gauge = Gauge::of(&self.folder, &connection.hello().device);
        loop {
            if let Some(load) = gauge.measure(Instant::now()) {
                self.turn.send(Message::Load(load))?;
            }
            match connection.receive()? {
                Received::Line(EngineLine::Log(line)) => self.tell(vec![line], told)?,
                Received::Line(EngineLine::Reply(Reply::Progress(progress))) => {
                    let done = progress.activity == Activity::Finished;
                    self.turn.send(Message::Progress(progress))?;
                    if done {
                        return Ok(());
                    }
                }
                Received::Line(EngineLine::Reply(Reply::Answer(answer))) => {
                    self.turn.send(Message::Answer(answer))?;
                }
                Received::Line(EngineLine::Reply(Reply::Hello(_))) => {}
                Received::Nothing if self.turn.is_open() => {}
                Received::Nothing => return Err(FeedError::End(FeedEnd::Unwanted)),
                Received::Closed => return Ok(()),
            }
        }
    }

    /// Waits until an engine lives; returns `false` if the run is no longer shown.
    fn wait_for_engine(&self) -> bool {
        while self.turn.is_open() {
            // A probe holds the lock too, but does not listen.
            let is_held = || liveness(&self.folder) == Liveness::Alive && self.is_here();
            if is_held() && Connection::open(&self.folder).is_ok() {
                return true;
            }
            thread::sleep(CHECK_EVERY);
        }
        false
    }

    fn set_wire(&self, sender: Option<Sender>) {
        // A feed that was replaced must not cut the wire of the next.
        if self.turn.is_open() {
            *self.wire.lock().unwrap_or_else(PoisonError::into_inner) = sender;
        }
    }
}

/// Which events the screen has received.
struct SentEvents {
    reader: LogReader,
    /// The number that the next event has.
    events: u64,
    finished: bool,
}

impl SentEvents {
    /// The reason for the feed's end if no engine can be reached.
    fn end(&self) -> FeedEnd {
        if self.finished { FeedEnd::Over } else { FeedEnd::Silent }
    }
}

/// Why a step of the feed did not succeed: the feed ends, or there was an error.
enum FeedError {
    End(FeedEnd),
    Error(anyhow::Error),
}

impl From<Closed> for FeedError {
    fn from(closed: Closed) -> Self {
        Self::End(closed.into())
    }
}

impl From<anyhow::Error> for FeedError {
    fn from(error: anyhow::Error) -> Self {
        Self::Error(error)
    }
}

impl From<RunError> for FeedError {
    fn from(error: RunError) -> Self {
        Self::Error(error.into())
    }
}

/// Sends a command through a wire; the error says in words why it could not be sent.
pub fn steer(wire: &EngineSender, id: u64, command: Command) -> Result<(), String> {
    let mut wire = wire.lock().unwrap_or_else(PoisonError::into_inner);
    match wire.as_mut() {
        Some(sender) => sender.steer(id, command).map_err(|error| format!("{error:#}")),
        None => Err("no engine is listening".to_owned()),
    }
}
