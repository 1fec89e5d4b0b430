//! What the command does with an engine.

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use relativenas_core::{
    manifest::files,
    population::IndividualId,
    protocol::{Command, StepUnit},
};
use relativenas_ui::messages::{Link, Message, Request};

use super::{FAILS, HANGS_UP, STRANGER, live::LiveRun, start_on};
use crate::{
    app::{First, serve},
    arguments::{PrintingArguments, ResumeArguments, RunArgument, StepArguments, Unit},
    commands::{list, search, status, steer},
    context::Context,
    engine::connection::Connection,
    failure::report,
    fixture,
    headless::{From, Style, follow},
    operations::resume::check_resumable,
};

fn run() -> RunArgument {
    RunArgument { run: "r".to_owned() }
}

fn step(unit: Unit, count: u32) -> StepArguments {
    StepArguments { run: run(), unit: Some(unit), count, wait: true }
}

#[test]
fn a_headless_search_runs_to_the_end() {
    let mut live = LiveRun::new(false);
    let engine = live.engine.take();
    let mut out = Vec::new();
    let code = follow(&live.folder, engine, From::Beginning, Style::Json, &mut out).expect("followed");
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
    let printed = String::from_utf8(out).expect("UTF-8");
    let logged = std::fs::read_to_string(live.folder.file(files::EVENTS)).expect("there");
    assert_eq!(printed, logged, "an event a line, as it is logged");
    let status = status::of(&live.folder).expect("readable");
    assert_eq!((status.phase.name(), status.alive), ("finished", false));
}

#[test]
fn a_headless_search_that_its_engine_hangs_up_on_prints_every_event_once() {
    let mut live = LiveRun::new(false);
    std::fs::write(live.folder.file(HANGS_UP), "").expect("written");
    let engine = live.engine.take();
    let mut out = Vec::new();
    let code = follow(&live.folder, engine, From::Beginning, Style::Json, &mut out).expect("followed");
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
    assert!(!live.folder.file(HANGS_UP).exists(), "it did hang up");
    let logged = std::fs::read_to_string(live.folder.file(files::EVENTS)).expect("there");
    assert_eq!(String::from_utf8(out).expect("UTF-8"), logged);
}

/// Tells when something was written.
struct Telling {
    written: Vec<u8>,
    telling: Sender<()>,
}

impl Write for Telling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.telling.send(()); // Only the first one is waited for.
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_headless_search_that_somebody_stops_says_how_to_go_on() {
    let mut live = LiveRun::new(true).listening();
    let engine = live.engine.take();
    let (context, folder) = (live.context.clone(), live.folder.clone());
    let (telling, told) = channel();
    let stopper = std::thread::spawn(move || {
        told.recv().expect("the run is followed by now");
        steer::stop(&context, "r", &mut Vec::new()).map(drop)
    });
    let mut out = Telling { written: Vec::new(), telling };
    let code = follow(&folder, engine, From::Beginning, Style::Plain, &mut out).expect("followed");
    let out = out.written;
    stopper.join().expect("no panic").expect("stopped");
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(130)));
    let printed = String::from_utf8(out).expect("UTF-8");
    let last = printed.lines().last().expect("a line");
    assert_eq!(
        last,
        "r: stopped after a checkpoint; `relativenas resume r` goes on from the newest checkpoint"
    );
}

#[test]
fn a_live_run_is_described_and_steered_without_a_screen() {
    let live = LiveRun::new(true).listening();
    let pid = live.engine.as_ref().map(|e| e.child.id());
    let before = status::of(&live.folder).expect("readable");
    assert_eq!((before.phase.name(), before.alive, before.pid), ("paused", true, pid));
    assert_eq!((before.generation, before.pair, before.pairs), (0, 0, 2));

    let text = live.text(|c, out| steer::step(c, &step(Unit::Pair, 1), out));
    assert_eq!(text, "r: going on for 1 pair, then pausing\nr: paused in generation 0\n");
    assert_eq!(status::of(&live.folder).expect("readable").pair, 1);
    live.text(|c, out| steer::step(c, &step(Unit::Generation, 1), out));
    assert_eq!(status::of(&live.folder).expect("readable").generation, 1);

    let text = live.text(|c, out| steer::stop(c, "r", out));
    assert_eq!(text, "r: stopped after a checkpoint; `relativenas resume r` goes on\n");
    let after = status::of(&live.folder).expect("readable");
    assert_eq!((after.phase.name(), after.alive, after.pid), ("stopped", false, None));
    let text = live.text(|c, out| steer::pause(c, "r", out));
    assert_eq!(
        text,
        "r: no engine is running; `relativenas resume r` starts one, `relativenas view r` only looks"
    );
}

#[test]
fn a_live_run_is_neither_removed_nor_resumed() {
    let live = LiveRun::new(true).listening();
    let text = live.text(|c, out| list::remove(c, &["r".to_owned()], out));
    assert_eq!(text, "r: its engine is running; `relativenas stop r` first");
    assert!(live.folder.path().exists());
    let error = check_resumable(&live.folder, false).expect_err("alive").to_string();
    assert_eq!(error, "r: an engine is running on it; `relativenas attach r` shows it");
}

#[test]
fn an_engine_refuses_with_a_reason() {
    let live = LiveRun::new(true).listening();
    let mut connection = Connection::open(&live.folder).expect("it listens");
    let inject = Command::Inject { individual: IndividualId(9), position: vec![] };
    let error = connection.command(inject).expect_err("refused").to_string();
    assert_eq!(error, "the engine refused: there is no individual 9");
}

#[test]
fn an_engine_on_another_machine_is_not_sought_here() {
    let live = LiveRun::new(true).listening();
    let path = live.folder.file(files::ENGINE);
    let text = std::fs::read_to_string(&path).expect("there");
    let mut address: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    address["host"] = "gpu-7".into();
    std::fs::write(&path, address.to_string()).expect("written");
    let text = live.text(|c, out| steer::pause(c, "r", out));
    assert_eq!(text, "r: its engine is on gpu-7, not here; `ssh gpu-7 relativenas attach r` reaches it");
}

#[test]
fn a_finished_run_says_the_same_whoever_asks_for_its_engine() {
    let home = tempfile::tempdir().expect("a folder");
    let context = Context::in_folder(home.path());
    let folder = fixture::run(&context.runs().expect("settings"), "r");
    let name = folder.reference().to_owned();
    fixture::write_log(&folder, &fixture::log(3));
    let words = format!(
        "{name}: it is finished; `relativenas view {name}` shows it, `relativenas export {name}` writes what it found, \
         and `relativenas train` takes that for a full network"
    );
    assert_eq!(Connection::open(&folder).err().expect("finished").to_string(), words);
    assert_eq!(check_resumable(&folder, false).expect_err("finished").to_string(), words);
    // A script that resumes until a run is done ends here.
    let mut out = Vec::new();
    let arguments = ResumeArguments {
        run: RunArgument { run: name },
        paused: false,
        force: false,
        restart: false,
        printing: PrintingArguments { headless: true, json: false },
    };
    let code = search::resume(&context, &arguments, &mut out).expect("nothing to do");
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
    let said = String::from_utf8(out).expect("UTF-8");
    assert!(said.contains(": it is finished; `relativenas view "), "{said}");
}

#[test]
fn an_engine_that_holds_a_run_without_listening_may_be_a_probe() {
    let live = LiveRun::new(true).listening();
    let words = "r: an engine holds it, but accepts no connection: a probe is under way, or";
    // The address is that of an engine before.
    let path = live.folder.file(files::ENGINE);
    let mut address: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).expect("there")).expect("JSON");
    address["pid"] = 1.into();
    std::fs::write(&path, address.to_string()).expect("written");
    std::fs::remove_file(live.folder.path().with_extension("sock")).expect("its socket");
    let text = live.text(|c, out| steer::pause(c, "r", out));
    assert!(text.starts_with(words), "{text}");
    std::fs::remove_file(live.folder.file(files::ENGINE)).expect("its address");
    let text = live.text(|c, out| steer::pause(c, "r", out));
    assert!(text.starts_with(words), "{text}");
}

#[test]
fn a_socket_that_is_not_to_be_seen_is_named_as_such() {
    let live = LiveRun::new(true).listening();
    std::fs::remove_file(live.folder.path().with_extension("sock")).expect("its socket");
    let text = live.text(|c, out| steer::pause(c, "r", out));
    assert!(text.contains(" lives, but its socket ") && text.contains("private /tmp"), "{text}");
}

#[test]
fn an_engine_of_another_run_is_not_taken_for_this_ones() {
    let live = LiveRun::new(true).listening();
    std::fs::write(live.folder.file(STRANGER), "").expect("written");
    let text = live.text(|c, out| steer::pause(c, "r", out));
    assert!(text.ends_with(": the engine of another run (`r`) answers there"), "{text}");
}

#[test]
fn an_engine_that_fails_at_once_is_quoted() {
    let home = tempfile::tempdir().expect("a folder");
    let context = Context::in_folder(home.path());
    let folder = fixture::run(&context.runs().expect("settings"), "r");
    // A folder where the lock should be.
    std::fs::create_dir(folder.file(files::ENGINE_LOCK)).expect("made");
    let mut engine = start_on(&folder, false);
    let error = engine.connect().err().expect("it ended").to_string();
    assert!(error.contains(": engine.lock: Is a directory (os error 21)\n("), "{error}");
}

#[test]
fn an_engine_that_fails_after_its_greeting_is_quoted() {
    for from in [From::Beginning, From::Now] {
        let home = tempfile::tempdir().expect("a folder");
        let context = Context::in_folder(home.path());
        let folder = fixture::run(&context.runs().expect("settings"), "r");
        std::fs::write(folder.file(FAILS), "").expect("written");
        let engine = start_on(&folder, false);
        let ended = follow(&folder, Some(engine), from, Style::Json, &mut Vec::new());
        let error = ended.expect_err("it failed");
        let said = error.to_string();
        assert!(said.contains(": the engine failed: generation 0, pair 0: CUDA out of memory\n"), "{said}");
        let code = format!("{:?}", report(&error));
        assert_eq!(code, format!("{:?}", ExitCode::FAILURE), "{from:?}");
    }
}

/// The next message that is not progress.
fn next(messages: &Receiver<Message>) -> Message {
    loop {
        match messages.recv_timeout(Duration::from_secs(30)).expect("a message") {
            Message::Progress(_) => {}
            message => return message,
        }
    }
}

/// All lines until another message comes, which is returned too.
fn lines(messages: &Receiver<Message>) -> (usize, Message) {
    let mut count = 0;
    loop {
        match next(messages) {
            Message::Lines(lines) => count += lines.len(),
            other => return (count, other),
        }
    }
}

#[test]
fn the_screen_is_fed_steered_and_told_of_a_death() {
    let live = LiveRun::new(true).listening();
    let (requests, from_screen) = channel();
    let messages = serve(live.context.clone(), First::Runs, from_screen);
    let ask = |request| requests.send(request).expect("served");
    ask(Request::Open { folder: live.folder.path().to_owned() });
    assert!(matches!(next(&messages), Message::Opened { run, .. } if run == "r"));
    let (known, link) = lines(&messages);
    assert_eq!(known, 3, "begun, sampled, first generation");
    let Message::Link(Link::Live(hello)) = link else { panic!("{link:?}") };
    assert_eq!(Some(hello.pid), live.engine.as_ref().map(|e| e.child.id()));

    ask(Request::Steer { id: 7, command: Command::Step { unit: StepUnit::Pair, count: 1 } });
    let Message::Answer(answer) = next(&messages) else { panic!("no answer") };
    assert_eq!((answer.id, answer.refused), (7, None));
    assert!(matches!(next(&messages), Message::Lines(lines) if lines.len() == 1));

    ask(Request::Steer { id: 8, command: Command::PauseOnNan { on: true } });
    let Message::Answer(_) = next(&messages) else { panic!("no answer") };
    let Message::Link(Link::Dead { last_words, resume }) = next(&messages) else { panic!("alive") };
    assert_eq!(last_words.last().map(String::as_str), Some("relativenas-engine: CUDA out of memory"));
    assert_eq!(resume, "relativenas resume r");

    ask(Request::Steer { id: 9, command: Command::Pause });
    let Message::Answer(answer) = next(&messages) else { panic!("no answer") };
    assert_eq!(answer.refused.as_deref(), Some("no engine is listening"));
}

#[test]
fn a_screen_sees_a_run_that_somebody_else_resumes() {
    let mut live = LiveRun::new(true).listening();
    live.text(|c, out| steer::stop(c, "r", out));
    let (requests, from_screen) = channel();
    let messages = serve(live.context.clone(), First::Runs, from_screen);
    requests.send(Request::Open { folder: live.folder.path().to_owned() }).expect("served");
    assert!(matches!(next(&messages), Message::Opened { .. }));
    assert!(matches!(lines(&messages).1, Message::Link(Link::NoEngine)));
    live.engine.as_mut().expect("it stopped").child.wait().expect("waited for");
    live.engine = Some(start_on(&live.folder, true));
    assert!(matches!(next(&messages), Message::Opened { .. }));
    assert!(matches!(lines(&messages), (3, Message::Link(Link::Live(_)))));
}

#[test]
fn a_finished_run_lets_its_engine_go() {
    let mut live = LiveRun::new(true).listening();
    let (requests, from_screen) = channel();
    let messages = serve(live.context.clone(), First::Runs, from_screen);
    requests.send(Request::Open { folder: live.folder.path().to_owned() }).expect("served");
    requests.send(Request::ListRuns).expect("served");
    while !matches!(next(&messages), Message::Link(Link::Live(_))) {}
    requests.send(Request::Steer { id: 1, command: Command::Continue }).expect("served");
    while !matches!(next(&messages), Message::Link(Link::NoEngine)) {}
    let status = live.engine.as_mut().expect("started").child.wait().expect("waited for");
    assert!(status.success(), "it left when the screen hung up");
}
