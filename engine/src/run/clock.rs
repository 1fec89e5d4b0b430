//! The time that lines of engine.log carry.

/// The time for a line of engine.log.
pub fn stamp() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
