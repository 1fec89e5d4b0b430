//! `probe`: how reliably a search compares architectures. The engine does the work.

use std::{ffi::OsString, io::Write, process::ExitCode};

use anyhow::Result;

use super::pass_on;
use crate::{arguments::ProbeArguments, context::Context, folder::RunFolder};

/// Probes a run in this terminal, and exits as the engine does.
///
/// # Errors
/// If there is no such run, or the engine cannot be started.
pub fn probe(context: &Context, arguments: &ProbeArguments) -> Result<ExitCode> {
    let folder = context.find(&arguments.run.run)?;
    folder.manifest()?; // A folder without a run is refused before an engine is started.
    let mut passed = vec![OsString::from(folder.path())];
    let values = [
        ("--pairs", arguments.pairs.map(|n| n.to_string())),
        ("--epochs", arguments.epochs.map(|n| n.to_string())),
        ("--from", arguments.from.clone()),
        ("--architectures", arguments.architectures.map(|n| n.to_string())),
    ];
    for (flag, value) in values {
        if let Some(value) = value {
            passed.extend([flag.into(), value.into()]);
        }
    }
    let flags = [("--json", arguments.json), ("--force", arguments.force)];
    passed.extend(flags.iter().filter(|(_, wanted)| *wanted).map(|(flag, _)| OsString::from(flag)));
    pass_on("probe", &passed)
}

/// Probes a search that was just finished here, after all that was printed about it.
///
/// # Errors
/// If the engine cannot be started.
pub fn after_search(folder: &RunFolder, json: bool, out: &mut dyn Write) -> Result<ExitCode> {
    out.flush()?;
    let mut passed = vec![OsString::from(folder.path())];
    passed.extend(json.then(|| OsString::from("--json")));
    pass_on("probe", &passed)
}
