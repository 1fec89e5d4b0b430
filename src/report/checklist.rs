//! The best-practice checklist of Lindauer and Hutter ("Best Practices for Scientific Research on
//! Neural Architecture Search", JMLR 21(243), 2020), in our words and answered from the manifests.
//!
//! An answer is yes only if these runs themselves show it. What the program could do but these runs
//! did not is a no.

use std::collections::BTreeSet;

use relativenas_core::{
    manifest::{BUILD, EngineFacts},
    searcher::SearcherKind,
    space::Space,
};

use super::{
    Run,
    digest::Digest,
    document::{Block, ChecklistAnswer, ChecklistItem, Section, Topic},
    figures::{counted, listed},
    hands::{injections, interference},
    study::Study,
};
use crate::written::duration;
use ChecklistAnswer::{No, NotApplicable, Yes};

pub fn section(study: &Study) -> Section {
    let text = "The questions of Lindauer and Hutter (JMLR 21, 2020), put in other words. Yes means that the runs on \
                this page show it; what was done elsewhere counts as no here.";
    let topics = vec![
        Topic { title: "Can others repeat it?", answers: release(study) },
        Topic { title: "Are searchers compared fairly?", answers: comparison(study) },
        Topic { title: "Is everything reported?", answers: reporting(study) },
    ];
    Section::new("Best-practice checklist", vec![Block::Text(text.to_owned()), Block::Answers(topics)])
}

fn answer(question: &'static str, verdict: ChecklistAnswer, because: impl Into<String>) -> ChecklistItem {
    ChecklistItem { question, verdict, because: because.into() }
}

fn judged(
    question: &'static str,
    holds: bool,
    yes: impl Into<String>,
    no: impl Into<String>,
) -> ChecklistItem {
    if holds { answer(question, Yes, yes) } else { answer(question, No, no) }
}

fn release(study: &Study) -> Vec<ChecklistItem> {
    let retrained = study.trainings().count();
    let free = "relativenas is free software (MIT or Apache-2.0)";
    let retraining = |question, yes: &str| {
        if retrained == 0 {
            answer(question, NotApplicable, "No architecture was retrained in these runs.")
        } else {
            answer(question, Yes, yes)
        }
    };
    let completed = study.runs.iter().all(|r| r.manifest.engine.is_some());
    vec![
        retraining(
            "Is the code that trains the final architectures public?",
            "`relativenas train` of the same free program did it.",
        ),
        retraining(
            "Are its settings and seeds?",
            "They are in this page's settings, under retrain, and in the runs' run.toml.",
        ),
        answer("Is the code of the search space public?", Yes, format!("{free}; the space is in its core.")),
        answer(
            "Is the code of the search method public?",
            Yes,
            format!("{free}; these runs name its build."),
        ),
        match steered(study) {
            Some(why) => answer("Are the method's settings and seeds?", No, why),
            None => judged(
                "Are the method's settings and seeds?",
                completed,
                "Every setting with its origin, the seed, and fingerprints of data and split are on this page; the \
             same build, seed and number of threads repeat a run exactly on the CPU.",
                "Settings and seeds are on this page, but an engine never completed some manifests, so fingerprints \
             are missing.",
            ),
        },
    ]
}

/// The runs that cannot be repeated from settings and seed, because architectures were injected.
fn steered(study: &Study) -> Option<String> {
    let steered: Vec<_> = study.searches().filter(|r| injections(r) > 0).map(|r| r.name.clone()).collect();
    (!steered.is_empty()).then(|| {
        format!(
            "They are on this page, but they do not repeat {}: architectures were put in by hand.",
            listed(&steered)
        )
    })
}

fn comparison(study: &Study) -> Vec<ChecklistItem> {
    let searchers: BTreeSet<_> = study.groups.iter().map(|g| g.searcher.name()).collect();
    let compared = searchers.len() > 1;
    let unless_alone = |question, otherwise: &dyn Fn() -> (bool, String, String)| {
        if !compared {
            return answer(
                question,
                NotApplicable,
                "Only one searcher ran; nothing is compared on this page.",
            );
        }
        let (holds, yes, no) = otherwise();
        judged(question, holds, yes, no)
    };
    let together = study.protocols <= 1;
    vec![
        unless_alone("Do all methods share data, split, search space and training code?", &|| {
            let no = format!("These runs follow {} protocols.", study.protocols);
            (
                together,
                "Data, space, network and training settings agree in all runs; of one seed, the split too."
                    .into(),
                no,
            )
        }),
        unless_alone("Are hardware, library versions and running time controlled for?", &|| {
            confounders(study)
        }),
        ablation(&searchers),
        unless_alone("Is the evaluation protocol the same for all?", &|| {
            let yes = "All end with the same ranking of the last population by the final weights.".to_owned();
            (together, yes, "The protocols differ; see the caution above.".to_owned())
        }),
        unless_alone("Is performance over time compared?", &|| {
            let curves = study.groups.iter().all(|g| {
                g.runs.iter().any(|r| r.view.search.as_ref().is_some_and(|s| s.generations.len() > 1))
            });
            (
                curves,
                "See the curves over generations.".into(),
                "Some searchers have fewer than two generations.".into(),
            )
        }),
        judged(
            "Is random search among the methods?",
            searchers.contains(SearcherKind::Random.name()),
            "Random search ran with the same pairs, weights and estimator.",
            "No run with `--searcher random` is on this page.",
        ),
        repetitions(study),
        tabular(study),
    ]
}

fn confounders(study: &Study) -> (bool, String, String) {
    let facts: Vec<&EngineFacts> = study.searches().filter_map(|r| r.manifest.engine.as_ref()).collect();
    let missing = study.searches().count() - facts.len();
    let varies =
        |fact: fn(&EngineFacts) -> String| facts.iter().map(|e| fact(e)).collect::<BTreeSet<_>>().len() > 1;
    type Fact = (&'static str, fn(&EngineFacts) -> String);
    let candidates: [Fact; 4] = [
        ("device", |e| e.device.clone()),
        ("threads", |e| e.threads.to_string()),
        ("libtorch", |e| e.libtorch.clone()),
        ("engine build", |e| e.build.clone()),
    ];
    let mut differing: Vec<_> =
        candidates.into_iter().filter(|(_, fact)| varies(*fact)).map(|(name, _)| name.to_owned()).collect();
    if missing > 0 {
        differing.push(format!("{} without engine facts", counted(missing, "run")));
    }
    let budgets: BTreeSet<_> = study
        .searches()
        .map(|r| (r.manifest.config.search.population, r.manifest.config.search.generations))
        .collect();
    if budgets.len() > 1 {
        differing.push("budget".to_owned());
    }
    let yes =
        "Device, threads, libtorch, engine and budget of evaluations are the same in all runs.".to_owned();
    (differing.is_empty(), yes, format!("They differ in: {}.", listed(&differing)))
}

fn ablation(searchers: &BTreeSet<&str>) -> ChecklistItem {
    let question = "Are there ablation studies?";
    let both = [SearcherKind::SlowFast, SearcherKind::CoinFlip].iter().all(|s| searchers.contains(s.name()));
    if !searchers.contains(SearcherKind::SlowFast.name()) {
        return answer(question, NotApplicable, "Slow-fast learning is not among the searchers.");
    }
    judged(
        question,
        both,
        "The coin flip is slow-fast learning without its signal: the verdict is drawn by lot.",
        "No run with `--searcher coin-flip` is on this page; it takes the signal out of slow-fast learning.",
    )
}

fn repetitions(study: &Study) -> ChecklistItem {
    let question = "Was every experiment repeated, and are the seeds reported?";
    if study.groups.is_empty() {
        return answer(question, NotApplicable, "There is no search among these runs.");
    }
    let counts: Vec<_> = study
        .groups
        .iter()
        .map(|g| format!("{} with {}", study.label(g), counted(g.repetitions().len(), "seed")))
        .collect();
    let repeated = study.groups.iter().all(|g| g.repetitions().len() > 1);
    let left_out: Vec<_> =
        study.searches().filter_map(|r| Some(format!("{} ({})", r.name, interference(r)?))).collect();
    let left_out =
        if left_out.is_empty() { String::new() } else { format!("; not counted: {}", listed(&left_out)) };
    let counts = listed(&counts) + &left_out;
    judged(
        question,
        repeated,
        format!("{counts}; all are listed."),
        format!("{counts}; the seeds are listed."),
    )
}

fn tabular(study: &Study) -> ChecklistItem {
    let table = |r: &Run| r.view.search.as_ref().is_some_and(|s| s.settings.space == Space::NasBench201);
    judged(
        "Is a tabular or surrogate benchmark used for depth?",
        study.searches().any(table),
        "Some of these runs search NAS-Bench-201.",
        "Not on this page; `relativenas benchmark searchers` compares them on NAS-Bench-201.",
    )
}

fn reporting(study: &Study) -> Vec<ChecklistItem> {
    let times: Vec<_> = study
        .runs
        .iter()
        .filter(|r| r.view.events > 0)
        .map(|r| format!("{} {}", r.name, duration(Digest::of(r).seconds)))
        .collect();
    let searched = study.searches().next().is_some();
    let end_to_end = searched && study.trainings().next().is_some();
    let builds: BTreeSet<_> = study.runs.iter().map(|r| r.manifest.build.as_str()).collect();
    let complete = study.runs.iter().all(|r| r.manifest.engine.is_some());
    vec![
        answer(
            "Is it told how settings were tuned, and at what cost?",
            No,
            "A manifest says where each setting came from, not how its value was found.",
        ),
        judged(
            "Is the time of the whole method reported, not of the search alone?",
            end_to_end,
            format!("First event to last, pauses included: {}.", listed(&times)),
            format!(
                "Only {} on this page{}.",
                if searched { "the search is" } else { "retraining is" },
                if times.is_empty() { String::new() } else { format!(": {}", listed(&times)) }
            ),
        ),
        judged(
            "Are all details of the experimental setup reported?",
            complete,
            format!(
                "Settings, seeds, versions, device, threads, data and split stand below; made by {} and reported by {BUILD}.",
                builds.into_iter().collect::<Vec<_>>().join(", ")
            ),
            "Some manifests lack device, versions and fingerprints, because no engine has completed them.",
        ),
    ]
}
