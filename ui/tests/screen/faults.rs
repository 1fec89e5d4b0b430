//! Faults that people found in the screen, and what happens now instead.

use relativenas_core::{
    event::{Event, Line},
    genotype::Genotype,
    loss::Loss,
    population::IndividualId,
    protocol::{Answer, Command, Mode},
    published,
};
use relativenas_ui::{
    Input, View,
    messages::{Exit, ExportFormat, Exported, Link, Message, Plan, Request},
};

use crate::{
    fake_run::{FakeRun, training},
    stage::{RUN, Stage, folder, live, options, searching},
};

/// A search after so many pairs, with its run to go on with.
fn after(pairs: usize) -> (Stage, FakeRun) {
    let mut stage = Stage::new(options());
    stage.open();
    let (mut run, lines) = FakeRun::new(20, 50);
    stage.tell(Message::Lines(lines));
    (0..pairs).for_each(|_| stage.tell(Message::Lines(run.next_pair())));
    stage.tell(Message::Link(live()));
    stage.requests();
    (stage, run)
}

/// The line of a screen that begins with a word, without that word.
fn after_word(screen: &str, word: &str) -> String {
    let line = screen.lines().find_map(|line| line.trim_start().strip_prefix(word));
    line.unwrap_or_else(|| panic!("no `{word}`:\n{screen}")).trim().to_owned()
}

#[test]
fn the_best_that_is_exported_is_the_one_that_is_shown() {
    let (mut stage, _) = after(124);
    let shown = after_word(&stage.screen(80, 24), "best individual");
    stage.press("e");
    let dialog = stage.screen(80, 24);
    stage.press("enter");
    let requests = stage.requests();
    let [Request::Export { what: Exported::Best { individual, generation, loss, position }, format }] =
        &requests[..]
    else {
        panic!("{requests:?}")
    };
    assert_eq!(*format, ExportFormat::Darts);
    assert!(shown.starts_with(&format!("{individual:02}  loss {loss:.3}")), "{shown}");
    let generation = generation.expect("not ranked yet");
    let said = format!("individual {individual:02} as it was in generation {generation}: loss {loss:.3}");
    assert!(dialog.contains(&said), "{said}:\n{dialog}");
    // After a genotype is injected in its place, the export still is the architecture that was shown.
    let mut run = FakeRun::new(20, 50).0;
    (0..124).for_each(|_| drop(run.next_pair()));
    let genotype = published::genotype("DARTS_V2").expect("published");
    let other = genotype.encode().expect("it fits");
    let injected = Event::IndividualInjected { individual: *individual, position: other.clone() };
    stage.tell(Message::Lines(vec![Line { seq: run.events(), time: 1_780_100_000_000, event: injected }]));
    stage.press("e enter");
    let again = stage.requests();
    assert!(
        matches!(&again[..], [Request::Export { what: Exported::Best { position: p, .. }, .. }] if p == position)
    );
    assert_ne!(*position, other);
    // The log says what was injected, by its name.
    let screen = stage.press("7").screen(100, 30);
    assert!(screen.contains(&format!("DARTS_V2 was put in the place of {individual:02}")), "{screen}");
}

#[test]
fn an_injected_cell_without_a_name_is_told_in_full() {
    let (mut stage, run) = after(3);
    let position = vec![0.3; 32];
    let normal = Genotype::decode(&position).expect("a vector").normal.short();
    let event = Event::IndividualInjected { individual: IndividualId(4), position };
    stage.tell(Message::Lines(vec![Line { seq: run.events(), time: 1_780_100_000_000, event }]));
    let screen = stage.press("7").screen(200, 60);
    assert!(screen.contains(&format!("normal {normal}, reduction ")), "{screen}");
}

#[test]
fn nobody_is_injected_over_without_being_selected() {
    let mut stage = searching();
    let screen = stage.press("i").screen(100, 30);
    assert!(screen.contains("select an individual first: the genotype takes its place"), "{screen}");
    let screen = stage.press("2 down i").screen(100, 30);
    assert!(screen.contains("Inject a genotype") && screen.contains("individual 09"), "{screen}");
}

#[test]
fn keys_work_while_somebody_is_inspected() {
    let mut stage = searching();
    stage.press("2 down enter");
    assert!(stage.screen(100, 30).contains("Individual 09"));
    // Scrolling keeps it open.
    assert!(stage.press("down").screen(100, 30).contains("Individual 09"));
    stage.press("e down enter");
    let expected =
        Request::Export { what: Exported::Individual(IndividualId(9)), format: ExportFormat::Json };
    assert_eq!(stage.requests(), [expected]);
    stage.press("enter space");
    assert_eq!(stage.requests(), [Request::Steer { id: 1, command: Command::Pause }]);
    stage.press("enter 6");
    assert_eq!(stage.app.view(), View::Curves);
    // A key that closes the overlay has no other effect.
    stage.press("2 enter enter");
    assert!(!stage.screen(100, 30).contains("Individual 09"));
}

#[test]
fn stopping_a_run_leaves_the_screen_open_and_it_can_be_resumed_there() {
    let mut stage = searching();
    stage.press("Q y");
    assert_eq!(stage.requests(), [Request::Steer { id: 1, command: Command::Stop }]);
    stage.tell(Message::Answer(Answer { id: 1, refused: None }));
    stage.tell(Message::Link(Link::NoEngine));
    assert_eq!(stage.app.exit(), None);
    let screen = stage.screen(80, 24);
    assert!(screen.contains("stopped") && screen.contains("r goes on where it stopped"), "{screen}");
    stage.press("r");
    assert_eq!(stage.requests(), [Request::Resume { folder: folder(RUN), paused: false }]);
    // If the screen is left while the run stops, the exit says that it stops.
    let mut stage = searching();
    stage.press("Q y q");
    assert_eq!(stage.app.exit(), Some(&Exit::Stopped { folder: folder(RUN) }));
}

#[test]
fn a_finished_run_is_not_to_be_resumed() {
    let mut stage = Stage::finished(options(), 1);
    stage.requests();
    for key in ["space", "s", "i", "Q", "r"] {
        let screen = stage.press(key).screen(80, 24);
        assert!(screen.contains("the run is finished") && !screen.contains("to go on"), "{key}:\n{screen}");
    }
    assert_eq!(stage.requests(), []);
}

#[test]
fn at_80_columns_tabs_have_names_and_the_usual_keys_are_said() {
    let mut stage = searching();
    let screen = stage.screen(80, 24);
    let tabs = screen.lines().nth(1).expect("tabs");
    for name in ["1 Overview", "2 Pop", "3 Pairs", "5 Arch", "7 Log", "8 Runs"] {
        assert!(tabs.contains(name), "{name}:\n{tabs}");
    }
    let keys = screen.lines().last().expect("keys");
    for key in ["space pause", "s pair", "g gen.", "e export", ": find", "? help", "q leave"] {
        assert!(keys.contains(key), "{key}:\n{keys}");
    }
    // The settings of the engine that hold stay visible beside the tabs.
    let (mut run, _) = FakeRun::new(20, 50);
    (0..124).for_each(|_| drop(run.next_pair()));
    let mut progress = run.progress(3, Mode::Running);
    (progress.pause_at, progress.pause_on_nan) = (Some(20), true);
    stage.progress(progress);
    let screen = stage.screen(80, 24);
    let tabs = screen.lines().nth(1).expect("tabs");
    assert!(tabs.contains("pauses at 20, pauses on NaN") && tabs.contains("1 Overview"), "{tabs}");
}

#[test]
fn a_time_that_is_not_known_is_said_not_to_be() {
    let mut stage = searching();
    let (run, _) = FakeRun::new(20, 50);
    stage.progress(relativenas_core::protocol::Progress {
        seconds_left: None,
        ..run.progress(3, Mode::Running)
    });
    for (width, height) in [(140, 40), (80, 24), (60, 16)] {
        let screen = stage.screen(width, height);
        assert!(screen.lines().next().expect("a title").ends_with("not yet"), "{screen}");
    }
}

#[test]
fn a_loss_from_a_table_says_what_it_is() {
    let mut stage = Stage::in_table(options(), 75);
    for (view, size) in [("1", (140, 40)), ("1", (80, 24)), ("6", (100, 30))] {
        let screen = stage.press(view).screen(size.0, size.1);
        assert!(screen.to_lowercase().contains("100 - accuracy, %"), "{view} {size:?}:\n{screen}");
    }
    assert!(!searching().screen(140, 40).contains("100 - accuracy"));
}

#[test]
fn the_pull_stands_apart_from_what_changed() {
    let screen = searching().press("3 o").screen(140, 40);
    let heads = screen.lines().find(|line| line.contains("decoded   pull")).expect("headings");
    let at = |word: &str| heads.find(word).unwrap_or_else(|| panic!("{word}: {heads}"));
    assert!(at("before") < at("after") && at("after") < at("decoded") && at("decoded") < at("pull"));
}

#[test]
fn one_outlier_does_not_flatten_a_curve() {
    let mut lines = training(12);
    for line in &mut lines {
        if let Event::EpochFinished { epoch: 4, valid_loss, .. } = &mut line.event {
            *valid_loss = Loss(900.0);
        }
    }
    let mut stage = Stage::new(options());
    stage.open();
    stage.tell(Message::Lines(lines));
    stage.tell(Message::Link(live()));
    // The curve has rows of its own on the overview and among the curves, and an arrow says where it left.
    for view in ["1", "6"] {
        let screen = stage.press(view).screen(80, 24);
        assert!(screen.contains('↑'), "{view}:\n{screen}");
        let curve = |c: char| ('\u{2801}'..'\u{28ff}').contains(&c);
        let chart =
            screen.lines().skip_while(|line| !line.contains("LOSS")).take_while(|l| !l.contains("ACC"));
        assert!(chart.filter(|line| line.chars().any(curve)).count() >= 3, "{view}:\n{screen}");
    }
}

#[test]
fn the_palette_lists_everything_and_says_why_it_cannot_be_done() {
    for (width, height) in [(60, 16), (80, 24), (140, 40), (200, 60)] {
        // Actions of other views are listed with where they are.
        let screen = searching().press(": sort").screen(width, height);
        assert!(screen.contains("sort") && screen.contains("in Population"), "{screen}");
        // What cannot be done says why.
        let screen = searching().press(": inject").screen(width, height);
        assert!(screen.contains("inject") && screen.contains("select an"), "{screen}");
    }
    let mut stage = searching();
    let screen = stage.press(": sort enter").screen(100, 30);
    assert_eq!(stage.app.view(), View::Population);
    assert!(screen.contains("o does it"), "{screen}");
}

#[test]
fn a_word_of_the_palette_does_what_it_means_or_says_where_that_is() {
    let mut stage = searching();
    let screen = stage.press(": train enter").screen(100, 30);
    assert_eq!(stage.requests(), [], "training steps no generation");
    assert!(screen.contains("Train an architecture"), "{screen}");
    let screen = stage.press("esc : html enter").screen(100, 30);
    assert!(screen.contains("`relativenas report` and a run's name"), "{screen}");
    stage.press(": quit enter");
    assert!(stage.app.exit().is_some());
    let screen = searching().press(": puase").screen(100, 30);
    assert!(screen.contains("did you mean `pause`?"), "{screen}");
}

#[test]
fn the_form_says_what_runs_and_begins_only_when_told() {
    let mut stage = searching();
    stage.press("8 n");
    let asked = stage.app.take_requests();
    let first = Request::Plan {
        id: 1,
        architecture: None,
        preset: Some("quick".to_owned()),
        settings: Vec::new(),
        path: None,
    };
    assert_eq!(asked.last(), Some(&first));
    let form = stage.screen(80, 24);
    for said in
        ["quick", "Fashion-MNIST, built in", "individuals     10", "generations     10", "begin paused"]
    {
        assert!(form.contains(said), "{said}:\n{form}");
    }
    // Enter goes through all lines, and the run that is started has the settings that were shown.
    stage
        .press("enter mine enter down down down right enter enter enter enter enter enter enter enter enter");
    stage.press("enter enter right enter");
    assert_eq!(stage.requests(), []);
    let form = stage.screen(80, 24);
    assert!(form.contains("[ start the search ]") && form.contains("nas-bench-201"), "{form}");
    stage.press("enter");
    let settings = vec![("search.space".to_owned(), "nas-bench-201".to_owned())];
    let (preset, name) = (Some("quick".to_owned()), Some("mine".to_owned()));
    assert_eq!(
        stage.requests(),
        [Request::Start { architecture: None, preset, settings, name, paused: true }]
    );
}

#[test]
fn a_folder_is_completed_and_what_is_said_of_an_older_one_is_dropped() {
    let mut stage = searching();
    stage.press("8 n down down ~/da");
    let asked = stage.app.take_requests();
    let Some(Request::Plan { id, path, .. }) = asked.last() else { panic!("{asked:?}") };
    assert_eq!(path.as_deref(), Some("~/da"));
    let plan = |completions: &[&str]| Plan {
        completions: completions.iter().map(|name| (*name).to_owned()).collect(),
        ..Plan::default()
    };
    stage.tell(Message::Planned { id: id - 1, plan: plan(&["~/d1/", "~/d2/"]) });
    assert!(!stage.screen(80, 24).contains("~/d1/"));
    stage.tell(Message::Planned { id: *id, plan: plan(&["~/data/one/", "~/data/once/"]) });
    let screen = stage.screen(80, 24);
    assert!(screen.contains("tab: ~/data/one/  ~/data/once/"), "{screen}");
    assert!(stage.press("tab").screen(80, 24).contains("~/data/on "));
    // There is nothing more to complete: tab goes on.
    stage.tell(Message::Planned { id: id + 1, plan: plan(&["~/data/one/", "~/data/once/"]) });
    let screen = stage.press("tab 64").screen(80, 24);
    assert!(screen.contains("to train on     51264"), "{screen}");
}

#[test]
fn a_loss_of_the_vector_before_a_move_says_so() {
    // The tenth pair ended a generation: half of the population moved since its loss.
    let (mut stage, _) = after(130);
    let screen = stage.press("2").screen(140, 40);
    let moved = |screen: &str| {
        screen.lines().filter(|line| line.contains(" moved ") && !line.contains("space pause")).count()
    };
    assert_eq!(moved(&screen), 10, "{screen}");
    // Where there is no column for it, brackets and a line below say it, without colours too.
    let small = stage.screen(80, 24);
    assert!(small.matches(" (").count() > 3 && small.contains("(loss): estimated before"), "{small}");
    let screen = stage.press("down enter").screen(140, 40);
    let selected_moved = screen.lines().any(|line| line.starts_with('>') && line.contains(" moved "));
    assert_eq!(screen.contains("estimated before its last move"), selected_moved, "{screen}");
    // Estimated again, its loss is its own, and the change is shown.
    let (mut stage, _) = after(140 - 1);
    let screen = stage.press("2").screen(140, 40);
    assert!(moved(&screen) < 3 && screen.contains('−'), "{screen}");
}

#[test]
fn the_population_is_sorted_by_every_column() {
    let mut stage = searching();
    stage.press("2 v");
    let first = |screen: &str| screen.lines().nth(5).expect("a row").trim().to_owned();
    let mut seen = Vec::new();
    for sorted in [
        "by loss",
        "by change",
        "by accuracy",
        "by parameters",
        "by multiply-adds",
        "by times slow",
        "by number",
    ] {
        let screen = stage.screen(140, 40);
        assert!(screen.contains(sorted), "{sorted}:\n{screen}");
        seen.push(first(&screen));
        stage.press("o");
    }
    assert!(seen[6].starts_with("00 "), "{seen:?}");
    assert!(stage.screen(140, 40).contains("by loss"));
}

#[test]
fn what_is_marked_is_exported_and_compared_together() {
    let mut stage = searching();
    stage.press("2 down M M");
    let screen = stage.screen(100, 30);
    assert_eq!(screen.lines().filter(|line| line.starts_with(" ✓")).count(), 2, "{screen}");
    stage.press("e enter");
    let requests = stage.requests();
    let [Request::Export { what: Exported::Several(marked), .. }] = &requests[..] else {
        panic!("{requests:?}")
    };
    assert_eq!(marked.len(), 2);
    let screen = stage.press("c").screen(140, 40);
    assert_eq!(stage.app.view(), View::Architecture);
    for number in marked {
        assert!(screen.contains(&format!("individual {number:02}")), "{screen}");
    }
    stage.press("2 esc");
    assert!(!stage.screen(100, 30).contains(" ✓"));
    assert!(stage.press("c").screen(100, 30).contains("mark two individuals first"));
}

#[test]
fn a_person_is_called_when_a_run_waits_by_itself_and_not_when_they_asked() {
    let (mut stage, run) = after(124);
    stage.progress(run.progress(3, Mode::Running));
    assert!(!stage.app.take_bell());
    stage.progress(run.progress(4, Mode::Paused));
    assert!(stage.app.take_bell() && !stage.app.take_bell(), "it waits: once");
    stage.progress(run.progress(5, Mode::Running));
    stage.press("space");
    stage.progress(run.progress(6, Mode::Pausing));
    stage.progress(run.progress(6, Mode::Paused));
    assert!(!stage.app.take_bell(), "it was asked to");
    stage.progress(run.progress(7, Mode::Running));
    stage.tell(Message::Link(Link::Dead { last_words: Vec::new(), resume: String::new() }));
    assert!(stage.app.take_bell(), "its engine died");
    // The bell does not ring for a run that is not under way when it is opened.
    let mut stage = Stage::new(options());
    stage.open();
    stage.tell(Message::Lines(FakeRun::new(6, 1).1));
    stage.tell(Message::Link(Link::NoEngine));
    assert!(!stage.app.take_bell());
}

#[test]
fn the_title_of_the_terminal_says_what_the_run_does() {
    let (mut stage, run) = after(124);
    stage.progress(run.progress(3, Mode::Running));
    let title = stage.app.title();
    assert_eq!(title, "12/50 training - fashion-quick-0412");
    stage.progress(run.progress(83, Mode::Running));
    assert_eq!(stage.app.title(), title, "not from batch to batch");
    stage.progress(run.progress(83, Mode::Paused));
    assert_eq!(stage.app.title(), "12/50 paused - fashion-quick-0412");
}

#[test]
fn a_tab_is_clicked_and_the_wheel_moves() {
    use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let mut stage = searching();
    let tabs = stage.screen(80, 24).lines().nth(1).expect("tabs").to_owned();
    let mouse = |stage: &mut Stage, kind, column: usize, row| {
        let mouse = MouseEvent { kind, column: column as u16, row, modifiers: KeyModifiers::NONE };
        stage.app.handle(Input::Mouse(mouse));
    };
    let column = tabs.chars().position(|c| c == '7').expect("a tab");
    mouse(&mut stage, MouseEventKind::Down(MouseButton::Left), column + 3, 1);
    assert_eq!(stage.app.view(), View::Log);
    mouse(&mut stage, MouseEventKind::Down(MouseButton::Left), 40, 9);
    assert_eq!(stage.app.view(), View::Log);
    let before = stage.screen(80, 24);
    mouse(&mut stage, MouseEventKind::ScrollUp, 40, 9);
    assert_ne!(stage.screen(80, 24), before);
}
