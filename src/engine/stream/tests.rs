use std::{
    fs::{self, OpenOptions},
    io::Write as _,
};

use relativenas_core::{
    manifest::files,
    protocol::{Mode, StepUnit},
};

use super::*;
use crate::{
    arguments::{RunArgument, StepArguments},
    commands::steer,
    fake_engine::{HANGS_UP, live::LiveRun, start_on},
    fixture,
};

/// What a stream said, without its progress and its silence: a word for each thing, and the events.
#[derive(Default)]
struct Heard {
    words: Vec<&'static str>,
    lines: Vec<Line>,
}

impl Heard {
    /// Listens until something of this name is said; lines in a row are one thing.
    fn until(&mut self, stream: &mut RunStream, last: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let word = match stream.hear().expect("understood") {
                Said::Lines(lines) => {
                    self.lines.extend(lines);
                    "lines"
                }
                Said::Anew => {
                    self.lines.clear();
                    "anew"
                }
                Said::Reached(_) => "reached",
                Said::Answer(_) => "answer",
                Said::Closed => "closed",
                Said::Gone => "gone",
                Said::Elsewhere(_) => "elsewhere",
                Said::Finished => "finished",
                Said::Progress(progress) if progress.mode == Mode::Paused => "paused",
                Said::Progress(_) | Said::Unheard(_) | Said::Nothing => {
                    assert!(Instant::now() < deadline, "`{last}` does not come after {:?}", self.words);
                    continue;
                }
            };
            if self.words.last() != Some(&word) {
                self.words.push(word);
            }
            if word == last {
                return;
            }
        }
    }

    /// Listens until this many events are known.
    fn lines(&mut self, stream: &mut RunStream, count: usize) {
        while self.lines.len() < count {
            self.until(stream, "lines");
        }
    }

    fn numbers(&self) -> Vec<u64> {
        self.lines.iter().map(|line| line.seq).collect()
    }
}

fn log_of(folder: &RunFolder) -> Vec<Line> {
    let text = fs::read_to_string(folder.file(files::EVENTS)).expect("there");
    text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
}

/// Cuts the log back as an engine does that resumes the run.
fn cut(folder: &RunFolder, events: usize) {
    let path = folder.file(files::EVENTS);
    let text = fs::read_to_string(&path).expect("there");
    let length: usize = text.split_inclusive('\n').take(events).map(str::len).sum();
    OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(length as u64)).expect("cut");
}

fn pairs(count: u32) -> Command {
    Command::Step { unit: StepUnit::Pair, count }
}

/// Ends the engine without a farewell.
fn kill(live: &mut LiveRun) {
    let mut engine = live.engine.take().expect("started");
    engine.child.kill().and_then(|()| engine.child.wait()).expect("killed");
}

/// A stream of a paused run that was just stepped by two pairs, which makes five events.
fn stepped(live: &LiveRun) -> (RunStream, Heard) {
    let mut stream = RunStream::of(&live.folder);
    let mut heard = Heard::default();
    heard.until(&mut stream, "paused");
    stream.steer(1, pairs(2)).expect("it is reached");
    heard.lines(&mut stream, 5);
    (stream, heard)
}

#[test]
fn a_run_says_its_log_and_then_what_its_engine_does() {
    let live = LiveRun::new(true).listening();
    let mut stream = RunStream::of(&live.folder);
    let mut heard = Heard::default();
    assert!(stream.sender().is_err(), "no engine is reached yet");
    heard.until(&mut stream, "paused");
    stream.steer(7, pairs(1)).expect("it is reached");
    heard.lines(&mut stream, 4);
    stream.steer(8, Command::Continue).expect("it is reached");
    heard.until(&mut stream, "finished");
    assert_eq!(
        heard.words,
        ["lines", "reached", "paused", "answer", "lines", "paused", "answer", "lines", "closed", "finished"]
    );
    assert_eq!(heard.lines, log_of(&live.folder));
    assert!(matches!(stream.hear(), Ok(Said::Finished)), "nothing follows");
}

#[test]
fn events_that_follow_a_greeting_do_not_pass_for_a_log_that_was_cut() {
    let live = LiveRun::new(true).listening();
    let connection = Connection::open(&live.folder).expect("it listens");
    let greeted = connection.hello().events;
    // Meanwhile another client has a pair compared.
    let mut other = RunStream::of(&live.folder);
    let mut heard_other = Heard::default();
    heard_other.until(&mut other, "paused");
    other.steer(1, pairs(1)).expect("it is reached");
    heard_other.lines(&mut other, greeted as usize + 1);

    let mut stream = RunStream::over(&live.folder, connection).expect("it is connected");
    let mut heard = Heard::default();
    heard.lines(&mut stream, greeted as usize + 1);
    heard.until(&mut stream, "paused");
    assert!(!heard.words.contains(&"anew"), "{:?}", heard.words);
    assert_eq!(heard.lines, log_of(&live.folder));
}

#[test]
fn two_streams_of_one_run_say_the_same() {
    let live = LiveRun::new(true).listening();
    let (mut one, mut other) = (RunStream::of(&live.folder), RunStream::of(&live.folder));
    let (mut heard_one, mut heard_other) = (Heard::default(), Heard::default());
    heard_one.until(&mut one, "paused");
    heard_other.until(&mut other, "paused");
    one.steer(1, Command::Continue).expect("it is reached");
    heard_one.until(&mut one, "finished");
    heard_other.until(&mut other, "finished");
    assert_eq!(heard_one.lines, log_of(&live.folder));
    assert_eq!(heard_other.lines, heard_one.lines);
    assert!(heard_one.words.contains(&"answer") && !heard_other.words.contains(&"answer"));
}

#[test]
fn a_client_that_fell_behind_is_reached_again_and_misses_nothing() {
    let live = LiveRun::new(true).listening();
    fs::write(live.folder.file(HANGS_UP), "").expect("written");
    let mut stream = RunStream::of(&live.folder);
    let mut heard = Heard::default();
    heard.until(&mut stream, "closed");
    assert!(stream.sender().is_err(), "there is no connection");
    // Meanwhile, something happens.
    let run = RunArgument { run: "r".to_owned() };
    let step = StepArguments { run, unit: None, count: 1, wait: true };
    live.text(|context, out| steer::step(context, &step, out));
    heard.until(&mut stream, "paused");
    assert_eq!(heard.words, ["lines", "reached", "closed", "lines", "reached", "paused"]);
    assert_eq!(heard.numbers(), [0, 1, 2, 3]);
}

#[test]
fn an_engine_that_dies_and_comes_back_is_noticed() {
    let mut live = LiveRun::new(true).listening();
    let (mut stream, mut heard) = stepped(&live);
    kill(&mut live);
    heard.until(&mut stream, "gone");
    // A checkpoint was taken after the first pair.
    cut(&live.folder, 4);
    live.engine = Some(start_on(&live.folder, true));
    heard.words.clear();
    heard.until(&mut stream, "paused");
    assert_eq!(heard.words, ["anew", "lines", "reached", "paused"]);
    assert_eq!(heard.lines, log_of(&live.folder));
    assert_eq!(heard.numbers(), [0, 1, 2, 3]);
}

#[test]
fn an_engine_that_resumed_the_run_at_once_is_not_taken_for_the_one_before() {
    let mut live = LiveRun::new(true).listening();
    let (mut stream, mut heard) = stepped(&live);
    heard.until(&mut stream, "paused");
    kill(&mut live);
    cut(&live.folder, 4);
    live.engine = Some(start_on(&live.folder, true));
    live = live.listening();
    heard.words.clear();
    heard.until(&mut stream, "paused");
    assert_eq!(heard.words, ["closed", "anew", "lines", "reached", "paused"]);
    assert_eq!(heard.numbers(), [0, 1, 2, 3]);
    drop(live);
}

#[test]
fn a_run_that_was_stopped_and_an_engine_on_another_machine_are_told_apart() {
    let mut live = LiveRun::new(true).listening();
    let path = live.folder.file(files::ENGINE);
    let text = fs::read_to_string(&path).expect("there");
    let mut address: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    address["host"] = "gpu-7".into();
    fs::write(&path, address.to_string()).expect("written");
    let mut heard = Heard::default();
    heard.until(&mut RunStream::of(&live.folder), "elsewhere");
    kill(&mut live);
    heard.until(&mut RunStream::of(&live.folder), "gone");
    assert_eq!(heard.words, ["lines", "elsewhere", "lines", "gone"]);
}

#[test]
fn a_log_is_followed_without_its_engine() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = fixture::run(runs.path(), "r");
    let lines = fixture::log(3);
    let mut stream = RunStream::of_log(&folder);
    let nothing = |stream: &mut RunStream| matches!(stream.hear(), Ok(Said::Nothing));
    assert!(nothing(&mut stream));
    // A line that is not written completely is not said before it is.
    fixture::write_log(&folder, &lines[..4]);
    let half = serde_json::to_string(&lines[4]).expect("plain data");
    let path = folder.file(files::EVENTS);
    write!(OpenOptions::new().append(true).open(&path).expect("opened"), "{}", &half[..30]).expect("written");
    let mut heard = Heard::default();
    heard.until(&mut stream, "lines");
    assert_eq!(heard.lines, lines[..4]);
    assert!(nothing(&mut stream));
    writeln!(OpenOptions::new().append(true).open(&path).expect("opened"), "{}", &half[30..])
        .expect("written");
    heard.until(&mut stream, "lines");
    assert_eq!(heard.lines, lines[..5]);
    // A resume cuts the log back, and other events follow.
    let again: Vec<_> = lines.iter().map(|line| Line { time: line.time + 100, ..line.clone() }).collect();
    let resumed = [&lines[..3], &again[3..]].concat();
    fixture::write_log(&folder, &resumed);
    heard.until(&mut stream, "finished");
    assert_eq!(heard.words, ["lines", "anew", "lines", "finished"]);
    assert_eq!(heard.lines, resumed);
}
