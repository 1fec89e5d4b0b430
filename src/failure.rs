//! Errors and exit codes of the command.

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use relativenas_core::config::ConfigError;
use relativenas_run::RunError;

/// The exit code of a command that was interrupted; its work is in a checkpoint.
pub const INTERRUPTED: u8 = 130;

/// An error in what was typed or configured. The command exits with code 2 for it, instead of 1.
#[derive(Debug)]
pub struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// A [`UsageError`] with this message.
pub fn misuse(message: impl Into<String>) -> anyhow::Error {
    UsageError(message.into()).into()
}

/// Standard output, whose errors are told apart from all others: a closed pipe means that the reader needs no
/// more, as in `relativenas runs | head`, but a socket or a file that breaks is a failure.
#[derive(Debug)]
pub struct StandardOutput(io::Stdout);

impl StandardOutput {
    pub fn new() -> Self {
        Self(io::stdout())
    }
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(Unwritable::mark)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(Unwritable::mark)
    }
}

/// Standard output could not be written.
#[derive(Debug)]
struct Unwritable(io::Error);

impl Unwritable {
    fn mark(error: io::Error) -> io::Error {
        // The caller repeats a write that was interrupted.
        if error.kind() == io::ErrorKind::Interrupted {
            return error;
        }
        io::Error::new(error.kind(), Self(error))
    }
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "standard output: {}", self.0)
    }
}

impl std::error::Error for Unwritable {}

/// Prints why the command failed, and returns its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if nobody_reads(error) {
        return ExitCode::SUCCESS;
    }
    // Standard error may be closed too.
    let _ = writeln!(io::stderr(), "relativenas: {}", explain(error));
    ExitCode::from(code(error))
}

/// An error and its causes in one text. A text that is repeated by a cause appears once.
pub fn explain(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let part = cause.to_string();
        if !parts.iter().any(|said| said.ends_with(&part)) {
            parts.push(part);
        }
    }
    parts.join(": ")
}

/// Whether the only failure is that the reader of standard output closed it.
fn nobody_reads(error: &anyhow::Error) -> bool {
    let unwritable = |e: &io::Error| e.get_ref().is_some_and(|inner| inner.is::<Unwritable>());
    let mut errors = error.chain().filter_map(|e| e.downcast_ref::<io::Error>());
    errors.any(|e| e.kind() == io::ErrorKind::BrokenPipe && unwritable(e))
}

fn code(error: &anyhow::Error) -> u8 {
    let is_misuse = |e: &(dyn std::error::Error + 'static)| {
        e.is::<UsageError>()
            || e.is::<ConfigError>()
            || matches!(e.downcast_ref(), Some(RunError::NameTaken { .. }))
    };
    if error.chain().any(is_misuse) { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn a_closed_standard_output_is_no_failure_but_any_other_broken_pipe_is() {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        let seen_enough = Err::<(), _>(Unwritable::mark(closed())).context("printing").expect_err("an error");
        assert!(nobody_reads(&seen_enough));
        let engine_gone = Err::<(), _>(closed()).context("the engine is gone").expect_err("an error");
        assert!(!nobody_reads(&engine_gone));
        let full = anyhow::Error::from(Unwritable::mark(io::ErrorKind::StorageFull.into()));
        assert!(!nobody_reads(&full));
        assert_eq!(full.to_string(), "standard output: no storage space");
    }

    #[test]
    fn causes_are_said_once() {
        let cause = || io::Error::from(io::ErrorKind::StorageFull);
        let twice = Err::<(), _>(cause()).context(format!("`x` cannot be written: {}", cause()));
        assert_eq!(explain(&twice.expect_err("full")), "`x` cannot be written: no storage space");
        let once = Err::<(), _>(cause()).context("`x` cannot be written");
        assert_eq!(explain(&once.expect_err("full")), "`x` cannot be written: no storage space");
    }

    #[test]
    fn bad_usage_and_configuration_exit_with_2_whatever_wraps_them() {
        let config = ConfigError::Assignment { text: "x".to_owned() };
        assert_eq!(code(&misuse("there is no such run")), 2);
        assert_eq!(code(&Err::<(), _>(config).context("reading settings").expect_err("an error")), 2);
        assert_eq!(code(&RunError::NameTaken { path: "runs/mine".into(), by: "run" }.into()), 2);
        assert_eq!(code(&anyhow!("the disk is full")), 1);
    }
}
