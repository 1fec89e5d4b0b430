//! A screen for tests: it is given a run, an engine's progress and keys, and shows what a person would see.

use std::{collections::BTreeMap, path::PathBuf};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{buffer::Buffer, layout::Rect};
use relativenas_core::{
    config::Layers,
    event::Line,
    loss::Loss,
    protocol::{Hello, Mode, PROTOCOL, Progress},
    searcher::SearcherKind,
    view::{Phase, RunState, RunView},
};
use relativenas_ui::{
    App, Input, Options,
    glyphs::Fineness,
    messages::{Detached, Exit, Link, Message, Request, RunAfterwards, RunSummary, StudyRun},
    theme::Depth,
};

use crate::fake_run::FakeRun;

pub const RUN: &str = "fashion-quick-0412";

/// The folder of the run of this name, where all runs are.
pub fn folder(name: &str) -> PathBuf {
    format!("runs/{name}").into()
}

pub fn options() -> Options {
    let layers = Layers::built_in();
    Options {
        screen: layers.config().expect("the defaults are valid").screen,
        depth: Depth::Truecolor,
        glyphs: Fineness::Braille,
        keys: BTreeMap::new(),
        layers,
        first: Some(folder(RUN)),
        replay: None,
        keep_log_lines: 2000,
        utc_offset: 0,
    }
}

pub struct Stage {
    pub app: App,
}

impl Stage {
    pub fn new(options: Options) -> Self {
        Self { app: App::new(options).expect("valid keys") }
    }

    /// A search of 20 individuals after so many pairs, its engine in the middle of the next.
    pub fn searching(options: Options, pairs: usize) -> Self {
        Self::playing(options, FakeRun::new(20, 50), pairs)
    }

    /// A random search of 20 individuals, after so many pairs.
    pub fn at_random(options: Options, pairs: usize) -> Self {
        Self::playing(options, FakeRun::with(20, 50, SearcherKind::Random), pairs)
    }

    /// A search of 20 individuals whose first three generations are a warm-up, after so many pairs.
    pub fn warming_up(options: Options, pairs: usize) -> Self {
        Self::playing(options, FakeRun::warming_up(20, 50, 3), pairs)
    }

    /// A search that reads its losses from the table of NAS-Bench-201, after so many pairs.
    pub fn in_table(options: Options, pairs: usize) -> Self {
        Self::playing(options, FakeRun::in_table(20, 20), pairs)
    }

    /// A search that estimates two of its ten pairs at once.
    pub fn two_at_once(options: Options, estimations: usize) -> Self {
        Self::playing(options, FakeRun::at_once(20, 50, 2), estimations)
    }

    /// A search of so many generations of three pairs that is finished, without an engine.
    pub fn finished(options: Options, generations: u32) -> Self {
        let mut stage = Self::new(options);
        stage.open();
        let (mut run, lines) = FakeRun::new(6, generations);
        stage.tell(Message::Lines(lines));
        while run.estimation().is_some() {
            stage.tell(Message::Lines(run.next_pair()));
        }
        stage.tell(Message::Link(Link::NoEngine));
        stage
    }

    fn playing(options: Options, (mut run, lines): (FakeRun, Vec<Line>), pairs: usize) -> Self {
        let mut stage = Self::new(options);
        stage.open();
        stage.tell(Message::Lines(lines));
        for _ in 0..pairs {
            stage.tell(Message::Lines(run.next_pair()));
        }
        stage.tell(Message::Link(live()));
        stage.tell(Message::Progress(run.progress(83, Mode::Running)));
        stage
    }

    /// Lays a made-up search of another seed over the curves.
    pub fn compare(&mut self, name: &str, searcher: SearcherKind, seed: u64, pairs: usize) {
        let view = made_up(searcher, seed, pairs);
        self.tell(Message::Compared { folder: folder(name), view });
    }

    /// Lets it go on.
    pub fn grow(&mut self, name: &str, searcher: SearcherKind, seed: u64, pairs: usize) {
        let view = made_up(searcher, seed, pairs);
        self.tell(Message::Grown { folder: folder(name), view });
    }

    pub fn open(&mut self) {
        self.tell(Message::Opened { run: RUN.to_owned(), folder: folder(RUN) });
    }

    pub fn tell(&mut self, message: Message) {
        self.app.handle(Input::Message(message));
    }

    pub fn progress(&mut self, progress: Progress) {
        self.tell(Message::Progress(progress));
    }

    /// Presses keys: words are named keys, anything else is typed letter by letter.
    pub fn press(&mut self, keys: &str) -> &mut Self {
        for key in keys.split_whitespace() {
            let named = match key {
                "space" => Some(KeyCode::Char(' ')),
                "enter" => Some(KeyCode::Enter),
                "esc" => Some(KeyCode::Esc),
                "up" => Some(KeyCode::Up),
                "down" => Some(KeyCode::Down),
                "left" => Some(KeyCode::Left),
                "right" => Some(KeyCode::Right),
                "tab" => Some(KeyCode::Tab),
                "pagedown" => Some(KeyCode::PageDown),
                "home" => Some(KeyCode::Home),
                "end" => Some(KeyCode::End),
                "backspace" => Some(KeyCode::Backspace),
                _ => None,
            };
            let codes: Vec<_> = named.map_or_else(|| key.chars().map(KeyCode::Char).collect(), |c| vec![c]);
            for code in codes {
                self.app.handle(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)));
            }
        }
        self
    }

    /// The requests since the last call, without those that a form sends at every key.
    pub fn requests(&mut self) -> Vec<Request> {
        let all = self.app.take_requests();
        all.into_iter().filter(|request| !matches!(request, Request::Plan { .. })).collect()
    }

    pub fn frame(&mut self, width: u16, height: u16) -> Buffer {
        self.app.handle(Input::Resize { width, height });
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        self.app.draw(area, &mut buffer);
        buffer
    }

    /// The screen as text, line by line, without trailing blanks.
    pub fn screen(&mut self, width: u16, height: u16) -> String {
        text(&self.frame(width, height))
    }
}

/// The view of a made-up search after so many pairs.
fn made_up(searcher: SearcherKind, seed: u64, pairs: usize) -> Box<RunView> {
    let (mut run, lines) = FakeRun::of_seed(20, 50, searcher, seed);
    let mut view = Box::new(RunView::default());
    let later: Vec<_> = (0..pairs).flat_map(|_| run.next_pair()).collect();
    for line in lines.iter().chain(&later) {
        view.apply(line).expect("in order");
    }
    view
}

/// A search in its 13th generation, of which nothing was asked yet.
pub fn searching() -> Stage {
    let mut stage = Stage::searching(options(), 124);
    stage.requests();
    stage
}

/// How the screen is left while the run is shown.
pub fn left(afterwards: RunAfterwards) -> Exit {
    Exit::Detached(Some(Detached { folder: folder(RUN), afterwards }))
}

pub fn live() -> Link {
    Link::Live(Hello {
        protocol: PROTOCOL,
        build: "0.1.0".to_owned(),
        pid: 4242,
        device: "cuda:0 NVIDIA H100".to_owned(),
        events: 0,
        run: "run".to_owned(),
        token: String::new(),
    })
}

pub fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width.max(1));
    let row = |cells: &[ratatui::buffer::Cell]| {
        let line: String = cells.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned()
    };
    buffer.content().chunks(width).map(row).collect::<Vec<_>>().join("\n")
}

pub fn summaries() -> Vec<RunSummary> {
    let run = |name: &str, state, generation, best_loss, age_seconds, alive| RunSummary {
        run: name.to_owned(),
        folder: folder(name),
        what: "slow-fast search · Fashion-MNIST".to_owned(),
        state,
        generation,
        generations: 50,
        best_loss,
        age_seconds,
        alive,
        problem: None,
        note: String::new(),
        study: None,
    };
    let mut broken = run("fashion-quick-0398", RunState::Dead, 0, None, 400_000, false);
    broken.problem = Some("run.toml: line 3: expected `=`".to_owned());
    vec![
        run(RUN, RunState::In(Phase::Searching), 12, Some(Loss(1.087)), 2, true),
        run("cifar-paper-0410", RunState::Paused, 31, Some(Loss(0.812)), 190, true),
        run("fashion-quick-0409", RunState::In(Phase::Finished), 50, Some(Loss(0.934)), 7200, false),
        run("fashion-quick-0401", RunState::Stopped, 4, Some(Loss(1.604)), 90_000, false),
        broken,
    ]
}

/// The list of runs with a study in it, as its first line.
pub fn summaries_with_a_study() -> Vec<RunSummary> {
    let run = |searcher: &str, seed: usize, judges: bool, best_loss: f64, test_accuracy: Option<f64>| {
        let name = format!("{searcher}-{seed}{}", if judges { "-judged-1" } else { "" });
        let finished = !judges || test_accuracy.is_some();
        StudyRun {
            folder: format!("runs/chance/runs/{name}").into(),
            run: name,
            searcher: searcher.to_owned(),
            judges,
            state: RunState::In(if finished { Phase::Finished } else { Phase::Training }),
            done: if finished { 12 } else { 7 },
            of: 12,
            best_loss: Some(Loss(best_loss)),
            test_accuracy,
            worker: (!finished).then(|| "on node7 (process 41) for 2 min, heard of 3 s ago".to_owned()),
        }
    };
    let begun = vec![
        run("slow-fast", 1, false, 1.861, None),
        run("random", 1, false, 2.002, None),
        run("slow-fast", 2, false, 1.764, None),
        run("slow-fast", 1, true, 1.703, Some(39.04)),
        run("random", 1, true, 1.655, Some(40.12)),
        run("slow-fast", 2, true, 1.9, None),
    ];
    let mut runs = summaries();
    let study = RunSummary {
        run: "chance".to_owned(),
        folder: "runs/chance".into(),
        what: "study, slow-fast random · 5 seeds".to_owned(),
        state: RunState::In(Phase::Searching),
        generation: 5,
        generations: 20,
        best_loss: None,
        age_seconds: 3,
        study: Some(begun),
        ..runs[0].clone()
    };
    runs.insert(0, study);
    runs
}
