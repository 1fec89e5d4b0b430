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
    let words = "Its engine writes a checkpoint and ends; it can be resumed:";
    let answers = [("y", "stop it"), ("l", "stop it and leave"), ("n", "go on")];
    let names: Vec<_> = run.into_iter().cloned().collect();
    draw(canvas, "Stop the run?", words, &names, "", &answers);
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
    draw(canvas, title, words, &[run_name(folder)], "", &[("y", "leave"), ("n", "stay")]);
}

/// `unlisted` of the folders are of runs that the list does not show.
pub fn draw_remove(canvas: &mut Canvas<'_>, folders: &[PathBuf], unlisted: usize) {
    let (title, words) = match folders.len() {
        1 => ("Remove the run?".to_owned(), "Its folder is deleted, with all that is in it:"),
        count => (format!("Remove {count} runs?"), "Their folders are deleted, with all that is in them:"),
    };
    let names: Vec<_> = folders.iter().map(|folder| run_name(folder)).collect();
    let remark = match unlisted {
        0 => String::new(),
        _ => format!("{unlisted} of {} not listed now, because of the filter", folders.len()),
    };
    draw(canvas, &title, words, &names, &remark, &[("y", "remove"), ("n", "keep")]);
}

/// `runs` are those of the study that were begun.
pub fn draw_remove_study(canvas: &mut Canvas<'_>, folder: &Path, runs: &[RunName]) {
    let words = match runs.len() {
        0 => "Its folder is deleted; none of its runs was begun:".to_owned(),
        1 => "Its folder is deleted, with the one run that was begun:".to_owned(),
        count => format!("Its folder is deleted, with the {count} runs that were begun:"),
    };
    let study = run_name(folder);
    let names: Vec<_> =
        std::iter::once(study.clone()).chain(runs.iter().map(|run| format!("{study}/{run}"))).collect();
    draw(canvas, "Remove the study?", &words, &names, "", &[("y", "remove"), ("n", "keep")]);
}

/// A sentence, the names that it is about, a remark if there is one, and what each key does.
fn draw(
    canvas: &mut Canvas<'_>,
    title: &str,
    words: &str,
    names: &[RunName],
    remark: &str,
    answers: &[(&str, &str)],
) {
    let look = canvas.look;
    let rest = 6 + usize::from(!remark.is_empty());
    let room = canvas.height().saturating_sub(2 + rest).max(1);
    // Where not all names fit, the last line says how many more there are.
    let named = if names.len() > room { room - 1 } else { names.len() };
    let more = names.len() - named;
    let mut outer = window(canvas, 64, rest + named + usize::from(more > 0));
    let mut inside = outer.framed(title);
    let width = inside.width();
    inside.text(0, 1, words, look.palette.text);
    let mut y = 2;
    for name in &names[..named] {
        inside.text(0, y, &text::truncate(name, width, &look.glyphs), look.palette.strong);
        y += 1;
    }
    if more > 0 {
        inside.text(0, y, &format!("and {more} more"), look.palette.strong);
        y += 1;
    }
    if !remark.is_empty() {
        inside.text(0, y, remark, look.palette.warning);
        y += 1;
    }
    let mut x = 0;
    for (key, meaning) in answers {
        x = inside.text(x, y + 1, key, look.palette.key);
        x = inside.text(x + 1, y + 1, meaning, look.palette.dim) + 4;
    }
}
