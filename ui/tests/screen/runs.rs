//! The list of runs: keys that open, compare, mark, rename and remove runs, and the screen that follows.

use relativenas_core::{
    protocol::{Command, Mode},
    searcher::SearcherKind,
};
use relativenas_ui::{
    App, View,
    messages::{Link, Message, Request, RunSummary},
};

use crate::{
    fake_run::FakeRun,
    stage::{RUN, Stage, folder, options, searching, summaries, summaries_with_a_study},
};

/// The list of runs, and the screen with which it is looked at.
fn listing() -> Stage {
    let mut stage = searching();
    stage.press("8");
    stage.tell(Message::Runs(summaries()));
    stage.requests();
    stage
}

#[test]
fn runs_are_opened_resumed_compared_and_started() {
    let mut stage = searching();
    stage.press("8");
    stage.tell(Message::Runs(summaries()));
    stage.requests();
    stage.press("down enter");
    assert_eq!(stage.requests(), [Request::Open { folder: folder("cifar-paper-0410") }]);
    stage.press("r");
    assert_eq!(stage.requests(), [], "an engine runs it already");
    stage.press("down down r");
    assert_eq!(stage.requests(), [Request::Resume { folder: folder("fashion-quick-0401"), paused: false }]);
    stage.press("c");
    assert_eq!(stage.requests(), [Request::Compare { folder: folder("fashion-quick-0401") }]);
    // An odd population is not started; an even one is.
    stage.press("n down down down down down down down backspace backspace 7");
    stage.press("up up up up up up up up enter");
    assert_eq!(stage.requests(), []);
    stage.press("down down down down down down down down backspace 6 end enter");
    assert_eq!(stage.requests(), [], "enter goes on");
    stage.press("up up up up up up up up up enter");
    let settings = vec![("search.population".to_owned(), "6".to_owned())];
    let start = Request::Start {
        architecture: None,
        preset: Some("quick".to_owned()),
        settings,
        name: None,
        paused: false,
    };
    assert_eq!(stage.requests(), [start]);
}

#[test]
fn a_study_lists_its_runs_and_opens_one() {
    let mut stage = searching();
    stage.press("8");
    stage.tell(Message::Runs(summaries_with_a_study()));
    stage.press("home");
    stage.requests();
    stage.press("r");
    assert!(stage.screen(100, 30).contains("`relativenas study work chance` goes on with a study"));
    stage.press("c");
    assert!(stage.screen(100, 30).contains("a study has no curves of its own"));
    stage.press("enter down down up enter");
    assert_eq!(stage.requests(), [Request::Open { folder: folder("chance/runs/random-1") }]);
}

#[test]
fn the_selected_run_stays_selected_when_another_appears() {
    let mut stage = searching();
    stage.press("8");
    stage.tell(Message::Runs(summaries()));
    stage.press("down down");
    stage.requests();
    let mut runs = summaries();
    let newer = RunSummary {
        run: "fashion-quick-0413".to_owned(),
        folder: folder("fashion-quick-0413"),
        ..runs[0].clone()
    };
    runs.insert(0, newer);
    stage.tell(Message::Runs(runs.clone()));
    stage.press("enter");
    assert_eq!(stage.requests(), [Request::Open { folder: folder("fashion-quick-0409") }]);
    // One that is gone leaves the selection where it was.
    runs.remove(3);
    stage.tell(Message::Runs(runs));
    stage.press("enter");
    assert_eq!(stage.requests(), [Request::Open { folder: folder("fashion-quick-0401") }]);
}

#[test]
fn all_comparable_runs_are_laid_over_the_curves_and_taken_away_with_one_key() {
    let mut stage = searching();
    stage.press("6 c");
    assert_eq!(stage.requests(), [Request::CompareAll]);
    stage.compare("seed-2", SearcherKind::SlowFast, 2, 60);
    let before = stage.press("up").screen(140, 40);
    assert!(before.contains("slow-fast, 2 runs"), "{before}");
    // It goes on, and the curves with it.
    stage.grow("seed-2", SearcherKind::SlowFast, 2, 124);
    assert_ne!(stage.screen(140, 40), before);
    stage.press("c");
    assert_eq!(stage.requests(), []);
    assert!(!stage.press("up").screen(140, 40).contains("2 runs"));
    // What was taken away does not come back by itself.
    stage.grow("seed-2", SearcherKind::SlowFast, 2, 150);
    assert!(!stage.screen(140, 40).contains("2 runs"));
}

#[test]
fn a_run_that_could_not_be_opened_does_not_move_anybody_later() {
    let mut stage = listing();
    stage.press("home enter");
    assert_eq!(stage.requests(), [Request::Open { folder: folder(RUN) }]);
    stage.tell(Message::Failed("there is no run any more".to_owned()));
    // The run that is shown is read again by itself.
    stage.open();
    assert_eq!(stage.app.view(), View::Runs);
}

#[test]
fn without_a_run_to_show_the_list_is_asked_for() {
    let options = relativenas_ui::Options { first: None, ..options() };
    let mut app = App::new(options).expect("valid keys");
    assert_eq!((app.view(), app.take_requests()), (View::Runs, vec![Request::ListRuns]));
    // There is nothing that another run could be compared with.
    let mut stage = Stage { app };
    stage.tell(Message::Runs(summaries()));
    assert!(!stage.screen(80, 24).contains("compare"));
    assert!(stage.press("c").screen(80, 24).contains("open a run first"));
}

#[test]
fn runs_are_filtered_by_words_and_sorted_by_column() {
    let mut stage = listing();
    let screen = stage.press("down / cifar enter").screen(100, 30);
    assert!(screen.contains("1 with `cifar`, of 5") && !screen.contains("fashion-quick-0409"), "{screen}");
    // The run that was selected stays selected.
    stage.press("enter");
    assert_eq!(stage.requests(), [Request::Open { folder: folder("cifar-paper-0410") }]);
    // Words of the state and of the searcher count too, all of them.
    let screen = stage.press("/").press("backspace backspace backspace backspace backspace STOPPED");
    let screen = screen.press("space").press("slow-fast enter").screen(100, 30);
    assert!(
        screen.contains("fashion-quick-0401") && screen.contains("1 with `STOPPED slow-fast`"),
        "{screen}"
    );
    stage.press("/ xyz enter");
    assert!(stage.screen(100, 30).contains("no run has these words; esc lists all"));
    stage.press("enter r d R a space");
    assert_eq!(stage.requests(), [], "there is none to act on");
    assert!(stage.press("esc esc").screen(100, 30).contains("fashion-quick-0409"));
    // By name, then by phase, by what is done, by the best loss.
    let first = |stage: &mut Stage| {
        stage.press("home enter");
        stage.requests()
    };
    let open = |run: &str| vec![Request::Open { folder: folder(run) }];
    assert_eq!(first(stage.press("o")), open("cifar-paper-0410"));
    assert_eq!(first(stage.press("o o")), open("fashion-quick-0409"));
    assert!(stage.screen(100, 30).contains("by done"));
    assert_eq!(first(stage.press("o")), open("cifar-paper-0410"));
}

#[test]
fn several_runs_are_marked_and_removed_after_a_question() {
    let mut stage = listing();
    stage.press("d");
    assert!(stage.screen(100, 30).contains("its engine is running; open it and stop it first"));
    stage.press("down down space m d");
    let screen = stage.screen(80, 24);
    assert!(screen.contains("Remove 2 runs?") && screen.contains("2 marked"), "{screen}");
    let line = |name: &str| screen.lines().any(|line| line.contains("│") && line.contains(name));
    assert!(line("fashion-quick-0401") && line("fashion-quick-0409"), "one a line\n{screen}");
    // Marked runs are removed even if the filter hides them; the question says so.
    let screen = stage.press("n / 0409 enter d").screen(80, 24);
    assert!(screen.contains("1 of 2 not listed now, because of the filter"), "{screen}");
    // Where there is no room for all names, the rest are counted.
    let screen = stage.screen(80, 11);
    assert!(screen.contains("fashion-quick-0401") && !screen.contains("more"), "{screen}");
    let screen = stage.screen(80, 10);
    assert!(screen.contains("and 2 more"), "{screen}");
    stage.press("n / backspace backspace backspace backspace enter");
    assert_eq!(stage.requests(), []);
    stage.press("d y");
    let both = ["fashion-quick-0401", "fashion-quick-0409"].map(folder).to_vec();
    assert_eq!(stage.requests(), [Request::Remove { folders: both.clone() }]);
    stage.tell(Message::Removed(both));
    let screen = stage.screen(80, 24);
    assert!(screen.contains("2 runs are removed") && !screen.contains("marked"), "{screen}");
    // If the engine of a marked run is alive, none of the marked runs is removed.
    stage.press("home space end space d");
    assert!(stage.screen(80, 24).contains("its engine is running"));
    stage.press("y");
    assert_eq!(stage.requests(), []);
}

#[test]
fn a_run_of_the_same_name_elsewhere_is_another_one() {
    let mut stage = Stage::new(options());
    let elsewhere = folder("chance/runs").join(RUN);
    stage.tell(Message::Opened { run: RUN.to_owned(), folder: elsewhere.clone() });
    stage.tell(Message::Link(Link::NoEngine));
    stage.press("8");
    stage.tell(Message::Runs(summaries()));
    stage.requests();
    stage.press("c");
    assert_eq!(
        stage.requests(),
        [Request::Compare { folder: folder(RUN) }],
        "it is not the one that is shown"
    );
    stage.tell(Message::Renamed { from: folder(RUN), to: folder("other") });
    let screen = stage.press("1").screen(80, 24);
    assert!(screen.contains(RUN), "{screen}");
    stage.tell(Message::Removed(vec![folder("other")]));
    stage.press("r");
    assert_eq!(stage.requests(), [Request::Resume { folder: elsewhere, paused: false }]);
}

#[test]
fn the_run_that_is_shown_is_forgotten_when_it_is_removed() {
    let mut stage = listing();
    stage.tell(Message::Removed(vec![folder(RUN)]));
    let screen = stage.press("1").screen(80, 24);
    assert!(screen.contains("no run is shown") && !screen.contains(RUN), "{screen}");
}

#[test]
fn a_run_is_renamed_and_stays_selected_and_shown() {
    let mut stage = listing();
    let rest = |from: &str| "backspace ".repeat(from.len());
    stage.press(&format!("R {} cifar-paper-0410 enter", rest(RUN)));
    let rename = Request::Rename { folder: folder(RUN), name: "cifar-paper-0410".to_owned() };
    assert_eq!(stage.requests(), [rename]);
    stage.tell(Message::Failed("there is a run of this name already".to_owned()));
    assert!(stage.screen(80, 24).contains("there is a run of this name already"));
    stage.press("x enter");
    stage.requests();
    let (from, to) = (folder(RUN), folder("cifar-paper-0410x"));
    stage.tell(Message::Renamed { from, to: to.clone() });
    // The run is read again from its new folder, and the view stays the same.
    stage.tell(Message::Opened { run: "cifar-paper-0410x".to_owned(), folder: to.clone() });
    assert_eq!(stage.app.view(), View::Runs);
    let screen = stage.screen(80, 24);
    assert!(
        screen.contains("is cifar-paper-0410x from now on") && !screen.contains("Rename the run"),
        "{screen}"
    );
    stage.press("enter");
    assert_eq!(stage.requests(), [Request::Open { folder: to.clone() }]);
    stage.tell(Message::Opened { run: "cifar-paper-0410x".to_owned(), folder: to.clone() });
    assert_eq!(stage.app.view(), View::Overview);
}

#[test]
fn a_note_is_written_shown_and_found() {
    let mut stage = listing();
    stage.press("down down a baseline space").press("enter");
    let folder = folder("fashion-quick-0409");
    assert_eq!(stage.requests(), [Request::Annotate { folder, note: "baseline".to_owned() }]);
    let mut runs = summaries();
    runs[2].note = "baseline of the paper".to_owned();
    stage.tell(Message::Runs(runs));
    assert!(stage.screen(80, 24).contains("baseline of the paper"));
    assert!(stage.press("/ baseline enter").screen(80, 24).contains("1 with `baseline`, of 5"));
    // What was written before can be edited.
    assert!(stage.press("a").screen(80, 24).contains("> baseline of the paper"));
}

#[test]
fn a_run_is_resumed_as_it_was_or_paused() {
    let mut stage = listing();
    let folder = folder("fashion-quick-0401");
    stage.press("down down down p");
    assert_eq!(stage.requests(), [Request::Resume { folder: folder.clone(), paused: true }]);
    stage.press("r");
    assert_eq!(stage.requests(), [Request::Resume { folder, paused: false }]);
}

#[test]
fn a_run_that_is_resumed_where_it_is_looked_at_stays_in_view() {
    let mut stage = searching();
    stage.tell(Message::Link(Link::NoEngine));
    stage.press("2 down r");
    assert_eq!(stage.requests(), [Request::Resume { folder: folder(RUN), paused: false }]);
    stage.open();
    assert_eq!(stage.app.view(), View::Population);
    // In the list of runs it is shown as one that was chosen there.
    stage.tell(Message::Runs(summaries()));
    stage.press("8 home enter");
    stage.open();
    assert_eq!(stage.app.view(), View::Overview);
}

#[test]
fn a_study_is_removed_with_its_runs_after_a_question() {
    let mut stage = listing();
    let mut all = summaries_with_a_study();
    stage.tell(Message::Runs(all.clone()));
    stage.press("home d");
    assert!(stage.screen(100, 30).contains("chance: workers are on its runs; end them first"));
    all[0].alive = false;
    stage.tell(Message::Runs(all));
    let screen = stage.press("d").screen(100, 30);
    assert!(screen.contains("Its folder is deleted, with the 6 runs that were begun:"), "{screen}");
    assert!(screen.contains("chance/slow-fast-2-judged-1"), "{screen}");
    stage.press("n");
    assert_eq!(stage.requests(), []);
    stage.press("d y");
    assert_eq!(stage.requests(), [Request::RemoveStudy { folder: folder("chance") }]);
    stage.tell(Message::Removed(vec![folder("chance")]));
    let screen = stage.screen(100, 30);
    assert!(screen.contains("chance is removed") && !screen.contains("study, slow-fast"), "{screen}");
}

#[test]
fn a_run_of_a_study_is_forgotten_with_it() {
    let mut stage = searching();
    let run = folder("chance/runs/random-1");
    stage.tell(Message::Opened { run: "random-1".to_owned(), folder: run });
    stage.compare("chance/runs/slow-fast-1", SearcherKind::SlowFast, 2, 60);
    // A study whose name begins with the same letters is another one.
    stage.tell(Message::Removed(vec![folder("chan")]));
    assert!(stage.press("1").screen(100, 30).contains("random-1"));
    stage.tell(Message::Removed(vec![folder("chance")]));
    let screen = stage.screen(100, 30);
    assert!(screen.contains("no run is shown") && !screen.contains("random-1"), "{screen}");
}

#[test]
fn a_compared_run_is_followed_under_its_new_name() {
    let mut stage = searching();
    stage.compare("seed-2", SearcherKind::SlowFast, 2, 60);
    // A run of the same name in another directory is another run.
    stage.tell(Message::Renamed { from: folder("chance/runs/seed-2"), to: folder("chance/runs/other") });
    stage.tell(Message::Renamed { from: folder("seed-2"), to: folder("second") });
    let before = stage.press("6 up m").screen(140, 40);
    assert!(before.contains("second") && !before.contains("seed-2"), "{before}");
    stage.grow("second", SearcherKind::SlowFast, 2, 124);
    assert_ne!(stage.screen(140, 40), before);
}

#[test]
fn a_run_that_was_just_stopped_is_resumed_whatever_the_list_says() {
    let mut stage = searching();
    stage.press("Q y");
    assert_eq!(stage.requests(), [Request::Steer { id: 1, command: Command::Stop }]);
    stage.press("8");
    stage.tell(Message::Runs(summaries()));
    stage.requests();
    let screen = stage.press("home p").screen(100, 30);
    assert!(
        screen.contains("its engine still writes a checkpoint; resume it once it has stopped"),
        "{screen}"
    );
    assert_eq!(stage.requests(), []);
    // The list is from before.
    stage.tell(Message::Link(Link::NoEngine));
    stage.press("p");
    assert_eq!(stage.requests(), [Request::Resume { folder: folder(RUN), paused: true }]);
}

#[test]
fn a_run_that_stops_takes_no_command_but_another_stop() {
    let mut stage = searching();
    let (run, _) = FakeRun::new(20, 50);
    stage.progress(run.progress(3, Mode::Stopping));
    for keys in ["p", "space", "g", "P"] {
        let screen = stage.press(keys).screen(100, 30);
        assert!(
            screen.contains("the run stops after a checkpoint; resume it then to go on"),
            "{keys}: {screen}"
        );
    }
    assert_eq!(stage.requests(), []);
    stage.press("Q y");
    assert_eq!(stage.requests(), [Request::Steer { id: 1, command: Command::Stop }]);
}
