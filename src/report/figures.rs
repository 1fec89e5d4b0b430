//! Numbers as a person reads them.

/// What stands where a number is not known.
pub const UNKNOWN: &str = "—";

/// Four decimals; words for what is not finite.
pub fn loss(value: f64) -> String {
    fixed(value, 4)
}

/// Two decimals; the value is in per cent already.
pub fn percent(value: f64) -> String {
    if value.is_finite() { format!("{value:.2} %") } else { UNKNOWN.to_owned() }
}

/// A value with so many decimals.
pub fn fixed(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { UNKNOWN.to_owned() }
}

/// `f` of a value that may be missing.
pub fn or_unknown<T>(value: Option<T>, f: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), f)
}

/// Digits in groups of three, set apart by narrow spaces.
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// Millions with two decimals, such as `3.43 M`.
pub fn millions(value: u64) -> String {
    format!("{:.2} M", value as f64 / 1e6)
}

/// Milliseconds in the two largest units, such as `2 h 05 min`.
pub fn duration(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days} d {:02} h", hours % 24)
    } else if hours > 0 {
        format!("{hours} h {:02} min", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes} min {:02} s", seconds % 60)
    } else {
        format!("{seconds} s")
    }
}

/// Milliseconds since 1970 as a date and a time in UTC.
pub fn moment(milliseconds: i64) -> String {
    match jiff::Timestamp::from_millisecond(milliseconds) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => UNKNOWN.to_owned(),
    }
}

/// `1 run`, `2 runs`.
pub fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
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
        let narrow = |text: &str| text.replace('_', "\u{202f}");
        for (value, expected) in [(0, "0"), (999, "999"), (1000, "1_000"), (1_234_567, "1_234_567")] {
            assert_eq!(thousands(value), narrow(expected));
        }
        for (value, expected) in [
            (-5, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min 00 s"),
            (7_500_000, "2 h 05 min"),
            (90_000_000, "1 d 01 h"),
        ] {
            assert_eq!(duration(value), expected);
        }
        assert_eq!((loss(f64::NAN).as_str(), loss(f64::INFINITY).as_str()), (UNKNOWN, UNKNOWN));
        assert_eq!(ranges([5, 1, 3, 2, 9, 8]), "1–3, 5, 8, 9");
        assert_eq!(moment(1_700_000_000_000), "2023-11-14 22:13 UTC");
        assert_eq!(moment(i64::MAX), UNKNOWN);
    }
}
