//! Questions that are asked before a run or work in the background is ended, or runs are removed.

use std::path::{Path, PathBuf};

use crossterm::event::{KeyCode, KeyEvent};
use relativenas_core::protocol::Command;

use super::{reaction::Reaction, window::window};
use crate::{
    canvas::Canvas,
    draw::text,
    messages::{RunName, WorkKind, run_name},
};

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

pub fn draw_leave(canvas: &mut Canvas<'_>, folder: &Path, kind: WorkKind) {
    let (title, words) = match kind {
        WorkKind::Probe => {
            ("Leave, and end the probe?", "A probe ends with the screen, and nothing is kept of it:")
        }
        WorkKind::Evaluation => {
            ("Leave, and end the evaluation?", "An evaluation ends with the screen, without a result:")
        }
    };
    draw(canvas, title, [words, &run_name(folder)], &[("y", "leave"), ("n", "stay")]);
}

pub fn draw_remove(canvas: &mut Canvas<'_>, folders: &[PathBuf]) {
    let (title, words) = match folders.len() {
        1 => ("Remove the run?".to_owned(), "Its folder is deleted, with all that is in it:"),
        count => (format!("Remove {count} runs?"), "Their folders are deleted, with all that is in them:"),
    };
    let names: Vec<_> = folders.iter().map(|folder| run_name(folder)).collect();
    draw(canvas, &title, [words, &names.join(", ")], &[("y", "remove"), ("n", "keep")]);
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
