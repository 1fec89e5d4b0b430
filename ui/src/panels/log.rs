//! The last lines of the log.

use relativenas_core::view::{LogLine, RunView, Tone};

use crate::{canvas::Canvas, draw::text};

/// Draws as many of the last lines as there are rows; `titled` puts LOG before them.
pub fn draw(canvas: &mut Canvas<'_>, view: &RunView, titled: bool) {
    let indent = if titled { 8 } else { 1 };
    if titled {
        canvas.heading(1, 0, "LOG");
    }
    let rows = canvas.height();
    let first = view.log.len().saturating_sub(rows);
    for (y, entry) in view.log.iter().skip(first).enumerate() {
        line(canvas, indent, y, entry);
    }
}

/// A line with its time.
pub fn line(canvas: &mut Canvas<'_>, x: usize, y: usize, entry: &LogLine) {
    let look = canvas.look;
    let palette = &look.palette;
    let x = canvas.text(x, y, &look.clock(entry.time), palette.dim);
    let (style, mark) = match entry.tone {
        Tone::Plain => (palette.text, ' '),
        Tone::Milestone => (palette.strong, look.glyphs.triangle_right),
        Tone::Warning => (palette.warning, look.glyphs.warning),
    };
    canvas.text(x, y, &format!(" {mark} "), style);
    let room = canvas.width().saturating_sub(x + 4);
    let words = entry.text.replace('Δ', &look.glyphs.delta.to_string());
    let words = text::truncate(&words, room, &look.glyphs).into_owned();
    canvas.text(x + 3, y, &words, style);
}
