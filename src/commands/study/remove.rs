//! `study remove`: removing a study with all its runs.

use std::{
    io::{self, BufRead, IsTerminal as _, Write},
    process::ExitCode,
};

use anyhow::Result;

use crate::{
    failure::misuse,
    operations::tidy,
    study::Study,
    written::{counted, printable},
};

/// Says what would be removed, and asks for confirmation; returns whether it was given.
///
/// # Errors
/// If the standard input is no terminal, so that nobody can answer.
pub fn is_agreed(study: &Study) -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Err(misuse(format!(
            "{}: this removes {}; it cannot be confirmed here, because standard input is no terminal: add --yes",
            study.name(),
            what_goes(study)
        )));
    }
    ask(study, &mut io::stdin().lock(), &mut io::stderr())
}

fn ask(study: &Study, input: &mut dyn BufRead, out: &mut dyn Write) -> Result<bool> {
    for run in study.begun() {
        writeln!(out, "{}", printable(&format!("{}/{}", study.name(), run.name())))?;
    }
    write!(out, "remove {}? [y/N] ", what_goes(study))?;
    out.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn what_goes(study: &Study) -> String {
    let folder = study.path().display().to_string();
    match study.begun().len() {
        0 => format!("the folder {}, in which no run was begun", printable(&folder)),
        count => format!(
            "the folder {}, with {} that {} begun",
            printable(&folder),
            counted(count, "run"),
            was(count)
        ),
    }
}

fn was(count: usize) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

/// Removes a study.
///
/// # Errors
/// If a worker or an engine works on one of its runs, or that cannot be told, or its folder cannot be deleted.
pub fn remove(study: &Study, out: &mut dyn Write) -> Result<ExitCode> {
    let runs = counted(study.begun().len(), "run");
    tidy::set_study_aside(study)?.delete()?;
    writeln!(out, "{}: removed, with {runs}", study.name())?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use relativenas_core::searcher::SearcherKind;

    use super::*;
    use crate::{fixture, study::Plan};

    #[test]
    fn a_study_goes_when_a_person_has_read_what_goes_and_agrees() {
        let runs = tempfile::tempdir().expect("a folder");
        let plan = Plan::new(vec![SearcherKind::SlowFast], 2, 1);
        let study = Study::create(runs.path(), "chance", plan, &fixture::config()).expect("made");
        fixture::run(&study.runs(), "slow-fast-1");
        fixture::run(&study.runs(), "slow-fast-1-judged-1");
        let asked = |answer: &str| {
            let mut said = Vec::new();
            let agreed = ask(&study, &mut answer.as_bytes(), &mut said).expect("answered");
            (agreed, String::from_utf8(said).expect("text"))
        };
        let (agreed, said) = asked("y\n");
        let folder = study.path().display();
        let question = format!("remove the folder {folder}, with 2 runs that were begun? [y/N] ");
        assert_eq!(
            (agreed, said),
            (true, format!("chance/slow-fast-1\nchance/slow-fast-1-judged-1\n{question}"))
        );
        for answer in ["", "\n", "n\n", "yeah\n"] {
            assert!(!asked(answer).0, "{answer:?}");
        }
        let mut out = Vec::new();
        remove(&study, &mut out).expect("no worker is on it");
        assert_eq!(String::from_utf8(out).expect("text"), "chance: removed, with 2 runs\n");
        assert_eq!(std::fs::read_dir(runs.path()).expect("readable").count(), 0);
    }
}
