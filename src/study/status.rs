//! The progress of a study and its workers, read from files only.

use std::time::SystemTime;

use relativenas_core::{
    loss::Loss,
    view::{Phase, RunState},
};
use relativenas_run::claim::{ClaimState, Held, now_in};
use relativenas_ui::messages::RunSummary;
use serde::Serialize;

use super::{PlannedRun, Study};
use crate::{
    runs,
    written::{age, duration, seconds_since},
};

/// The progress of a study.
#[derive(Debug, Serialize)]
pub struct StudyStatus {
    pub study: String,
    pub runs: usize,
    pub finished: usize,
    pub left: usize,
    /// The number of runs that workers hold.
    pub held: usize,
    /// The runs that were begun, or that a worker has claimed.
    pub begun: Vec<Row>,
    /// The names of the other runs.
    pub not_begun: Vec<String>,
}

/// The progress of one of its runs.
#[derive(Debug, Serialize)]
pub struct Row {
    pub run: String,
    #[serde(skip)]
    pub planned: PlannedRun,
    pub phase: RunState,
    /// Finished generations of a search, or epochs of a training.
    pub done: u32,
    pub of: u32,
    pub best_loss: Option<Loss>,
    /// The test accuracy of a finished training, in per cent.
    pub test_accuracy: Option<f64>,
    /// The time of the run's last event, in milliseconds since 1970 UTC; 0 if there is none.
    #[serde(skip)]
    pub changed: i64,
    /// The worker that holds the run, or whose lease has lapsed.
    pub worker: Option<WorkerOf>,
}

/// The worker that holds a run.
#[derive(Debug, Serialize)]
pub struct WorkerOf {
    pub host: String,
    pub pid: u32,
    /// The batch job in which the worker runs.
    pub job: Option<String>,
    /// When it claimed the run, by its own clock, in milliseconds since 1970 UTC.
    pub since: i64,
    /// How long ago it renewed its lease.
    pub lease_age_seconds: u64,
    /// The lease has lapsed, so that another worker may take the run over.
    pub lapsed: bool,
}

impl WorkerOf {
    /// The worker in words, with how long it has worked on the run and how long ago it renewed its lease.
    pub fn words(&self) -> String {
        let job = self.job.as_ref().map_or_else(String::new, |job| format!(", {job}"));
        let worker = format!("{} (process {}{job})", self.host, self.pid);
        if self.lapsed {
            return format!("left by {worker}, not heard of for {}", duration(self.lease_age_seconds as f64));
        }
        let since = duration(seconds_since(self.since) as f64);
        format!("on {worker} for {since}, heard of {}", age(self.lease_age_seconds))
    }
}

/// The progress of a study, as its files tell.
pub fn of(study: &Study) -> StudyStatus {
    // If the study's folder cannot be written, this machine's clock has to do.
    let now = now_in(&study.claims_folder()).unwrap_or_else(|_| SystemTime::now());
    let (mut begun, mut not_begun) = (Vec::new(), Vec::new());
    // Searches first.
    let (searches, trainings): (Vec<_>, Vec<_>) =
        study.plan.in_order().into_iter().partition(|run| run.judged.is_none());
    for run in searches.into_iter().chain(trainings) {
        match row(study, run, now) {
            Some(row) => begun.push(row),
            None => not_begun.push(run.name()),
        }
    }
    let finished = begun.iter().filter(|row| row.phase.is_finished()).count();
    let held = begun.iter().filter(|row| row.worker.as_ref().is_some_and(|worker| !worker.lapsed)).count();
    let runs = study.plan.runs();
    StudyStatus { study: study.name(), runs, finished, left: runs - finished, held, begun, not_begun }
}

/// The progress of a run; `None` if it was not begun.
fn row(study: &Study, planned: PlannedRun, now: SystemTime) -> Option<Row> {
    let run = planned.name();
    // Where the claims cannot be read, what the run itself says is better than nothing.
    let state = study.claims(&run).state(now).unwrap_or(ClaimState::Free);
    let folder = study.run(&run);
    if folder.is_none() && matches!(state, ClaimState::Free) {
        return None;
    }
    let mut row = Row {
        run,
        planned,
        phase: RunState::In(Phase::Empty),
        done: 0,
        of: 0,
        best_loss: None,
        test_accuracy: None,
        changed: 0,
        worker: None,
    };
    let mut by_events = Phase::Empty;
    if let Some(folder) = &folder {
        let (summary, view) = runs::summary_and_view(folder);
        let RunSummary { state, generation, generations, best_loss, .. } = summary;
        (row.phase, row.done, row.of, row.best_loss) = (state, generation, generations, best_loss);
        if let Some(view) = view {
            by_events = view.phase();
            row.changed = view.changed_at;
            row.test_accuracy = view.training.and_then(|training| training.test).map(|test| test.top1);
        }
    }
    if row.phase.is_finished() {
        return Some(row); // The worker may be about to give the run back, or has died after finishing it.
    }
    match state {
        ClaimState::Held(Held { holder, since, age, lapsed }) => {
            if !lapsed && row.phase.is_left() {
                // Locks of another machine may not be seen here; its claim is.
                row.phase = RunState::In(by_events);
            }
            row.worker = holder.map(|holder| WorkerOf {
                host: holder.host,
                pid: holder.pid,
                job: holder.job,
                since,
                lease_age_seconds: age.as_secs(),
                lapsed,
            });
        }
        ClaimState::Failed(_) if row.phase.is_left() || row.phase == RunState::In(Phase::Empty) => {
            row.phase = RunState::Failed;
        }
        ClaimState::Failed(_) | ClaimState::Free => {}
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use relativenas_core::searcher::SearcherKind;
    use relativenas_run::claim::{ClaimAction, Holder};

    use super::*;
    use crate::{fixture, study::Plan};

    #[test]
    fn a_study_says_from_its_files_alone_who_works_on_what() {
        let runs = tempfile::tempdir().expect("a folder");
        let plan = Plan::new(vec![SearcherKind::SlowFast, SearcherKind::Random], 3, 0);
        let study = Study::create(runs.path(), "chance", plan, &fixture::config()).expect("made");
        fixture::write_log(&fixture::run(&study.runs(), "slow-fast-1"), &fixture::log(3));
        fixture::write_log(&fixture::run(&study.runs(), "random-1"), &fixture::log(1));
        fixture::write_log(&fixture::run(&study.runs(), "slow-fast-2"), &fixture::log(1));
        let job = Some("Slurm job 12_1".to_owned());
        let far = Holder { host: "node7".to_owned(), pid: 41, job };
        let long = Duration::from_secs(60);
        let take = |run: &str, lease| study.claims(run).take(&far, lease).expect("writable").expect("free");
        let (_working, _dead) = (take("random-1", long), take("slow-fast-2", Duration::ZERO));
        let _about_to_begin = take("random-2", long);
        take("slow-fast-3", long).give_back(ClaimAction::Failed).expect("writable");
        std::thread::sleep(Duration::from_millis(50)); // A lease of no length lapses as soon as time goes on.

        let found = of(&study);
        assert_eq!((found.runs, found.finished, found.left, found.held), (6, 1, 5, 2));
        let phases: Vec<_> = found.begun.iter().map(|row| (row.run.as_str(), row.phase.name())).collect();
        let expected = [
            ("slow-fast-1", "finished"),
            ("random-1", "searching"), // No engine of this machine is on it, but a claim stands.
            ("slow-fast-2", "stopped"),
            ("random-2", "starting"),
            ("slow-fast-3", "failed"),
        ];
        assert_eq!(phases, expected);
        assert_eq!(found.not_begun, ["random-3"]);
        let worker = found.begun[1].worker.as_ref().expect("claimed");
        let words = worker.words(); // The seconds depend on how busy this machine is.
        assert!(words.starts_with("on node7 (process 41, Slurm job 12_1) for "), "{words}");
        assert!(words.contains(" s, heard of ") && words.ends_with(" s ago"), "{words}");
        let dead = found.begun[2].worker.as_ref().expect("claimed");
        assert!(dead.words().starts_with("left by node7 (process 41, Slurm job 12_1), not heard of for"));
        let json = serde_json::to_value(&found).expect("plain data");
        assert_eq!(json["begun"][1]["worker"]["host"], "node7");
    }
}
