//! The present time as it is written into a run's files.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 UTC; 0 for a clock that is set to a time before.
pub fn now() -> i64 {
    milliseconds(SystemTime::now())
}

/// A time as milliseconds since 1970 UTC; 0 if it lies before.
pub fn milliseconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
