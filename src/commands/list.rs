//! `runs`: all runs, and removing some.

use std::{io::Write, process::ExitCode};

use anyhow::Result;
use relativenas_ui::messages::RunSummary;
use serde_json::json;

use crate::{context::Context, operations::tidy, runs, written};

/// Lists all runs, newest first.
pub fn list(context: &Context, as_json: bool, out: &mut dyn Write) -> Result<ExitCode> {
    let summaries: Vec<_> = context.all()?.iter().map(runs::summary).collect();
    if as_json {
        let array: Vec<_> = summaries.iter().map(json_of).collect();
        writeln!(out, "{}", serde_json::to_string(&array)?)?;
    } else if summaries.is_empty() {
        let directory = context.runs()?;
        writeln!(out, "no runs in {}; `relativenas search --preset quick` starts one", directory.display())?;
    } else {
        write!(out, "{}", table(&summaries))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn json_of(run: &RunSummary) -> serde_json::Value {
    json!({
        "run": run.run,
        "folder": run.folder,
        "what": run.what,
        "phase": run.state,
        "generation": run.generation,
        "generations": run.generations,
        "best_loss": run.best_loss,
        "age_seconds": run.age_seconds,
        "alive": run.alive,
        "problem": run.problem,
        "note": run.note,
    })
}

fn table(summaries: &[RunSummary]) -> String {
    let widest = |text: fn(&RunSummary) -> &str| {
        summaries.iter().map(|r| written::width(&written::printable(text(r)))).max().unwrap_or(0)
    };
    let (name, phase, what) = (widest(|r| &r.run), widest(|r| r.state.name()), widest(|r| &r.what));
    let padded = |text: &str, columns| written::padded(&written::printable(text), columns);
    let mut text = String::new();
    for run in summaries {
        let loss = run.best_loss.map_or_else(|| "–".to_owned(), |l| format!("{l:.4}"));
        let line = match &run.problem {
            Some(problem) => {
                let problem = written::printable(problem);
                format!("{}  {}  {problem}", padded(&run.run, name), padded(run.state.name(), phase))
            }
            None => format!(
                "{}  {}  {:>9}  best {loss:>7}  {}  {}",
                padded(&run.run, name),
                padded(run.state.name(), phase),
                format!("{}/{}", run.generation, run.generations),
                padded(&run.what, what),
                written::age(run.age_seconds),
            ),
        };
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Removes runs; one that is going on is refused.
pub fn remove(context: &Context, names: &[String], out: &mut dyn Write) -> Result<ExitCode> {
    // All are looked up before the first is touched: a typing error removes nothing.
    let folders = names.iter().map(|name| context.find(name)).collect::<Result<Vec<_>>>()?;
    for folder in folders {
        tidy::remove(&folder)?;
        writeln!(out, "{}: removed", folder.name())?;
    }
    tidy::finish_removals(&context.runs()?);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::fixture;

    #[test]
    fn runs_are_listed_in_columns_with_their_problems() {
        let runs = tempfile::tempdir().expect("a folder");
        let good = fixture::run(runs.path(), "good");
        fixture::write_log(&good, &fixture::log(1));
        let bad = fixture::run(runs.path(), "badly-damaged");
        fs::write(bad.file(relativenas_core::manifest::files::MANIFEST), "format = 9").expect("written");
        let mut summaries = [runs::summary(&good), runs::summary(&bad)];
        summaries[0].age_seconds = 7300;
        let table = table(&summaries).replace(&runs.path().display().to_string(), "RUNS");
        insta::assert_snapshot!(table, @r"
        good           stopped           1/2  best  0.7131  search, slow-fast, Fashion-MNIST  2 h ago
        badly-damaged  unreadable  RUNS/badly-damaged/run.toml: the run has format 9, this program reads 3; use the program that made it ()
        ");
    }

    #[test]
    fn names_of_wide_and_of_joined_letters_keep_the_columns() {
        let runs = tempfile::tempdir().expect("a folder");
        let run = fixture::run(runs.path(), "r");
        let names = ["数据集", "cafe\u{301}", "plain", "\u{1b}[31m"];
        let lines = names.map(|name| RunSummary { run: name.to_owned(), ..runs::summary(&run) });
        let table = table(&lines);
        assert!(!table.contains('\u{1b}'), "{table}");
        let places: Vec<_> =
            table.lines().map(|line| written::width(line.split("stopped").next().expect("a name"))).collect();
        assert!(places.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
    }
}
