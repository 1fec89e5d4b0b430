//! The screen's main loop: it waits until something wakes it, lets the app handle everything that has arrived, and
//! draws.

use std::{
    io::{self, IsTerminal as _},
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    time::{Duration, Instant},
};

use crossterm::event::Event;
use ratatui::{buffer::Buffer, layout::Rect};
use relativenas_core::config::ScreenConfig;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::{
    app::{App, Input, Options},
    decoder::{Decoder, Received},
    hangup,
    messages::{Exit, Message, Request},
    pacing::Pacing,
    terminal::{PanicGuard, Stopping, Terminal},
    wake::{Mailbox, Wake},
};

/// Shows the screen until a person leaves it, or the terminal is gone.
///
/// Messages are taken as soon as they arrive, so their sender never waits. Requests are sent without waiting.
///
/// # Errors
/// If standard input or output is not a terminal, if the terminal cannot be set up or read, or if the keys of the
/// configuration are wrong.
pub fn run(options: Options, inbox: Receiver<Message>, outbox: Sender<Request>) -> io::Result<Exit> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        let message = "the screen needs a terminal for standard input and output; use --headless without one";
        return Err(io::Error::new(io::ErrorKind::NotConnected, message));
    }
    let frame_time = Duration::from_secs(1) / options.screen.frames_per_second.max(1);
    let (depth, habits) = (options.depth, options.screen.clone());
    let app = App::new(options).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mailbox = Arc::new(Mailbox::default());
    let _panics = PanicGuard::new(Arc::clone(&mailbox));
    let terminal = Terminal::enter(depth, habits.mouse)?;
    hangup::watch_terminal(Arc::clone(&mailbox));
    hangup::watch_signals(Arc::clone(&mailbox))?;
    forward_input(Arc::clone(&mailbox));
    forward_messages(Arc::clone(&mailbox), inbox);
    let (pacing, title) = (Pacing::new(), String::new());
    Screen {
        app,
        terminal,
        mailbox,
        outbox,
        frame_time,
        last_frame: None,
        pacing,
        urgent: false,
        habits,
        title,
    }
    .run()
}

struct Screen {
    app: App,
    terminal: Terminal,
    mailbox: Arc<Mailbox>,
    outbox: Sender<Request>,
    /// The least time between two frames.
    frame_time: Duration,
    last_frame: Option<Instant>,
    pacing: Pacing,
    /// Whether a person did something since the last frame.
    urgent: bool,
    habits: ScreenConfig,
    /// The terminal's title as it was set last.
    title: String,
}

impl Screen {
    fn run(mut self) -> io::Result<Exit> {
        let (width, height) = crossterm::terminal::size()?;
        self.app.handle(Input::Resize { width, height });
        loop {
            self.send_requests();
            if let Some(exit) = self.app.exit().cloned() {
                self.hear_answers();
                return Ok(exit);
            }
            // If the terminal cannot be written, it is gone, and there is no way to report that.
            if self.app.is_dirty() && self.next_frame() <= Instant::now() && self.draw().is_err() {
                return Ok(Exit::HungUp);
            }
            let wakes = self.mailbox.take(self.deadline());
            if wakes.is_empty() && !self.app.is_dirty() {
                self.app.handle(Input::Tick);
            }
            if let Some(exit) = self.handle(wakes)? {
                return Ok(exit);
            }
            if self.app.take_bell() && self.habits.bell && self.terminal.ring().is_err() {
                return Ok(Exit::HungUp);
            }
        }
    }

    /// Until when to sleep at most: until the next frame if something changed, else until the app's next tick, if
    /// there is one.
    fn deadline(&self) -> Option<Instant> {
        if self.app.is_dirty() {
            return Some(self.next_frame());
        }
        self.app.next_tick()
    }

    fn next_frame(&self) -> Instant {
        self.last_frame.map_or_else(Instant::now, |last| self.pacing.next(last, self.frame_time, self.urgent))
    }

    fn handle(&mut self, wakes: Vec<Wake>) -> io::Result<Option<Exit>> {
        // Of several changes of size, only the last one is drawn.
        let mut size = None;
        for wake in wakes {
            self.urgent |= matches!(wake, Wake::Terminal(_) | Wake::Stopped | Wake::Continued);
            match wake {
                Wake::Answered => {
                    if let Some(pace) = self.pacing.answered(Instant::now()) {
                        self.app.handle(Input::Pace(pace));
                    }
                }
                Wake::Terminal(Event::Resize(width, height)) => size = Some((width, height)),
                Wake::Terminal(Event::Key(key)) if key.is_press() || key.is_repeat() => {
                    self.app.handle(Input::Key(key));
                }
                Wake::Terminal(Event::Paste(text)) => self.app.handle(Input::Paste(text)),
                Wake::Terminal(Event::Mouse(mouse)) => self.app.handle(Input::Mouse(mouse)),
                Wake::Terminal(_) => {}
                Wake::Message(message) => self.app.handle(Input::Message(message)),
                Wake::Disconnected => self.app.handle(Input::Disconnected),
                Wake::Stopped => {
                    self.hear_answers();
                    self.terminal.suspend(Stopping::Program)?;
                    size = Some(self.resumed()?);
                }
                Wake::Continued => {
                    self.pacing.forget();
                    self.terminal.reenter()?;
                    size = Some(self.resumed()?);
                }
                Wake::HungUp => return Ok(Some(Exit::HungUp)),
                Wake::Terminated => {
                    self.hear_answers();
                    return Ok(Some(self.app.left()));
                }
            }
            if self.app.take_suspend() {
                self.hear_answers();
                self.terminal.suspend(Stopping::Job)?;
                size = Some(self.resumed()?);
            }
            if self.app.take_redraw() {
                self.terminal.forget();
            }
        }
        if let Some((width, height)) = size {
            self.app.handle(Input::Resize { width, height });
        }
        Ok(None)
    }

    /// Waits a while for answers of the terminal that are under way, because the shell would take them for keys.
    /// Keys that are pressed meanwhile are dropped.
    fn hear_answers(&mut self) {
        let mut deadline = Instant::now() + self.pacing.farewell();
        let mut others = Vec::new();
        while self.pacing.farewell() > Duration::ZERO && Instant::now() < deadline {
            for wake in self.mailbox.take(Some(deadline)) {
                match wake {
                    Wake::Answered => {
                        self.pacing.answered(Instant::now());
                    }
                    Wake::Message(message) => self.app.handle(Input::Message(message)),
                    Wake::Terminal(_) => {}
                    Wake::HungUp | Wake::Terminated => {
                        deadline = Instant::now(); // No person is there, or the program is to end at once.
                        others.push(wake);
                    }
                    _ => others.push(wake),
                }
            }
        }
        self.pacing.forget();
        others.into_iter().for_each(|wake| self.mailbox.put(wake));
    }

    /// Tells the app that the program owns the terminal again. Returns its size, which may have changed.
    fn resumed(&mut self) -> io::Result<(u16, u16)> {
        self.app.handle(Input::Resumed);
        crossterm::terminal::size()
    }

    fn draw(&mut self) -> io::Result<()> {
        let size = self.app.size();
        let mut frame = Buffer::empty(Rect::new(0, 0, size.width, size.height));
        self.app.draw(frame.area, &mut frame);
        let written = self.terminal.show(frame)?;
        let title = self.app.title();
        if self.habits.title && title != self.title {
            self.terminal.set_title(&title)?;
            self.title = title;
        }
        self.app.drawn();
        let now = Instant::now();
        if written > 0 && self.pacing.asks() {
            self.terminal.ask()?;
            self.pacing.asked(now, written);
        }
        self.last_frame = Some(now);
        self.urgent = false;
        Ok(())
    }

    fn send_requests(&mut self) {
        for request in self.app.take_requests() {
            if self.outbox.send(request).is_err() {
                self.app.handle(Input::Disconnected);
            }
        }
    }
}

/// How long the reader waits after an escape character: if nothing follows, it was the key Esc and not the
/// beginning of another key's sequence.
const AFTER_ESCAPE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Starts a thread that reads the terminal; it ends with the program.
fn forward_input(mailbox: Arc<Mailbox>) {
    std::thread::spawn(move || {
        let stdin = rustix::stdio::stdin();
        let (mut decoder, mut buffer) = (Decoder::default(), [0; 4096]);
        let wake = |heard| match heard {
            Received::Event(event) => Wake::Terminal(event),
            Received::Cursor => Wake::Answered,
        };
        loop {
            let limit = decoder.hesitates().then_some(AFTER_ESCAPE);
            let arrived = poll(&mut [PollFd::new(&stdin, PollFlags::IN)], limit.as_ref());
            let read = match arrived {
                Ok(0) => {
                    decoder.settle().map(wake).into_iter().for_each(|wake| mailbox.put(wake));
                    continue;
                }
                Ok(_) => rustix::io::read(stdin, &mut buffer),
                Err(error) => Err(error),
            };
            match read {
                Ok(length @ 1..) => {
                    decoder.feed(&buffer[..length]).into_iter().map(wake).for_each(|wake| mailbox.put(wake));
                }
                Err(Errno::INTR | Errno::AGAIN) => {}
                Ok(0) | Err(_) => return mailbox.put(Wake::HungUp),
            }
        }
    });
}

fn forward_messages(mailbox: Arc<Mailbox>, inbox: Receiver<Message>) {
    std::thread::spawn(move || {
        for message in inbox {
            mailbox.put(Wake::Message(message));
        }
        mailbox.put(Wake::Disconnected);
    });
}
