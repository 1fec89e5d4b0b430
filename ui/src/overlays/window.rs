//! What overlays share: where they stand, and the keys that scroll them.

use crossterm::event::{KeyCode, KeyEvent};

use super::reaction::Reaction;
use crate::canvas::Canvas;

/// A part in the middle, below the title and above the footer, of at most this size.
pub fn window<'a>(canvas: &'a mut Canvas<'_>, width: usize, height: usize) -> Canvas<'a> {
    let (columns, rows) = (canvas.width(), canvas.height());
    let (width, height) = (width.min(columns), height.min(rows.saturating_sub(2)));
    canvas.part((columns - width) / 2, (rows - height) / 2, width, height)
}

/// Scrolls what is only read; `enter` closes it, and any other key is meant for what lies below.
pub fn scroll_or_pass(place: &mut usize, key: KeyEvent) -> Reaction {
    match key.code {
        _ if scroll(place, key) => Reaction::Stay,
        KeyCode::Enter => Reaction::Close,
        _ => Reaction::Pass,
    }
}

/// Scrolls if the key is one that scrolls; returns whether it is.
fn scroll(place: &mut usize, key: KeyEvent) -> bool {
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
