//! A line of text that a person types.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Modifier, Style};

use crate::canvas::Canvas;

/// Text and the place in it where the next letter goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    text: String,
    /// In characters.
    cursor: usize,
}

impl Field {
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.chars().count(), text }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes a key; says whether it was one for editing.
    ///
    /// Ctrl-A and Ctrl-B are not among them: they belong to tmux and screen.
    pub fn handle(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => {
                self.text = self.text.chars().skip(self.cursor).collect();
                self.cursor = 0;
            }
            KeyCode::Char('w') if control => self.erase_word(),
            KeyCode::Char('e') if control => self.cursor = self.length(),
            KeyCode::Char(_) if control => return false,
            KeyCode::Char(letter) => self.insert(letter),
            KeyCode::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.remove();
            }
            KeyCode::Backspace => {}
            KeyCode::Delete => self.remove(),
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.length()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.length(),
            _ => return false,
        }
        true
    }

    /// Takes pasted text; control characters are dropped.
    pub fn paste(&mut self, text: &str) {
        text.chars().filter(|c| !c.is_control()).for_each(|letter| self.insert(letter));
    }

    /// Draws the end of the text where it does not fit.
    pub fn draw(&self, canvas: &mut Canvas<'_>, x: usize, y: usize, width: usize, style: Style) {
        let first = (self.cursor + 1).saturating_sub(width.max(1));
        let shown: String = self.text.chars().skip(first).take(width).collect();
        canvas.text(x, y, &shown, style);
        let at = x + self.cursor - first;
        let under = self.text.chars().nth(self.cursor).unwrap_or(' ');
        if at < x + width {
            canvas.text(at, y, &under.to_string(), style.add_modifier(Modifier::REVERSED));
        }
    }

    fn length(&self) -> usize {
        self.text.chars().count()
    }

    fn place(&self) -> usize {
        self.text.char_indices().nth(self.cursor).map_or(self.text.len(), |(at, _)| at)
    }

    fn insert(&mut self, letter: char) {
        self.text.insert(self.place(), letter);
        self.cursor += 1;
    }

    fn remove(&mut self) {
        let at = self.place();
        if at < self.text.len() {
            self.text.remove(at);
        }
    }

    fn erase_word(&mut self) {
        let before: Vec<char> = self.text.chars().take(self.cursor).collect();
        let blanks = before.iter().rev().take_while(|c| c.is_whitespace()).count();
        let word = before.iter().rev().skip(blanks).take_while(|c| !c.is_whitespace()).count();
        for _ in 0..blanks + word {
            self.cursor -= 1;
            self.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[(KeyCode, KeyModifiers)]) -> String {
        let mut field = Field::new("two words");
        for &(code, modifiers) in keys {
            field.handle(KeyEvent::new(code, modifiers));
        }
        field.text().to_owned()
    }

    #[test]
    fn the_usual_keys_edit() {
        let none = KeyModifiers::NONE;
        assert_eq!(typed(&[(KeyCode::Backspace, none), (KeyCode::Char('é'), none)]), "two wordé");
        assert_eq!(typed(&[(KeyCode::Home, none), (KeyCode::Delete, none)]), "wo words");
        assert_eq!(typed(&[(KeyCode::Char('w'), KeyModifiers::CONTROL)]), "two ");
        assert_eq!(typed(&[(KeyCode::Left, none), (KeyCode::Char('u'), KeyModifiers::CONTROL)]), "s");
    }
}
