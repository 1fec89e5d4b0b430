//! What overlays share: where they stand, and the keys that scroll them.

use crossterm::event::{KeyCode, KeyEvent};

use crate::canvas::Canvas;

/// A part in the middle, below the title and above the footer, of at most this size.
pub fn window<'a>(canvas: &'a mut Canvas<'_>, width: usize, height: usize) -> Canvas<'a> {
    let (columns, rows) = (canvas.width(), canvas.height());
    let (width, height) = (width.min(columns), height.min(rows.saturating_sub(2)));
    canvas.part((columns - width) / 2, (rows - height) / 2, width, height)
}

/// Scrolls by a key; says whether the key was one that scrolls.
pub fn scroll(place: &mut usize, key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Up | KeyCode::Char('k') => *place = place.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => *place += 1,
        KeyCode::PageUp => *place = place.saturating_sub(10),
        KeyCode::PageDown | KeyCode::Char(' ') => *place += 10,
        KeyCode::Home => *place = 0,
        _ => return false,
    }
    true
}
