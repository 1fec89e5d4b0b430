//! Every view at several sizes. Look at the snapshots: they are the screen.

use relativenas_core::{
    finals::{FinalsSettings, Judge},
    loss::Loss,
    probe::{Agreement, ArchitectureSource, Probe},
    protocol::{Activity, BatchProgress, Mode, Progress},
    searcher::SearcherKind,
};
use relativenas_ui::{
    Options,
    glyphs::Fineness,
    messages::{Evaluated, GpuLoad, Link, Load, MemoryOwner, Message, Plan, WorkKind, WorkState},
    theme::Depth,
};

use crate::{
    fake_run::{FakeRun, training, training_end},
    stage::{RUN, Stage, folder, live, options, summaries, summaries_with_a_study},
};

const THREE: [(u16, u16); 3] = [(140, 40), (80, 24), (40, 12)];

fn check(name: &str, stage: &mut Stage, sizes: &[(u16, u16)]) {
    for &(width, height) in sizes {
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), stage.screen(width, height));
    }
}

/// A view after its keys, at three sizes and in ASCII.
fn check_view(name: &str, keys: &str) {
    let mut stage = Stage::searching(options(), 124);
    stage.tell(Message::Runs(summaries()));
    check(name, stage.press(keys), &THREE);
    let mut stage = Stage::searching(ascii(), 124);
    stage.tell(Message::Runs(summaries()));
    check(&format!("{name}_ascii"), stage.press(keys), &[(100, 30)]);
    assert!(stage.screen(100, 30).is_ascii(), "{}", stage.screen(100, 30));
}

fn ascii() -> Options {
    Options { glyphs: Fineness::Ascii, depth: Depth::None, ..options() }
}

#[test]
fn overview() {
    let sizes = [(140, 40), (100, 30), (80, 24), (60, 16), (40, 12), (40, 1)];
    check("overview", &mut Stage::searching(options(), 124), &sizes);
    check("overview_ascii", &mut Stage::searching(ascii(), 124), &[(100, 30)]);
}

#[test]
fn pairs_at_once() {
    let mut stage = Stage::two_at_once(options(), 62);
    check("overview_at_once", &mut stage, &[(140, 40), (80, 24), (60, 16), (40, 12)]);
    check("pairs_at_once", stage.press("3"), &[(100, 30)]);
}

#[test]
fn population() {
    check_view("population", "2 down down down");
    let mut stage = Stage::searching(options(), 124);
    check("population", stage.press("2 down down down"), &[(200, 60), (60, 16)]);
    check("population_numbers", stage.press("v o M M"), &[(200, 60), (140, 40), (80, 24), (60, 16)]);
    let mut stage = Stage::searching(ascii(), 124);
    let screen = stage.press("2 v down M").screen(200, 60);
    assert!(screen.is_ascii(), "{screen}");
}

#[test]
fn pairs() {
    check_view("pairs", "3 down");
    check("pairs_last_generation", Stage::searching(options(), 124).press("3 o"), &[(140, 40)]);
}

#[test]
fn weights() {
    check_view("weights", "4 c c down down right right right");
}

#[test]
fn map() {
    check_view("map", "9");
    check("map", Stage::searching(options(), 124).press("9"), &[(200, 60), (60, 16)]);
    check("map_selected", Stage::searching(options(), 124).press("9 down down"), &[(140, 40), (80, 24)]);
    let block = Options { glyphs: Fineness::Block, ..options() };
    check("map_blocks", Stage::searching(block, 124).press("9"), &[(80, 24)]);
    check("map_ascii", Stage::searching(ascii(), 124).press("9"), &[(80, 24), (60, 16)]);
    check("map_in_table", Stage::in_table(options(), 75).press("9"), &[(140, 40), (80, 24)]);
    // An arrow key selects the nearest individual in its direction: from the best to the left, and back.
    let mut stage = Stage::searching(options(), 124);
    let best = stage.press("9 up").screen(100, 30);
    let left = stage.press("left").screen(100, 30);
    assert!(best.contains(" 09  loss") && !left.contains(" 09  loss"), "{best}\n{left}");
    // Before the first pair there are points, and no lessons.
    let first = Stage::searching(options(), 0).press("9").screen(80, 24);
    assert!(!first.contains("lessons") && first.contains("slow"), "{first}");
}

#[test]
fn controls_are_laid_beside_the_map() {
    let mut stage = Stage::searching(options(), 124);
    stage.compare("random-0412", SearcherKind::Random, 2, 124);
    stage.compare("coin-flip-0412", SearcherKind::CoinFlip, 3, 124);
    check("map_controls", stage.press("9"), &[(140, 40), (100, 30), (80, 24)]);
}

#[test]
fn architecture() {
    check_view("architecture", "5");
    let mut stage = Stage::searching(options(), 124);
    let read = |keys: &str| Stage::searching(options(), 124).press(keys).screen(80, 24);
    let last_line = |screen: String| screen.lines().rev().nth(1).map(str::to_owned);
    let pages = [read("5"), read("5 pagedown"), read("5 pagedown pagedown")].map(last_line);
    assert_ne!(pages[0], pages[1], "what does not fit is read page by page");
    assert_eq!(pages[0], pages[2]);
    check(
        "architecture_beside",
        stage.press("5 c RelativeNAS enter"),
        &[(200, 60), (140, 40), (80, 24), (60, 16)],
    );
}

#[test]
fn curves() {
    check_view("curves", "6 left left left");
}

#[test]
fn curves_of_several_runs() {
    let overlaid = |options| {
        let mut stage = Stage::searching(options, 124);
        stage.compare("seed-2", SearcherKind::SlowFast, 2, 200);
        stage.compare("seed-3", SearcherKind::SlowFast, 3, 160);
        stage.compare("coin-flip-0409", SearcherKind::CoinFlip, 4, 90);
        stage.compare("coin-flip-0410", SearcherKind::CoinFlip, 5, 140);
        stage.press("6");
        stage
    };
    let mut stage = overlaid(options());
    check("curves_overlaid", &mut stage, &THREE);
    check("curves_overlaid_cursor", stage.press("v left left"), &[(140, 40)]);
    check("curves_one_by_one", stage.press("v m"), &[(140, 40)]);
    // Without colours every searcher still has a stroke of its own.
    let mut stage = overlaid(ascii());
    stage.compare("random", SearcherKind::Random, 6, 140);
    stage.compare("evolution", SearcherKind::RegularizedEvolution, 7, 280);
    let screen = stage.screen(100, 30);
    for stroke in ["--- slow-fast", "- - coin-flip", "' ' random", "-.- regularized-evolution"] {
        assert!(screen.contains(stroke), "{stroke}:\n{screen}");
    }
    check("curves_overlaid_ascii", &mut stage, &[(100, 30)]);
}

#[test]
fn a_search_in_a_table() {
    let mut stage = Stage::in_table(options(), 75);
    check("table_overview", stage.press("1"), &THREE);
    check("table_population", stage.press("2 down down"), &[(140, 40), (80, 24), (40, 12)]);
    check("table_pairs", stage.press("3"), &[(100, 30)]);
    check("table_weights", stage.press("4"), &[(80, 24)]);
    check("table_architecture", stage.press("5"), &THREE);
    check(
        "table_architecture_beside",
        stage.press("5 c 7 enter"),
        &[(200, 60), (140, 40), (80, 24), (60, 16)],
    );
    check("table_curves", stage.press("6"), &[(100, 30)]);
    check("table_inspect", stage.press("2 enter"), &[(80, 24)]);
    check("table_export", stage.press("esc e"), &[(80, 24)]);
    let mut stage = Stage::in_table(ascii(), 75);
    for view in ["1", "2", "3", "4", "5", "6"] {
        let screen = stage.press(view).screen(100, 30);
        assert!(screen.is_ascii(), "{screen}");
    }
    check("table_architecture_ascii", stage.press("5"), &[(100, 30)]);
}

#[test]
fn a_warm_up_says_that_it_is_one_and_judges_nobody() {
    check("warm_up", &mut Stage::warming_up(options(), 14), &[(140, 40), (80, 24)]);
    let mut stage = Stage::warming_up(options(), 14);
    assert!(stage.screen(80, 1).contains("warm-up 1/3 p 4/10"), "{}", stage.screen(80, 1));
    for view in ["1", "2", "3", "4", "5", "6", "7", "8", "9"] {
        for (width, height) in [(200, 60), (60, 16), (40, 12), (9, 3), (1, 1)] {
            stage.press(view).screen(width, height);
        }
    }
    let screen = Stage::warming_up(options(), 31).screen(140, 40);
    assert!(screen.contains("the warm-up is over") && screen.contains("THIS GENERATION"), "{screen}");
}

/// A search of 12 individuals, in its finals after so many trainings, two at a time.
fn finals(options: Options, trainings: usize) -> Stage {
    finals_of_seeds(options, 1, trainings)
}

fn finals_of_seeds(options: Options, seeds: u32, trainings: usize) -> Stage {
    let (mut run, lines) = FakeRun::new(12, 6);
    run.finals = FinalsSettings { architectures: 8, epochs: 3, seeds, judge: Judge::TrainingLoss };
    let mut stage = Stage::new(options);
    stage.open();
    stage.tell(Message::Lines(lines));
    for _ in 0..(6 * 6 + 6) + trainings.div_ceil(2) {
        stage.tell(Message::Lines(run.next_pair()));
    }
    stage.tell(Message::Link(live()));
    stage.tell(Message::Progress(run.training_progress()));
    stage
}

#[test]
fn finals_are_a_bracket_and_their_winner_stands_in_it() {
    let sizes = [(140, 40), (80, 24)];
    check("finals_begin", &mut finals(options(), 2), &sizes);
    check("finals_second_round", &mut finals(options(), 10), &sizes);
    let mut ended = finals(options(), 14);
    check("finals_ended", &mut ended, &sizes);
    let screen = ended.screen(140, 40);
    assert!(screen.contains("wins") && screen.contains("in the finals, from scratch"), "{screen}");
    let dialog = ended.press("e").screen(80, 24);
    assert!(dialog.contains("the winner") && !dialog.contains("the best so far"), "{dialog}");
    let mut going = finals(options(), 10);
    assert!(going.screen(80, 1).contains("finals 2/3"), "{}", going.screen(80, 1));
    for (width, height) in [(60, 16), (40, 12), (9, 3), (1, 1)] {
        going.screen(width, height);
    }
    let screen = finals(ascii(), 10).screen(100, 30);
    assert!(screen.is_ascii() && screen.contains("finals round"), "{screen}");
}

#[test]
fn a_bracket_of_several_seeds_says_which_is_trained_and_shows_means() {
    let going = finals_of_seeds(options(), 2, 18).screen(140, 40);
    assert!(going.contains("round 2 of 3, seed 1 of 2, by training loss"), "{going}");
    let going = finals_of_seeds(options(), 2, 20).screen(140, 40);
    assert!(going.contains("round 2 of 3, seed 2 of 2, by training loss"), "{going}");
    check("finals_of_two_seeds", &mut finals_of_seeds(options(), 2, 28), &[(140, 40)]);
}

#[test]
fn latencies_have_a_column_where_a_table_tells_them() {
    let searching = |(mut run, lines): (FakeRun, _)| {
        let mut stage = Stage::new(options());
        stage.open();
        stage.tell(Message::Lines(lines));
        for _ in 0..8 {
            stage.tell(Message::Lines(run.next_pair()));
        }
        stage
    };
    let mut with = searching(FakeRun::with_latencies(12, 6));
    let screen = with.press("2").screen(160, 40);
    assert!(screen.contains("MACs      ms") && screen.contains(".25"), "{screen}");
    check("population_with_latencies", &mut with, &[(160, 40)]);
    let mut orders = String::new();
    for _ in 0..8 {
        orders += &with.press("o").screen(160, 40);
    }
    assert!(orders.contains("by latency"), "{orders}");
    let mut without = searching(FakeRun::new(12, 6));
    let screen = without.press("2").screen(160, 40);
    assert!(screen.contains("MACs") && !screen.contains("MACs      ms"), "{screen}");
    let log = with.press("7").screen(200, 40);
    assert!(log.contains("latency at most 40 ms, measured on cuda:0 for a batch of 256"), "{log}");
}

#[test]
fn a_probe_stands_beside_the_losses() {
    let probe = |word| Message::Work { folder: folder(RUN), kind: WorkKind::Probe, word };
    let probing = || {
        let mut stage = Stage::searching(options(), 124);
        stage.tell(probe(WorkState::UnderWay("probing: 37 %, 2 min left".to_owned())));
        stage
    };
    let found_from = |options, from| {
        let mut stage = Stage::searching(options, 124);
        let tau_interval = Some((-0.08, 0.61));
        let size = |tau| Agreement { tau: Some(tau), interval: Some((tau - 0.3, tau + 0.3)) };
        let found = Probe {
            pairs: 50,
            flips: 8,
            individuals: 20,
            from,
            epochs: 4,
            tau: Some(0.31),
            tau_interval,
            by_parameters: size(-0.25),
            by_multiply_adds: size(-0.22),
            ..Probe::default()
        };
        stage.tell(probe(WorkState::Probed(found)));
        stage
    };
    let found = |options| found_from(options, ArchitectureSource::Population);
    check("probing", &mut probing(), &[(80, 24)]);
    check("probed", &mut found(options()), &THREE);
    check("probed_curves", found(options()).press("6"), &[(80, 24)]);
    let screen = found(ascii()).press("6").screen(100, 30);
    assert!(screen.is_ascii() && screen.contains("tau 0.31 (-0.08 to 0.61)"), "{screen}");
    let mut whole = found_from(options(), ArchitectureSource::Search { distinct: 743 });
    let wide = whole.press("6").screen(140, 40);
    let expected =
        "Kendall's τ over the whole search 0.31 (−0.08 to 0.61), of parameters −0.25, of multiply-adds −0.22";
    assert!(wide.contains(expected), "{wide}");
    let narrow = whole.screen(80, 24);
    assert!(narrow.contains("0.31") && !narrow.contains("of parameters"), "{narrow}");
}

#[test]
fn log() {
    check_view("log", "7 / 12 space begins enter");
}

#[test]
fn load_of_the_engine() {
    let load = Load { cpu: 98, memory: 34, gpu: None };
    let mut stage = Stage::searching(options(), 124);
    stage.tell(Message::Load(load));
    check("overview_load", &mut stage, &[(140, 40), (80, 24), (60, 16)]);
    // The same load again needs no drawing, so that an idle screen writes nothing.
    stage.app.drawn();
    stage.tell(Message::Load(load));
    assert!(!stage.app.is_dirty());
    stage.tell(Message::Load(Load { cpu: 0, memory: 1234, gpu: None }));
    assert!(stage.app.is_dirty() && stage.screen(100, 30).contains("0% 12G"), "{}", stage.screen(100, 30));
    // The load is not shown any more once the engine is gone.
    stage.tell(Message::Link(Link::NoEngine));
    assert!(!stage.screen(100, 30).contains("0% 12G"));
}

#[test]
fn load_of_an_engine_on_a_gpu() {
    let gpu = |busy, memory, owner| {
        let gpu = Some(GpuLoad { busy, memory, owner });
        Message::Load(Load { cpu: 98, memory: 340, gpu })
    };
    let mut stage = Stage::searching(options(), 124);
    stage.tell(gpu(87, 211, MemoryOwner::Engine));
    check("overview_load_gpu", &mut stage, &[(140, 40), (80, 24), (60, 16)]);
    // The longest figures keep their columns.
    stage.tell(gpu(100, 14_000, MemoryOwner::Engine));
    let screen = stage.screen(140, 40);
    assert!(screen.contains("98% 3.4G  gpu 100% 140G"), "{screen}");
    let mut stage = Stage::new(options());
    stage.open();
    stage.tell(Message::Lines(training(3)));
    stage.tell(Message::Link(live()));
    let progress = BatchProgress { validating: false, batch: 8, batches: 98, loss: Some(Loss(1.1)) };
    let activity = Activity::Training { epoch: 3, progress };
    stage.progress(Progress { activity, ..Progress::default() });
    stage.tell(gpu(87, 211, MemoryOwner::Device));
    let screen = stage.screen(100, 30);
    let words = "engine: processor and memory 98% 3.4G   gpu 87% 2.1G of all processes";
    assert!(screen.contains(words), "{screen}");
}

#[test]
fn trained_and_evaluated() {
    let finished = |options| {
        let mut stage = Stage::new(options);
        stage.open();
        stage.tell(Message::Lines([training(20), training_end(20)].concat()));
        stage.tell(Message::Link(Link::NoEngine));
        stage
    };
    check("trained", &mut finished(options()), &[(80, 24), (60, 16)]);
    check("evaluating", finished(options()).press("E"), &[(100, 30)]);
    let mut evaluated = finished(ascii());
    let found = Evaluated { loss: Loss(0.412), top1: 93.25, top5: 99.5, images: 10_000 };
    let (kind, word) = (WorkKind::Evaluation, WorkState::Evaluated(found));
    evaluated.tell(Message::Work { folder: folder(RUN), kind, word });
    check("evaluated_ascii", &mut evaluated, &[(80, 24), (140, 40)]);
}

#[test]
fn runs() {
    check_view("runs", "8 down");
    let study = |options| {
        let mut stage = Stage::searching(options, 124);
        stage.press("8");
        stage.tell(Message::Runs(summaries_with_a_study()));
        stage
    };
    let marked = |options| {
        let mut stage = Stage::searching(options, 124);
        let mut runs = summaries();
        runs[3].note = "the learning rate was too high".to_owned();
        stage.tell(Message::Runs(runs));
        stage.press("8 down down space / fashion enter o o o down down");
        stage
    };
    check("runs_marked", &mut marked(options()), &[(140, 40), (80, 24), (60, 16)]);
    check("runs_marked_ascii", &mut marked(ascii()), &[(80, 24)]);
    check("runs_remove", marked(options()).press("d"), &[(80, 24)]);
    check("runs_note", marked(options()).press("a"), &[(60, 16)]);
    check("runs_with_a_study", &mut study(options()), &[(80, 24)]);
    check("study", study(options()).press("up up enter down down"), &[(140, 40), (80, 24), (60, 16)]);
    let screen = study(ascii()).press("up up enter").screen(100, 30);
    assert!(screen.is_ascii() && screen.contains("1.812 +- 0.069"), "{screen}");
}

#[test]
fn overlays() {
    let at = |keys: &str| {
        let mut stage = Stage::searching(options(), 124);
        stage.tell(Message::Runs(summaries()));
        stage.press(keys);
        stage
    };
    check("help", &mut at("?"), &[(100, 30), (80, 24)]);
    check("palette", &mut at(": gen"), &[(100, 30)]);
    check("inspect", &mut at("down down enter"), &[(100, 30)]);
    check("export", &mut at("e down right"), &[(100, 30)]);
    check("stop", &mut at("Q"), &[(80, 24)]);
    check("inject", &mut at("2 down i Relative"), &[(80, 24)]);
    check("step_refused", &mut at("S 3days"), &[(80, 24)]);
    let mut form = at("8 n");
    let cost =
        "about 2 min, at the pace of fashion-quick-0412, networks of about 19 k parameters, cpu · 2 threads";
    form.tell(Message::Planned { id: 1, plan: Plan { cost: cost.to_owned(), ..Plan::default() } });
    check("start", &mut form, &[(200, 60), (140, 40), (100, 30), (80, 24), (60, 16), (40, 12)]);
    let mut training = at("2 down T");
    let cost = "about 2 h 10 min, at the pace of fashion-train; 600 epochs of 3.2 M parameters, 520.1 M multiply-adds an \
                image, cpu · 2 threads";
    training.tell(Message::Planned { id: 1, plan: Plan { cost: cost.to_owned(), ..Plan::default() } });
    check("start_training", &mut training, &[(140, 40), (80, 24), (60, 16), (40, 12)]);
    check("start_training_ascii", Stage::searching(ascii(), 124).press("T down"), &[(80, 24)]);
    check("start_changed", &mut at("8 n right down down down down down right down down 7"), &[(80, 24)]);
}

#[test]
fn links() {
    let link = |link: Link| {
        let mut stage = Stage::searching(options(), 124);
        stage.tell(Message::Link(link));
        stage
    };
    check("connecting", &mut link(Link::Connecting), &[(80, 24)]);
    check("no_engine", &mut link(Link::NoEngine), &[(80, 24)]);
    let dead = || Link::Dead {
        last_words: vec![
            "CUDA error: an illegal memory access was encountered".to_owned(),
            "at candidate 7, batch 83".to_owned(),
        ],
        resume: "relativenas resume fashion-quick-0412".to_owned(),
    };
    check("dead", &mut link(dead()), &[(100, 30), (80, 24), (40, 12), (60, 1)]);
    let Link::Live(hello) = live() else { return };
    let why = "the engine speaks protocol 2, this program 1; use the program that started it".to_owned();
    check("watch_only", &mut link(Link::WatchOnly { hello, why }), &[(80, 24)]);
}

#[test]
fn a_pause_is_asked_for_until_the_engine_says_so() {
    let mut stage = Stage::searching(options(), 124);
    check("pause_asked", stage.press("space"), &[(80, 24)]);
    let (mut run, _) = FakeRun::new(20, 50);
    (0..124).for_each(|_| drop(run.next_pair()));
    stage.progress(run.progress(85, Mode::Paused));
    check("paused", &mut stage, &[(80, 24)]);
    // Between two pairs nothing is trained; the last progress may still be that of the pair before.
    let between = run.progress(98, Mode::Paused);
    stage.tell(Message::Lines(run.next_pair()));
    stage.progress(between);
    let screen = stage.screen(80, 24);
    assert!(screen.contains("? 04      …  next") && !screen.contains("in training"), "{screen}");
}

#[test]
fn a_search_from_its_first_to_its_last_event() {
    let mut stage = Stage::new(options());
    check("nothing", &mut stage, &[(80, 24)]);
    stage.open();
    check("opened", &mut stage, &[(80, 24)]);
    let (mut run, lines) = FakeRun::new(6, 3);
    stage.tell(Message::Lines(lines));
    stage.tell(Message::Link(live()));
    stage.progress(run.progress(3, Mode::Running));
    check("first_pair", &mut stage, &[(80, 24)]);
    for _ in 0..10 {
        stage.tell(Message::Lines(run.next_pair()));
    }
    stage.progress(run.progress(3, Mode::Running));
    check("ranking", &mut stage, &[(80, 24)]);
    while run.estimation().is_some() {
        stage.tell(Message::Lines(run.next_pair()));
    }
    stage.progress(run.progress(0, Mode::Running));
    check("finished", &mut stage, &[(100, 30)]);
    check("finished_population", stage.press("2"), &[(80, 24)]);
    check("finished_inspect", stage.press("enter"), &[(80, 24)]);
}

#[test]
fn a_loss_that_is_not_a_number_is_seen() {
    let mut stage = Stage::new(options());
    stage.open();
    let (mut run, lines) = FakeRun::new(8, 10);
    run.lost_in = Some(3);
    stage.tell(Message::Lines(lines));
    for _ in 0..15 {
        stage.tell(Message::Lines(run.next_pair()));
    }
    stage.tell(Message::Link(live()));
    stage.progress(run.progress(3, Mode::Running));
    check("not_a_number", &mut stage, &[(100, 30)]);
}

#[test]
fn trainings() {
    let mut stage = Stage::new(options());
    stage.open();
    stage.tell(Message::Lines(training(40)));
    stage.tell(Message::Link(live()));
    check("training", &mut stage, &THREE);
    check("training_curves", stage.press("6"), &[(100, 30)]);
    check("training_architecture", stage.press("5"), &[(100, 30)]);
}

#[test]
fn a_training_is_told_in_its_own_words() {
    let mut stage = Stage::new(options());
    stage.open();
    stage.tell(Message::Lines(training(40)));
    stage.tell(Message::Link(live()));
    stage.progress(Progress { mode: Mode::Paused, ..Progress::default() });
    let check = |stage: &mut Stage, keys: &str, words: &str| {
        let screen = stage.press(keys).screen(80, 24);
        assert!(screen.contains(words), "{words}:\n{screen}");
    };
    check(&mut stage, "1", "paused between epochs; space goes on, s steps an epoch");
    check(&mut stage, "2", "a training run has one network and no population");
    check(&mut stage, "3", "a training run compares no pairs");
    check(&mut stage, "4", "a training run has one network and no weight set");
    check(&mut stage, "9", "a training run has one network and no population");
    check(&mut stage, "S", "`5` or `5 epochs`");
}

#[test]
fn a_long_refusal_is_read_to_its_end() {
    let mut stage = Stage::searching(options(), 124);
    let text = "the program `relativenas-engine` is neither in /home/ada/.cargo/bin nor in PATH; `make` builds it, \
                or set RELATIVENAS_ENGINE to where it is";
    stage.tell(Message::Failed(text.to_owned()));
    check("failed", &mut stage, &[(80, 24), (40, 12)]);
}

#[test]
fn a_searcher_that_moves_nobody_towards_anybody_does_not_say_so() {
    let mut stage = Stage::at_random(options(), 24);
    let map = stage.press("9").screen(140, 40);
    assert!(map.contains("better than") || map.contains("worse than"), "{map}");
    assert!(!map.contains("towards it") && !map.contains("moved towards"), "{map}");
    let pairs = stage.press("3").screen(140, 40);
    assert!(pairs.contains("this searcher moves neither and draws new ones"), "{pairs}");
}
