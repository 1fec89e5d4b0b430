//! Starts a search: a form that is checked as it is filled in.

use crossterm::event::{KeyCode, KeyEvent};
use relativenas_core::config::{Layers, Origin};

use super::{reaction::Reaction, window::window};
use crate::{
    canvas::{Canvas, wrap},
    draw::text,
    field::Field,
    messages::Request,
};

/// Settings that most searches differ in; any other can be set in the last line.
const KEYS: [(&str, &str); 12] = [
    ("data.path", "a folder with images; empty: Fashion-MNIST"),
    ("search.space", "cells, or nas-bench-201, whose losses stand in a table"),
    ("search.searcher", "slow-fast, random, coin-flip, regularized-evolution, largest"),
    ("search.population", "individuals, even"),
    ("search.generations", ""),
    ("search.seed", ""),
    ("data.train_images", "0: the whole half"),
    ("data.valid_images", "0: the whole half"),
    ("network.channels", "of a node in the first cells"),
    ("network.cells", ""),
    ("training.batch", "images"),
    ("device.kind", "auto, cpu, cuda, cuda:0"),
];

/// Lines: the preset, the settings, and one for any other setting.
const LINES: usize = KEYS.len() + 2;

/// A form in progress.
#[derive(Clone, Debug)]
pub struct Start {
    base: Layers,
    /// Names of presets that change a search; the first is none.
    presets: Vec<String>,
    preset: usize,
    line: usize,
    /// What was typed over each setting; `None` leaves it as it is.
    typed: Vec<Option<Field>>,
    other: Field,
    checked: Checked,
    /// The search was asked for, and the outcome is not known yet.
    waits: bool,
}

/// Whether a preset sets anything that matters in a search; those for retraining do not.
fn changes_a_search(base: &Layers, preset: &str) -> bool {
    let mut layers = base.clone();
    let laid = layers.add_preset(preset).is_ok();
    laid && layers.settings().any(|(key, setting)| {
        let set_here = matches!(&setting.origin, Origin::Preset { name } if name == preset);
        set_here && !key.starts_with("retrain.")
    })
}

/// What the form amounts to.
#[derive(Clone, Debug)]
struct Checked {
    layers: Layers,
    error: Option<String>,
}

impl Start {
    pub fn new(base: &Layers) -> Self {
        let base = base.clone();
        let searches = base.presets().filter(|name| changes_a_search(&base, name)).map(str::to_owned);
        let presets = [String::new()].into_iter().chain(searches).collect();
        let checked = Checked { layers: base.clone(), error: None };
        let typed = vec![None; KEYS.len()];
        let other = Field::default();
        let mut form = Self { base, presets, preset: 0, line: 0, typed, other, checked, waits: false };
        form.check();
        form
    }

    pub fn is_waiting(&self) -> bool {
        self.waits
    }

    /// Shows why the search did not start, until something is changed.
    pub fn fail(&mut self, why: String) {
        (self.waits, self.checked.error) = (false, Some(why));
    }

    pub fn press(&mut self, key: KeyEvent) -> Reaction {
        match key.code {
            _ if self.waits => return Reaction::Stay,
            // What failed may do so no longer: a folder may have been made meanwhile.
            KeyCode::Enter => {
                self.check();
                self.waits = self.checked.error.is_none();
                return if self.waits { Reaction::Ask(self.request()) } else { Reaction::Stay };
            }
            KeyCode::Up | KeyCode::BackTab => self.line = (self.line + LINES - 1) % LINES,
            KeyCode::Down | KeyCode::Tab => self.line = (self.line + 1) % LINES,
            KeyCode::Left if self.line == 0 => {
                self.preset = (self.preset + self.presets.len() - 1) % self.presets.len();
            }
            KeyCode::Right | KeyCode::Char(' ') if self.line == 0 => {
                self.preset = (self.preset + 1) % self.presets.len();
            }
            _ => {
                if let Some(field) = self.field() {
                    field.handle(key);
                }
            }
        }
        self.check();
        Reaction::Stay
    }

    pub fn paste(&mut self, text: &str) {
        if self.waits {
            return;
        }
        if let Some(field) = self.field() {
            field.paste(text);
        }
        self.check();
    }

    /// The field of this line, filled with the value as it is the first time.
    fn field(&mut self) -> Option<&mut Field> {
        let setting = self.line.checked_sub(1)?;
        if setting == KEYS.len() {
            return Some(&mut self.other);
        }
        let value = self.value(KEYS[setting].0);
        Some(self.typed[setting].get_or_insert_with(|| Field::new(value)))
    }

    fn value(&self, key: &str) -> String {
        let setting = self.checked.layers.settings().find(|(name, _)| *name == key);
        setting
            .map(|(_, setting)| {
                setting.value.as_str().map_or_else(|| setting.value.to_string(), str::to_owned)
            })
            .unwrap_or_default()
    }

    fn preset(&self) -> Option<String> {
        Some(self.presets[self.preset].clone()).filter(|name| !name.is_empty())
    }

    /// What was typed, as keys and values.
    fn settings(&self) -> Vec<(String, String)> {
        let typed = KEYS.iter().zip(&self.typed).filter_map(|((key, _), field)| {
            let field = field.as_ref()?;
            Some(((*key).to_owned(), field.text().trim().to_owned()))
        });
        let other = self.other.text().split_whitespace().filter_map(|word| {
            let (key, value) = word.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        });
        typed.chain(other).collect()
    }

    fn check(&mut self) {
        let mut layers = self.base.clone();
        let mut lay = || {
            if let Some(preset) = self.preset() {
                layers.add_preset(&preset)?;
            }
            for (key, value) in self.settings() {
                layers.add_assignment(&format!("{key}={value}"))?;
            }
            for word in self.other.text().split_whitespace().filter(|word| !word.contains('=')) {
                layers.add_assignment(word)?;
            }
            layers.config().map(|_| ())
        };
        let error = lay().err().map(|error| {
            // The form shows where it was set; the message need not.
            let message = error.to_string();
            message
                .split_once(": ")
                .filter(|(origin, _)| origin.starts_with("--set"))
                .map_or(message.clone(), |(_, rest)| rest.to_owned())
        });
        self.checked = Checked { layers, error };
    }

    fn request(&self) -> Request {
        Request::Start { preset: self.preset(), settings: self.settings() }
    }

    pub fn draw(&self, canvas: &mut Canvas<'_>) {
        let look = canvas.look;
        let palette = &look.palette;
        let width = canvas.width().saturating_sub(2).min(92);
        let mut outer = window(canvas, width, LINES + 7);
        let mut inside = outer.framed("Start a search");
        let (width, height) = (inside.width(), inside.height());
        let (words, mark, style) = match &self.checked.error {
            _ if self.waits => ("the search starts; esc closes this", look.glyphs.working, palette.dim),
            Some(error) => (error.as_str(), look.glyphs.warning, palette.warning),
            None => ("all settings are valid; enter starts the search", look.glyphs.tick, palette.best),
        };
        let words = wrap(words, width.saturating_sub(2));
        let rows = height.saturating_sub(1 + words.len().clamp(2, 4)).min(LINES);
        let first = (self.line + 1).saturating_sub(rows);
        for line in first..(first + rows).min(LINES) {
            self.draw_line(&mut inside, line, line - first);
        }
        let y = rows + 1;
        inside.text(0, y, &mark.to_string(), style);
        for (row, line) in words.iter().take(height.saturating_sub(y)).enumerate() {
            inside.text(2, y + row, line, style);
        }
    }

    fn draw_line(&self, canvas: &mut Canvas<'_>, line: usize, y: usize) {
        let look = canvas.look;
        let palette = &look.palette;
        let here = line == self.line;
        if here {
            canvas.text(0, y, &look.glyphs.selected.to_string(), palette.key);
        }
        let label = match line {
            0 => "preset",
            line => KEYS.get(line - 1).map_or("other", |(key, _)| *key),
        };
        let style = if here { palette.strong } else { palette.dim };
        canvas.text(1, y, label, style);
        let x = 21;
        let width = canvas.width().saturating_sub(x);
        // Half of the room is for the value, half for what it means.
        let field_width = (width * 2 / 5).max(12).min(width);
        match line {
            0 => {
                let name = if self.preset == 0 { "none" } else { &self.presets[self.preset] };
                let words = format!("{} {name} {}", look.glyphs.arrow_left, look.glyphs.arrow_right);
                canvas.text(x, y, &words, if here { palette.selected } else { palette.text });
            }
            line if line > KEYS.len() => {
                self.draw_field(canvas, &self.other, (x, y, width), here);
                if self.other.text().is_empty() && !here {
                    canvas.text(x, y, "training.learning_rate=0.05 and so on", palette.dim);
                }
            }
            line => {
                let (key, meaning) = KEYS[line - 1];
                match &self.typed[line - 1] {
                    Some(field) => self.draw_field(canvas, field, (x, y, field_width), here),
                    None => {
                        let value = self.value(key);
                        let value = text::truncate(&value, field_width, &look.glyphs).into_owned();
                        let style = if here { palette.strong } else { palette.text };
                        canvas.text(x, y, if value.is_empty() { "(empty)" } else { &value }, style);
                    }
                }
                let meaning = if here { meaning.to_owned() } else { self.origin(key) };
                let room = width.saturating_sub(field_width + 2);
                let meaning = text::truncate(&meaning, room, &look.glyphs).into_owned();
                canvas.text(x + field_width + 2, y, &meaning, palette.dim);
            }
        }
    }

    fn draw_field(
        &self,
        canvas: &mut Canvas<'_>,
        field: &Field,
        (x, y, width): (usize, usize, usize),
        here: bool,
    ) {
        let palette = &canvas.look.palette;
        if here {
            field.draw(canvas, x, y, width, palette.strong);
        } else {
            let glyphs = canvas.look.glyphs;
            canvas.text(x, y, &text::truncate(field.text(), width, &glyphs), palette.text);
        }
    }

    /// Where a setting came from, unless it is built in.
    fn origin(&self, key: &str) -> String {
        let setting = self.checked.layers.settings().find(|(name, _)| *name == key);
        match setting.map(|(_, setting)| &setting.origin) {
            None | Some(Origin::BuiltIn) => String::new(),
            // The built-in file is read like any other.
            Some(Origin::File { name, .. }) if name == "config.toml" => String::new(),
            Some(Origin::Flag { .. }) => "changed".to_owned(),
            Some(origin) => origin.to_string(),
        }
    }
}
