//! Everything can be drawn at every size.

use proptest::prelude::*;
use relativenas_core::{
    config::Theme,
    probe::{Agreement, ArchitectureSource, Probe},
    protocol::Mode,
    searcher::SearcherKind,
};
use relativenas_ui::{
    Input, Options,
    glyphs::Fineness,
    messages::{Link, Message, WorkKind, WorkState},
    theme::Depth,
};

use crate::{
    fake_run::{FakeRun, training},
    stage::{RUN, Stage, folder, live, options, summaries},
};

/// What is on the stage, and what is pressed.
#[derive(Clone, Debug)]
struct Scene {
    fineness: Fineness,
    depth: Depth,
    theme: Theme,
    play: Play,
    link: Link,
    keys: Vec<&'static str>,
    /// Runs that are laid over the curves.
    compared: usize,
    probe: Option<WorkState>,
}

#[derive(Clone, Debug)]
enum Play {
    Nothing,
    Opened,
    Search { searcher: SearcherKind, population: usize, generations: u32, pairs: usize, lost: bool },
    Table { generations: u32, pairs: usize },
    Training { epochs: u32 },
}

fn scenes() -> impl Strategy<Value = Scene> {
    let keys = prop::sample::select(vec![
        "1", "2", "3", "4", "5", "6", "7", "8", "9", "up", "down", "left", "right", "home", "end", "enter",
        "esc", "?", ":", "e", "i", "b", "n", "o", "m", "v", "c", "/", "]", "[", "{", "}", ".", "R", "space",
        "s", "Q", "S", "p", "x", "t", "é",
    ]);
    let searchers = prop::sample::select(vec![SearcherKind::SlowFast, SearcherKind::RegularizedEvolution]);
    let search = (searchers, 1..6_usize, 1..5_u32, 0..24_usize, any::<bool>()).prop_map(
        |(searcher, half, generations, pairs, lost)| Play::Search {
            searcher,
            population: 2 * half,
            generations,
            pairs,
            lost,
        },
    );
    let play = prop_oneof![
        1 => Just(Play::Nothing),
        1 => Just(Play::Opened),
        6 => search,
        2 => (1..5_u32, 0..60_usize).prop_map(|(generations, pairs)| Play::Table { generations, pairs }),
        2 => (0..30_u32).prop_map(|epochs| Play::Training { epochs }),
    ];
    let dead = Link::Dead { last_words: vec!["fault ".repeat(40); 9], resume: "resume".to_owned() };
    let link = prop::sample::select(vec![Link::Connecting, live(), Link::NoEngine, dead]);
    let fineness = prop::sample::select(vec![Fineness::Ascii, Fineness::Block, Fineness::Braille]);
    let depth = prop::sample::select(vec![Depth::Truecolor, Depth::Indexed, Depth::Ansi, Depth::None]);
    let theme = prop::sample::select(vec![Theme::Dark, Theme::Light, Theme::Contrast]);
    let tau = prop::option::of(-1.0..1.0_f64);
    let found = (0..9_usize, tau).prop_map(|(flips, tau)| {
        let tau_interval = tau.map(|tau| (tau - 0.2, tau + 0.2));
        let by_parameters = Agreement { tau, interval: tau_interval };
        WorkState::Probed(Probe {
            pairs: 8,
            flips: flips.min(8),
            individuals: 4,
            from: if flips % 2 == 0 {
                ArchitectureSource::Population
            } else {
                ArchitectureSource::Search { distinct: 743 }
            },
            epochs: 2,
            tau,
            tau_interval,
            by_parameters,
            ..Probe::default()
        })
    });
    let probe = prop::option::of(prop_oneof![
        found,
        Just(WorkState::UnderWay("probing: 37 %, 2 min left ".repeat(5))),
        Just(WorkState::Ended),
    ]);
    let looks = (fineness, depth, theme);
    (looks, play, link, prop::collection::vec(keys, 0..12), 0..7_usize, probe).prop_map(
        |((fineness, depth, theme), play, link, keys, compared, probe)| Scene {
            fineness,
            depth,
            theme,
            play,
            link,
            keys,
            compared,
            probe,
        },
    )
}

fn stage(scene: &Scene) -> Stage {
    let mut options = Options { depth: scene.depth, glyphs: scene.fineness, ..options() };
    options.screen.theme = scene.theme;
    let mut stage = Stage::new(options);
    if !matches!(scene.play, Play::Nothing) {
        stage.open();
    }
    match scene.play {
        Play::Nothing | Play::Opened => {}
        Play::Search { searcher, population, generations, pairs, lost } => {
            let (mut run, lines) = FakeRun::with(population, generations, searcher);
            run.lost_in = lost.then_some(0);
            stage.tell(Message::Lines(lines));
            for _ in 0..pairs {
                stage.tell(Message::Lines(run.next_pair()));
            }
            stage.tell(Message::Link(scene.link.clone()));
            stage.progress(run.progress(pairs * 4, Mode::Running));
        }
        Play::Table { generations, pairs } => {
            let (mut run, lines) = FakeRun::in_table(10, generations);
            stage.tell(Message::Lines(lines));
            for _ in 0..pairs {
                stage.tell(Message::Lines(run.next_pair()));
            }
            stage.tell(Message::Link(scene.link.clone()));
            stage.progress(run.progress(pairs, Mode::Running));
        }
        Play::Training { epochs } => {
            stage.tell(Message::Lines(training(epochs)));
            stage.tell(Message::Link(scene.link.clone()));
        }
    }
    for run in 0..scene.compared {
        let searcher = SearcherKind::ALL[run % SearcherKind::ALL.len()];
        stage.compare(&format!("run-{run}"), searcher, run as u64, run * 7);
    }
    if let Some(word) = &scene.probe {
        stage.tell(Message::Work { folder: folder(RUN), kind: WorkKind::Probe, word: word.clone() });
    }
    stage.tell(Message::Runs(summaries()));
    stage
}

#[test]
fn a_size_of_nothing_leaves_the_size_as_it_was() {
    let mut stage = Stage::searching(options(), 124);
    let none = |stage: &mut Stage, width, height| {
        stage.app.drawn();
        stage.app.handle(Input::Resize { width, height });
        assert!(!stage.app.is_dirty(), "nothing has changed");
        let size = stage.app.size();
        (size.width, size.height)
    };
    assert_eq!(none(&mut stage, 0, 0), (80, 24));
    stage.screen(100, 30);
    assert_eq!(none(&mut stage, 0, 0), (100, 30));
    assert_eq!(none(&mut stage, 120, 0), (100, 30));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn everything_is_drawn_at_every_size(
        scene in scenes(),
        sizes in prop::collection::vec((1_u16..=200, 1_u16..=60), 4),
        small in (1_u16..=40, 1_u16..=12),
    ) {
        let mut stage = stage(&scene);
        for keys in &scene.keys {
            stage.press(keys);
            stage.screen(small.0, small.1);
        }
        for (width, height) in sizes {
            let screen = stage.screen(width, height);
            prop_assert!(!screen.trim().is_empty(), "something is drawn at {}x{}", width, height);
            if scene.fineness == Fineness::Ascii {
                let typed = screen.replace('é', "");
                prop_assert!(typed.is_ascii(), "{}", screen);
            }
        }
        for view in 1..=9 {
            stage.press("esc").press(&view.to_string());
            stage.screen(small.0, small.1);
            stage.screen(140, 40);
        }
    }
}
