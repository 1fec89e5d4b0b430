//! Screen, keys, screen: what a person presses, and what is asked for or seen.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use relativenas_core::{
    config::Theme,
    genotype::Genotype,
    loss::Loss,
    population::IndividualId,
    protocol::{Answer, Command, Hello, Mode, StepUnit},
    published,
    searcher::SearcherKind,
    space::Space,
};
use relativenas_ui::{
    App, Input, View,
    messages::{
        Detached, Evaluated, Exit, ExportFormat, Exported, Link, Message, Request, RunAfterwards, RunSummary,
        WorkKind, WorkState,
    },
};

use crate::{
    fake_run::{FakeRun, training, training_end},
    stage::{RUN, Stage, folder, live, options, summaries, summaries_with_a_study},
};

fn searching() -> Stage {
    let mut stage = Stage::searching(options(), 124);
    stage.requests();
    stage
}

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
    // Accepted is not yet done.
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
    assert!(screen.contains("this screen only looks; `relativenas attach`"), "{screen}");
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
    // Until then nothing is asked twice, and no letter is taken for a command.
    stage.press("enter space");
    assert_eq!(stage.requests(), []);
    stage.tell(Message::Failed("foo: there is no such file".to_owned()));
    let screen = stage.screen(80, 24);
    assert!(screen.contains("> foo") && screen.contains("foo: there is no such file"), "{screen}");
    stage.press("backspace backspace backspace DARTS_V2 enter");
    assert_eq!(stage.requests(), [Request::ReadGenotype { from: "DARTS_V2".to_owned() }]);
    // Closed meanwhile: what comes is not wanted any more.
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
    assert_eq!(stage.app.exit(), Some(&Exit::Stopped { run: RUN.to_owned() }));
}

fn left(afterwards: RunAfterwards) -> Exit {
    Exit::Detached(Some(Detached { run: RUN.to_owned(), afterwards }))
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
    // Also where another run is probed than the one that is shown; asked twice, it is meant.
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
    // The word of another run's probe is no word of this one.
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

/// The list of runs, and the screen with which it is looked at.
fn listing() -> Stage {
    let mut stage = searching();
    stage.press("8");
    stage.tell(Message::Runs(summaries()));
    stage.requests();
    stage
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
    // What is marked is removed though it is not listed; that is said.
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
    // A live one among the marked keeps all of them.
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
    // It is read again from its new folder, which moves nobody to another view.
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
    assert!(stage.screen(100, 30).contains("its best weights are judged once it is finished"));
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
