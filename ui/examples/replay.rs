//! A made-up search on the real screen: `cargo run --release -p relativenas-ui --example replay`.
//!
//! It can be paused, stepped and left like a real one. The first argument says how many pairs are
//! done at the start, the second how many milliseconds a batch takes.

#[path = "../tests/screen/fake_run.rs"]
#[allow(dead_code)] // Tests use all of it.
mod fake_run;

use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use fake_run::{BATCHES, FakeRun};
use relativenas_core::{
    config::Layers,
    loss::Loss,
    protocol::{Answer, Command, Hello, Mode, PROTOCOL, StepUnit},
    published,
    view::{Phase, RunState},
};
use relativenas_ui::{
    Options,
    glyphs::Fineness,
    messages::{Link, Message, Request, RunSummary},
    theme::Depth,
};

const RUN: &str = "fashion-quick-0412";

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let done = arguments.next().and_then(|a| a.parse().ok()).unwrap_or(124);
    let batch = Duration::from_millis(arguments.next().and_then(|a| a.parse().ok()).unwrap_or(60));
    let (to_screen, inbox) = channel();
    let (outbox, from_screen) = channel();
    std::thread::spawn(move || Engine::new(done, to_screen, from_screen).run(batch));
    let mut layers = Layers::built_in();
    let variable = |name: &str| std::env::var(name).ok();
    layers.add_environment(std::env::vars()).map_err(std::io::Error::other)?;
    let screen = layers.config().map_err(std::io::Error::other)?.screen;
    let options = Options {
        depth: Depth::resolve(screen.color, variable),
        glyphs: Fineness::resolve(screen.glyphs, variable),
        screen,
        keys: BTreeMap::new(),
        layers,
        first: Some(RUN.into()),
        replay: None,
        keep_log_lines: 2000,
        utc_offset: 0,
    };
    let exit = relativenas_ui::run(options, inbox, outbox)?;
    // The error is ignored: the terminal may be gone.
    let _ = writeln!(std::io::stdout(), "{exit:?}");
    Ok(())
}

struct Engine {
    run: FakeRun,
    to_screen: Sender<Message>,
    from_screen: Receiver<Request>,
    mode: Mode,
    /// Pairs left of a step.
    steps: usize,
}

impl Engine {
    fn new(done: usize, to_screen: Sender<Message>, from_screen: Receiver<Request>) -> Self {
        let (mut run, first) = FakeRun::new(20, 50);
        run.lost_in = Some(7);
        let engine =
            |run| Self { run, to_screen: to_screen.clone(), from_screen, mode: Mode::Running, steps: 0 };
        let mut lines = first;
        for _ in 0..done {
            lines.extend(run.next_pair());
        }
        let _ = to_screen.send(Message::Opened { run: RUN.to_owned(), folder: RUN.into() });
        let _ = to_screen.send(Message::Lines(lines));
        let hello = Hello {
            protocol: PROTOCOL,
            build: "0.1.0".into(),
            pid: 1,
            device: "cpu · 2 threads".into(),
            events: 0,
            run: "run".to_owned(),
            token: String::new(),
        };
        let _ = to_screen.send(Message::Link(Link::Live(hello)));
        engine(run)
    }

    fn run(mut self, batch: Duration) {
        loop {
            for number in 0..BATCHES {
                self.hear();
                while self.mode == Mode::Paused {
                    if self.hear_one(Duration::from_secs(3600)).is_none() {
                        return;
                    }
                }
                if self.to_screen.send(Message::Progress(self.run.progress(number, self.mode))).is_err() {
                    return;
                }
                std::thread::sleep(batch);
            }
            let lines = self.run.next_pair();
            if lines.is_empty() {
                self.mode = Mode::Paused;
            }
            let _ = self.to_screen.send(Message::Lines(lines));
            if self.mode == Mode::Stepping {
                self.steps = self.steps.saturating_sub(1);
                if self.steps == 0 {
                    self.set(Mode::Paused);
                }
            }
        }
    }

    fn hear(&mut self) {
        while self.hear_one(Duration::ZERO).is_some() {}
    }

    fn hear_one(&mut self, wait: Duration) -> Option<()> {
        let request = self.from_screen.recv_timeout(wait).ok()?;
        let reply = match request {
            Request::Steer { id, command } => {
                match command {
                    Command::Pause => self.set(Mode::Paused),
                    Command::Continue => self.set(Mode::Running),
                    Command::Step { unit, count } => {
                        let pairs = if unit == StepUnit::Pair { 1 } else { 10 };
                        self.steps = pairs * count as usize;
                        self.set(Mode::Stepping);
                    }
                    _ => {}
                }
                Message::Answer(Answer { id, refused: None })
            }
            Request::ListRuns => Message::Runs(vec![RunSummary {
                run: RUN.to_owned(),
                folder: RUN.into(),
                what: "slow-fast search · Fashion-MNIST".to_owned(),
                state: RunState::In(Phase::Searching),
                generation: 12,
                generations: 50,
                best_loss: Some(Loss(1.087)),
                age_seconds: 3,
                alive: true,
                problem: None,
                note: String::new(),
                study: None,
            }]),
            Request::Compare { folder } => Message::Compared { folder, view: Box::default() },
            Request::ReadGenotype { from } => match published::find(&from) {
                Ok(genotype) => Message::Genotype { name: from, genotype },
                Err(error) => Message::Failed(error.to_string()),
            },
            other => Message::Failed(format!("not in a replay: {other:?}")),
        };
        self.to_screen.send(reply).ok()
    }

    fn set(&mut self, mode: Mode) {
        self.mode = mode;
        let progress = self.run.progress(40, mode);
        let _ = self.to_screen.send(Message::Progress(progress));
    }
}
