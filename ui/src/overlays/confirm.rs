//! Asks before something ends that goes on by itself.

use crossterm::event::{KeyCode, KeyEvent};

use super::{reaction::Reaction, window::window};
use crate::{canvas::Canvas, draw::text, messages::RunName};

pub fn press(key: KeyEvent, agreed: Reaction) -> Reaction {
    match key.code {
        KeyCode::Char('y' | 'Y') => agreed,
        KeyCode::Char('n' | 'N') => Reaction::Close,
        _ => Reaction::Stay,
    }
}

pub fn draw_stop(canvas: &mut Canvas<'_>, run: Option<&RunName>) {
    let run = run.map_or("", RunName::as_str);
    let words = "It writes a checkpoint and ends; the run can be resumed:";
    let way_back = format!("relativenas resume {run}");
    draw(canvas, "Stop the engine?", [words, &way_back], ["stop", "go on"]);
}

pub fn draw_leave(canvas: &mut Canvas<'_>, run: &str) {
    let words = "A probe ends with the screen, and nothing is kept of it:";
    draw(canvas, "Leave, and end the probe?", [words, run], ["leave", "stay"]);
}

/// A sentence, what stands out of it, and what `y` and `n` do.
fn draw(canvas: &mut Canvas<'_>, title: &str, [words, name]: [&str; 2], [yes, no]: [&str; 2]) {
    let look = canvas.look;
    let (dim, key) = (look.palette.dim, look.palette.key);
    let mut outer = window(canvas, 62, 7);
    let mut inside = outer.framed(title);
    inside.text(0, 1, words, look.palette.text);
    let name = text::truncate(name, inside.width(), &look.glyphs).into_owned();
    inside.text(0, 2, &name, look.palette.strong);
    let x = inside.text(0, 4, "y", key);
    let x = inside.text(x, 4, &format!(" {yes}    "), dim);
    let x = inside.text(x, 4, "n", key);
    inside.text(x, 4, &format!(" {no}"), dim);
}
