//! Talking to an engine over its socket, a line of JSON at a time.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use relativenas_core::{
    event::Line,
    manifest::EngineAddress,
    protocol::{
        Activity, Answer, Command, EngineLine, Hello, LINE_LIMIT, Mode, PROTOCOL, Progress, Reply, Request,
    },
    search::Stage,
    view::{Phase, RunView, SearchView},
};
use relativenas_run::shell::quoted;
use serde::Deserialize;

use super::liveness::{Liveness, address, holder, liveness, this_host};
use crate::{failure::misuse, folder::RunFolder, written::printable};

/// How long to wait for an engine's greeting, for its answer to a command, and for a line to be sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to an engine that has sent its greeting.
pub struct Connection {
    reader: BufReader<UnixStream>,
    writer: Sender,
    hello: Hello,
    /// The beginning of a line that has not arrived completely.
    partial: Vec<u8>,
}

/// The sending half of a connection, which may be moved to another thread.
pub struct Sender {
    stream: UnixStream,
    hello_protocol: u32,
}

/// The result of waiting for a line.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // Nearly all lines are of the log, so boxing them saves nothing.
pub enum Received {
    Line(EngineLine),
    /// Nothing arrived in time, or nothing that this version understands.
    Nothing,
    /// The engine closed the connection: it is gone, or this program did not listen to it for too long.
    Closed,
}

impl Connection {
    /// Connects to the engine that lives on a run.
    ///
    /// # Errors
    /// If none does, or it is on another machine, or does not answer.
    pub fn open(folder: &RunFolder) -> Result<Self> {
        let name = folder.reference();
        let alive = liveness(folder);
        if alive == Liveness::Gone {
            if let Some(why) = folder.view().ok().and_then(|view| finished(folder, &view)) {
                return Err(anyhow!(why));
            }
            return Err(anyhow!(
                "{name}: no engine is running; `relativenas resume {name}` starts one, `relativenas view {name}` \
                 only looks"
            ));
        }
        let Some(address) = address(folder) else {
            return Err(match alive {
                Liveness::Unknown(why) => {
                    anyhow!("{name}: locks do not work here ({why}), and no engine has written its address")
                }
                _ => no_visitors(folder),
            });
        };
        let here = this_host();
        if address.host != here {
            return Err(elsewhere(folder, &address.host));
        }
        Self::at(folder, &address).map_err(|e| match alive {
            Liveness::Alive if nobody_listens(&e) => not_heard(folder, &address, &e),
            Liveness::Unknown(why) => {
                anyhow!("{name}: locks do not work here ({why}), and no engine answers: {e:#}")
            }
            _ => e,
        })
    }

    /// Connects to an engine at its address.
    ///
    /// # Errors
    /// If there is no engine at that address, or one of another run.
    pub fn at(folder: &RunFolder, address: &EngineAddress) -> Result<Self> {
        let cannot = || format!("{}: its engine cannot be reached at {}", folder.name(), address.socket);
        let stream = UnixStream::connect(&address.socket).with_context(cannot)?;
        let connection = Self::over(stream).with_context(cannot)?;
        let Hello { token, run, .. } = &connection.hello;
        if *token != address.token {
            return Err(anyhow!("the engine of another run (`{}`) answers there", printable(run)))
                .with_context(cannot);
        }
        Ok(connection)
    }

    fn over(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let writer = Sender { stream: stream.try_clone()?, hello_protocol: PROTOCOL };
        let hello = Hello {
            protocol: PROTOCOL,
            build: String::new(),
            pid: 0,
            device: String::new(),
            events: 0,
            run: String::new(),
            token: String::new(),
        };
        let mut connection =
            Self { reader: BufReader::with_capacity(1 << 16, stream), writer, hello, partial: Vec::new() };
        connection.hello = match connection.receive()? {
            Received::Line(EngineLine::Reply(Reply::Hello(hello))) => hello,
            Received::Line(_) => bail!("its first line is no greeting"),
            Received::Nothing => bail!("it does not greet within {} s", PATIENCE.as_secs()),
            Received::Closed => bail!("it closed the connection"),
        };
        connection.writer.hello_protocol = connection.hello.protocol;
        Ok(connection)
    }

    /// The engine's greeting.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Why this engine can be watched but not steered, if it cannot.
    pub fn watch_only(&self) -> Option<String> {
        self.writer.refusal()
    }

    /// Asks for the log from the event of number `from` on, and for progress.
    pub fn follow(&mut self, from: u64) -> Result<()> {
        self.writer.send(&Request::Follow { from })
    }

    /// A sender for another thread.
    pub fn sender(&self) -> Result<Sender> {
        let stream = self.writer.stream.try_clone().context("no more files can be opened")?;
        Ok(Sender { stream, hello_protocol: self.writer.hello_protocol })
    }

    /// Sends a command without waiting for its answer, as [`Sender::steer`].
    pub fn steer(&mut self, id: u64, command: Command) -> Result<()> {
        self.writer.steer(id, command)
    }

    /// Sets how long [`Connection::receive`] waits; `None` is without a limit.
    pub fn set_patience(&self, patience: Option<Duration>) -> Result<()> {
        self.reader.get_ref().set_read_timeout(patience).context("the socket takes no timeout")
    }

    /// Waits for the next line.
    ///
    /// # Errors
    /// If the connection fails, or the line is not one of the protocol.
    pub fn receive(&mut self) -> Result<Received> {
        let room = LINE_LIMIT.saturating_sub(self.partial.len()) as u64 + 1;
        let read = (&mut self.reader).take(room).read_until(b'\n', &mut self.partial);
        match read {
            Ok(_) if self.partial.last() == Some(&b'\n') => {
                let line = parse(&self.partial);
                let line = match line {
                    // An engine of another version is watched by its log; its other lines may have any form.
                    Err(_) if self.writer.hello_protocol != PROTOCOL => Ok(of_another_version(&self.partial)),
                    line => line.map(Received::Line),
                };
                self.partial.clear();
                line
            }
            Ok(_) if self.partial.len() > LINE_LIMIT => bail!("the engine sent a line without an end"),
            Ok(_) => Ok(Received::Closed),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Ok(Received::Nothing)
            }
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => Ok(Received::Closed),
            Err(e) => Err(e).context("the connection to the engine failed"),
        }
    }

    /// What the engine is doing, after this many events; `None` if it does not say at once.
    pub fn progress(&mut self, events: u64) -> Option<Progress> {
        const AT_ONCE: Duration = Duration::from_millis(500);
        self.follow(events).ok()?;
        self.set_patience(Some(AT_ONCE)).ok()?;
        loop {
            match self.receive().ok()? {
                Received::Line(EngineLine::Reply(Reply::Progress(progress))) => return Some(progress),
                Received::Line(_) => {}
                Received::Nothing | Received::Closed => return None,
            }
        }
    }

    /// Sends a command and waits for its answer; other lines that arrive meanwhile are dropped.
    ///
    /// # Errors
    /// If the engine refuses, or does not answer in time.
    pub fn command(&mut self, command: Command) -> Result<()> {
        const ID: u64 = 1;
        self.steer(ID, command)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.receive()? {
                Received::Line(EngineLine::Reply(Reply::Answer(Answer { id: ID, refused }))) => {
                    return refused.map_or(Ok(()), |why| Err(anyhow!("the engine refused: {why}")));
                }
                Received::Closed => bail!("the engine ended without an answer"),
                Received::Line(_) | Received::Nothing if Instant::now() < deadline => {}
                Received::Line(_) | Received::Nothing => {
                    bail!("the engine does not answer within {} s", PATIENCE.as_secs())
                }
            }
        }
    }
}

impl Sender {
    /// Sends a command. The engine's answer to it has the same `id`.
    ///
    /// # Errors
    /// If the engine speaks another protocol version, or is gone.
    pub fn steer(&mut self, id: u64, command: Command) -> Result<()> {
        if let Some(why) = self.refusal() {
            bail!(why);
        }
        self.send(&Request::Steer { id, command })
    }

    fn refusal(&self) -> Option<String> {
        let found = self.hello_protocol;
        (found != PROTOCOL).then(|| {
            format!(
                "the engine speaks protocol {found}, this program {PROTOCOL}: it can be watched, not steered; use \
                 the program that started it"
            )
        })
    }

    fn send(&mut self, request: &Request) -> Result<()> {
        let mut text = serde_json::to_string(request).context("a request is plain data")?;
        text.push('\n');
        self.stream.write_all(text.as_bytes()).context("the engine is gone")
    }
}

/// Parses a line. Nearly all lines are of the log, so these are recognised by their beginning.
fn parse(text: &[u8]) -> Result<EngineLine> {
    if text.starts_with(b"{\"seq\":") {
        return serde_json::from_slice::<Line>(text).map(EngineLine::Log).with_context(|| strange(text));
    }
    serde_json::from_slice(text).with_context(|| strange(text))
}

/// What can be understood of a line of an engine of another version that is not of the log: whether it is paused, and
/// its notice.
fn of_another_version(text: &[u8]) -> Received {
    #[derive(Deserialize)]
    struct Spoken {
        progress: Known,
    }
    #[derive(Deserialize)]
    struct Known {
        mode: Mode,
        #[serde(default)]
        notice: Option<String>,
    }
    match serde_json::from_slice(text) {
        Ok(Spoken { progress: Known { mode, notice } }) => {
            // It does something with networks; what, the log says.
            let activity =
                Activity::Estimating { stage: Stage::Search, generation: 0, pair: 0, members: Vec::new() };
            let progress = Progress { mode, activity, notice, ..Progress::default() };
            Received::Line(EngineLine::Reply(Reply::Progress(progress)))
        }
        Err(_) => Received::Nothing,
    }
}

fn strange(text: &[u8]) -> String {
    let start = String::from_utf8_lossy(&text[..text.len().min(80)]);
    format!("the engine sent something this program does not know: {}", printable(start.trim_end()))
}

/// A sentence that says what to do with a finished run, by its view; `None` if the run is not finished.
pub fn finished(folder: &RunFolder, view: &RunView) -> Option<String> {
    if view.phase() != Phase::Finished {
        return None;
    }
    let name = folder.reference();
    if view.search.as_ref().is_some_and(SearchView::has_no_winner) {
        return Some(format!(
            "{name}: it is finished, and has no winner: no loss is a number; `relativenas view {name}` shows it"
        ));
    }
    let train = if view.search.as_ref().is_some_and(|search| search.network.is_some()) {
        ", and `relativenas train` takes that for a full network"
    } else {
        ""
    };
    Some(format!(
        "{name}: it is finished; `relativenas view {name}` shows it, `relativenas export {name}` writes what it \
         found{train}"
    ))
}

/// Whether a connection failed because there is no socket, or no process listens on it.
fn nobody_listens(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind.is_some_and(|kind| matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused))
}

/// The error about a run whose lock is held, while no engine listens at its address: the process that holds
/// the lock did not write that address, or its socket is in another folder of the same name, such as a
/// private /tmp.
fn not_heard(folder: &RunFolder, address: &EngineAddress, error: &anyhow::Error) -> anyhow::Error {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    let is_engine = holder(folder).is_none_or(|pid| pid == address.pid);
    if kind != Some(io::ErrorKind::NotFound) || !is_engine {
        return no_visitors(folder);
    }
    let sockets = Path::new(&address.socket).parent().unwrap_or(Path::new("/tmp"));
    anyhow!(
        "{}: its engine (process {}) lives, but its socket {} cannot be seen here: the engine has a {} of its \
         own, as jobs, containers and services with a private /tmp do; ask again where the engine was started (or in \
         a moment, if it is just about to leave)",
        folder.reference(),
        address.pid,
        address.socket,
        sockets.display()
    )
}

/// The error about a run whose lock is held by a process without a socket, such as a probe.
fn no_visitors(folder: &RunFolder) -> anyhow::Error {
    anyhow!(
        "{}: an engine holds it, but accepts no connection: a probe is under way, or the engine is about to begin or to \
         leave; try again when it is done",
        folder.reference()
    )
}

/// The error about a run whose engine is on another machine.
pub fn elsewhere(folder: &RunFolder, host: &str) -> anyhow::Error {
    let name = folder.reference();
    // The words are quoted twice, for the shell here and for the one on the other machine.
    let remote = ["relativenas", "attach", name].map(quoted);
    misuse(format!(
        "{name}: its engine is on {host}, not here; `ssh {} {}` reaches it",
        quoted(host),
        remote.join(" "),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_engine_of_another_version_is_understood_whether_it_is_paused_and_what_it_wants_known() {
        let (near, mut far) = UnixStream::pair().expect("sockets");
        let hello = format!("{{\"hello\":{{\"protocol\":{},\"build\":\"\",\"pid\":1,", PROTOCOL - 1);
        writeln!(far, "{hello}\"device\":\"cpu\",\"events\":0}}}}").expect("sent");
        // Progress of version 1, and a line of which nothing is known.
        far.write_all(
            b"{\"progress\":{\"mode\":\"paused\",\"activity\":\"training\",\"generation\":3,\"pair\":1,\
              \"members\":[],\"images_per_second\":0.0,\"seconds_left\":null,\"notice\":\"cannot write\"}}\n\
              {\"weather\":\"fine\"}\n",
        )
        .expect("sent");
        let mut connection = Connection::over(near).expect("a greeting");
        assert!(connection.watch_only().is_some());
        let Received::Line(EngineLine::Reply(Reply::Progress(progress))) =
            connection.receive().expect("no fault")
        else {
            panic!("no progress");
        };
        assert_eq!((progress.mode, progress.notice.as_deref()), (Mode::Paused, Some("cannot write")));
        assert!(matches!(connection.receive(), Ok(Received::Nothing)));
    }
}
