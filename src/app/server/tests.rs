use std::{
    cell::Cell,
    sync::mpsc::{Sender, channel},
    time::{Duration, Instant},
};

use relativenas_core::searcher::SearcherKind;

use super::*;
use crate::{fixture, study::Plan};

/// A server, and the screen's ends of its channels.
struct Served {
    context: Context,
    requests: Sender<Request>,
    messages: Receiver<Message>,
    home: tempfile::TempDir,
}

impl Served {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let context = Context::in_folder(home.path());
        let (requests, from_screen) = channel();
        let messages = crate::app::serve(context.clone(), First::Runs, from_screen);
        Self { context, requests, messages, home }
    }

    /// Makes a run in the usual directory.
    fn run(&self, name: &str) -> PathBuf {
        let runs = self.context.runs().expect("settings");
        fixture::run(&runs, name).path().to_owned()
    }

    fn ask(&self, request: Request) {
        self.requests.send(request).expect("served");
    }

    /// The next message that is what is waited for.
    fn wait<T>(&self, wanted: impl Fn(Message) -> Option<T>) -> T {
        loop {
            let message = self.messages.recv_timeout(Duration::from_secs(30)).expect("a message");
            if let Some(found) = wanted(message) {
                return found;
            }
        }
    }

    fn opened(&self) -> PathBuf {
        self.wait(|message| match message {
            Message::Opened { folder, .. } => Some(folder),
            _ => None,
        })
    }

    fn failure(&self) -> String {
        self.wait(|message| match message {
            Message::Failed(why) => Some(why),
            _ => None,
        })
    }
}

#[test]
fn what_is_asked_about_a_listed_run_is_not_done_to_one_of_its_name_elsewhere() {
    let served = Served::new();
    let listed = served.run("r");
    let elsewhere = fixture::run(&served.home.path().join("study"), "r").path().to_owned();
    served.ask(Request::Open { folder: elsewhere.clone() });
    assert_eq!(served.opened(), elsewhere);
    let listed_then = listed.with_file_name("renamed");
    served.ask(Request::Annotate { folder: listed.clone(), note: "mine".to_owned() });
    served.ask(Request::Rename { folder: listed.clone(), name: "renamed".to_owned() });
    served.ask(Request::Remove { folders: vec![listed_then.clone()] });
    let told = |message| match message {
        Message::Renamed { from, to } => Some(vec![from, to]),
        Message::Removed(folders) => Some(folders),
        _ => None,
    };
    assert_eq!(served.wait(told), [listed, listed_then.clone()]);
    assert_eq!(served.wait(told), std::slice::from_ref(&listed_then));
    assert!(!listed_then.exists());
    let left = RunFolder::at(&elsewhere).expect("it was not meant");
    assert_eq!(left.note(), "");
    served.ask(Request::Open { folder: listed_then.clone() });
    assert_eq!(served.failure(), format!("{}: there is no run any more", listed_then.display()));
}

#[test]
fn what_was_entered_in_a_form_is_not_called_an_argument() {
    let served = Served::new();
    let start = |name: &str, settings: &[(&str, &str)], architecture| Request::Start {
        architecture,
        preset: None,
        settings: settings.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        name: Some(name.to_owned()),
        paused: false,
    };
    served.ask(start("../r", &[], None));
    let why = served.failure();
    assert!(why.starts_with("the name ../r: a run's name has"), "{why}");
    let architecture = Architecture {
        genotype: relativenas_core::published::genotype("RelativeNAS").expect("published"),
        name: "winner".to_owned(),
        origin: String::new(),
    };
    served.ask(start(
        "r",
        &[("retrain.task", "detection"), ("retrain.kind", "imagenet")],
        Some(architecture),
    ));
    let why = served.failure();
    assert!(why.starts_with("detection needs data.path, a folder with"), "{why}");
}

#[test]
fn a_study_is_removed_with_all_its_runs() {
    let served = Served::new();
    let runs = served.context.runs().expect("settings");
    let plan = Plan::new(vec![SearcherKind::SlowFast], 2, 0);
    let study = Study::create(&runs, "chance", plan, &fixture::config()).expect("made");
    let run = fixture::run(&study.runs(), "slow-fast-1");
    served.ask(Request::Open { folder: run.path().to_owned() });
    assert_eq!(served.opened(), run.path());
    let folder = study.path().to_owned();
    served.ask(Request::RemoveStudy { folder: folder.clone() });
    let removed = served.wait(|message| match message {
        Message::Removed(folders) => Some(folders),
        _ => None,
    });
    assert_eq!(removed, std::slice::from_ref(&folder));
    assert!(!folder.exists());
    // A run is no study, and one that is gone is none any more.
    let run = served.run("r");
    for folder in [run.clone(), folder] {
        served.ask(Request::RemoveStudy { folder });
        served.failure();
    }
    assert!(run.exists());
}

#[test]
fn what_was_not_deleted_when_the_screen_was_left_is_deleted_when_it_begins() {
    let home = tempfile::tempdir().expect("a folder");
    let context = Context::in_folder(home.path());
    let runs = context.runs().expect("settings");
    drop(tidy::set_aside(&fixture::run(&runs, "r")).expect("at rest"));
    let kept = fixture::run(&runs, "kept");
    let (_requests, from_screen) = channel();
    let _messages = crate::app::serve(context, First::Runs, from_screen);
    let left = || std::fs::read_dir(&runs).expect("readable").count();
    let deadline = Instant::now() + Duration::from_secs(30);
    while left() > 1 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!((left(), kept.path().is_dir()), (1, true));
}

#[test]
fn a_compared_run_is_followed_under_its_new_name_and_when_the_shown_one_is_renamed() {
    let served = Served::new();
    let (shown, other) = (served.run("shown"), served.run("other"));
    let log = fixture::log(2);
    let write = |folder: &Path, events: usize| {
        fixture::write_log(&RunFolder::at(folder).expect("a run"), &log[..events]);
    };
    let grown = |wanted: u64| {
        served.wait(|message| match message {
            Message::Grown { folder, view } => (view.events == wanted).then_some(folder),
            _ => None,
        })
    };
    write(&other, 4);
    served.ask(Request::Open { folder: shown.clone() });
    served.opened();
    served.ask(Request::Compare { folder: other.clone() });
    served.ask(Request::Rename { folder: other.clone(), name: "second".to_owned() });
    let second = other.with_file_name("second");
    assert_eq!(grown(4), second);
    write(&second, 6);
    assert_eq!(grown(6), second);
    served.ask(Request::Rename { folder: shown.clone(), name: "first".to_owned() });
    // The shown run is opened anew and the compared one followed anew, each by a thread of its own.
    let (is_opened, has_grown) = (Cell::new(false), Cell::new(false));
    served.wait(|message| {
        match message {
            Message::Opened { folder, .. } => is_opened.set(folder == shown.with_file_name("first")),
            Message::Grown { folder, view } => has_grown.set(folder == second && view.events == 6),
            _ => {}
        }
        (is_opened.get() && has_grown.get()).then_some(())
    });
    write(&second, 8);
    assert_eq!(grown(8), second);
}
