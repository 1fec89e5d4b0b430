//! Text of a known width: numbers that stay in their column, times, and shortened names.

use std::borrow::Cow;

use ratatui::{style::Style, text::Span};
use unicode_width::UnicodeWidthStr;

use crate::glyphs::Glyphs;

/// Columns that a text takes on the screen.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Whether a text takes the same number of columns in all terminals. Terminals that are set up for East Asian text
/// draw some characters, such as box lines and arrows, in two columns.
pub fn has_certain_width(text: &str) -> bool {
    text.is_ascii() || text.width() == text.width_cjk()
}

/// Shortens a text to at most `columns`; one that was cut ends in an ellipsis.
pub fn truncate<'a>(text: &'a str, columns: usize, glyphs: &Glyphs) -> Cow<'a, str> {
    if width(text) <= columns {
        return text.into();
    }
    let ellipsis = glyphs.ellipsis;
    let room = columns.saturating_sub(1);
    let kept = &text[..fitting(text, room)];
    if columns == 0 { "".into() } else { format!("{kept}{ellipsis}").into() }
}

/// The length in bytes of the longest beginning of whole letters that takes at most `columns`.
pub fn fitting(text: &str, columns: usize) -> usize {
    // Measured as a whole each time: characters that join take less than their sum.
    let fits = letters(text).map(|(_, end)| end).take_while(|&end| width(&text[..end]) <= columns);
    fits.last().unwrap_or(0)
}

/// Where each letter of a text begins and ends, in bytes.
///
/// A letter is what a person sees as one (a grapheme cluster), whatever characters it consists of.
/// Control characters are not letters and are skipped.
pub fn letters(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut end = 0;
    let letters: Vec<_> = Span::raw(text)
        .styled_graphemes(Style::new())
        .map(|letter| {
            // Between two letters there can only be control characters, so the letter is found at its own
            // place.
            let start = end + text[end..].find(letter.symbol).unwrap_or(0);
            end = start + letter.symbol.len();
            (start, end)
        })
        .collect();
    letters.into_iter()
}

/// A text in a column of exactly this width, shortened if it must be.
pub fn left(text: &str, columns: usize, glyphs: &Glyphs) -> String {
    let text = truncate(text, columns, glyphs);
    let missing = columns - width(&text).min(columns);
    format!("{text}{:missing$}", "")
}

/// A text at the right edge of a column of exactly this width, shortened if it must be.
pub fn right(text: &str, columns: usize, glyphs: &Glyphs) -> String {
    let text = truncate(text, columns, glyphs);
    let missing = columns - width(&text).min(columns);
    format!("{:missing$}{text}", "")
}

/// A number at the right edge of a column of exactly this width.
///
/// Where there is no room, it has fewer decimals; if that is not enough, an exponent; and at last the column is
/// filled with `#`. A number is never cut, since a part of it would read as another number.
pub fn number(value: f64, columns: usize, decimals: usize) -> String {
    let plain = (0..=decimals).rev().map(|d| format!("{value:.d$}"));
    let short = plain.chain([format!("{value:.0e}")]).find(|t| t.len() <= columns);
    // Zero never has a minus sign: a rounded `-0.00` would make the column flicker.
    let short = short.unwrap_or_else(|| "#".repeat(columns));
    let is_zero = short.starts_with('-') && short.chars().all(|c| "-0.".contains(c));
    format!("{:>columns$}", if is_zero { &short[1..] } else { &short })
}

/// A count with its thousands apart: `12,410`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun, which takes an `s` unless it is one.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A count of a total, such as ` 3/12`: as wide as it will be when all are counted.
pub fn out_of(count: usize, total: usize) -> String {
    let width = total.to_string().len();
    format!("{count:>width$}/{total}")
}

/// Seconds rounded to a whole number; NaN and negative times are 0.
pub fn whole_seconds(seconds: f64) -> u64 {
    // `max` turns NaN into 0.
    seconds.max(0.0).round() as u64
}

/// Which rows of a list of `count` are visible, such as `4-19 of 40`; only the count if all are.
pub fn part_of(first: usize, rows: usize, count: usize) -> String {
    let last = (first + rows).min(count);
    if first == 0 && last == count { count.to_string() } else { format!("{}-{last} of {count}", first + 1) }
}

/// A quantity to three figures with its unit's prefix: `48.2 M`, `0.31 M`, `912`.
///
/// From 100,000 on it is written in millions, since sizes of networks are compared in millions of parameters.
pub fn quantity(value: f64) -> String {
    let (scaled, prefix) = match value.abs() {
        v if v >= 1e12 => (value / 1e12, " T"),
        v if v >= 1e9 => (value / 1e9, " G"),
        v if v >= 1e5 => (value / 1e6, " M"),
        v if v >= 1e3 => (value / 1e3, " k"),
        _ => return if value == value.trunc() { format!("{value}") } else { format!("{value:.2}") },
    };
    let decimals = match scaled.abs() {
        s if s < 9.995 => 2,
        s if s < 99.95 => 1,
        _ => 0,
    };
    format!("{scaled:.decimals$}{prefix}")
}

/// A length of time in eight columns: `00:21:40`, from four days on `4d 03:12`.
pub fn duration(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match hours {
        0..=95 => format!("{hours:02}:{minutes:02}:{:02}", seconds % 60),
        96..=239 => format!("{}d {:02}:{minutes:02}", hours / 24, hours % 24),
        _ => format!("{:>8}", format!("{}d {:02}h", hours / 24, hours % 24)),
    }
}

/// A length of time in few columns, by its largest units alone: `40s`, `21m`, `3h12`, `4d`.
pub fn short_duration(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m"),
        3600..360_000 => format!("{hours}h{minutes:02}"),
        _ => format!("{}d", hours / 24),
    }
}

/// How long ago something was: `just now`, `3 min ago`, `5 h ago`, `2 days ago`.
pub fn age(seconds: u64) -> String {
    match seconds {
        0..10 => "just now".to_owned(),
        10..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::glyphs::Fineness;

    #[test]
    fn numbers_keep_their_column() {
        let check = |value, columns, decimals, expected: &str| {
            assert_eq!(number(value, columns, decimals), expected);
        };
        check(1.0871, 6, 3, " 1.087");
        check(123.456, 6, 3, "123.46");
        check(12345.6, 6, 3, " 12346");
        check(1.234e12, 6, 3, "  1e12");
        check(123_456.0, 3, 1, "1e5");
        check(123_456.0, 2, 1, "##");
        check(-0.0001, 6, 2, "  0.00");
        check(f64::NAN, 6, 3, "   NaN");
        check(f64::NEG_INFINITY, 6, 3, "  -inf");
    }

    #[test]
    fn counts_and_quantities_read_at_a_glance() {
        let counts = [0, 999, 1000, 12_410, 1_234_567].map(grouped);
        assert_eq!(counts, ["0", "999", "1,000", "12,410", "1,234,567"]);
        assert_eq!([0, 1, 2].map(|count| counted(count, "line")), ["0 lines", "1 line", "2 lines"]);
        assert_eq!([part_of(0, 9, 9), part_of(0, 5, 9), part_of(4, 9, 9)], ["9", "1-5 of 9", "5-9 of 9"]);
        let quantities = [912.0, 0.5, 48_200.0, 314_000.0, 48.2e6, 999.9e6, 1.25e9].map(quantity);
        assert_eq!(quantities, ["912", "0.50", "48.2 k", "0.31 M", "48.2 M", "1000 M", "1.25 G"]);
    }

    #[test]
    fn times_read_at_a_glance() {
        let clock = [0, 1300, 345_599, 345_600, 360_000, 1_000_000, 100_000_000].map(duration);
        let expected = ["00:00:00", "00:21:40", "95:59:59", "4d 00:00", "4d 04:00", " 11d 13h", "1157d 09h"];
        assert_eq!(clock, expected);
        assert_eq!([40, 1300, 11_520, 400_000].map(short_duration), ["40s", "21m", "3h12", "4d"]);
        let ages = [3, 59, 200, 18_000, 200_000].map(age);
        assert_eq!(ages, ["just now", "59 s ago", "3 min ago", "5 h ago", "2 days ago"]);
    }

    #[test]
    fn a_wide_character_is_not_halved() {
        assert_eq!(truncate("搜索 run", 4, &Glyphs::new(Fineness::Braille)), "搜…");
        assert_eq!(left("搜索", 3, &Glyphs::new(Fineness::Braille)), "搜…");
        assert_eq!(right("fashion", 4, &Glyphs::new(Fineness::Ascii)), "fas~");
        assert_eq!(right("run", 5, &Glyphs::new(Fineness::Ascii)), "  run");
    }

    #[test]
    fn a_letter_of_several_characters_is_not_cut() {
        let glyphs = Glyphs::new(Fineness::Ascii);
        assert_eq!(truncate("re\u{301}sume\u{301}", 3, &glyphs), "re\u{301}~");
        assert_eq!(truncate("👩\u{200d}🔬👩\u{200d}🔬👩\u{200d}🔬", 5, &glyphs), "👩\u{200d}🔬👩\u{200d}🔬~");
        let found: Vec<_> = letters("e\u{301}\t数").collect();
        assert_eq!(found, [(0, 3), (4, 7)]);
    }

    proptest! {
        #[test]
        fn columns_hold(text in ".{0,20}", columns in 0usize..30, value: f64, decimals in 0usize..6) {
            prop_assert_eq!(width(&left(&text, columns, &Glyphs::new(Fineness::Braille))), columns);
            prop_assert_eq!(width(&right(&text, columns, &Glyphs::new(Fineness::Ascii))), columns);
            prop_assert_eq!(number(value, columns, decimals).len(), columns);
        }

        #[test]
        fn anything_has_a_quantity(value: f64, seconds: u64) {
            prop_assert!(!quantity(value).is_empty());
            prop_assert!(duration(seconds).len() >= 8);
            prop_assert!(!age(seconds).is_empty() && !short_duration(seconds).is_empty());
        }
    }

    #[test]
    fn the_width_of_lines_and_arrows_is_uncertain_that_of_braille_is_not() {
        for certain in ["loss 1.08", "⠈⠢⣀", "−0.13", "数据", ""] {
            assert!(has_certain_width(certain), "{certain}");
        }
        for uncertain in ["──", "s5→d3", "█▇", "·", "a …", "▶"] {
            assert!(!has_certain_width(uncertain), "{uncertain}");
        }
    }
}
