//! The time in lines of engine.log.

/// The current time in UTC, in the form with which lines of engine.log begin.
pub fn stamp() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
