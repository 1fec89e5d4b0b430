//! `pack`: packs an image folder into LMDB, and verifies what was packed.

use std::{
    io::{self, IsTerminal as _, Write as _},
    ops::ControlFlow,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::data::pack::{self, PackOptions, PackProgress};

/// Time between two lines of progress where standard error is not a terminal.
const PROGRESS_EVERY: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub struct PackArguments {
    /// Folder with `train` and `val`, in each a folder a class
    source: PathBuf,
    /// Folder to make; an interrupted packing continues with what it left beside this folder
    target: PathBuf,
    /// Shrink images whose shorter side is longer than this [default: keep every byte]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(8..=4096))]
    resize: Option<u32>,
    /// Leave out up to N images that cannot be read, each of which is named
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip_faulty: usize,
    /// Read everything back and compare it with the source; packs first if there is no target yet
    #[arg(long)]
    verify: bool,
}

/// Packs, verifies, or does both.
///
/// # Errors
/// If an image cannot be read, the target cannot be written, or what was packed reads back differently.
pub fn pack(arguments: &PackArguments) -> anyhow::Result<()> {
    let options = PackOptions {
        shorter_side: arguments.resize.map(|side| side as usize),
        skip_faulty: arguments.skip_faulty,
    };
    let (source, target) = (&arguments.source, &arguments.target);
    if !arguments.verify || !target.exists() {
        for note in pack::pack(source, target, options, &mut progress("packed"))? {
            eprintln!("{note}");
        }
        super::print_line(&format!("{}: packed", target.display()))?;
    }
    if arguments.verify {
        pack::verify(source, target, options, &mut progress("verified"))?;
        super::print_line(&format!("{}: every image was read back and verified", target.display()))?;
    }
    Ok(())
}

/// Prints the progress: on a terminal in one line that is overwritten, elsewhere as a new line from time to
/// time.
fn progress(what: &'static str) -> impl FnMut(PackProgress) -> ControlFlow<()> {
    let lively = io::stderr().is_terminal();
    let mut said: Option<Instant> = None;
    move |progress| {
        // A failure to print progress is ignored.
        let mut error = io::stderr();
        if lively {
            let end = if progress.done == progress.total { "\n" } else { "" };
            let _ = write!(error, "\r\x1b[K{what} {progress}{end}");
        } else if said.is_none_or(|at| at.elapsed() >= PROGRESS_EVERY) {
            said = Some(Instant::now());
            let _ = writeln!(error, "{what} {progress}");
        }
        ControlFlow::Continue(())
    }
}
