//! The last line: the most important keys.

use crate::{
    actions::{Action, Place, TABLE},
    canvas::Canvas,
    draw::text,
    layout::Layout,
    messages::RunAfterwards,
    obstacle::obstacle,
    scene::Scene,
    shown::Shown,
    state::State,
    view::View,
};

/// Keys of an overlay, each with a word or two for what it does.
pub type OverlayHints = &'static [(&'static str, &'static str)];

/// A key, what it does, and how important it is to show it.
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

/// Draws the keys of the overlay, `over`, if there is one, else those of the view.
pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, state: &State, over: Option<OverlayHints>) {
    let bottom = canvas.height().saturating_sub(1);
    if bottom > 0 {
        canvas.rule(bottom - 1);
    }
    keys(canvas, scene, state, over, bottom);
}

fn keys(canvas: &mut Canvas<'_>, scene: &Scene<'_>, state: &State, over: Option<OverlayHints>, y: usize) {
    let look = canvas.look;
    let width = canvas.width();
    let gap = if width >= Layout::WIDE { 3 } else { 2 };
    let mut hints = match over {
        Some(hints) => {
            hints.iter().map(|&(key, word)| Hint { key: key.to_owned(), word, importance: 9 }).collect()
        }
        None => hints(scene, state, width < Layout::TWO_COLUMNS),
    };
    // The least important hints are left out first.
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

/// Keys of the view, then those of the run, then those that lead to other views and out of the screen.
fn hints(scene: &Scene<'_>, state: &State, narrow: bool) -> Vec<Hint> {
    let of = |action: Action, importance: u8| {
        let word = word(state, action, action.definition().short, narrow);
        let key = scene.keys.key(action).filter(|_| obstacle(state, action).is_none())?;
        action.definition().place.has(scene.view).then_some(Hint { key, word, importance })
    };
    let own = TABLE
        .iter()
        .filter(|entry| matches!(entry.place, Place::In(_)) && !entry.short.is_empty())
        .filter(|entry| entry.action != Action::Inspect)
        .filter_map(|entry| of(entry.action, 6));
    let run =
        [(Action::Pause, 9), (Action::StepPair, 5), (Action::StepGeneration, 5), (Action::ResumeShown, 9)];
    let ways = [
        (Action::Inspect, 2),
        (Action::EarlierGeneration, 2),
        (Action::Export, 5),
        (Action::Palette, 7),
        (Action::Help, 8),
        (Action::Detach, 9),
        (Action::Stop, 4),
    ];
    let run = run.into_iter().filter_map(|(action, importance)| of(action, importance));
    let ways =
        ways.into_iter().filter(|(action, _)| *action != Action::EarlierGeneration || state.past.is_none());
    let ways = ways.filter_map(|(action, importance)| of(action, importance));
    let past = state.past.iter().filter(|_| scene.view.shows_past()).flat_map(|_| past(scene));
    own.chain(past).chain(run).chain(views(scene)).chain(ways).collect()
}

/// The hints of a screen that shows the past: how to move in time, and how to return.
fn past(scene: &Scene<'_>) -> Vec<Hint> {
    let pairs = [
        ((Action::EarlierGeneration, Action::LaterGeneration), "generation", 8),
        ((Action::EarlierPair, Action::LaterPair), "pair", 7),
    ];
    let both = pairs.into_iter().filter_map(|((back, forth), word, importance)| {
        let key = format!("{} {}", scene.keys.key(back)?, scene.keys.key(forth)?);
        Some(Hint { key, word, importance })
    });
    let one = [(Action::Replay, "play", 7), (Action::Back, "now", 9)];
    let one = one.into_iter().filter_map(|(action, word, importance)| {
        Some(Hint { key: scene.keys.key(action)?, word, importance })
    });
    both.chain(one).collect()
}

/// One hint for the keys of all views.
fn views(scene: &Scene<'_>) -> Option<Hint> {
    let first = scene.keys.key(Action::Show(View::Overview))?;
    let last = scene.keys.key(Action::Show(View::Map))?;
    // Where tabs are shown, they name these keys already.
    let importance = if scene.layout >= Layout::Small { 1 } else { 7 };
    Some(Hint { key: format!("{first}-{last}"), word: "views", importance })
}

/// The word for an action, which for some depends on the present state.
fn word(state: &State, action: Action, short: &'static str, narrow: bool) -> &'static str {
    let shown = state.shown.as_ref();
    match action {
        Action::Pause if shown.is_some_and(Shown::is_held) => "continue",
        Action::EarlierGeneration => "back in time",
        Action::StepPair if shown.is_some_and(Shown::is_training) => "epoch",
        Action::StepGeneration if narrow => "gen.",
        Action::Palette if narrow => "find",
        Action::Detach if narrow => "leave",
        Action::Detach if !shown.is_some_and(|shown| shown.afterwards() == RunAfterwards::Engine) => "leave",
        _ => short,
    }
}
