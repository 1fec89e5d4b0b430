//! The commands of `relativenas-engine` other than runs, which print to the terminal of the command that
//! started it.

mod data;
mod evaluate;
mod exchange;
mod loader;
mod pack;
mod predict;
mod ranks;
mod throughput;

use std::io::{self, Write as _};

use anyhow::Context as _;

pub use data::{DataArguments, data};
pub use evaluate::{EvaluateArguments, evaluate};
pub use exchange::{ExchangeArguments, exchange};
pub use loader::{LoaderArguments, loader};
pub use pack::{PackArguments, pack};
pub use predict::{PredictArguments, predict};
pub use ranks::RanksArguments;
pub use throughput::{ThroughputArguments, throughput};

/// Prints a line of results. A reader that closes the pipe early, as in `… | head -0`, is no failure.
///
/// # Errors
/// If it cannot be written for another reason, such as a full disk.
fn print_line(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("the results cannot be written to standard output"),
    }
}
