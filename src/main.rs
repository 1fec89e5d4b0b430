//! The command `relativenas`: what a person types.
//!
//! It keeps runs in folders, starts engines and talks to them, and provides the screen with what it shows.
//! It does not link libtorch, so it starts in milliseconds and runs on machines without libtorch.

mod app;
mod arguments;
mod atomic;
mod branch;
mod commands;
mod compare;
mod context;
mod engine;
mod failure;
#[cfg(test)]
mod fake_engine;
#[cfg(test)]
mod fixture;
mod headless;
mod operations;
mod output;
mod pace;
mod places;
mod report;
mod runs;
mod settings;
mod study;
mod written;

use std::process::ExitCode;

use clap::Parser as _;
use relativenas_run::folder;

use crate::{arguments::Arguments, context::Context, places::Places};

fn main() -> ExitCode {
    let Arguments { global, command } = Arguments::parse();
    let outcome = Places::of_user().and_then(|places| commands::run(&Context::new(places, global), command));
    outcome.unwrap_or_else(|error| failure::report(&error))
}
