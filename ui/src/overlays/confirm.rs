//! Questions that are asked before a run or a probe is ended.

use crossterm::event::{KeyCode, KeyEvent};
use relativenas_core::protocol::Command;

use super::{reaction::Reaction, window::window};
use crate::{canvas::Canvas, draw::text, messages::RunName};

pub fn press(key: KeyEvent, agreed: Reaction) -> Reaction {
    match key.code {
        KeyCode::Char('y' | 'Y') => agreed,
        KeyCode::Char('n' | 'N') => Reaction::Close,
        _ => Reaction::Stay,
    }
}

pub fn press_stop(key: KeyEvent) -> Reaction {
    match key.code {
        KeyCode::Char('l' | 'L') => Reaction::StopAndLeave,
        _ => press(key, Reaction::Steer(Command::Stop)),
    }
}

pub fn draw_stop(canvas: &mut Canvas<'_>, run: Option<&RunName>) {
    let run = run.map_or("", RunName::as_str);
    let words = "Its engine writes a checkpoint and ends; it can be resumed:";
    let answers = [("y", "stop it"), ("l", "stop it and leave"), ("n", "go on")];
    draw(canvas, "Stop the run?", [words, run], &answers);
}

pub fn draw_leave(canvas: &mut Canvas<'_>, run: &str) {
    let words = "A probe ends with the screen, and nothing is kept of it:";
    draw(canvas, "Leave, and end the probe?", [words, run], &[("y", "leave"), ("n", "stay")]);
}

/// A sentence, what stands out of it, and what each key does.
fn draw(canvas: &mut Canvas<'_>, title: &str, [words, name]: [&str; 2], answers: &[(&str, &str)]) {
    let look = canvas.look;
    let mut outer = window(canvas, 64, 7);
    let mut inside = outer.framed(title);
    inside.text(0, 1, words, look.palette.text);
    let name = text::truncate(name, inside.width(), &look.glyphs).into_owned();
    inside.text(0, 2, &name, look.palette.strong);
    let mut x = 0;
    for (key, meaning) in answers {
        x = inside.text(x, 4, key, look.palette.key);
        x = inside.text(x + 1, 4, meaning, look.palette.dim) + 4;
    }
}
