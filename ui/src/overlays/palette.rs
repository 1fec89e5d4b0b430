//! Finds an action by its name.

use crossterm::event::{KeyCode, KeyEvent};
use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{CaseMatching, Normalization, Pattern},
};

use super::{reaction::Reaction, window::window};
use crate::{
    actions::{Definition, TABLE},
    canvas::Canvas,
    draw::text,
    field::Field,
    obstacle::obstacle,
    scene::Scene,
    state::State,
    view::View,
};

/// What was typed, and which line is chosen.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    field: Field,
    chosen: usize,
}

impl Palette {
    pub fn press(&mut self, view: View, key: KeyEvent) -> Reaction {
        let found = self.found(view);
        match key.code {
            KeyCode::Enter => match found.get(self.chosen) {
                Some(definition) => return Reaction::Act(definition.action),
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

    /// Actions of this view that match what was typed, the best first.
    fn found(&self, view: View) -> Vec<&'static Definition> {
        let definitions = TABLE.iter().filter(|definition| definition.place.has(view));
        if self.field.text().trim().is_empty() {
            return definitions.collect();
        }
        let pattern = Pattern::parse(self.field.text(), CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut letters = Vec::new();
        let mut scored: Vec<_> = definitions
            .filter_map(|definition| {
                // A hit in the name is worth more than one in the sentence.
                let mut score = |text: &str, weight| {
                    let text = Utf32Str::new(text, &mut letters);
                    pattern.score(text, &mut matcher).map(|score| score * weight)
                };
                let score = score(definition.id, 3).max(score(definition.help, 1))?;
                Some((score, definition))
            })
            .collect();
        scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        scored.into_iter().map(|(_, definition)| definition).collect()
    }

    pub fn draw(&self, canvas: &mut Canvas<'_>, scene: &Scene<'_>, state: &State) {
        let look = canvas.look;
        let palette = &look.palette;
        let found = self.found(scene.view);
        let width = canvas.width().saturating_sub(4).min(92);
        // Of constant height, so that nothing jumps while somebody types.
        let mut outer = window(canvas, width, 18);
        let mut inside = outer.framed("What to do");
        let width = inside.width();
        let x = inside.text(0, 0, "> ", palette.key);
        self.field.draw(&mut inside, x, 0, width.saturating_sub(x + 1), palette.strong);
        let rows = inside.height().saturating_sub(2);
        let first = (self.chosen + 1).saturating_sub(rows);
        if found.is_empty() {
            inside.text(1, 2, "nothing is called that; `?` lists everything", palette.dim);
        }
        for (row, definition) in found.iter().enumerate().skip(first).take(rows) {
            let y = 2 + row - first;
            let obstacle = obstacle(state, definition.action);
            let style = if obstacle.is_some() { palette.dim } else { palette.text };
            let words =
                text::truncate(obstacle.unwrap_or(definition.help), width.saturating_sub(30), &look.glyphs);
            inside.text(1, y, definition.id, style);
            inside.text(18, y, &scene.key(definition.action), palette.key);
            inside.text(29, y, &words, palette.dim);
            if row == self.chosen {
                inside.restyle(0, y, width, palette.selected);
                inside.text(0, y, &look.glyphs.selected.to_string(), palette.selected);
            }
        }
    }
}
