//! Numbers, times and names as they are printed for a reader.

use jiff::{Timestamp, tz::TimeZone};
use relativenas_run::clock;
pub use relativenas_run::printable;
pub use relativenas_ui::draw::text::{fitting, width};

/// A text that spaces fill up to this number of columns of a terminal: letters may be two wide, or join.
pub fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// A duration in its two largest units: `12 s`, `4 min 05 s`, `3 h 20 min`, `2 d 5 h`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// How long ago something was, in one unit: `12 s ago`, `4 min ago`, `3 h ago`, `2 d ago`.
pub fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// A number with its thousands separated: `1,412`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun: `1 run`, `2 runs`.
pub fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// The time of day in the user's time zone, `12:41:07`, of milliseconds since 1970 UTC.
pub fn time_of_day(milliseconds: i64) -> String {
    local(milliseconds, "%H:%M:%S")
}

/// Month and day in the user's time zone, `0412`, of milliseconds since 1970 UTC.
pub fn month_and_day(milliseconds: i64) -> String {
    local(milliseconds, "%m%d")
}

fn local(milliseconds: i64, format: &str) -> String {
    let time = Timestamp::from_millisecond(milliseconds).unwrap_or_default();
    time.to_zoned(TimeZone::system()).strftime(format).to_string()
}

/// Seconds since a time in milliseconds since 1970 UTC; 0 if it lies ahead.
pub fn seconds_since(milliseconds: i64) -> u64 {
    u64::try_from((clock::now() - milliseconds) / 1000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_and_ages_one() {
        let durations = [0.4, 59.6, 3599.0, 3600.0, 200_000.0].map(duration);
        assert_eq!(durations, ["0 s", "1 min 00 s", "59 min 59 s", "1 h 00 min", "2 d 7 h"]);
        assert_eq!([59, 60, 7200, 90_000].map(age), ["59 s ago", "1 min ago", "2 h ago", "1 d ago"]);
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
