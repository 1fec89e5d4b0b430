//! Functions that overlays share: their place on the screen, and the keys that scroll them.

use crossterm::event::{KeyCode, KeyEvent};

use super::reaction::Reaction;
use crate::canvas::Canvas;

/// A part in the middle of the screen, of at most this size, that leaves a row free above and below.
pub fn window<'a>(canvas: &'a mut Canvas<'_>, width: usize, height: usize) -> Canvas<'a> {
    let (columns, rows) = (canvas.width(), canvas.height());
    let (width, height) = (width.min(columns), height.min(rows.saturating_sub(2)));
    canvas.part((columns - width) / 2, (rows - height) / 2, width, height)
}

/// The reaction to a key in an overlay that is only read: it scrolls, `enter` closes it, and any other key closes it
/// and goes to the view below.
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
