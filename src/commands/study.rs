//! `study`: comparing searchers, from the searches to the trainings of their winners.

mod remove;
mod status;
mod submit;

use std::{io::Write, num::NonZeroU32, process::ExitCode, thread, time::Duration};

use anyhow::Result;
use relativenas_core::config::Origin;

use crate::{
    arguments::{ExtendArguments, StudyAction, StudyArguments, StudyRunArguments, WorkArguments},
    context::Context,
    failure::{self, misuse},
    pace,
    places::absolute,
    settings,
    study::{
        Plan, Study, Urgency,
        extend::{Extension, extend},
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
        StudyAction::Extend(arguments) => {
            grow(&Study::open(&context.runs()?, &arguments.study)?, arguments, out)
        }
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
    let mut layers = context.layers_under(arguments.settings.choices())?;
    let flags = [("--data", "data.path", &arguments.data), ("--device", "device.kind", &arguments.device)];
    layers.add_flags(flags)?;
    let of_the_study = ["search.searcher", "search.seed", "retrain.seed"];
    let given = layers
        .settings()
        .find(|(key, setting)| of_the_study.contains(key) && setting.origin != Origin::BuiltIn);
    if let Some((key, setting)) = given {
        return Err(misuse(format!(
            "{}: a study sets {key} itself, from --searchers, --seeds and --judge-seeds",
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
        eprintln!("every search: {cost}");
    }
    eprintln!("{}; how long they take is known after the first", size(&study));
    if arguments.no_work {
        return Ok(ExitCode::SUCCESS);
    }
    go_on(&study, arguments.work)
}

/// The numbers of a study's searchers, seeds, trainings and runs, in a line.
fn size(study: &Study) -> String {
    let Plan { searchers, seeds, judge_seeds, .. } = &study.plan;
    format!(
        "{}: {}, {} each, {} of each winner: {}",
        study.name(),
        counted(searchers.len(), "searcher"),
        counted(*seeds as usize, "seed"),
        counted(*judge_seeds as usize, "training"),
        counted(study.plan.runs(), "run"),
    )
}

fn grow(study: &Study, arguments: &ExtendArguments, out: &mut dyn Write) -> Result<ExitCode> {
    let seeds = arguments.seeds.map(NonZeroU32::get);
    let (judge_seeds, searchers) = (arguments.judge_seeds, arguments.searchers.clone());
    let extension = Extension { seeds, judge_seeds, searchers };
    let extended = extend(study, &extension)?;
    let size = size(&extended);
    match extended.plan.runs().saturating_sub(study.plan.runs()) {
        0 => writeln!(out, "{size}; it has all of this already")?,
        new => writeln!(
            out,
            "{size}, {new} more than before; workers that are running take them too, and `relativenas study work {}` \
             starts one",
            arguments.study
        )?,
    }
    Ok(ExitCode::SUCCESS)
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

#[cfg(test)]
mod tests {
    use relativenas_core::searcher::SearcherKind;

    use super::*;
    use crate::fixture;

    #[test]
    fn a_study_that_is_extended_says_how_large_it_is_now() {
        let home = tempfile::tempdir().expect("a folder");
        let context = Context::in_folder(home.path());
        let runs = context.runs().expect("settings");
        let plan = Plan::new(vec![SearcherKind::SlowFast, SearcherKind::Random], 2, 1);
        Study::create(&runs, "chance", plan, &fixture::config()).expect("made");
        let said = |seeds, searchers: &[SearcherKind]| {
            let (study, seeds) = ("chance".to_owned(), NonZeroU32::new(seeds));
            let searchers = searchers.to_vec();
            let action = StudyAction::Extend(ExtendArguments { study, seeds, judge_seeds: None, searchers });
            let mut out = Vec::new();
            run(&context, &StudyArguments { action }, &mut out).map(drop)?;
            Ok::<_, anyhow::Error>(String::from_utf8(out).expect("UTF-8"))
        };
        assert_eq!(
            said(3, &[SearcherKind::CoinFlip]).expect("more"),
            "chance: 3 searchers, 3 seeds each, 1 training of each winner: 18 runs, 10 more than before; workers that are \
             running take them too, and `relativenas study work chance` starts one\n"
        );
        assert_eq!(
            said(3, &[]).expect("the same"),
            "chance: 3 searchers, 3 seeds each, 1 training of each winner: 18 runs; it has all of this already\n"
        );
        let error = said(1, &[]).expect_err("fewer").to_string();
        assert!(error.starts_with("chance: it has 3 seeds, and none can be taken away"), "{error}");
    }
}
