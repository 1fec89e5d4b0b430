//! `study`: searchers against each other, from the searches to the test images.

use std::{io::Write, process::ExitCode, thread, time::Duration};

use anyhow::Result;
use relativenas_core::config::Origin;
use relativenas_ui::messages::RunSummary;
use serde::Serialize;

use crate::{
    arguments::{StudyAction, StudyArguments, StudyRunArguments, WorkArguments},
    context::Context,
    failure::{self, misuse},
    pace,
    places::absolute,
    runs, settings,
    study::{
        Ending, Plan, Study,
        work::{Outcome, work},
    },
};

/// Does what was asked of a study.
///
/// # Errors
/// If a setting is wrong, there is no such study, or runs of it failed.
pub fn run(context: &Context, arguments: &StudyArguments, out: &mut dyn Write) -> Result<ExitCode> {
    match &arguments.action {
        StudyAction::Run(arguments) => begin(context, arguments),
        StudyAction::Work { study, work } => go_on(&Study::open(&context.runs()?, study)?, *work),
        StudyAction::Status { study, json } => status(&Study::open(&context.runs()?, study)?, *json, out),
    }
}

/// What a worker exits with that SIGTERM or SIGUSR1 ended: sysexits' EX_TEMPFAIL, start it again.
pub const GIVEN_BACK: u8 = 75;

fn begin(context: &Context, arguments: &StudyRunArguments) -> Result<ExitCode> {
    let mut layers = context.layers(&arguments.settings)?;
    let flags = [("--data", "data.path", &arguments.data), ("--device", "device.kind", &arguments.device)];
    for (flag, key, value) in flags {
        if let Some(value) = value {
            layers.add_flag(flag, key, value)?;
        }
    }
    let of_the_study = ["search.searcher", "search.seed", "retrain.seed"];
    let given = layers
        .settings()
        .find(|(key, setting)| of_the_study.contains(key) && setting.origin != Origin::BuiltIn);
    if let Some((key, setting)) = given {
        return Err(misuse(format!(
            "{}: a study gives {key} itself; --searchers, --seeds and --judge-seeds say which",
            setting.origin
        )));
    }
    let jobs = arguments.work.jobs.get();
    let mut config = settings::checked(&layers)?;
    if !config.data.path.is_empty() {
        // Workers may be started from anywhere.
        config.data.path = absolute(&config.data.path)?.display().to_string();
    }
    if jobs > 1 && config.device.threads == 0 {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        config.device.threads = (cores / jobs).max(1);
    }
    let runs = match config.run.directory.as_str() {
        "" => context.places.runs.clone(),
        directory => absolute(directory)?,
    };
    // Runs of the study are kept in its folder.
    config.run.directory = String::new();
    let plan = Plan::new(arguments.searchers.clone(), arguments.seeds.get(), arguments.judge_seeds);
    let study = Study::create(&runs, &arguments.name, plan, &config)?;
    if let Some(cost) = pace::finals(&config) {
        eprintln!("of every search, {cost}");
    }
    let Plan { searchers, seeds, judge_seeds, .. } = &study.plan;
    eprintln!(
        "{}: {} searchers, {seeds} seeds each, {judge_seeds} trainings of each winner: {} runs; how long they take \
         is known after the first",
        study.name(),
        searchers.len(),
        study.plan.runs()
    );
    go_on(&study, arguments.work)
}

fn go_on(study: &Study, arguments: WorkArguments) -> Result<ExitCode> {
    let shown = study.path().display();
    let lease = Duration::from_secs(arguments.lease.into());
    match work(study, arguments.jobs.get(), lease)? {
        Outcome::Done => eprintln!("{shown}: done; `relativenas report` of it writes the page"),
        Outcome::LeftToOthers => eprintln!("{shown}: nothing left that others are not at"),
        Outcome::Failed(runs) => anyhow::bail!(
            "{shown}: {runs} of its runs failed, as said above; `relativenas study work` of it tries them again"
        ),
        Outcome::Ended(ending) => {
            eprintln!("{shown}: interrupted; `relativenas study work` of it goes on");
            return Ok(ExitCode::from(match ending {
                Ending::Interrupted => failure::INTERRUPTED,
                Ending::Terminated => GIVEN_BACK,
            }));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How far a study is.
#[derive(Debug, Serialize)]
struct Status {
    study: String,
    runs: usize,
    finished: usize,
    begun: Vec<Row>,
}

/// How far one of its runs is.
#[derive(Debug, Serialize)]
struct Row {
    run: String,
    phase: String,
    /// Generations of a search, epochs of a training.
    done: u32,
    of: u32,
    best_loss: Option<f64>,
    /// Of a training that is finished, in per cent.
    test_accuracy: Option<f64>,
}

fn status(study: &Study, json: bool, out: &mut dyn Write) -> Result<ExitCode> {
    let rows: Vec<_> = study
        .begun()
        .iter()
        .map(|folder| {
            let RunSummary { run, phase, generation, generations, best_loss, .. } = runs::summary(folder);
            let view = folder.view().ok();
            let test = view.and_then(|view| view.training?.test).map(|test| test.top1);
            Row { run, phase, done: generation, of: generations, best_loss, test_accuracy: test }
        })
        .collect();
    let finished = rows.iter().filter(|row| row.phase == "finished").count();
    let status = Status { study: study.name(), runs: study.plan.runs(), finished, begun: rows };
    if json {
        writeln!(out, "{}", serde_json::to_string(&status)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{}: {finished} of {} runs finished", status.study, status.runs)?;
    let widest = status.begun.iter().map(|row| row.run.len()).max().unwrap_or(0);
    for row in &status.begun {
        let loss = row.best_loss.map_or_else(|| "–".to_owned(), |loss| format!("{loss:.4}"));
        let test = row.test_accuracy.map_or_else(String::new, |top1| format!("  test {top1:.2} %"));
        let done = format!("{}/{}", row.done, row.of);
        writeln!(out, "{:widest$}  {:10} {done:>9}  best {loss:>7}{test}", row.run, row.phase)?;
    }
    Ok(ExitCode::SUCCESS)
}
