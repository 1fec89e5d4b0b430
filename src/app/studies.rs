//! Studies as lines of the list of runs.

use relativenas_core::view::{Phase, RunState};
use relativenas_ui::messages::{RunSummary, StudyRun};

use crate::{
    study::{
        Study,
        status::{self, Row},
    },
    written,
};

/// A study as a line among the runs: how many of its runs are finished, and each that was begun.
pub fn summary(study: &Study) -> RunSummary {
    let status = status::of(study);
    let searchers: Vec<_> = study.plan.searchers.iter().map(ToString::to_string).collect();
    let state = match (status.left, status.held) {
        (0, _) => RunState::In(Phase::Finished),
        (_, 0) if status.begun.is_empty() => RunState::In(Phase::Empty),
        (_, 0) => RunState::Stopped,
        _ => RunState::In(Phase::Searching),
    };
    let seeds = written::counted(study.plan.seeds as usize, "seed");
    let changed = status.begun.iter().map(|row| row.changed).fold(study.plan.created, i64::max);
    RunSummary {
        run: study.name(),
        folder: study.path().to_owned(),
        what: format!("study, {} · {seeds}", searchers.join(" ")),
        state,
        generation: status.finished as u32,
        generations: status.runs as u32,
        best_loss: None,
        age_seconds: written::seconds_since(changed),
        alive: status.held > 0,
        problem: None,
        note: String::new(),
        study: Some(status.begun.into_iter().map(|row| run(study, row)).collect()),
    }
}

fn run(study: &Study, row: Row) -> StudyRun {
    StudyRun {
        folder: study.runs().join(&row.run),
        run: row.run,
        searcher: row.planned.search.searcher.to_string(),
        judges: row.planned.judged.is_some(),
        state: row.phase,
        done: row.done,
        of: row.of,
        best_loss: row.best_loss,
        test_accuracy: row.test_accuracy,
        worker: row.worker.map(|worker| worker.words()),
    }
}

#[cfg(test)]
mod tests {
    use relativenas_core::searcher::SearcherKind;

    use super::*;
    use crate::{fixture, study::Plan};

    #[test]
    fn a_study_is_a_line_with_its_runs() {
        let runs = tempfile::tempdir().expect("a folder");
        let plan = Plan::new(vec![SearcherKind::SlowFast, SearcherKind::Random], 2, 1);
        let plan = Plan { created: 0, ..plan };
        let study = Study::create(runs.path(), "chance", plan, &fixture::config()).expect("made");
        assert_eq!(summary(&study).state, RunState::In(Phase::Empty));
        fixture::write_log(&fixture::run(&study.runs(), "slow-fast-1"), &fixture::log(3));
        fixture::write_log(&fixture::run(&study.runs(), "random-1"), &fixture::log(1));
        let line = summary(&study);
        assert_eq!((line.run.as_str(), line.state), ("chance", RunState::Stopped));
        assert_eq!((line.generation, line.generations), (1, 8));
        assert_eq!(line.what, "study, slow-fast random · 2 seeds");
        let begun: Vec<_> =
            line.study.expect("a study").into_iter().map(|run| (run.run, run.state)).collect();
        let expected = [
            ("slow-fast-1".to_owned(), RunState::In(Phase::Finished)),
            ("random-1".to_owned(), RunState::Stopped),
        ];
        assert_eq!(begun, expected);
        let changed = fixture::log(3).pop().expect("events").time;
        assert!(line.age_seconds.abs_diff(written::seconds_since(changed)) <= 1, "the last event counts");
        let found: Vec<_> = Study::all(runs.path()).expect("listed").iter().map(Study::name).collect();
        assert_eq!(found, ["chance"]);
    }
}
