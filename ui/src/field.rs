//! A line of text that a person types.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Modifier, Style};

use crate::{
    canvas::Canvas,
    draw::text::{self, letters},
};

/// A text and the position of the cursor in it.
///
/// A letter is what a person sees as one: it may be two columns wide, and consist of several
/// characters, such as `e` and the accent above it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    text: String,
    /// The position of the cursor in bytes: always at the beginning of a letter, or at the end of the text.
    cursor: usize,
}

impl Field {
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.len(), text }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes a key; returns whether the key edits text.
    ///
    /// Ctrl-A and Ctrl-B do not edit, because they are the prefix keys of screen and tmux.
    pub fn handle(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => self.erase(0, self.cursor),
            KeyCode::Char('w') if control => self.erase(self.word_before(), self.cursor),
            KeyCode::Char('e') if control => self.cursor = self.text.len(),
            KeyCode::Char(_) if control => return false,
            KeyCode::Char(letter) => self.insert(letter),
            KeyCode::Backspace => self.erase(self.before(), self.cursor),
            KeyCode::Delete => self.erase(self.cursor, self.after()),
            KeyCode::Left => self.cursor = self.before(),
            KeyCode::Right => self.cursor = self.after(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => return false,
        }
        true
    }

    /// Takes pasted text; control characters are dropped.
    pub fn paste(&mut self, text: &str) {
        text.chars().filter(|c| !c.is_control()).for_each(|letter| self.insert(letter));
    }

    /// Draws the part around the cursor where the whole does not fit in `width` columns.
    pub fn draw(&self, canvas: &mut Canvas<'_>, x: usize, y: usize, width: usize, style: Style) {
        let under = &self.text[self.cursor..self.after()];
        let under = if under.is_empty() { " " } else { under };
        // The letter at the cursor is always visible.
        let room = width.saturating_sub(text::width(under));
        let first = letters(&self.text)
            .map(|(start, _)| start)
            .find(|&start| start >= self.cursor || text::width(&self.text[start..self.cursor]) <= room)
            .unwrap_or(self.cursor);
        let shown = &self.text[first..];
        canvas.text(x, y, &shown[..text::fitting(shown, width)], style);
        let at = text::width(&self.text[first..self.cursor]);
        if at + text::width(under) <= width {
            canvas.text(x + at, y, under, style.add_modifier(Modifier::REVERSED));
        }
    }

    /// Where the letter before the cursor begins; the beginning if there is none.
    fn before(&self) -> usize {
        letters(&self.text)
            .map(|(start, _)| start)
            .take_while(|start| *start < self.cursor)
            .last()
            .unwrap_or(0)
    }

    /// Where the letter that begins at the cursor ends; the end if there is none.
    fn after(&self) -> usize {
        letters(&self.text).map(|(_, end)| end).find(|end| *end > self.cursor).unwrap_or(self.text.len())
    }

    /// Where the word before the cursor begins, whatever blanks lie between.
    fn word_before(&self) -> usize {
        let before = self.text[..self.cursor].trim_end();
        let blank = before.char_indices().rev().find(|(_, c)| c.is_whitespace());
        blank.map_or(0, |(at, blank)| at + blank.len_utf8())
    }

    fn insert(&mut self, letter: char) {
        self.text.insert(self.cursor, letter);
        self.move_to(self.cursor + letter.len_utf8());
    }

    fn erase(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.move_to(from);
    }

    /// Moves the cursor to a place, or past the letter that the place lies within: what was typed or
    /// erased may have joined its neighbours.
    fn move_to(&mut self, place: usize) {
        let mut ends = letters(&self.text).map(|(_, end)| end);
        self.cursor = if place == 0 { 0 } else { ends.find(|end| *end >= place).unwrap_or(self.text.len()) };
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{buffer::Buffer, layout::Rect};
    use relativenas_core::config::Theme;

    use super::*;
    use crate::{
        canvas::Look,
        glyphs::{Fineness, Glyphs},
        theme::{Depth, Palette},
    };

    fn edited(text: &str, keys: &[(KeyCode, KeyModifiers)]) -> Field {
        let mut field = Field::new(text);
        for &(code, modifiers) in keys {
            field.handle(KeyEvent::new(code, modifiers));
        }
        field
    }

    fn typed(keys: &[(KeyCode, KeyModifiers)]) -> String {
        edited("two words", keys).text().to_owned()
    }

    #[test]
    fn the_usual_keys_edit() {
        let none = KeyModifiers::NONE;
        assert_eq!(typed(&[(KeyCode::Backspace, none), (KeyCode::Char('é'), none)]), "two wordé");
        assert_eq!(typed(&[(KeyCode::Home, none), (KeyCode::Delete, none)]), "wo words");
        assert_eq!(typed(&[(KeyCode::Char('w'), KeyModifiers::CONTROL)]), "two ");
        assert_eq!(typed(&[(KeyCode::Left, none), (KeyCode::Char('u'), KeyModifiers::CONTROL)]), "s");
    }

    #[test]
    fn a_letter_of_several_characters_is_edited_as_one() {
        let press = |text, keys: &[KeyCode]| {
            let keys: Vec<_> = keys.iter().map(|&code| (code, KeyModifiers::NONE)).collect();
            edited(text, &keys).text().to_owned()
        };
        assert_eq!(press("re\u{301}", &[KeyCode::Backspace]), "r");
        assert_eq!(press("e", &[KeyCode::Char('\u{301}'), KeyCode::Char('s')]), "e\u{301}s");
        assert_eq!(press("re\u{301}s", &[KeyCode::Left, KeyCode::Left, KeyCode::Char('x')]), "rxe\u{301}s");
        assert_eq!(press("数据", &[KeyCode::Left, KeyCode::Delete]), "数");
        assert_eq!(press("a👩\u{200d}🔬b", &[KeyCode::Left, KeyCode::Backspace]), "ab");
        // An accent whose letter is erased joins the letter before.
        assert_eq!(press("ab", &[KeyCode::Left, KeyCode::Char('\u{301}'), KeyCode::Char('c')]), "a\u{301}cb");
    }

    /// What is drawn in a field of so many columns with a hint behind it, and the column and the
    /// letter of the cursor.
    fn drawn(field: &Field, columns: usize) -> (String, Option<(usize, String)>) {
        let look = Look {
            palette: Palette::new(Theme::Dark, Depth::None),
            glyphs: Glyphs::new(Fineness::Ascii),
            utc_offset: 0,
        };
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 1));
        let mut canvas = Canvas::new(buffer.area, &mut buffer, &look);
        canvas.text(columns, 0, "hint", look.palette.dim);
        field.draw(&mut canvas, 0, 0, columns, look.palette.text);
        let cells = buffer.content();
        let cursor = cells.iter().position(|cell| cell.modifier.contains(Modifier::REVERSED));
        let (mut line, mut column) = (String::new(), 0);
        while column < cells.len() {
            line += cells[column].symbol();
            // The second column of a wide letter holds nothing of its own.
            column += text::width(cells[column].symbol()).max(1);
        }
        (line.trim_end().to_owned(), cursor.map(|at| (at, cells[at].symbol().to_owned())))
    }

    #[test]
    fn wide_letters_are_whole_and_stay_in_their_field() {
        let check = |text: &str, lefts: usize, columns, line: &str, cursor: (usize, &str)| {
            let field = edited(text, &vec![(KeyCode::Left, KeyModifiers::NONE); lefts]);
            assert_eq!(
                drawn(&field, columns),
                (line.to_owned(), Some((cursor.0, cursor.1.to_owned()))),
                "{text}"
            );
        };
        check("/tmp/数据", 0, 12, "/tmp/数据   hint", (9, " "));
        check("/tmp/数据", 1, 12, "/tmp/数据   hint", (7, "据"));
        check("/tmp/数据", 0, 9, "tmp/数据 hint", (8, " "));
        check("数据数据数据", 0, 8, "据数据  hint", (6, " "));
        check("数据数据数据", 6, 8, "数据数据hint", (0, "数"));
        check("re\u{301}sume\u{301}", 0, 12, "re\u{301}sume\u{301}      hint", (6, " "));
    }
}
