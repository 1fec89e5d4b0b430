//! Feeds the screen with one run: the events in its log, and what its engine sends.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use anyhow::Result;
use relativenas_core::protocol::{Command, Hello};
use relativenas_run::sessions::was_left_in_order;
use relativenas_ui::messages::{Link, Message};

use super::{
    load::Gauge,
    outlet::{Closed, RunOutlet},
};
use crate::{
    engine::{
        connection::Sender,
        start::StartedEngine,
        stream::{RunStream, Said},
    },
    folder::RunFolder,
};

/// The number of lines of `engine.log` that are shown when an engine has died.
const LAST_WORDS: usize = 12;

/// The sender of commands to the engine of the run that is shown; `None` while no engine is connected.
pub type EngineSender = Arc<Mutex<Option<Sender>>>;

/// The run whose events are sent to the screen, and how its engine is reached.
pub struct Feed {
    pub folder: RunFolder,
    pub turn: RunOutlet,
    pub wire: EngineSender,
    /// The engine, if it was just started.
    pub engine: Option<StartedEngine>,
    /// The run is only shown; commands are not sent.
    pub only_watched: bool,
    /// The commands that are sent to the engine as soon as it listens.
    pub first: Vec<Command>,
}

impl Feed {
    /// Feeds the screen until another run is shown, or the run is finished.
    pub fn run(mut self) {
        if let Err(FeedError::Failed(error)) = self.feed() {
            // The events so far stay on the screen, with the reason why no more come.
            let _ = self.turn.send(Message::Link(Link::NoEngine));
            let _ = self.turn.send(Message::Failed(format!("{error:#}")));
        }
    }

    fn feed(&mut self) -> Result<(), FeedError> {
        self.open()?;
        let Beginning { mut stream, mut last_words } = self.begin()?;
        let mut gauge = None;
        loop {
            if let Some(load) = gauge.as_mut().and_then(|gauge: &mut Gauge| gauge.measure(Instant::now())) {
                self.turn.send(Message::Load(load))?;
            }
            match stream.hear()? {
                Said::Lines(lines) => self.turn.send(Message::Lines(lines))?,
                Said::Progress(progress) => self.turn.send(Message::Progress(progress))?,
                Said::Answer(answer) => self.turn.send(Message::Answer(answer))?,
                Said::Reached(hello) => {
                    let device = hello.device.clone();
                    self.welcome(&stream, hello)?;
                    gauge = Some(Gauge::of(&self.folder, &device));
                }
                Said::Closed => {
                    self.set_wire(None);
                    gauge = None;
                }
                Said::Anew => {
                    self.set_wire(None);
                    gauge = None;
                    self.open()?;
                }
                Said::Gone => {
                    let link = match last_words.take() {
                        Some(last_words) => self.dead(last_words),
                        None => self.left(),
                    };
                    self.turn.send(Message::Link(link))?;
                }
                Said::Elsewhere(error) => {
                    self.turn.send(Message::Link(Link::NoEngine))?;
                    self.turn.send(Message::Failed(format!("{error:#}")))?;
                }
                Said::Finished => return Ok(self.turn.send(Message::Link(Link::NoEngine))?),
                Said::Unheard(_) | Said::Nothing if self.turn.is_open() => {}
                Said::Unheard(_) | Said::Nothing => return Ok(()),
            }
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

    /// The stream of the run. An engine that was just started cuts the log before it can be reached, so it is waited
    /// for.
    fn begin(&mut self) -> Result<Beginning> {
        let Some(mut engine) = self.engine.take() else {
            return Ok(Beginning { stream: RunStream::of(&self.folder), last_words: None });
        };
        let connected = engine.connect();
        let last_words = engine.last_words();
        let mut child = engine.child;
        // The end of a child process must be collected by its parent.
        thread::spawn(move || child.wait());
        match connected {
            Ok(connection) => {
                Ok(Beginning { stream: RunStream::over(&self.folder, connection)?, last_words: None })
            }
            Err(error) if last_words.is_empty() => Err(error),
            Err(_) => Ok(Beginning { stream: RunStream::of(&self.folder), last_words: Some(last_words) }),
        }
    }

    /// How the run was left by its last engine: stopped, or dead.
    fn left(&self) -> Link {
        if was_left_in_order(&self.folder) {
            Link::NoEngine
        } else {
            self.dead(self.folder.last_words(0, LAST_WORDS))
        }
    }

    fn dead(&self, last_words: Vec<String>) -> Link {
        Link::Dead { last_words, resume: format!("relativenas resume {}", self.folder.reference()) }
    }

    /// Reports the connection to the screen, and sends the first commands.
    fn welcome(&mut self, stream: &RunStream, hello: Hello) -> Result<(), FeedError> {
        let why_only_watched = || {
            self.only_watched.then(|| format!("`relativenas attach {}` steers it", self.folder.reference()))
        };
        let link = match stream.watch_only().or_else(why_only_watched) {
            Some(why) => Link::WatchOnly { hello, why },
            None => {
                self.set_wire(Some(stream.sender()?));
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
        Ok(())
    }

    fn set_wire(&self, sender: Option<Sender>) {
        // A feed that was replaced must not cut the wire of the next.
        if self.turn.is_open() {
            *self.wire.lock().unwrap_or_else(PoisonError::into_inner) = sender;
        }
    }
}

/// What a feed begins with.
struct Beginning {
    stream: RunStream,
    /// What the engine said that was just started, if it ended before it could be reached.
    last_words: Option<Vec<String>>,
}

/// Why a feed ended before its run was finished.
enum FeedError {
    /// Another run is shown, or the screen is gone.
    Unwanted,
    Failed(anyhow::Error),
}

impl From<Closed> for FeedError {
    fn from(Closed: Closed) -> Self {
        Self::Unwanted
    }
}

impl From<anyhow::Error> for FeedError {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
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
