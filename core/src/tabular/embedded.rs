//! The table that the program contains.

use std::io::{self, Read as _};

use flate2::read::GzDecoder;

use super::{Table, TableError};

/// The table of NAS-Bench-201 from `assets`, as gzip-compressed text with comma-separated values.
pub static COMPRESSED: &[u8] = include_bytes!("../../../assets/nas-bench-201/nas-bench-201.csv.gz");

/// Why the embedded table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("the embedded NAS-Bench-201 table is damaged: {0}")]
    Damaged(#[from] io::Error),
    #[error("the embedded NAS-Bench-201 table: {0}")]
    Table(#[from] TableError),
}

/// Reads the embedded table.
///
/// # Errors
/// If the program is damaged.
pub fn embedded() -> Result<Table, EmbeddedError> {
    let mut text = String::new();
    GzDecoder::new(COMPRESSED).read_to_string(&mut text)?;
    Ok(Table::parse(&text)?)
}
