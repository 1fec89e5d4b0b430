//! Work in the background: probes and evaluations, with keys, requests and the screen that follows.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use relativenas_core::loss::Loss;
use relativenas_core::probe::Probe;
use relativenas_ui::{
    Input,
    messages::{Evaluated, Link, Message, Request, RunAfterwards, WorkKind, WorkState},
};

use crate::{
    fake_run::{FakeRun, training, training_end},
    stage::{RUN, Stage, folder, left, options, searching},
};

#[test]
fn leaving_asks_first_while_a_probe_is_under_way() {
    let mut stage = searching();
    stage.tell(Message::Link(Link::NoEngine));
    stage.press("t q");
    assert_eq!(stage.app.exit(), None);
    assert!(stage.screen(80, 24).contains("A probe ends with the screen"));
    stage.press("n");
    assert_eq!(stage.app.exit(), None);
    stage.press("q y");
    assert_eq!(stage.app.exit(), Some(&left(RunAfterwards::Stopped)));
    // The same while another run than the one that is shown is probed; pressed twice, the key leaves the screen.
    let mut stage = searching();
    let probing = WorkState::UnderWay("probing: 37 %".to_owned());
    stage.tell(Message::Work { folder: folder("another"), kind: WorkKind::Probe, word: probing });
    let leave = || Input::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    stage.app.handle(leave());
    assert_eq!(stage.app.exit(), None);
    stage.app.handle(leave());
    assert_eq!(stage.app.exit(), Some(&left(RunAfterwards::Engine)));
}

#[test]
fn a_probe_is_started_where_no_engine_is_at_work_and_ended_with_the_same_key() {
    let mut stage = searching();
    stage.press("t");
    assert_eq!(stage.requests(), []);
    let screen = stage.screen(100, 30);
    assert!(screen.contains("a search is probed once it is finished or stopped"), "{screen}");
    stage.tell(Message::Link(Link::NoEngine));
    stage.press("t");
    assert_eq!(stage.requests(), [Request::Probe]);
    assert!(stage.screen(100, 30).contains("the probe starts"));
    // Progress of another run's probe is not shown for this run.
    stage.tell(Message::Work { folder: folder("another"), kind: WorkKind::Probe, word: WorkState::Ended });
    stage.press("t");
    assert_eq!(stage.requests(), [Request::EndWork]);
    stage.tell(Message::Work { folder: folder(RUN), kind: WorkKind::Probe, word: WorkState::Ended });
    assert!(!stage.screen(100, 30).contains("the probe starts"));
}

#[test]
fn work_is_done_on_one_run_at_a_time() {
    let mut stage = searching();
    stage.tell(Message::Link(Link::NoEngine));
    stage.press("t");
    assert_eq!(stage.requests(), [Request::Probe]);
    // The work on the first run is not forgotten while another one is shown.
    stage.tell(Message::Opened { run: "other".to_owned(), folder: folder("other") });
    stage.tell(Message::Lines(FakeRun::new(20, 50).1));
    stage.tell(Message::Link(Link::NoEngine));
    let screen = stage.press("t").screen(100, 30);
    assert!(screen.contains("another run is being probed or evaluated; one at a time"), "{screen}");
    assert_eq!(stage.requests(), []);
    let ended = |name: &str, kind| Message::Work { folder: folder(name), kind, word: WorkState::Ended };
    stage.tell(ended("other", WorkKind::Probe));
    stage.tell(ended(RUN, WorkKind::Evaluation));
    stage.open();
    stage.tell(Message::Lines(FakeRun::new(20, 50).1));
    stage.tell(Message::Link(Link::NoEngine));
    stage.press("t");
    assert_eq!(stage.requests(), [Request::EndWork]);
    stage.tell(ended(RUN, WorkKind::Probe));
    stage.press("t");
    assert_eq!(stage.requests(), [Request::Probe]);
}

#[test]
fn a_finished_training_is_evaluated_in_the_background() {
    let mut stage = searching();
    stage.press("E");
    assert!(stage.screen(100, 30).contains("a search has no weights to judge"));
    let mut stage = Stage::new(options());
    stage.open();
    stage.tell(Message::Lines(training(5)));
    stage.tell(Message::Link(Link::NoEngine));
    stage.press("E");
    assert_eq!(stage.requests(), [Request::Open { folder: folder(RUN) }]);
    assert!(stage.screen(100, 30).contains("its best weights can be evaluated once it is finished"));
    stage.tell(Message::Lines(training_end(5)));
    assert!(stage.screen(100, 30).contains("E evaluates it, T trains it again"));
    stage.press("E");
    assert_eq!(stage.requests(), [Request::Evaluate]);
    stage.press("q");
    assert!(stage.screen(80, 24).contains("An evaluation ends with the screen"));
    stage.press("n E");
    assert_eq!(stage.requests(), [Request::EndWork]);
    let found = Evaluated { loss: Loss(0.412), top1: 93.25, top5: 99.5, images: 10_000 };
    let word = WorkState::Evaluated(found);
    stage.tell(Message::Work { folder: folder(RUN), kind: WorkKind::Evaluation, word });
    let screen = stage.screen(100, 30);
    assert!(screen.contains("evaluated: top-1 93.25 %, top-5 99.50 % of 10,000 images"), "{screen}");
    stage.press("q");
    assert_eq!(stage.app.exit(), Some(&left(RunAfterwards::Finished)));
}

#[test]
fn a_run_that_is_opened_again_while_it_is_probed_shows_that() {
    let mut stage = searching();
    stage.tell(Message::Link(Link::NoEngine));
    stage.press("t");
    let probing = WorkState::UnderWay("probing: 37 %".to_owned());
    stage.tell(Message::Work { folder: folder(RUN), kind: WorkKind::Probe, word: probing });
    assert!(stage.press("6").screen(100, 30).contains("probing: 37 %"));
    stage.tell(Message::Opened { run: "other".to_owned(), folder: folder("other") });
    stage.open();
    let (mut run, lines) = FakeRun::new(20, 50);
    stage.tell(Message::Lines(lines));
    (0..24).for_each(|_| stage.tell(Message::Lines(run.next_pair())));
    // It was probed before, and what was found then is told anew; that does not end the probe under way.
    stage.tell(Message::ProbedBefore { folder: folder(RUN), probe: Probe::default() });
    stage.tell(Message::Link(Link::NoEngine));
    assert!(stage.press("6").screen(100, 30).contains("the probe is under way"));
    stage.requests();
    stage.press("t");
    assert_eq!(stage.requests(), [Request::EndWork]);
}
