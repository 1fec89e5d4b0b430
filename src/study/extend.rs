//! Giving a study more seeds, searchers and trainings of its winners. The runs that it has stay as they are.

use std::time::Duration;

use anyhow::{Context as _, Result};
use relativenas_core::{config::Layers, searcher::SearcherKind};
use relativenas_run::claim::{ClaimAction, Holder};

use super::{PLAN, Plan, Study, plan::distinct};
use crate::{failure::misuse, written::counted};

/// The name of the claim under which a command extends a study, so that no two commands extend it at once.
const EXTENDING: &str = ".extending";
/// The lease of this claim: if a command dies while it extends a study, no other command can for this time.
const LEASE: Duration = Duration::from_secs(10);

/// What a study is to have after it was extended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extension {
    /// Seeds of each searcher; `None` for as many as before.
    pub seeds: Option<u32>,
    /// Trainings of each winner; `None` for as many as before.
    pub judge_seeds: Option<u32>,
    /// Searchers to add. One that the study has already makes no difference.
    pub searchers: Vec<SearcherKind>,
}

/// Raises the number of a study's seeds and of the trainings of its winners, and appends searchers to those that it
/// compares; the study is as large as before if it has all of this already.
///
/// # Errors
/// If the study has more seeds or trainings, its settings do not suit a searcher, another command extends it at this
/// moment, or its folder cannot be written.
pub fn extend(study: &Study, extension: &Extension) -> Result<Study> {
    let cannot = || format!("{}: cannot be extended", study.path().display());
    let claims = study.claims(EXTENDING);
    let Some(claim) = claims.take(&Holder::this(None), LEASE).with_context(cannot)? else {
        anyhow::bail!("{}: another command extends it at this moment; try again", study.path().display());
    };
    let extended = extend_alone(study, extension);
    let _ = claim.give_back(ClaimAction::GaveBack); // Otherwise it lapses after its lease.
    extended
}

fn extend_alone(study: &Study, extension: &Extension) -> Result<Study> {
    let before = study.plan_now()?;
    let plan = before.extended(extension).map_err(|why| misuse(format!("{}: {why}", study.name())))?;
    for searcher in plan.searchers.iter().skip(before.searchers.len()) {
        check_suits(study, *searcher)?;
    }
    if plan != before {
        plan.write(&study.path().join(PLAN))?;
    }
    Ok(Study { path: study.path().to_owned(), plan })
}

impl Plan {
    /// The plan with this extension; the error says why it would leave out runs.
    fn extended(&self, extension: &Extension) -> Result<Self, String> {
        let grown = |flag: &str, before: u32, words: String, asked: Option<u32>| match asked {
            Some(fewer) if fewer < before => Err(format!(
                "it has {words}, and none can be taken away; {flag} says how many it is to have in all"
            )),
            asked => Ok(asked.unwrap_or(before)),
        };
        let seeds = counted(self.seeds as usize, "seed");
        let trainings = counted(self.judge_seeds as usize, "training") + " of each winner";
        let seeds = grown("--seeds", self.seeds, seeds, extension.seeds)?;
        let judge_seeds = grown("--judge-seeds", self.judge_seeds, trainings, extension.judge_seeds)?;
        let searchers = distinct(self.searchers.iter().chain(&extension.searchers).copied());
        Ok(Self { searchers, seeds, judge_seeds, ..self.clone() })
    }
}

/// Whether a searcher can search with the settings of a study.
fn check_suits(study: &Study, searcher: SearcherKind) -> Result<()> {
    let path = study.settings();
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(&path).with_context(|| format!("{shown}: cannot be read"))?;
    let mut layers = Layers::built_in();
    layers.add_file(&shown, &text)?;
    layers.add_flag("--searchers", "search.searcher", searcher.name())?;
    layers.config()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::fixture;

    fn study(runs: &std::path::Path) -> Study {
        let plan = Plan::new(vec![SearcherKind::SlowFast, SearcherKind::Random], 2, 1);
        Study::create(runs, "chance", plan, &fixture::config()).expect("made")
    }

    fn seeds(seeds: u32) -> Extension {
        Extension { seeds: Some(seeds), ..Extension::default() }
    }

    #[test]
    fn a_study_grows_and_keeps_its_runs() {
        let runs = tempfile::tempdir().expect("a folder");
        let study = study(runs.path());
        fixture::run(&study.runs(), "random-2");
        let more = extend(&study, &seeds(3)).expect("more");
        assert_eq!(more.plan, Plan { seeds: 3, ..study.plan.clone() });
        let searchers = vec![SearcherKind::CoinFlip, SearcherKind::Random, SearcherKind::CoinFlip];
        let wider = extend(&study, &Extension { searchers, ..Extension::default() }).expect("wider");
        let all = vec![SearcherKind::SlowFast, SearcherKind::Random, SearcherKind::CoinFlip];
        assert_eq!(wider.plan, Plan { searchers: all, ..more.plan });
        let found = Study::open(runs.path(), "chance").expect("found");
        assert_eq!(found.plan, wider.plan, "it is in the file");
        assert!(found.run("random-2").is_some());
        let names: Vec<_> = found.plan.searches().into_iter().map(|search| search.name()).collect();
        assert_eq!(names.len(), 9);
        assert!(names.contains(&"coin-flip-1".to_owned()) && names.contains(&"slow-fast-3".to_owned()));
    }

    #[test]
    fn a_study_that_has_everything_stays_as_it_is() {
        let runs = tempfile::tempdir().expect("a folder");
        let study = study(runs.path());
        let file = study.path().join(PLAN);
        let before = fs::metadata(&file).and_then(|file| file.modified()).expect("there");
        let asked = Extension { searchers: vec![SearcherKind::Random], ..seeds(2) };
        assert_eq!(extend(&study, &asked).expect("nothing to do").plan, study.plan);
        assert_eq!(fs::metadata(&file).and_then(|file| file.modified()).expect("there"), before);
    }

    #[test]
    fn no_seed_is_taken_away() {
        let runs = tempfile::tempdir().expect("a folder");
        let study = study(runs.path());
        let error = extend(&study, &seeds(1)).expect_err("fewer").to_string();
        assert_eq!(
            error,
            "chance: it has 2 seeds, and none can be taken away; --seeds says how many it is to have in all"
        );
        // Another command extends it after it was opened.
        extend(&study, &seeds(5)).expect("more");
        let error = extend(&study, &seeds(4)).expect_err("fewer").to_string();
        assert!(error.starts_with("chance: it has 5 seeds"), "{error}");
        assert_eq!(study.plan_now().expect("readable").seeds, 5);
    }

    #[test]
    fn winners_are_trained_more_often_and_never_less() {
        let runs = tempfile::tempdir().expect("a folder");
        let study = study(runs.path());
        let trainings = |count| Extension { judge_seeds: Some(count), ..Extension::default() };
        let more = extend(&study, &trainings(3)).expect("more");
        assert_eq!(more.plan, Plan { judge_seeds: 3, ..study.plan.clone() });
        let names: Vec<_> = more.plan.in_order().into_iter().map(|run| run.name()).collect();
        assert_eq!(names.len(), 2 * 2 * 4);
        assert!(names.contains(&"random-2-judged-3".to_owned()));
        let error = extend(&study, &trainings(1)).expect_err("fewer").to_string();
        assert_eq!(
            error,
            "chance: it has 3 trainings of each winner, and none can be taken away; --judge-seeds says how many it is \
             to have in all"
        );
    }

    #[test]
    fn two_commands_do_not_extend_a_study_at_once() {
        let runs = tempfile::tempdir().expect("a folder");
        let study = study(runs.path());
        let other =
            study.claims(EXTENDING).take(&Holder::this(None), LEASE).expect("writable").expect("free");
        let error = extend(&study, &seeds(3)).expect_err("held").to_string();
        assert!(error.ends_with(": another command extends it at this moment; try again"), "{error}");
        other.give_back(ClaimAction::GaveBack).expect("writable");
        extend(&study, &seeds(3)).expect("more");
        extend(&study, &seeds(4)).expect("it was given back");
    }
}
