//! Keys that steer a run or move in the screen, with the requests that they make and the screen that follows.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use relativenas_core::{
    config::Theme,
    genotype::Genotype,
    population::IndividualId,
    protocol::{Answer, Command, Hello, Mode, StepUnit},
    published,
    space::Space,
};
use relativenas_ui::{
    Input, View,
    messages::{Exit, ExportFormat, Exported, Link, Message, Request, RunAfterwards},
};

use crate::{
    fake_run::FakeRun,
    stage::{RUN, Stage, folder, left, live, options, searching},
};

/// Keys, and the request that they make.
fn check(keys: &str, expected: Request) {
    let mut stage = searching();
    stage.press(keys);
    assert_eq!(stage.requests(), [expected], "{keys}");
}

fn steer(command: Command) -> Request {
    Request::Steer { id: 1, command }
}

#[test]
fn keys_steer_the_engine() {
    check("space", steer(Command::Pause));
    check("s", steer(Command::Step { unit: StepUnit::Pair, count: 1 }));
    check("g", steer(Command::Step { unit: StepUnit::Generation, count: 1 }));
    check("S 3g enter", steer(Command::Step { unit: StepUnit::Generation, count: 3 }));
    check("p 20 enter", steer(Command::PauseAt { generation: Some(20) }));
    check("p never enter", steer(Command::PauseAt { generation: None }));
    check("P", steer(Command::PauseOnNan { on: true }));
    check("b 4 enter", Request::Branch { generation: 4 });
    check("8", Request::ListRuns);
    // In the palette, by name.
    check(": stepgen enter", steer(Command::Step { unit: StepUnit::Generation, count: 1 }));
}

#[test]
fn the_selected_individual_is_exported() {
    let mut stage = searching();
    let best = stage.press("2 down").screen(100, 30);
    assert!(best.contains("> 09"), "the best comes first:\n{best}");
    stage.press("e down enter");
    let expected =
        Request::Export { what: Exported::Individual(IndividualId(9)), format: ExportFormat::Json };
    assert_eq!(stage.requests(), [expected]);
}

#[test]
fn wrong_answers_stay_in_the_prompt_and_say_why() {
    let mut stage = searching();
    stage.press("p 3 enter");
    assert_eq!(stage.requests(), []);
    let screen = stage.screen(100, 30);
    assert!(screen.contains("`3` is no generation from 13 to 50"), "{screen}");
    stage.press("backspace 14 enter");
    assert_eq!(stage.requests(), [steer(Command::PauseAt { generation: Some(14) })]);
}

#[test]
fn space_pauses_and_goes_on() {
    let mut stage = searching();
    stage.press("space");
    assert!(stage.screen(80, 24).contains("pause asked"));
    stage.tell(Message::Answer(Answer { id: 1, refused: None }));
    // An accepted command is not yet carried out.
    assert!(stage.screen(80, 24).contains("pause asked"));
    let (mut run, _) = FakeRun::new(20, 50);
    (0..124).for_each(|_| drop(run.next_pair()));
    stage.progress(run.progress(84, Mode::Running));
    assert!(stage.screen(80, 24).contains("pause asked"));
    stage.progress(run.progress(85, Mode::Paused));
    assert!(stage.screen(80, 24).contains("paused"));
    stage.requests();
    stage.press("space");
    assert_eq!(stage.requests(), [Request::Steer { id: 2, command: Command::Continue }]);
    assert!(stage.screen(80, 24).contains("going on"));
    stage.progress(run.progress(86, Mode::Running));
    assert!(stage.screen(80, 24).contains("validating"));
}

#[test]
fn a_refusal_is_shown_with_its_reason() {
    let mut stage = searching();
    stage.press("space");
    stage.tell(Message::Answer(Answer { id: 1, refused: Some("the disk is full".to_owned()) }));
    let screen = stage.screen(100, 30);
    assert!(screen.contains("refused: the disk is full") && screen.contains("validating"), "{screen}");
}

#[test]
fn nothing_is_steered_without_an_engine() {
    for link in [Link::Connecting, Link::NoEngine] {
        let mut stage = searching();
        stage.tell(Message::Link(link));
        for key in ["space", "s", "g", "S", "p", "P", "i", "Q"] {
            stage.press(key);
            assert_eq!(stage.requests(), [], "{key}");
            assert!(stage.screen(100, 30).contains("engine"), "{key} says why");
        }
    }
}

#[test]
fn who_only_looks_is_told_how_to_steer() {
    let Link::Live(hello) = live() else { panic!("a link to an engine") };
    let mut stage = searching();
    let why = "`relativenas attach fashion-quick-0412` steers it".to_owned();
    stage.tell(Message::Link(Link::WatchOnly { hello: hello.clone(), why: why.clone() }));
    let screen = stage.press("space").screen(100, 30);
    assert_eq!(stage.requests(), []);
    assert!(screen.contains("this screen only looks; `relativenas attach NAME`"), "{screen}");
    let other = Hello { protocol: hello.protocol + 1, ..hello };
    stage.tell(Message::Link(Link::WatchOnly { hello: other, why }));
    let screen = stage.press("space").screen(100, 30);
    assert!(screen.contains("it is of another version"), "{screen}");
}

#[test]
fn a_genotype_is_injected_in_two_steps() {
    let mut stage = searching();
    stage.press("2 down down i RelativeNAS enter");
    assert_eq!(stage.requests(), [Request::ReadGenotype { from: "RelativeNAS".to_owned() }]);
    let genotype = published::genotype("RelativeNAS").expect("published");
    stage.tell(Message::Genotype { name: "RelativeNAS".to_owned(), genotype: genotype.clone() });
    let requests = stage.requests();
    let [Request::Steer { command: Command::Inject { individual: IndividualId(14), position }, .. }] =
        &requests[..]
    else {
        panic!("{requests:?}");
    };
    assert_eq!(Genotype::decode(position), Ok(genotype));
    // NASNet does not fit, and that is said rather than sent.
    let nasnet = published::genotype("NASNet").expect("published");
    stage.press("i NASNet enter");
    stage.requests();
    stage.tell(Message::Genotype { name: "NASNet".to_owned(), genotype: nasnet });
    assert_eq!(stage.requests(), []);
    assert!(stage.screen(100, 30).contains("does not fit the searched space"));
}

#[test]
fn a_prompt_stays_open_with_its_text_until_the_answer_is_known() {
    let mut stage = searching();
    stage.press("2 down i foo enter");
    assert_eq!(stage.requests(), [Request::ReadGenotype { from: "foo".to_owned() }]);
    // Until the answer comes, nothing is asked twice, and no letter is taken for a command.
    stage.press("enter space");
    assert_eq!(stage.requests(), []);
    stage.tell(Message::Failed("foo: there is no such file".to_owned()));
    let screen = stage.screen(80, 24);
    assert!(screen.contains("> foo") && screen.contains("foo: there is no such file"), "{screen}");
    stage.press("backspace backspace backspace DARTS_V2 enter");
    assert_eq!(stage.requests(), [Request::ReadGenotype { from: "DARTS_V2".to_owned() }]);
    // If the prompt was closed meanwhile, the genotype that arrives is dropped.
    stage.press("esc");
    let genotype = published::genotype("DARTS_V2").expect("published");
    stage.tell(Message::Genotype { name: "DARTS_V2".to_owned(), genotype });
    assert_eq!(stage.requests(), []);
}

#[test]
fn a_name_that_is_not_known_can_be_corrected() {
    let mut stage = searching();
    stage.press("5 c best.txt enter");
    stage.requests();
    stage.tell(Message::Failed("best.txt: cannot be read".to_owned()));
    assert!(stage.screen(80, 24).contains("> best.txt"));
    stage.press("enter");
    assert_eq!(stage.requests(), [Request::ReadGenotype { from: "best.txt".to_owned() }]);
    let genotype = published::genotype("RelativeNAS").expect("published");
    stage.tell(Message::Genotype { name: "best.txt".to_owned(), genotype });
    let screen = stage.screen(140, 40);
    assert!(!screen.contains("> best.txt") && screen.contains("differences to"), "{screen}");
}

#[test]
fn a_search_that_does_not_start_leaves_its_form_open() {
    let mut stage = searching();
    stage.press("8 n down down /data/imgs up up up enter");
    let settings = vec![("data.path".to_owned(), "/data/imgs".to_owned())];
    let start = Request::Start {
        architecture: None,
        preset: Some("quick".to_owned()),
        settings,
        name: None,
        paused: false,
    };
    assert_eq!(stage.requests()[1..], std::slice::from_ref(&start)[..]);
    stage.tell(Message::Failed("/data/imgs: there is no such folder".to_owned()));
    let screen = stage.screen(80, 24);
    assert!(screen.contains("/data/imgs: there is no such folder"), "{screen}");
    // It may be there by now.
    stage.press("enter");
    assert_eq!(stage.requests(), [start]);
    stage.tell(Message::Opened { run: "imgs-0413".to_owned(), folder: folder("imgs-0413") });
    let screen = stage.screen(80, 24);
    assert!(screen.contains("imgs-0413") && !screen.contains("data.path"), "{screen}");
}

#[test]
fn q_leaves_the_engine_alone_and_shift_q_asks_first() {
    let mut stage = searching();
    stage.press("q");
    assert_eq!(stage.app.exit(), Some(&left(RunAfterwards::Engine)));
    assert_eq!(stage.requests(), []);

    let mut stage = searching();
    stage.press("Q n");
    assert_eq!(stage.app.exit(), None);
    assert_eq!(stage.requests(), []);
    stage.press("Q l");
    assert_eq!(stage.requests(), [steer(Command::Stop)]);
    // The screen stays until the engine has agreed.
    assert_eq!(stage.app.exit(), None);
    stage.tell(Message::Answer(Answer { id: 1, refused: None }));
    assert_eq!(stage.app.exit(), Some(&Exit::Stopped { folder: folder(RUN) }));
}

#[test]
fn who_leaves_is_told_what_becomes_of_the_run() {
    let dead = Link::Dead { last_words: Vec::new(), resume: String::new() };
    for (link, rest) in [
        (Link::Connecting, RunAfterwards::Unknown),
        (Link::NoEngine, RunAfterwards::Stopped),
        (dead, RunAfterwards::Dead),
    ] {
        let mut stage = searching();
        stage.tell(Message::Link(link));
        stage.press("q");
        assert_eq!(stage.app.exit(), Some(&left(rest)));
    }
    let mut stage = Stage::finished(options(), 1);
    stage.press("q");
    assert_eq!(stage.app.exit(), Some(&left(RunAfterwards::Finished)));
}

#[test]
fn a_table_has_architectures_and_no_genotypes() {
    let mut stage = Stage::in_table(options(), 75);
    stage.requests();
    stage.press("t");
    assert!(stage.screen(100, 30).contains("there is nothing to probe"));
    stage.press("2 home i RelativeNAS enter");
    assert_eq!(stage.requests(), []);
    assert!(stage.screen(100, 30).contains("this is no architecture of NAS-Bench-201"));
    stage.press("esc i");
    stage.app.handle(Input::Paste("|none~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|".to_owned()));
    stage.press("enter");
    let requests = stage.requests();
    let [Request::Steer { command: Command::Inject { position, .. }, .. }] = &requests[..] else {
        panic!("{requests:?}");
    };
    assert_eq!(Space::NasBench201.decode(position), Ok(vec![0, 0, 0, 0, 0, 3]));
    stage.press("5 c DARTS_V2 enter");
    assert_eq!(stage.requests(), []);
    assert!(stage.screen(100, 30).contains("`DARTS_V2` is no individual"));
}

#[test]
fn keys_of_tmux_and_the_terminal_do_nothing() {
    let mut stage = searching();
    let before = stage.screen(100, 30);
    for letter in ['a', 'b', 's', 'q'] {
        stage.app.handle(Input::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)));
    }
    assert_eq!(stage.requests(), []);
    assert_eq!(stage.app.exit(), None);
    assert_eq!(stage.screen(100, 30), before);
}

#[test]
fn every_view_has_its_key_and_its_neighbour() {
    let mut stage = searching();
    for (number, view) in View::ALL.into_iter().enumerate() {
        stage.press(&(number + 1).to_string());
        assert_eq!(stage.app.view(), view);
        stage.press("tab");
        assert_eq!(stage.app.view(), View::ALL[(number + 1) % View::ALL.len()]);
    }
}

#[test]
fn keys_of_the_configuration_are_shown_and_work() {
    let mut options = options();
    options.keys.insert("pause".to_owned(), "x".to_owned());
    let mut stage = Stage::searching(options, 124);
    stage.requests();
    assert!(stage.screen(100, 30).contains("x pause"));
    stage.press("x");
    assert_eq!(stage.requests(), [steer(Command::Pause)]);
}

#[test]
fn a_missing_event_is_said_rather_than_hidden() {
    let mut stage = searching();
    let (mut run, _) = FakeRun::new(20, 50);
    (0..200).for_each(|_| drop(run.next_pair()));
    stage.tell(Message::Lines(run.next_pair()));
    stage.tell(Message::Link(Link::NoEngine));
    let screen = stage.screen(100, 30);
    assert!(screen.contains("the log cannot be followed") && screen.contains("some are missing"), "{screen}");
}

#[test]
fn a_training_is_started_from_the_selected_the_best_and_the_winner() {
    let started = |stage: &mut Stage, keys: &str| {
        let requests = stage.press(keys).requests();
        let [Request::Start { architecture: Some(architecture), preset, settings, paused, .. }] =
            &requests[..]
        else {
            panic!("{requests:?}");
        };
        (architecture.clone(), preset.clone(), settings.clone(), *paused)
    };
    let mut stage = searching();
    // Of no preset, with other epochs, and paused.
    let up_to_epochs = "up ".repeat(7);
    let keys =
        format!("2 down T up up right {up_to_epochs} backspace backspace 5 {} enter", "down ".repeat(8));
    let (architecture, preset, settings, paused) = started(&mut stage, &keys);
    assert_eq!((preset, paused), (None, true));
    assert_eq!(settings, [("retrain.epochs".to_owned(), "65".to_owned())]);
    assert_eq!(architecture.name, "i09");
    assert!(
        architecture.origin.starts_with(&format!("individual 09 of {RUN} in generation 12: ")),
        "{architecture:?}"
    );
    // It stays open until it is known whether the training starts.
    stage.tell(Message::Failed("there is no engine".to_owned()));
    let screen = stage.screen(80, 24);
    assert!(screen.contains("Train an architecture") && screen.contains("there is no engine"), "{screen}");

    let mut stage = searching();
    assert_eq!(started(&mut stage, "T up enter").0.name, "best");
    let mut stage = Stage::finished(options(), 3);
    stage.requests();
    let (winner, ..) = started(&mut stage, "5 T up enter");
    assert_eq!(winner.name, "winner");
    assert!(winner.origin.contains("as it was in the final ranking: loss "), "{winner:?}");
}

#[test]
fn what_is_typed_takes_the_place_of_a_value_in_words() {
    let mut stage = searching();
    stage.press("T down down down 96 down 5 backspace up up up up up enter");
    let requests = stage.requests();
    let [Request::Start { settings, .. }] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(settings[..], [("data.train_images".to_owned(), "96".to_owned())]);
}

#[test]
fn what_a_table_answered_is_not_trained() {
    let mut stage = Stage::in_table(options(), 75);
    stage.requests();
    stage.press("T");
    assert_eq!(stage.requests(), []);
    assert!(stage.screen(100, 30).contains("there is nothing to train"));
}

#[test]
fn a_theme_is_picked_and_remembered() {
    let mut stage = searching();
    let before = stage.frame(80, 24);
    let next = || Input::Key(KeyEvent::new(KeyCode::Char('t'), KeyModifiers::CONTROL));
    stage.app.handle(next());
    assert_eq!(stage.requests(), [Request::RememberTheme { theme: Theme::Light }]);
    assert!(stage.app.take_redraw());
    assert_ne!(stage.frame(80, 24), before);
    stage.press(": dark enter");
    assert_eq!(stage.requests(), [Request::RememberTheme { theme: Theme::Contrast }]);
    stage.app.handle(next());
    assert_eq!(stage.requests(), [Request::RememberTheme { theme: Theme::Dark }]);
    assert_eq!(stage.frame(80, 24), before);
}
