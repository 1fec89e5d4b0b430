//! One individual: its cells in words and numbers.

use crossterm::event::{KeyCode, KeyEvent};

use super::{
    reaction::Reaction,
    window::{self, window},
};
use crate::{canvas::Canvas, panels::individual::lines, state::State, words::individual};

pub fn press(scroll: &mut usize, key: KeyEvent) -> Reaction {
    // A pause must take effect at once, so `space` is passed on.
    if key.code == KeyCode::Char(' ') { Reaction::Pass } else { window::scroll_or_pass(scroll, key) }
}

pub fn draw(canvas: &mut Canvas<'_>, state: &State, scroll: usize) {
    let (Some(search), Some(number)) = (state.search(), state.individual()) else { return };
    let width = canvas.width().saturating_sub(2).min(88);
    let lines = lines(search, number, canvas.look, width.saturating_sub(4), true);
    let mut outer = window(canvas, width, lines.len() + 2);
    let mut inside = outer.framed(&format!("Individual {}", individual(search, number)));
    let rows = inside.height();
    let first = scroll.min(lines.len().saturating_sub(rows));
    for (y, line) in lines.iter().skip(first).take(rows).enumerate() {
        inside.line(0, y, line);
    }
}
