//! Going back in a run, and playing it.

use relativenas_core::protocol::{Activity, Command, Mode};
use relativenas_ui::{
    Input, Options, View,
    messages::{Link, Message, Request},
};

use crate::{
    fake_run::{FakeRun, training},
    stage::{Stage, options},
};

fn searching(pairs: usize) -> Stage {
    let mut stage = Stage::searching(options(), pairs);
    stage.requests();
    stage
}

/// What is between title and footer, where the view has so many rows.
fn inside(stage: &mut Stage, rows: usize) -> Vec<String> {
    let past = usize::from(stage.screen(100, 30).contains("esc returns"));
    let screen = stage.screen(100, (rows + 4 + past) as u16);
    screen.lines().skip(2).take(rows).map(str::to_owned).collect()
}

#[test]
fn a_view_of_the_past_is_the_view_that_was_seen_then() {
    for view in ["2", "3", "4", "5", "9"] {
        let mut back = searching(124);
        let mut then = Stage::searching(options(), 120);
        let (run, _) = FakeRun::new(20, 50);
        // No individual is trained in the past.
        let mut progress = run.progress(0, Mode::Running);
        if let Activity::Estimating { members, .. } = &mut progress.activity {
            members.clear();
        }
        then.progress(progress);
        back.press(view).press("{ { { {");
        let then = inside(then.press(view), 40);
        assert_eq!(inside(&mut back, 40), then, "view {view}");
        // The same by generation, and from further back again.
        assert_eq!(inside(back.press("esc ["), 40), then, "view {view}");
        assert_eq!(inside(back.press("[ [ ] ]"), 40), then, "view {view}");
        let now = inside(searching(124).press(view), 40);
        assert_ne!(now, then);
        assert_eq!(inside(back.press("esc"), 40), now, "view {view}");
    }
}

#[test]
fn the_past_is_plain_and_does_not_move_with_the_run() {
    let mut stage = searching(124);
    let now = stage.press("9").screen(80, 24);
    let past = stage.press("[ [").screen(80, 24);
    assert!(past.lines().next().is_some_and(|title| title.contains("the past")), "{past}");
    assert!(past.contains("generation 11 begins") && past.contains("esc returns"), "{past}");
    insta::assert_snapshot!("past_map_80x24", past);
    let (mut run, _) = FakeRun::new(20, 50);
    (0..124).for_each(|_| drop(run.next_pair()));
    stage.tell(Message::Lines(run.next_pair()));
    let still = stage.screen(80, 24);
    let view = |screen: &str| screen.lines().skip(2).take(20).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(view(&still), view(&past));
    assert_ne!(stage.press(".").screen(80, 24), now, "a pair more");
    insta::assert_snapshot!("past_overview_140x40", stage.press("1 {").screen(140, 40));
    insta::assert_snapshot!("past_overview_40x12", stage.screen(40, 12));
}

#[test]
fn the_ends_of_time_are_said() {
    let mut stage = searching(124);
    assert!(stage.press("]").screen(100, 30).contains("this is now"));
    stage.press(&"[ ".repeat(13));
    assert!(stage.screen(100, 30).contains("generation 0 begins"));
    assert!(stage.press("[").screen(100, 30).contains("this is where the run began"));
    // Going forth ends at the present.
    stage.press(&"] ".repeat(13));
    assert!(!stage.screen(100, 30).contains("esc returns"));
}

#[test]
fn the_cursor_of_the_curves_is_a_way_to_the_past() {
    let mut stage = searching(124);
    // Twelve generations are done; the cursor goes from the last to the one before.
    stage.press("6 left");
    assert!(stage.screen(100, 30).contains("generation 10"));
    let screen = stage.press("9").screen(100, 30);
    assert!(screen.contains("generation 11 begins"), "{screen}");
    let screen = stage.press("] 6").screen(100, 30);
    assert!(screen.contains("CURVES  generation 11"), "{screen}");
    assert!(stage.press("esc").screen(100, 30).contains("left and right read values"));
}

#[test]
fn the_past_is_not_changed_and_the_engine_is_steered_as_ever() {
    let mut stage = searching(124);
    stage.press("[ e");
    assert_eq!(stage.requests(), []);
    assert!(stage.screen(100, 30).contains("this is the past; return to now first"));
    stage.press("i");
    assert_eq!(stage.requests(), []);
    // The run can be paused while an earlier moment is shown.
    stage.press("space");
    assert_eq!(stage.requests(), [Request::Steer { id: 1, command: Command::Pause }]);
    // A branch begins with an earlier generation.
    stage.press("b 4 enter");
    assert_eq!(stage.requests(), [Request::Branch { generation: 4 }]);
}

#[test]
fn a_finished_run_is_played_from_its_beginning_to_its_end() {
    let mut stage = Stage::finished(Options { replay: Some(2.0), ..options() }, 3);
    stage.press("9");
    let mut seen = Vec::new();
    while stage.app.next_tick().is_some() {
        let screen = stage.screen(100, 30);
        assert!(screen.contains("replay"), "{screen}");
        seen.push(screen);
        stage.app.handle(Input::Tick);
        assert!(seen.len() < 20, "it ends");
    }
    // The beginning and the end of each of nine pairs, and of three generations.
    assert_eq!(seen.len(), 13);
    assert!(seen[0].contains("generation 0 begins") && seen[1].contains("generation 0, 1 pair"));
    assert!(!stage.screen(100, 30).contains("esc returns"));
    // The replay is started again and paused, and the moment is then changed by keys.
    stage.press("R");
    stage.app.handle(Input::Tick);
    stage.press("space");
    assert!(stage.app.next_tick().is_none());
    assert!(stage.screen(100, 30).contains("generation 0, 1 pair"));
    assert!(stage.press("}").screen(100, 30).contains("generation 0, 2 pairs"));
    stage.press("space");
    assert!(stage.app.next_tick().is_some());
    // The list of runs is not played.
    stage.press("8");
    assert_eq!(stage.app.view(), View::Runs);
    assert!(stage.app.next_tick().is_none());
}

#[test]
fn a_training_goes_back_by_epochs() {
    let mut stage = Stage::new(options());
    stage.open();
    stage.tell(Message::Lines(training(40)));
    stage.tell(Message::Link(Link::NoEngine));
    let screen = stage.press("1 [ [").screen(80, 24);
    assert!(screen.contains("after epoch 37") && screen.contains("38/600"), "{screen}");
}

#[test]
fn a_run_that_is_read_anew_is_shown_as_it_is_now() {
    let mut stage = searching(124);
    stage.press("[");
    stage.open();
    assert!(!stage.screen(80, 24).contains("esc returns"));
}
