//! `report`: a page about one run or several.

use std::{
    io::{self, IsTerminal as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use relativenas_run::folder::RunFolder;

use crate::{
    arguments::{PageFormat, ReportArguments},
    context::Context,
    failure::misuse,
    output,
    report::{Run, csv, html, markdown},
    study::Study,
};

/// Writes the page to a file; if none is named and standard output is no terminal, to standard output.
///
/// # Errors
/// If a run cannot be read, or the page cannot be written.
pub fn report(context: &Context, arguments: &ReportArguments, out: &mut dyn Write) -> Result<ExitCode> {
    let format = match arguments.format {
        Some(format) => format,
        None => format_of(arguments.output.as_deref())?,
    };
    let runs = read_all(context, &arguments.runs)?;
    let page = match format {
        PageFormat::Html => html(&runs),
        PageFormat::Markdown => markdown(&runs),
        PageFormat::Csv => csv(&runs),
    };
    let target = match &arguments.output {
        Some(path) if path.as_os_str() == "-" => None,
        Some(path) => Some(path.clone()),
        None if io::stdout().is_terminal() => Some(usual_name(&runs, format)),
        None => None,
    };
    match target {
        Some(path) => {
            output::write(Some(&path), page.as_bytes(), out)?;
            eprintln!("{}: written", path.display());
        }
        None => output::write(None, page.as_bytes(), out)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs by their names or folders; a study stands for all of its runs that were begun.
fn read_all(context: &Context, names: &[String]) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for name in names {
        let Some(study) = Study::find(&context.runs()?, name)? else {
            runs.push(read(context, name)?);
            continue;
        };
        let begun = study.begun();
        if begun.is_empty() {
            return Err(misuse(format!(
                "{name}: no run of the study has begun; `relativenas study work {name}` begins them"
            )));
        }
        for folder in begun {
            let judges = study.judged_by(&folder.name());
            runs.push(Run { judges, ..read_folder(&folder)? });
        }
    }
    Ok(runs)
}

/// A run with all that a report says of it.
///
/// # Errors
/// If there is none, or its manifest, log or probe is damaged.
pub fn read(context: &Context, run: &str) -> Result<Run> {
    read_folder(&context.find(run)?)
}

fn read_folder(folder: &RunFolder) -> Result<Run> {
    Ok(Run {
        name: folder.name(),
        manifest: folder.manifest()?,
        view: folder.view()?,
        probe: folder.probe()?,
        judges: None,
    })
}

/// The format that belongs to the extension of a file.
///
/// # Errors
/// If the extension belongs to no format of a report.
fn format_of(output: Option<&Path>) -> Result<PageFormat> {
    let extension = output.and_then(Path::extension).map(|e| e.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("md" | "markdown") => Ok(PageFormat::Markdown),
        Some("csv") => Ok(PageFormat::Csv),
        Some("html" | "htm") | None => Ok(PageFormat::Html),
        Some(other) => Err(misuse(format!(
            "--output: a page ends in .html, .htm, .md or .markdown, figures in .csv, not in .{other}; --format says what to write \
             under another name"
        ))),
    }
}

/// The name of the page's file in the working directory; it is called after the run if there is only one.
fn usual_name(runs: &[Run], format: PageFormat) -> PathBuf {
    let extension = match format {
        PageFormat::Html => "html",
        PageFormat::Markdown => "md",
        PageFormat::Csv => "csv",
    };
    match runs {
        [run] => PathBuf::from(format!("{}-report.{extension}", run.name)),
        _ => PathBuf::from(format!("relativenas-report.{extension}")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{arguments::GlobalArguments, fixture, places::Places};

    fn arguments(output: Option<PathBuf>) -> ReportArguments {
        ReportArguments { runs: vec!["a".to_owned()], output, format: None }
    }

    #[test]
    fn a_page_is_written_in_the_format_that_its_file_asks_for() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "a");
        fixture::write_log(&folder, &fixture::log(3));
        let places = Places { config_file: runs.path().join("config.toml"), runs: runs.path().to_owned() };
        let context = Context::new(places, GlobalArguments::default());
        for (name, beginning) in [("page.html", "<!DOCTYPE html>"), ("page.md", "# a\n")] {
            let path = runs.path().join(name);
            report(&context, &arguments(Some(path.clone())), &mut Vec::new()).expect("written");
            assert!(fs::read_to_string(path).expect("there").starts_with(beginning), "{name}");
        }
        let refused = report(&context, &arguments(Some("page.pdf".into())), &mut Vec::new());
        let refused = refused.expect_err("no such format").to_string();
        assert!(refused.starts_with(
            "--output: a page ends in .html, .htm, .md or .markdown, figures in .csv, not in .pdf;"
        ));
        let named = ReportArguments {
            format: Some(PageFormat::Html),
            ..arguments(Some(runs.path().join("page.txt")))
        };
        report(&context, &named, &mut Vec::new()).expect("asked for");
        let mut out = Vec::new();
        report(&context, &arguments(Some("-".into())), &mut out).expect("written");
        assert!(out.starts_with(b"<!DOCTYPE html>"), "`-` is standard output");
    }
}
