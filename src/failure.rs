//! What the command exits with.

use std::{fmt, io, process::ExitCode};

use relativenas_core::config::ConfigError;

/// Interrupted, but what was done is in a checkpoint.
pub const INTERRUPTED: u8 = 130;

/// Something was typed or configured that cannot be: exit code 2 instead of 1.
#[derive(Debug)]
pub struct Misuse(String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// An error that is the fault of what was typed or configured.
pub fn misuse(message: impl Into<String>) -> anyhow::Error {
    Misuse(message.into()).into()
}

/// Prints why the command failed, and says what it exits with.
pub fn report(error: &anyhow::Error) -> ExitCode {
    // Whoever reads our output has seen enough, as in `relativenas runs | head`.
    if error
        .chain()
        .filter_map(|e| e.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
    {
        return ExitCode::SUCCESS;
    }
    eprintln!("relativenas: {error:#}");
    ExitCode::from(code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    if error.chain().any(|e| e.is::<Misuse>() || e.is::<ConfigError>()) { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn bad_usage_and_configuration_exit_with_2_whatever_wraps_them() {
        let config = ConfigError::Assignment { text: "x".to_owned() };
        assert_eq!(code(&misuse("there is no such run")), 2);
        assert_eq!(code(&Err::<(), _>(config).context("reading settings").expect_err("an error")), 2);
        assert_eq!(code(&anyhow!("the disk is full")), 1);
    }
}
