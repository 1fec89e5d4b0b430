//! Collecting all faults of a folder, so that they are reported together.

use std::{fmt::Display, path::Path};

use super::DataError;

/// The number of faults that the message of an error names; the others are counted.
const NAMED: usize = 10;
/// The number of faults that are kept for those who ask for all.
const KEPT: usize = 10_000;

/// Faults in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct FaultList {
    kept: Vec<DataError>,
    total: usize,
}

impl FaultList {
    pub(super) fn add(&mut self, fault: DataError) {
        self.total += 1;
        if self.kept.len() < KEPT {
            self.kept.push(fault);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Returns an error if there are faults. A single fault is returned as it is.
    ///
    /// # Errors
    /// The faults.
    pub(super) fn into_result(mut self, folder: &Path) -> Result<(), DataError> {
        match self.total {
            0 => Ok(()),
            1 => Err(self.kept.remove(0)),
            total => Err(DataError::Several { path: folder.to_owned(), total, faults: self.kept }),
        }
    }
}

/// The first of `total` faults, a line each, how many more there are, and where they can be read.
pub(super) fn first_of(faults: &[impl Display], total: usize) -> String {
    let mut lines: Vec<_> = faults.iter().take(NAMED).map(|fault| format!("\n- {fault}")).collect();
    if total > lines.len() {
        lines.push(format!("\n- and {} more; `relativenas data check` lists them", total - lines.len()));
    }
    lines.concat()
}
