//! Starting an engine on a run and showing it: what searches and trainings have in common.

use std::{
    io::{self, Write},
    process::ExitCode,
    thread,
};

use anyhow::Result;
use relativenas_core::config::Layers;

use super::screen::style;
use crate::{
    app::{self, First},
    arguments::PrintingArguments,
    context::Context,
    engine::start::{StartOptions, StartedEngine, start},
    folder::RunFolder,
    headless::{self, From},
    operations::begin::Prepared,
};

/// Prints the name, the time and the costs of a run that begins. It prints them on standard error, because standard
/// output is for the run itself.
///
/// # Errors
/// If standard error cannot be written.
pub fn announce(prepared: &Prepared, unknown: &str) -> Result<()> {
    let time = prepared.estimate.as_deref().unwrap_or(unknown);
    writeln!(io::stderr(), "{}: {time}", prepared.folder.reference())?;
    if let Some(cost) = &prepared.cost {
        writeln!(io::stderr(), "{cost}")?;
    }
    Ok(())
}

/// Starts the engine and shows the run until the screen is left, or, without a screen, until the run ends.
///
/// # Errors
/// If the engine fails.
pub fn start_shown(
    prepared: Prepared,
    context: &Context,
    paused: bool,
    printing: PrintingArguments,
    out: &mut dyn Write,
) -> Result<ExitCode> {
    let options =
        StartOptions { die_with_parent: printing.headless, paused, new_run: true, ..StartOptions::default() };
    let engine = start(&prepared.program, &prepared.folder, options)?;
    if printing.headless {
        return headless::follow(&prepared.folder, Some(engine), From::Beginning, style(printing), out);
    }
    show_started(context, prepared.layers, prepared.folder, engine)
}

/// Shows a run whose engine was just started. Before that, it waits in the shell until the engine listens, so
/// that an engine that fails at once is explained there.
pub fn show_started(
    context: &Context,
    layers: Layers,
    folder: RunFolder,
    mut engine: StartedEngine,
) -> Result<ExitCode> {
    engine.connect()?;
    let mut child = engine.child;
    // The end of a child process must be collected by its parent.
    thread::spawn(move || child.wait());
    app::show(context, layers, First::Run(folder))
}
