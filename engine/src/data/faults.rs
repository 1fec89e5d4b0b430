//! Collecting all faults of a folder, so that they are reported together.

use std::path::Path;

use super::DataError;

/// The number of faults that are named; the others are counted.
const NAMED: usize = 10;

/// Faults in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Faults {
    named: Vec<DataError>,
    total: usize,
}

impl Faults {
    pub(super) fn add(&mut self, fault: DataError) {
        self.total += 1;
        if self.named.len() < NAMED {
            self.named.push(fault);
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
            1 => Err(self.named.remove(0)),
            total => {
                let mut lines: Vec<_> = self.named.iter().map(|fault| format!("\n- {fault}")).collect();
                if total > lines.len() {
                    lines.push(format!("\n- and {} more", total - lines.len()));
                }
                Err(DataError::Several { path: folder.to_owned(), total, lines: lines.concat() })
            }
        }
    }
}
