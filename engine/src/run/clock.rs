//! The time in lines of engine.log.

/// The current time, as lines of engine.log begin with it.
pub fn stamp() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
