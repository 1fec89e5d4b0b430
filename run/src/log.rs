//! A run's log, `events.jsonl`: append-only, one event a line.

mod follower;
mod reader;
mod writer;

pub use follower::{Growth, LogFollower};
pub use reader::LogReader;
pub use writer::{EventLog, Extent, whole_lines};
