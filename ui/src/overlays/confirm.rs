//! Asks before the engine is stopped.

use crossterm::event::{KeyCode, KeyEvent};
use relativenas_core::protocol::Command;

use super::{Reaction, window};
use crate::{app::App, canvas::Canvas};

pub fn press(key: KeyEvent) -> Reaction {
    match key.code {
        KeyCode::Char('y' | 'Y') => Reaction::Steer(Command::Stop),
        KeyCode::Char('n' | 'N') => Reaction::Close,
        _ => Reaction::Stay,
    }
}

pub fn draw(canvas: &mut Canvas<'_>, app: &App) {
    let look = canvas.look;
    let run = app.run_name().unwrap_or_default();
    let mut outer = window(canvas, 62, 7);
    let mut inside = outer.framed("Stop the engine?");
    let dim = look.palette.dim;
    inside.text(0, 1, "It writes a checkpoint and ends; the run can be resumed:", look.palette.text);
    inside.text(0, 2, &format!("relativenas resume {run}"), look.palette.strong);
    let x = inside.text(0, 4, "y", look.palette.key);
    let x = inside.text(x, 4, " stop    ", dim);
    let x = inside.text(x, 4, "n", look.palette.key);
    inside.text(x, 4, " go on", dim);
}
