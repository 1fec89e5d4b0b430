//! `study`: searchers against each other, from the searches to the test images.

mod remove;
mod status;
mod submit;

use std::{io::Write, process::ExitCode, thread, time::Duration};

use anyhow::Result;
use relativenas_core::config::Origin;

use crate::{
    arguments::{StudyAction, StudyArguments, StudyRunArguments, WorkArguments},
    context::Context,
    failure::{self, misuse},
    pace,
    places::absolute,
    settings,
    study::{
        Plan, Study, Urgency,
        work::{Outcome, work},
    },
    written::counted,
};

/// Runs one of the commands about studies.
///
/// # Errors
/// If a setting is wrong, there is no such study, or runs of it failed.
pub fn run(context: &Context, arguments: &StudyArguments, out: &mut dyn Write) -> Result<ExitCode> {
    match &arguments.action {
        StudyAction::Run(arguments) => begin(context, arguments),
        StudyAction::Work { study, work } => go_on(&Study::open(&context.runs()?, study)?, *work),
        StudyAction::Submit(arguments) => {
            submit::submit(&Study::open(&context.runs()?, &arguments.study)?, arguments, out)
        }
        StudyAction::Status { study, json } => {
            status::status(&Study::open(&context.runs()?, study)?, *json, out)
        }
        StudyAction::Remove { study, yes } => {
            let study = Study::open(&context.runs()?, study)?;
            if !*yes && !remove::is_agreed(&study)? {
                return Ok(ExitCode::FAILURE);
            }
            remove::remove(&study, out)
        }
    }
}

/// The exit code of a worker that was ended by SIGTERM or SIGUSR1. It is EX_TEMPFAIL of sysexits.h, which
/// means: start it again.
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
        // Workers may be started in any working directory, so the path is made absolute.
        config.data.path = absolute(&config.data.path)?.display().to_string();
    }
    if jobs > 1 && config.device.threads == 0 {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        config.device.threads = (cores / jobs).max(1);
    }
    let runs = context.runs_of(&config)?;
    // Runs of the study are kept in its folder.
    config.run.directory = String::new();
    let plan = Plan::new(arguments.searchers.clone(), arguments.seeds.get(), arguments.judge_seeds)
        .judged_on(arguments.judge_images);
    let study = Study::create(&runs, &arguments.name, plan, &config)?;
    if let Some(cost) = pace::costs(&config) {
        eprintln!("of every search, {cost}");
    }
    let Plan { searchers, seeds, judge_seeds, .. } = &study.plan;
    eprintln!(
        "{}: {}, {} each, {} of each winner: {}; how long they take is known after the first",
        study.name(),
        counted(searchers.len(), "searcher"),
        counted(*seeds as usize, "seed"),
        counted(*judge_seeds as usize, "training"),
        counted(study.plan.runs(), "run"),
    );
    if arguments.no_work {
        return Ok(ExitCode::SUCCESS);
    }
    go_on(&study, arguments.work)
}

fn go_on(study: &Study, arguments: WorkArguments) -> Result<ExitCode> {
    let shown = study.path().display();
    let lease = Duration::from_secs(arguments.lease.into());
    match work(study, arguments.jobs.get(), lease)? {
        Outcome::Done => eprintln!("{shown}: done; `relativenas report` of it writes the page"),
        Outcome::LeftToOthers => eprintln!("{shown}: every run that is left is held by another worker"),
        Outcome::Failed(runs) => anyhow::bail!(
            "{shown}: {runs} of its runs failed, as said above; `relativenas study work` of it tries them again"
        ),
        Outcome::Ended(ending) => {
            eprintln!("{shown}: interrupted; `relativenas study work` of it goes on");
            return Ok(ExitCode::from(match ending {
                Urgency::Interrupted => failure::INTERRUPTED,
                Urgency::Terminated => GIVEN_BACK,
            }));
        }
    }
    Ok(ExitCode::SUCCESS)
}
