//! `compare`: two runs side by side.

use std::{io::Write, process::ExitCode};

use anyhow::Result;

use crate::{
    arguments::CompareArguments,
    commands::report::read,
    compare::{json, refuse, text},
    context::Context,
};

/// Prints two runs side by side; exits with 1 if their losses mean different things.
///
/// # Errors
/// If a run cannot be read, or the protocols differ; the message names what differs.
pub fn compare(context: &Context, arguments: &CompareArguments, out: &mut dyn Write) -> Result<ExitCode> {
    let (first, second) = (read(context, &arguments.first)?, read(context, &arguments.second)?);
    if arguments.json {
        writeln!(out, "{}", json(&first, &second))?;
    } else {
        write!(out, "{}", text(&first, &second))?;
    }
    out.flush()?;
    refuse(&first.name, &second.name, &first.manifest, &second.manifest)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use relativenas_core::{
        event::{Event, Line},
        manifest::{Branch, Job, Manifest, files},
        population::IndividualId,
    };

    use super::*;
    use crate::{arguments::GlobalArguments, fixture, folder::RunFolder, places::Places};

    fn run(runs: &Path, name: &str, change: impl FnOnce(&mut Manifest)) {
        let folder = fixture::run(runs, name);
        fixture::write_log(&folder, &fixture::log(3));
        let mut manifest = fixture::manifest();
        change(&mut manifest);
        fs::write(folder.file(files::MANIFEST), manifest.format()).expect("written");
    }

    /// What comparing run `a` with run `b` prints, and how it ends.
    fn outcome(change: impl FnOnce(&mut Manifest), json: bool) -> (String, Result<ExitCode>) {
        let runs = tempfile::tempdir().expect("a folder");
        run(runs.path(), "a", |_| {});
        run(runs.path(), "b", change);
        let places = Places { config_file: runs.path().join("config.toml"), runs: runs.path().to_owned() };
        let context = Context::new(places, GlobalArguments::default());
        let arguments = CompareArguments { first: "a".to_owned(), second: "b".to_owned(), json };
        let mut out = Vec::new();
        let ended = compare(&context, &arguments, &mut out);
        (String::from_utf8(out).expect("text"), ended)
    }

    #[test]
    fn repetitions_with_another_seed_and_budget_are_compared() {
        let (printed, ended) = outcome(
            |m| {
                m.config.search.seed = 2;
                m.config.device.threads = 1;
            },
            false,
        );
        ended.expect("comparable");
        insta::assert_snapshot!(printed);
    }

    #[test]
    fn differing_protocols_are_refused_by_name() {
        let (printed, ended) = outcome(|m| m.config.training.batch = 32, false);
        assert_eq!(
            ended.expect_err("another batch").to_string(),
            "a and b follow different protocols, so their losses cannot be compared; they differ in training.batch"
        );
        assert!(printed.contains("  training.batch  256  32\n"), "{printed}");
    }

    #[test]
    fn what_is_no_independent_run_is_warned_about() {
        let (printed, ended) =
            outcome(|m| m.branched_from = Some(Branch { run: "a".to_owned(), generation: 1 }), false);
        ended.expect("comparable");
        let branched =
            "b was branched from a at generation 1; its settings and its seed alone do not repeat it.";
        assert!(printed.contains(&format!("\nBeware: {branched}\n")), "{printed}");
        assert!(printed.contains("\nBeware: both have the same searcher and seed;"), "{printed}");
        assert!(!printed.contains("no reason not to compare"), "{printed}");
    }

    #[test]
    fn an_injection_in_the_log_is_warned_about() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "a");
        let mut log = fixture::log(1);
        let position = vec![0.0; fixture::config().search.space.genes()];
        let seq = log.len() as u64;
        log.push(Line {
            seq,
            time: 0,
            event: Event::IndividualInjected { individual: IndividualId(1), position },
        });
        fixture::write_log(&folder, &log);
        run(runs.path(), "b", |m| m.config.search.seed = 2);
        let places = Places { config_file: runs.path().join("config.toml"), runs: runs.path().to_owned() };
        let context = Context::new(places, GlobalArguments::default());
        let arguments = CompareArguments { first: "a".to_owned(), second: "b".to_owned(), json: false };
        let mut out = Vec::new();
        compare(&context, &arguments, &mut out).expect("comparable");
        let printed = String::from_utf8(out).expect("text");
        assert!(printed.contains("\nBeware: a was injected into once; its settings"), "{printed}");
    }

    #[test]
    fn trainings_are_compared_by_what_they_trained() {
        let runs = tempfile::tempdir().expect("a folder");
        for (name, genotype, seed) in [("a", "DARTS_V1", 1), ("b", "DARTS_V2", 2)] {
            run(runs.path(), name, |m| {
                m.job = Job::Train;
                m.config.retrain.seed = seed;
                m.config.retrain.epochs = 3;
            });
            let folder = RunFolder::at(runs.path().join(name)).expect("just made");
            fixture::write_log(&folder, &fixture::training_log(genotype, 3));
        }
        let places = Places { config_file: runs.path().join("config.toml"), runs: runs.path().to_owned() };
        let context = Context::new(places, GlobalArguments::default());
        let arguments = CompareArguments { first: "a".to_owned(), second: "b".to_owned(), json: false };
        let mut out = Vec::new();
        compare(&context, &arguments, &mut out).expect("comparable");
        insta::assert_snapshot!(String::from_utf8(out).expect("text"));
    }

    #[test]
    fn scripts_read_the_same() {
        let (printed, ended) = outcome(|m| m.config.training.batch = 32, true);
        ended.expect_err("another batch");
        let value: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
        assert_eq!(value["comparable"], false);
        assert_eq!(value["differences"][0]["key"], "training.batch");
        assert_eq!(value["left"]["evaluations"], 8);
        assert_eq!(value["warnings"].as_array().map(Vec::len), Some(1), "the same seed");
    }
}
