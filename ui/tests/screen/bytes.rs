//! How many bytes a frame takes on the link to the terminal.

use std::{cell::Cell, io::Write, rc::Rc};

use relativenas_core::{config::Theme, protocol::Mode};
use relativenas_ui::{Input, Options, Pace, Painter, View, glyphs::Fineness, messages::Message};

use crate::{
    fake_run::FakeRun,
    stage::{Stage, options, summaries_with_a_study},
};

/// The number of bytes that each frame after the first one takes on a screen of 140x40.
fn written(stage: &mut Stage, mut change: impl FnMut(&mut Stage, usize), frames: usize) -> Vec<usize> {
    let counter = Counter::default();
    let mut painter = Painter::new(counter.clone());
    painter.show(stage.frame(140, 40)).expect("nothing fails");
    let mut lengths = Vec::new();
    for frame in 0..frames {
        counter.0.set(0);
        change(stage, frame);
        painter.show(stage.frame(140, 40)).expect("nothing fails");
        lengths.push(counter.0.get());
    }
    lengths
}

/// A writer that counts bytes.
#[derive(Clone, Default)]
struct Counter(Rc<Cell<usize>>);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn run() -> FakeRun {
    let (mut run, _) = FakeRun::new(20, 50);
    (0..124).for_each(|_| drop(run.next_pair()));
    run
}

#[test]
fn a_usual_frame_is_small() {
    let run = run();
    for view in View::ALL {
        let mut stage = Stage::searching(options(), 124);
        let number = View::ALL.iter().position(|v| *v == view).expect("one of all") + 1;
        stage.press(&number.to_string());
        stage.progress(run.progress(0, Mode::Running));
        let next = |stage: &mut Stage, frame| stage.progress(run.progress(frame + 1, Mode::Running));
        let lengths = written(&mut stage, next, 97);
        let most = lengths.iter().max().copied().unwrap_or(0);
        let mean = lengths.iter().sum::<usize>() / lengths.len();
        println!("{view:?}: mean {mean}, most {most} bytes a frame");
        assert!(most <= 320, "{view:?} writes {most} bytes");
        assert!(mean <= 220, "{view:?} writes {mean} bytes in the mean");
    }
}

/// Every view, one after the other, help and palette.
const SWITCHES: [&str; 14] = ["2", "3", "4", "5", "6", "7", "8", "9", "2", "1", "?", "esc", ":", "esc"];

/// Bytes that another view may take on 140x40: less than seven seconds on a link of 600 bytes a second.
const MOST_FOR_A_VIEW: usize = 4000;
/// The same for the population on a link that is not slow: every gene has a background of its own.
const MOST_FOR_SHADES: usize = 6400;
/// The same on a link that is not slow, for runs with more to say than a usual search: four networks at once, long curves.
const MOST_FOR_BUSY_VIEWS: usize = 4400;

/// Bytes of each switch of views, on a link of this pace.
fn switches(mut stage: Stage, pace: Pace) -> Vec<(&'static str, usize)> {
    stage.app.handle(Input::Pace(pace));
    let mut counted = Vec::new();
    for keys in SWITCHES {
        let mut changed = |stage: &mut Stage, _| {
            stage.press(keys);
        };
        counted.push((keys, written(&mut stage, &mut changed, 1)[0]));
    }
    counted
}

/// Runs as they are while they are watched.
fn watched(options: &Options) -> [(&'static str, Stage); 6] {
    let runs = |mut stage: Stage| {
        stage.tell(Message::Runs(summaries_with_a_study()));
        stage
    };
    let of = |stage: fn(Options, usize) -> Stage, pairs| runs(stage(options.clone(), pairs));
    [
        ("search", of(Stage::searching, 124)),
        ("late search", of(Stage::searching, 444)),
        ("random search", of(Stage::at_random, 124)),
        ("two pairs at once", of(Stage::two_at_once, 62)),
        ("warm-up", of(Stage::warming_up, 24)),
        ("table", of(Stage::in_table, 65)),
    ]
}

#[test]
fn a_switch_of_views_is_small() {
    let looks = [Theme::Dark, Theme::Light].into_iter().flat_map(|theme| {
        [Fineness::Braille, Fineness::Block, Fineness::Ascii].map(|glyphs| (theme, glyphs))
    });
    let mut too_many = Vec::new();
    for (theme, glyphs) in looks {
        let mut options = Options { glyphs, ..options() };
        options.screen.theme = theme;
        for pace in [Pace::Quick, Pace::Slow] {
            for (name, stage) in watched(&options) {
                let counted = switches(stage, pace);
                println!("{theme:?} {glyphs:?} {pace:?} {name}: {counted:?}");
                for (keys, bytes) in counted {
                    let most = match (pace, keys) {
                        (Pace::Quick, "2") => MOST_FOR_SHADES,
                        (Pace::Quick, _) if name != "search" => MOST_FOR_BUSY_VIEWS,
                        _ => MOST_FOR_A_VIEW,
                    };
                    if bytes >= most {
                        too_many.push(format!("{theme:?} {glyphs:?} {pace:?} {name}: {keys} writes {bytes}"));
                    }
                }
            }
        }
    }
    assert!(too_many.is_empty(), "{}", too_many.join("\n"));
}

#[test]
fn nothing_is_written_where_nothing_changed() {
    let run = run();
    let mut stage = Stage::searching(options(), 124);
    let same = |stage: &mut Stage, _| stage.progress(run.progress(83, Mode::Running));
    assert_eq!(written(&mut stage, same, 5), [0; 5]);
    // A message that changes nothing does not even wake the drawing.
    stage.app.drawn();
    stage.progress(run.progress(83, Mode::Running));
    assert!(!stage.app.is_dirty());
    stage.tell(Message::Done("exported".to_owned()));
    assert!(stage.app.is_dirty());
}
