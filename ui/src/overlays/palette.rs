//! A list of all actions that is filtered by typing, and says why an action cannot be done now.

use std::borrow::Cow;

use crossterm::event::{KeyCode, KeyEvent};
use relativenas_core::nearest;

use super::{reaction::Reaction, window::window};
use crate::{
    actions::{Definition, Place, TABLE},
    canvas::Canvas,
    draw::text,
    field::Field,
    finder::{ELSEWHERE, Found, find},
    obstacle::obstacle,
    scene::Scene,
    state::State,
    view::View,
};

/// The text that was typed, and the line that is selected.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    field: Field,
    chosen: usize,
}

impl Palette {
    pub fn press(&mut self, view: View, key: KeyEvent) -> Reaction {
        let found = find(self.field.text(), view);
        match key.code {
            KeyCode::Enter => match found.get(self.chosen) {
                Some(Found::Action(definition)) => return Reaction::Act(definition.action),
                Some(Found::Elsewhere(elsewhere)) => return Reaction::Say(elsewhere.way),
                None => return Reaction::Stay,
            },
            KeyCode::Up => self.chosen = self.chosen.saturating_sub(1),
            KeyCode::Down => self.chosen = (self.chosen + 1).min(found.len().saturating_sub(1)),
            _ => {
                if self.field.handle(key) {
                    self.chosen = 0;
                }
            }
        }
        Reaction::Stay
    }

    pub fn paste(&mut self, text: &str) {
        self.field.paste(text);
        self.chosen = 0;
    }

    pub fn draw(&self, canvas: &mut Canvas<'_>, scene: &Scene<'_>, state: &State) {
        let look = canvas.look;
        let palette = &look.palette;
        let found = find(self.field.text(), scene.view);
        let width = canvas.width().saturating_sub(4).min(112);
        // The height is constant, so that nothing moves while a text is typed.
        let mut outer = window(canvas, width, 18);
        let mut inside = outer.framed("What to do");
        let width = inside.width();
        let x = inside.text(0, 0, "> ", palette.key);
        self.field.draw(&mut inside, x, 0, width.saturating_sub(x + 1), palette.strong);
        let rows = inside.height().saturating_sub(2);
        let first = (self.chosen + 1).saturating_sub(rows);
        if found.is_empty() {
            let words = nothing(self.field.text());
            inside.text(1, 2, &text::truncate(&words, width.saturating_sub(1), &look.glyphs), palette.dim);
        }
        // On the narrowest screens, names and keys must leave room for a few words.
        let (keys, words_at) = if width >= 56 { (18, 29) } else { (0, 18.min(width / 2)) };
        for (row, found) in found.iter().enumerate().skip(first).take(rows) {
            let y = 2 + row - first;
            let (id, key, obstacle, help) = match found {
                Found::Action(definition) => {
                    let action = definition.action;
                    (definition.id, scene.key(action), not_here(definition, scene, state), definition.help)
                }
                Found::Elsewhere(elsewhere) => (elsewhere.id, String::new(), None, elsewhere.way),
            };
            let (style, words) = match obstacle {
                Some(why) => (palette.dim, why),
                None => (palette.text, Cow::Borrowed(help)),
            };
            inside.text(1, y, &text::truncate(id, words_at - 2, &look.glyphs), style);
            if keys > 0 {
                inside.text(keys, y, &key, palette.key);
            }
            let words = text::truncate(&words, width.saturating_sub(words_at), &look.glyphs);
            inside.text(words_at, y, &words, palette.dim);
            if row == self.chosen {
                inside.restyle(0, y, width, palette.selected);
                inside.text(0, y, &look.glyphs.selected.to_string(), palette.selected);
            }
        }
    }
}

/// Why an action cannot be had in the view that is shown; `None` if it can.
fn not_here(definition: &Definition, scene: &Scene<'_>, state: &State) -> Option<Cow<'static, str>> {
    if definition.place.has(scene.view) {
        return obstacle(state, definition.action).map(Cow::Borrowed);
    }
    Some(match definition.place {
        Place::In(views) => {
            let names: Vec<_> = views.iter().map(|view| view.name()).collect();
            format!("in {}: {}", names.join(", "), definition.help).into()
        }
        _ => "in every view but the list of runs, where a run is shown".into(),
    })
}

/// The text that stands in place of results where nothing matches.
fn nothing(typed: &str) -> String {
    let names = TABLE.iter().map(|definition| definition.id).chain(ELSEWHERE.iter().map(|e| e.id));
    match nearest(typed.trim(), names) {
        Some(near) => format!("nothing is called that; did you mean `{near}`?"),
        None => "nothing is called that; an empty line lists everything".to_owned(),
    }
}
