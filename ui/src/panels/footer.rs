//! The last line: the keys that matter here. Above it, a sentence that was just said.

use crate::{
    actions::{Action, Place, TABLE},
    app::{App, Notice},
    canvas::{Canvas, wrap},
    draw::text,
    messages::Rest,
    overlays,
    shown::Shown,
    views::View,
};

/// A key and what it does, and how much it would be missed.
struct Hint {
    key: String,
    word: &'static str,
    importance: u8,
}

impl Hint {
    fn width(&self) -> usize {
        text::width(&self.key) + 1 + text::width(self.word)
    }
}

pub fn draw(canvas: &mut Canvas<'_>, app: &App) {
    let bottom = canvas.height().saturating_sub(1);
    if bottom > 0 {
        canvas.rule(bottom - 1);
    }
    keys(canvas, app, bottom);
}

/// What was just said, else what the engine has to say: on the rule above the keys, in place of
/// the keys where there is no rule, and over the view where it is long. It is never cut short,
/// because the way out stands at its end.
pub fn notice(canvas: &mut Canvas<'_>, app: &App, bottom: usize) {
    let engine = app.shown.as_ref().and_then(|shown| shown.progress.as_ref()?.notice.clone());
    let engine = engine.map(|text| Notice { text, is_warning: true });
    let Some(notice) = app.notice.as_ref().or(engine.as_ref()) else { return };
    let look = canvas.look;
    let (glyph, style) = if notice.is_warning {
        (look.glyphs.warning, look.palette.warning)
    } else {
        (look.glyphs.tick, look.palette.best)
    };
    let (width, height) = (canvas.width(), canvas.height());
    let lines = wrap(&notice.text, width.saturating_sub(6));
    let last = height.saturating_sub(if bottom > 1 { 2 } else { 1 });
    let first = last.saturating_sub(lines.len().saturating_sub(1));
    if lines.len() > 1 || bottom < 2 {
        canvas.part(0, first, width, last + 1 - first).clear();
    }
    for (row, line) in lines.iter().enumerate().take(last + 1 - first) {
        let mark = if row == 0 { glyph } else { ' ' };
        canvas.text(1, first + row, &format!(" {mark} {line} "), style);
    }
}

fn keys(canvas: &mut Canvas<'_>, app: &App, y: usize) {
    let look = canvas.look;
    let width = canvas.width();
    let gap = if width >= 124 { 3 } else { 2 };
    let mut hints = match &app.overlay {
        Some(overlay) => overlays::hints(overlay)
            .iter()
            .map(|&(key, word)| Hint { key: key.to_owned(), word, importance: 9 })
            .collect(),
        None => hints(app),
    };
    // What is missed least goes first.
    while hints.iter().map(|hint| hint.width() + gap).sum::<usize>() > width + gap - 2 {
        let Some(least) = (0..hints.len()).rev().min_by_key(|&i| hints[i].importance) else { break };
        hints.remove(least);
    }
    let mut x = 1;
    for hint in hints {
        x = canvas.text(x, y, &hint.key, look.palette.key);
        x = canvas.text(x + 1, y, hint.word, look.palette.dim) + gap;
    }
}

/// Keys of the view, then those of the run, then the way to other places and out.
fn hints(app: &App) -> Vec<Hint> {
    let of = |action: Action, importance: u8| {
        let word = word(app, action, action.entry().short);
        let key = app.keys.key(action).filter(|_| app.obstacle(action).is_none())?;
        action.entry().place.has(app.view).then_some(Hint { key, word, importance })
    };
    let own = TABLE
        .iter()
        .filter(|entry| matches!(entry.place, Place::In(_)) && !entry.short.is_empty())
        .filter(|entry| entry.action != Action::Inspect)
        .filter_map(|entry| of(entry.action, 6));
    let run = [(Action::Pause, 9), (Action::StepPair, 5), (Action::StepGeneration, 4)];
    let ways = [
        (Action::Inspect, 2),
        (Action::Export, 1),
        (Action::Palette, 3),
        (Action::Help, 8),
        (Action::Detach, 9),
        (Action::Stop, 5),
    ];
    let run = run.into_iter().filter_map(|(action, importance)| of(action, importance));
    let ways = ways.into_iter().filter_map(|(action, importance)| of(action, importance));
    own.chain(run).chain(views(app)).chain(ways).collect()
}

/// All views in one hint.
fn views(app: &App) -> Option<Hint> {
    let first = app.keys.key(Action::Show(View::Overview))?;
    let last = app.keys.key(Action::Show(View::Runs))?;
    Some(Hint { key: format!("{first}-{last}"), word: "views", importance: 7 })
}

/// Some words depend on what the action would do now.
fn word(app: &App, action: Action, short: &'static str) -> &'static str {
    let shown = app.shown.as_ref();
    match action {
        Action::Pause if shown.is_some_and(Shown::is_held) => "continue",
        Action::StepPair if shown.is_some_and(Shown::is_training) => "epoch",
        Action::Detach if !shown.is_some_and(|shown| shown.rest() == Rest::Engine) => "leave",
        _ => short,
    }
}
