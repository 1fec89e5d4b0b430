//! Numbers in the form in which reports show them.

pub use crate::written::counted;
use crate::written::thousands;

/// The mark for an unknown number.
pub const UNKNOWN: &str = "—";

/// A loss with four decimals; [`UNKNOWN`] if it is not finite.
pub fn loss(value: f64) -> String {
    fixed(value, 4)
}

/// A percentage with two decimals; `value` is in per cent. [`UNKNOWN`] if it is not finite.
pub fn percent(value: f64) -> String {
    if value.is_finite() { format!("{value:.2} %") } else { UNKNOWN.to_owned() }
}

/// A value with this number of decimals; [`UNKNOWN`] if it is not finite.
pub fn fixed(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { UNKNOWN.to_owned() }
}

/// A value as `f` writes it; [`UNKNOWN`] if it is missing.
pub fn or_unknown<T>(value: Option<T>, f: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), f)
}

/// A number in millions with two decimals, such as `3.43 M`; a much smaller one in full.
pub fn millions(value: u64) -> String {
    if value < 100_000 { thousands(value) } else { format!("{:.2} M", value as f64 / 1e6) }
}

/// Milliseconds since 1970 as a date and a time in UTC.
pub fn moment(milliseconds: i64) -> String {
    match jiff::Timestamp::from_millisecond(milliseconds) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => UNKNOWN.to_owned(),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Whole numbers in order, neighbours drawn together: `1–5, 8`.
pub fn ranges(numbers: impl IntoIterator<Item = u64>) -> String {
    let sorted: std::collections::BTreeSet<_> = numbers.into_iter().collect();
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in sorted {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let written = runs.iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first}–{last}"),
    });
    written.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well_at_every_size() {
        assert_eq!((loss(f64::NAN).as_str(), loss(f64::INFINITY).as_str()), (UNKNOWN, UNKNOWN));
        assert_eq!((millions(99_999).as_str(), millions(3_434_000).as_str()), ("99,999", "3.43 M"));
        assert_eq!(ranges([5, 1, 3, 2, 9, 8]), "1–3, 5, 8, 9");
        assert_eq!(moment(1_700_000_000_000), "2023-11-14 22:13 UTC");
        assert_eq!(moment(i64::MAX), UNKNOWN);
    }
}
