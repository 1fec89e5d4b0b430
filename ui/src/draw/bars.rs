//! One-line drawings: sparklines, progress, the pull of a learner, and arrows as long as a gap.

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use crate::glyphs::{Fineness, Glyphs};

/// Blocks that fill one to eight eighths of a column from the left.
const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// The last `columns` values as bars. The smallest of them is flat and the largest full, equal values are
/// drawn halfway up, and a value that is not a finite number leaves a gap.
pub fn sparkline(values: &[f64], columns: usize, glyphs: &Glyphs) -> String {
    let shown = &values[values.len().saturating_sub(columns)..];
    let finite = shown.iter().copied().filter(|v| v.is_finite());
    let low = finite.clone().fold(f64::INFINITY, f64::min);
    let high = finite.fold(f64::NEG_INFINITY, f64::max);
    let bar = |value: &f64| match value {
        v if !v.is_finite() => ' ',
        _ if high <= low => glyphs.heights[3],
        // Halved first: the range of two finite numbers may be infinite.
        v => {
            glyphs.heights
                [((v / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0) * 7.0).round().clamp(0.0, 7.0) as usize]
        }
    };
    shown.iter().map(bar).collect()
}

/// A progress bar of `columns` columns that fills from the left, for a `fraction` from 0 to 1. It grows by half
/// a column (by an eighth with block glyphs, by a whole one in ASCII). NaN counts as 0.
pub fn progress(fraction: f64, columns: usize, glyphs: &Glyphs, done: Style, rest: Style) -> Line<'static> {
    let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
    // Rounded down: a bar is full only when everything is done.
    let steps = |a_column: usize| (fraction * (columns * a_column) as f64).floor() as usize;
    let (full, head, tail) = match glyphs.fineness {
        Fineness::Ascii => {
            let full = steps(1);
            return bar(
                columns,
                "#".repeat(full),
                (full < columns && full > 0).then_some((">", done)),
                "-",
                [done, rest],
            );
        }
        Fineness::Block => {
            let (full, part) = (steps(8) / 8, steps(8) % 8);
            let head = (part > 0).then(|| (PARTS[part].to_string(), done));
            (("█".repeat(full), full), head, "░")
        }
        Fineness::Braille => {
            let (full, half) = (steps(2) / 2, steps(2) % 2 == 1);
            let head = (full < columns && (half || full > 0)).then(|| match half {
                true => ("╸".to_owned(), done),
                false => ("╺".to_owned(), rest),
            });
            (("━".repeat(full), full), head, "─")
        }
    };
    let head = head.as_ref().map(|(glyph, style)| (glyph.as_str(), *style));
    bar(columns, full.0, head, tail, [done, rest])
}

/// Composes a progress bar from its parts.
fn bar(
    columns: usize,
    full: String,
    head: Option<(&str, Style)>,
    tail: &str,
    [done, rest]: [Style; 2],
) -> Line<'static> {
    let taken = full.chars().count() + usize::from(head.is_some());
    let mut spans = vec![Span::styled(full, done)];
    spans.extend(head.map(|(glyph, style)| Span::styled(glyph.to_owned(), style)));
    spans.push(Span::styled(tail.repeat(columns.saturating_sub(taken)), rest));
    spans.retain(|s| !s.content.is_empty());
    Line::from(spans)
}

/// A bar for a value from -1 to 1, which extends from the middle to the left or to the right. Values beyond that
/// range fill their side, and `?` in the middle stands for NaN.
pub fn pull(value: f64, columns: usize, glyphs: &Glyphs) -> String {
    if columns == 0 {
        return String::new();
    }
    let ascii = glyphs.is_ascii();
    let middle = match () {
        () if value.is_nan() => "?",
        () if ascii => "|",
        () => "│",
    };
    let side = (columns - 1) / 2;
    let value = if value.is_nan() { 0.0 } else { value.clamp(-1.0, 1.0) };
    let halves = (value.abs() * (2 * side) as f64).round() as usize;
    let (full, half) = if ascii { (halves.div_ceil(2), false) } else { (halves / 2, halves % 2 == 1) };
    let empty = side - full - usize::from(half);
    let (block, tip) = match (ascii, value < 0.0) {
        (true, true) => ("<", ""),
        (true, false) => (">", ""),
        (false, true) => ("█", "▐"),
        (false, false) => ("█", "▌"),
    };
    let tip = if half { tip } else { "" };
    let (blocks, blank, other) = (block.repeat(full), " ".repeat(empty), " ".repeat(side));
    let text = match value < 0.0 {
        true => format!("{blank}{tip}{blocks}{middle}{other}"),
        false => format!("{other}{middle}{blocks}{tip}{blank}"),
    };
    format!("{text:<columns$}")
}

/// An arrow to the right in a field of `columns` columns, whose length is the share `gap / widest` of the field.
///
/// Its head is always drawn, so that even a small gap shows a direction. A gap of 0 is drawn as a dot, and NaN
/// as `?`.
pub fn arrow(gap: f64, widest: f64, columns: usize, glyphs: &Glyphs) -> String {
    let ascii = glyphs.is_ascii();
    let share = gap / widest;
    let text = match () {
        () if columns == 0 => String::new(),
        () if gap.is_nan() => "?".to_owned(),
        () if gap <= 0.0 => (if ascii { "." } else { "·" }).to_owned(),
        () => {
            let share = if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) };
            let shaft = (share * (columns - 1) as f64).round() as usize;
            if ascii { "-".repeat(shaft) + ">" } else { "─".repeat(shaft) + "▶" }
        }
    };
    format!("{text:<columns$}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GLYPHS: [Fineness; 3] = [Fineness::Braille, Fineness::Block, Fineness::Ascii];

    fn progress_text(fraction: f64, columns: usize, glyphs: &Glyphs) -> String {
        progress(fraction, columns, glyphs, Style::new(), Style::new()).to_string()
    }

    #[test]
    fn a_sparkline_shows_the_last_values_and_gaps() {
        let values = [9.0, 1.0, 2.0, f64::NAN, 4.0, f64::INFINITY, 8.0];
        assert_eq!(sparkline(&values, 6, &Glyphs::new(Fineness::Braille)), "▁▂ ▄ █");
        assert_eq!(sparkline(&values, 6, &Glyphs::new(Fineness::Ascii)), "_. - #");
        assert_eq!(sparkline(&[5.0, 5.0], 6, &Glyphs::new(Fineness::Block)), "▄▄");
        assert_eq!(sparkline(&[f64::MIN, f64::MAX], 6, &Glyphs::new(Fineness::Block)), "▁█");
        assert_eq!(sparkline(&[], 6, &Glyphs::new(Fineness::Block)), "");
    }

    #[test]
    fn progress_is_full_only_at_the_end() {
        let shown = [0.0, 0.05, 0.5, 0.56, 0.999, 1.0, f64::NAN]
            .map(|f| GLYPHS.map(Glyphs::new).map(|g| progress_text(f, 10, &g)).join("  "));
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn a_pull_points_to_its_side() {
        let shown = [-2.0, -0.5, -0.1, 0.0, 0.3, 1.0, f64::NAN]
            .map(|v| GLYPHS.map(Glyphs::new).map(|g| format!("[{}]", pull(v, 11, &g))).join("  "));
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn an_arrow_is_as_long_as_the_gap() {
        let shown = [0.0, 0.01, 0.1, 0.2, 9.0, f64::NAN]
            .map(|gap| GLYPHS.map(Glyphs::new).map(|g| format!("[{}]", arrow(gap, 0.2, 9, &g))).join("  "));
        insta::assert_snapshot!(shown.join("\n"));
    }

    proptest! {
        #[test]
        fn every_bar_keeps_its_width(value: f64, other: f64, columns in 0usize..40) {
            for glyphs in GLYPHS.map(Glyphs::new) {
                let drawn = [
                    progress_text(value, columns, &glyphs),
                    pull(value, columns, &glyphs),
                    arrow(value, other, columns, &glyphs),
                ];
                for text in drawn {
                    prop_assert_eq!(super::super::text::width(&text), columns, "{}", text);
                }
            }
        }

        #[test]
        fn a_sparkline_has_a_column_a_value(values: Vec<f64>, columns in 0usize..40) {
            let drawn = sparkline(&values, columns, &Glyphs::new(Fineness::Braille));
            prop_assert_eq!(drawn.chars().count(), values.len().min(columns));
        }
    }
}
