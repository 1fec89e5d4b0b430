//! Draws the form of a new search or training.

use relativenas_core::config::Origin;

use super::{
    super::window::window,
    Start,
    lines::{FormLine, PATH, said},
};
use crate::{
    canvas::{Canvas, wrap},
    draw::text,
    field::Field,
};

/// Where labels and values begin.
const LABEL: usize = 10;
const VALUE: usize = 26;

impl Start {
    pub fn draw(&self, canvas: &mut Canvas<'_>) {
        let look = canvas.look;
        let palette = &look.palette;
        let lines = self.lines();
        let width = canvas.width().saturating_sub(2).min(100);
        let top = usize::from(self.architecture.is_some());
        let mut outer = window(canvas, width, lines.len() + 7 + top);
        let title = if self.architecture.is_some() { "Train an architecture" } else { "Start a search" };
        let mut inside = outer.framed(title);
        let (width, height) = (inside.width(), inside.height());
        let (words, mark, style) = match &self.checked.error {
            _ if self.waits => ("it starts; esc closes this", look.glyphs.working, palette.dim),
            Some(error) => (error.as_str(), look.glyphs.warning, palette.warning),
            None => match &self.plan.problem {
                Some(problem) => (problem.as_str(), look.glyphs.warning, palette.warning),
                None if self.plan.cost.is_empty() => {
                    ("all settings are valid", look.glyphs.tick, palette.best)
                }
                None => (self.plan.cost.as_str(), look.glyphs.tick, palette.best),
            },
        };
        let mut words = wrap(words, width.saturating_sub(2));
        words.truncate(3);
        let completions = self.completions(width.saturating_sub(2));
        let below = words.len().max(1) + usize::from(!completions.is_empty()) + 1;
        let rows = height.saturating_sub(below + top).min(lines.len()).max(1);
        if let Some(architecture) = &self.architecture {
            let origin = text::truncate(&architecture.origin, width, &look.glyphs);
            inside.text(0, 0, &origin, palette.dim);
        }
        let first = (self.line + 1).saturating_sub(rows);
        for (row, (place, line)) in lines.iter().enumerate().skip(first).take(rows).enumerate() {
            self.draw_line(&mut inside, *line, place == self.line, top + row);
        }
        let mut y = height.saturating_sub(below - 1);
        if !completions.is_empty() {
            inside.text(
                2,
                y,
                &text::truncate(&completions, width.saturating_sub(2), &look.glyphs),
                palette.dim,
            );
            y += 1;
        }
        inside.text(0, y, &mark.to_string(), style);
        for (row, line) in words.iter().enumerate() {
            inside.text(2, y + row, line, style);
        }
    }

    /// The folders that complete what was typed, or what the folder holds.
    fn completions(&self, columns: usize) -> String {
        if self.here() != PATH || self.typed[0].is_none() {
            return String::new();
        }
        if self.plan.completions.is_empty() {
            return self.plan.found.clone();
        }
        let mut line = String::from("tab: ");
        for (place, name) in self.plan.completions.iter().enumerate() {
            if text::width(&line) + text::width(name) + 4 > columns && place > 0 {
                line.push_str(&format!("and {} more", self.plan.completions.len() - place));
                break;
            }
            line.push_str(name);
            line.push_str("  ");
        }
        line
    }

    fn draw_line(&self, canvas: &mut Canvas<'_>, line: FormLine, here: bool, y: usize) {
        let look = canvas.look;
        let palette = &look.palette;
        let style = if here { palette.strong } else { palette.text };
        if here {
            canvas.text(0, y, &look.glyphs.selected.to_string(), palette.key);
        }
        let narrow = canvas.width() < 50;
        let (label_at, x) = if narrow { (1, 16) } else { (LABEL, VALUE) };
        if !narrow {
            canvas.text(1, y, line.heading(self.settings), palette.heading);
        }
        canvas.text(label_at, y, line.label(self.settings), if here { palette.strong } else { palette.dim });
        let width = canvas.width().saturating_sub(x);
        // The value gets half of the room, its explanation the other half.
        let room = (width / 2).max(14).min(width);
        let arrows = |words: &str| {
            let (left, right) = (look.glyphs.arrow_left, look.glyphs.arrow_right);
            if here { format!("{left} {words} {right}") } else { words.to_owned() }
        };
        let note = |canvas: &mut Canvas<'_>, words: &str, style| {
            let left = width.saturating_sub(room + 2);
            canvas.text(x + room + 2, y, &text::truncate(words, left, &look.glyphs), style);
        };
        match line {
            FormLine::Preset => {
                let name = self.preset().unwrap_or_else(|| "none: your settings".to_owned());
                canvas.text(x, y, &text::truncate(&arrows(&name), room, &look.glyphs), style);
                note(canvas, if here { "left and right choose" } else { "" }, palette.dim);
            }
            FormLine::Name => {
                self.draw_field(canvas, &self.name, (x, y, room), here);
                if self.name.text().is_empty() && !here {
                    canvas.text(x, y, "made of data, preset and date", palette.dim);
                }
            }
            FormLine::Other => {
                self.draw_field(canvas, &self.other, (x, y, width), here);
                if self.other.text().is_empty() && !here {
                    let words = "training.learning_rate=0.05 and so on";
                    canvas.text(x, y, &text::truncate(words, width, &look.glyphs), palette.dim);
                }
            }
            FormLine::Paused => {
                canvas.text(x, y, &arrows(if self.paused { "yes" } else { "no" }), style);
                let first = if self.architecture.is_some() { "epoch" } else { "pair" };
                note(canvas, &format!("waits before its first {first}"), palette.dim);
            }
            FormLine::Start => {
                let style = if here { palette.selected } else { palette.key };
                let what = if self.architecture.is_some() { "training" } else { "search" };
                canvas.text(label_at, y, &format!("[ start the {what} ]"), style);
            }
            FormLine::Setting(place) => {
                let setting = &self.settings[place];
                let value = self.value(setting.key);
                match &self.typed[place] {
                    Some(field) if setting.choices.is_empty() && (here || !field.text().is_empty()) => {
                        self.draw_field(canvas, field, (x, y, room), here);
                    }
                    _ => {
                        let words = said(setting.key, &value, self.architecture.is_some());
                        let words = if setting.choices.is_empty() { words } else { arrows(&words) };
                        canvas.text(x, y, &text::truncate(&words, room, &look.glyphs), style);
                    }
                }
                if here {
                    let words = format!("{}  {}", setting.meaning, setting.key);
                    note(canvas, words.trim(), palette.dim);
                } else {
                    note(canvas, &self.origin(setting.key), palette.dim);
                }
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

    /// The origin of a setting, unless it has its default value.
    fn origin(&self, key: &str) -> String {
        let setting = self.checked.layers.settings().find(|(name, _)| *name == key);
        match setting.map(|(_, setting)| &setting.origin) {
            None | Some(Origin::BuiltIn) => String::new(),
            // The built-in configuration is a file like any other; its values are the defaults.
            Some(Origin::File { name, .. }) if name == "config.toml" => String::new(),
            Some(Origin::Flag { .. }) => "changed".to_owned(),
            Some(origin) => origin.to_string(),
        }
    }
}
