//! A run's log, `events.jsonl`: append-only, one event a line.

mod reader;
mod writer;

pub use reader::LogReader;
pub use writer::{EventLog, Extent, whole_lines};
