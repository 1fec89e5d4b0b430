//! Everything can be drawn at every size.

use proptest::prelude::*;
use relativenas_core::{config::Theme, protocol::Mode, searcher::SearcherKind};
use relativenas_ui::{
    Options,
    glyphs::Fineness,
    messages::{Link, Message},
    theme::Depth,
};

use crate::{
    fake_run::{FakeRun, training},
    stage::{Stage, live, options, summaries},
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
}

#[derive(Clone, Debug)]
enum Play {
    Nothing,
    Opened,
    Search { searcher: SearcherKind, population: usize, generations: u32, pairs: usize, lost: bool },
    Training { epochs: u32 },
}

fn scenes() -> impl Strategy<Value = Scene> {
    let keys = prop::sample::select(vec![
        "1", "2", "3", "4", "5", "6", "7", "8", "up", "down", "left", "right", "home", "end", "enter", "esc",
        "?", ":", "e", "i", "b", "n", "o", "m", "v", "c", "/", "]", "[", "space", "s", "Q", "S", "p", "x",
        "é",
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
        2 => (0..30_u32).prop_map(|epochs| Play::Training { epochs }),
    ];
    let dead = Link::Dead { last_words: vec!["fault ".repeat(40); 9], resume: "resume".to_owned() };
    let link = prop::sample::select(vec![Link::Connecting, live(), Link::NoEngine, dead]);
    let fineness = prop::sample::select(vec![Fineness::Ascii, Fineness::Block, Fineness::Braille]);
    let depth = prop::sample::select(vec![Depth::Truecolor, Depth::Indexed, Depth::Ansi, Depth::None]);
    let theme = prop::sample::select(vec![Theme::Dark, Theme::Light, Theme::Contrast]);
    (fineness, depth, theme, play, link, prop::collection::vec(keys, 0..12)).prop_map(
        |(fineness, depth, theme, play, link, keys)| Scene { fineness, depth, theme, play, link, keys },
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
        Play::Training { epochs } => {
            stage.tell(Message::Lines(training(epochs)));
            stage.tell(Message::Link(scene.link.clone()));
        }
    }
    stage.tell(Message::Runs(summaries()));
    stage
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
        for view in 1..=8 {
            stage.press("esc").press(&view.to_string());
            stage.screen(small.0, small.1);
            stage.screen(140, 40);
        }
    }
}
