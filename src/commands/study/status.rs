//! `study status`: the progress of a study and its workers.

use std::{io::Write, process::ExitCode};

use anyhow::Result;

use crate::{
    study::{
        Study,
        status::{StudyStatus, of},
    },
    written::counted,
};

/// The number of runs that were not begun and are named.
const NEXT: usize = 8;

pub fn status(study: &Study, json: bool, out: &mut dyn Write) -> Result<ExitCode> {
    let status = of(study);
    if json {
        writeln!(out, "{}", serde_json::to_string(&status)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let StudyStatus { study, runs, finished, left, held, begun, not_begun } = status;
    writeln!(
        out,
        "{study}: {finished} of {runs} runs finished, {left} left, {held} of them held by workers"
    )?;
    let widest = begun.iter().map(|row| row.run.len()).max().unwrap_or(0);
    for row in &begun {
        let loss = row.best_loss.map_or_else(|| "–".to_owned(), |loss| format!("{loss:.4}"));
        let test = row.test_accuracy.map_or_else(String::new, |top1| format!("  test {top1:.2} %"));
        let done = format!("{}/{}", row.done, row.of);
        let worker = row.worker.as_ref().map_or_else(String::new, |worker| format!("  {}", worker.words()));
        writeln!(
            out,
            "{:widest$}  {:10} {done:>9}  best {loss:>7}{test}{worker}",
            row.run,
            row.phase.name()
        )?;
    }
    if !not_begun.is_empty() {
        let shown = not_begun.len().min(NEXT);
        let more = match not_begun.len() - shown {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (count, next) = (counted(not_begun.len(), "run"), not_begun[..shown].join(", "));
        writeln!(out, "{count} not begun: {next}{more}")?;
    }
    Ok(ExitCode::SUCCESS)
}
