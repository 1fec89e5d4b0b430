//! Checking that a claim is still held, before anything is written under it.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use super::exists;

/// The environment variable that tells a program under which claim it works: the path of its entry.
pub const VARIABLE: &str = "RELATIVENAS_CLAIM";

/// A claim that this process, or the one that started it, holds.
#[derive(Clone, Debug)]
pub struct Watch {
    entry: PathBuf,
    /// If this exists, the claim is lost.
    next: PathBuf,
}

impl Watch {
    /// A watch over the claim that the environment names, if it names one.
    ///
    /// # Errors
    /// If the variable does not hold the path of a claim's entry.
    pub fn of_environment() -> io::Result<Option<Self>> {
        env::var_os(VARIABLE)
            .filter(|named| !named.is_empty())
            .map(|named| Self::of(named.as_ref()))
            .transpose()
    }

    /// A watch over the claim of this entry.
    ///
    /// # Errors
    /// If the path is not that of an entry.
    pub fn of(entry: &Path) -> io::Result<Self> {
        let number =
            entry.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u64>().ok());
        let Some(next) = number.and_then(|number| number.checked_add(1)) else {
            let message =
                format!("{VARIABLE} is {}, which is no entry of a claim; unset it", entry.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        };
        Ok(Self { entry: entry.to_owned(), next: entry.with_file_name(format!("{next:06}")) })
    }

    /// Checks that the claim is still held.
    ///
    /// # Errors
    /// If it is not, or that cannot be found out.
    pub fn check(&self) -> io::Result<()> {
        let lost = |why: &str| {
            let message = format!("{}: {why}; nothing more is written here", self.entry.display());
            Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
        };
        if exists(&self.next)? {
            return lost("the claim has lapsed, and another worker has taken the run over");
        }
        if !exists(&self.entry)? {
            return lost("the claim is gone");
        }
        Ok(())
    }
}
