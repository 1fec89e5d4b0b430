//! What a frame costs on the wire.

use std::{cell::Cell, io::Write, rc::Rc};

use relativenas_core::protocol::Mode;
use relativenas_ui::{Painter, View, messages::Message};

use crate::{
    fake_run::FakeRun,
    stage::{Stage, options},
};

/// Bytes that each further frame writes on a screen of 140x40.
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

/// Counts what is written.
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

#[test]
fn a_switch_of_views_is_small() {
    let mut stage = Stage::searching(options(), 124);
    let mut lengths = Vec::new();
    for keys in ["2", "3", "4", "5", "6", "7", "8", "1", "?", "esc", ":", "esc"] {
        let mut changed = |stage: &mut Stage, _| {
            stage.press(keys);
        };
        let length = written(&mut stage, &mut changed, 1)[0];
        println!("{keys}: {length} bytes");
        lengths.push((keys, length));
    }
    for (keys, length) in lengths {
        // Of the population every gene has a ground of its own.
        let most = if keys == "2" { 2 * MOST_FOR_A_VIEW } else { MOST_FOR_A_VIEW };
        assert!(length <= most, "{keys} writes {length} bytes");
    }
}

/// Bytes that another view may take on 140x40: seven seconds and a half on a link of 600 bytes a second.
const MOST_FOR_A_VIEW: usize = 4440;

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
