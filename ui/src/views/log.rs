//! What happened, line by line.

use crate::{canvas::Canvas, draw::text, panels::log, shown::Shown};

/// The position in the view of the log.
#[derive(Clone, Debug, Default)]
pub struct LogPlace {
    /// Lines between the last one shown and the end.
    pub behind: usize,
    pub searched: Option<String>,
    /// The line that the last search found, as an index into the lines that are kept.
    pub found: Option<usize>,
}

pub fn draw(canvas: &mut Canvas<'_>, place: &LogPlace, shown: &Shown) {
    let look = canvas.look;
    let lines = shown.view.log.len();
    let (width, height) = (canvas.width(), canvas.height());
    let x = canvas.heading(1, 0, "LOG");
    let behind = place.behind.min(lines.saturating_sub(1));
    let mut words = text::counted(lines, "line");
    if behind > 0 {
        words += &format!(", {behind} below");
    }
    if let Some(searched) = &place.searched {
        words += &format!("   searched for `{searched}`");
    }
    canvas.text(x + 2, 0, &words, look.palette.dim);
    let rows = height.saturating_sub(2);
    let end = lines - behind.min(lines);
    let first = end.saturating_sub(rows);
    for (row, entry) in shown.view.log.range(first..end).enumerate() {
        let y = 2 + row;
        log::line(canvas, 1, y, entry);
        let holds = place.searched.as_ref().is_some_and(|s| entry.text.to_lowercase().contains(s));
        if place.found == Some(first + row) {
            canvas.restyle(1, y, width.saturating_sub(2), look.palette.selected);
        }
        if holds {
            canvas.text(0, y, &look.glyphs.selected.to_string(), look.palette.key);
        }
    }
}
