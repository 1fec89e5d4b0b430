//! The commands, grouped in files.

pub mod arch;
pub mod begin;
mod benchmark;
pub mod compare;
mod config;
mod doctor;
pub mod export;
pub mod list;
mod on_ranks;
mod probe;
pub mod report;
mod screen;
pub mod search;
pub mod status;
pub mod steer;
mod study;
mod train;

use std::{ffi::OsString, io, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

use crate::{
    arguments::{Arguments, Command, RunsAction},
    context::Context,
    engine::program::EngineProgram,
    failure::StandardOutput,
};

/// Runs the command that was typed; returns the exit code.
///
/// # Errors
/// If the command fails; the message says what to do.
pub fn run(context: &Context, command: Option<Command>) -> Result<ExitCode> {
    let out = &mut StandardOutput::new();
    match command {
        None => search::browse(context),
        Some(Command::Search(arguments)) => search::search(context, &arguments, out),
        Some(Command::Train(arguments)) => train::train(context, &arguments, out),
        Some(Command::Data { arguments }) => pass_on("data", &arguments),
        Some(Command::Evaluate { arguments }) => on_ranks::run(context, "evaluate", &arguments),
        Some(Command::Predict { arguments }) => pass_on("predict", &arguments),
        Some(Command::Pack { arguments }) => pass_on("pack", &arguments),
        Some(Command::Attach(arguments)) => search::attach(context, &arguments, out),
        Some(Command::Resume(arguments)) => search::resume(context, &arguments, out),
        Some(Command::View(arguments)) => search::view(context, &arguments.run.run, arguments.replay),
        Some(Command::Step(arguments)) => steer::step(context, &arguments, out),
        Some(Command::Pause(arguments)) => steer::pause(context, &arguments.run, out),
        Some(Command::Continue(arguments)) => steer::go_on(context, &arguments.run, out),
        Some(Command::Stop(arguments)) => steer::stop(context, &arguments.run, out),
        Some(Command::Status(arguments)) => status::status(context, &arguments, out),
        Some(Command::Runs(arguments)) => match arguments.action {
            None => list::list(context, arguments.json, out),
            Some(RunsAction::Remove { runs }) => list::remove(context, &runs, out),
        },
        Some(Command::Export(arguments)) => export::export(context, &arguments, out),
        Some(Command::Probe(arguments)) => probe::probe(context, &arguments),
        Some(Command::Report(arguments)) => report::report(context, &arguments, out),
        Some(Command::Study(arguments)) => study::run(context, &arguments, out),
        Some(Command::Compare(arguments)) => compare::compare(context, &arguments, out),
        Some(Command::Arch(arguments)) => arch::run(&arguments.action, out),
        Some(Command::Config(arguments)) => config::run(context, &arguments.action, out),
        Some(Command::Benchmark(arguments)) => benchmark::run(context, &arguments.action, out),
        Some(Command::Doctor) => doctor::doctor(context, out),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new(); // Written at once: clap_complete panics where it cannot write.
            clap_complete::generate(shell, &mut Arguments::command(), "relativenas", &mut script);
            io::Write::write_all(out, &script)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs one of the engine's own commands in this terminal, and exits as it does.
///
/// # Errors
/// If the engine cannot be started.
fn pass_on(command: &str, arguments: &[OsString]) -> Result<ExitCode> {
    let program = EngineProgram::find()?;
    let status = program.command().arg(command).args(arguments).status();
    let status = status.with_context(|| format!("{}: cannot be started", program.path().display()))?;
    // A process that a signal ended has no code.
    Ok(ExitCode::from(status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1)))
}
