//! Searches of NAS-Bench-201: the same engine, whose losses come from a table.

use relativenas_core::{event::Event, tabular};

use crate::{
    search::{pid, signal},
    stage::{Stage, wait_until},
};

/// A search of a few generations with one more setting.
fn arguments<'a>(name: &'a str, more: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["search", "--headless", "--name", name, "--preset", "nas-bench-201"];
    for setting in ["search.population=10", "search.generations=4", more] {
        arguments.extend(["--set", setting]);
    }
    arguments
}

#[test]
fn a_table_is_searched_and_its_architectures_are_exported_as_they_are_published() {
    let stage = Stage::new();
    stage.relativenas(arguments("one", "table.milliseconds=0")).succeeded();
    let events = stage.events("one");
    let Some(Event::SearchFinished { ranking, evaluations: 40 }) = events.last() else {
        panic!("{:?}", events.last());
    };
    let text = stage.relativenas(["export", "one", "--rank", "1"]).succeeded().stdout;
    assert!(tabular::parse_architecture(text.trim_end()).is_some(), "{text}");
    let shown = stage.relativenas(["arch", "show", text.trim_end()]).succeeded().stdout;
    assert!(shown.contains("Test accuracy after 200 epochs"), "{shown}");
    // A table has no noise: the ranking is that of the table.
    assert!(ranking.windows(2).all(|pair| pair[0].accuracy >= pair[1].accuracy), "{ranking:?}");
    let curves = stage.relativenas(["export", "one", "--format", "csv"]).succeeded().stdout;
    assert_eq!(curves.lines().count(), 1 + 4);
    stage
        .relativenas(["export", "one", "--format", "pytorch"])
        .refused(2, "an architecture of NAS-Bench-201 is written as darts");
    stage.relativenas(["probe", "one"]).refused(1, "there is nothing to probe");
    let page = stage.relativenas(["report", "one", "--format", "markdown"]).succeeded().stdout;
    assert!(page.contains("NAS-Bench-201"), "{page}");
    stage.relativenas(["status", "one", "--json"]).succeeded();

    let other = arguments("other", "search.seed=2");
    stage.relativenas(other.into_iter().chain(["--set", "table.milliseconds=0"])).succeeded();
    stage.relativenas(["compare", "one", "other"]).succeeded();
}

#[test]
fn a_search_of_a_table_that_was_terminated_ends_where_one_that_was_left_alone_ends() {
    let stage = Stage::new();
    stage.relativenas(arguments("whole", "table.milliseconds=0")).succeeded();
    let mut engine = stage.command(arguments("cut", "table.milliseconds=200")).spawn().expect("it starts");
    wait_until("two pairs are compared", || {
        let log = std::fs::read_to_string(stage.runs().join("cut/events.jsonl")).unwrap_or_default();
        log.matches("pair_compared").count() >= 2
    });
    signal(pid(&stage.runs().join("cut")), "-TERM");
    assert!(!engine.wait().expect("it ends").success());
    stage.relativenas(["resume", "cut", "--headless"]).succeeded();
    // Compared as text, because the training losses of a table are NaN, which does not equal itself.
    let events = |run| serde_json::to_string(&stage.events(run)).expect("plain data");
    assert!(events("whole") == events("cut"), "{}\n{}", events("whole"), events("cut"));
}
