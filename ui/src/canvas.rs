//! A part of the screen, together with the colours and glyphs to draw on it with.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{draw::text, glyphs::Glyphs, theme::Palette};

/// The appearance of everything that is drawn: colours, glyphs and the time zone.
#[derive(Clone, Debug)]
pub struct Look {
    pub palette: Palette,
    pub glyphs: Glyphs,
    /// Seconds that local time is ahead of UTC.
    pub utc_offset: i32,
}

impl Look {
    /// The local time of day, `12:41:07`, of milliseconds since 1970 UTC.
    pub fn clock(&self, milliseconds: i64) -> String {
        let seconds = (milliseconds.div_euclid(1000) + i64::from(self.utc_offset)).rem_euclid(86_400);
        format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

/// Writes at columns and rows counted from the top left corner of an area; what falls outside is
/// dropped.
pub struct Canvas<'a> {
    pub buffer: &'a mut Buffer,
    pub area: Rect,
    pub look: &'a Look,
}

impl<'a> Canvas<'a> {
    pub fn new(area: Rect, buffer: &'a mut Buffer, look: &'a Look) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, area, look }
    }

    pub fn width(&self) -> usize {
        self.area.width.into()
    }

    pub fn height(&self) -> usize {
        self.area.height.into()
    }

    /// A part of this canvas; whatever of it lies outside of this canvas is cut off.
    pub fn part(&mut self, x: usize, y: usize, width: usize, height: usize) -> Canvas<'_> {
        let (x, y) = (x.min(self.width()), y.min(self.height()));
        let area = Rect {
            x: self.area.x + x as u16,
            y: self.area.y + y as u16,
            width: width.min(self.width() - x) as u16,
            height: height.min(self.height() - y) as u16,
        };
        Canvas { buffer: self.buffer, area, look: self.look }
    }

    /// Writes a text. Returns the column behind it.
    pub fn text(&mut self, x: usize, y: usize, content: &str, style: Style) -> usize {
        if x >= self.width() || y >= self.height() {
            return x + text::width(content);
        }
        let (column, row) = (self.area.x + x as u16, self.area.y + y as u16);
        let (end, _) = self.buffer.set_stringn(column, row, content, self.width() - x, style);
        usize::from(end - self.area.x)
    }

    /// Writes a text of several styles. Returns the column behind it.
    pub fn line(&mut self, x: usize, y: usize, line: &Line<'_>) -> usize {
        line.spans.iter().fold(x, |x, span| self.text(x, y, &span.content, line.style.patch(span.style)))
    }

    /// Writes a text of several styles that ends before the column `end`.
    pub fn line_right(&mut self, end: usize, y: usize, line: &Line<'_>) {
        self.line(end.saturating_sub(line.width()), y, line);
    }

    /// Draws a horizontal line across the whole width.
    pub fn rule(&mut self, y: usize) {
        let glyph = self.look.glyphs.horizontal.to_string();
        let style = self.look.palette.rule;
        self.text(0, y, &glyph.repeat(self.width()), style);
    }

    /// Writes the title of a panel. Returns the column behind it.
    pub fn heading(&mut self, x: usize, y: usize, title: &str) -> usize {
        self.text(x, y, title, self.look.palette.heading)
    }

    /// Adds a style to what is already drawn.
    pub fn restyle(&mut self, x: usize, y: usize, width: usize, style: Style) {
        let part = self.part(x, y, width, 1).area;
        self.buffer.set_style(part, style);
    }

    /// Erases everything, in the background colour of the theme.
    pub fn clear(&mut self) {
        let style = self.ground();
        for y in self.area.top()..self.area.bottom() {
            for x in self.area.left()..self.area.right() {
                let cell = &mut self.buffer[(x, y)];
                cell.reset();
                cell.set_style(style);
            }
        }
    }

    fn ground(&self) -> Style {
        let palette = &self.look.palette;
        palette.background.map_or(palette.text, |color| palette.text.bg(color))
    }

    /// Clears the area, draws a frame around it, and returns the part inside of the frame.
    pub fn framed(&mut self, title: &str) -> Canvas<'_> {
        self.clear();
        let g = self.look.glyphs;
        let rule = self.look.palette.rule;
        let (width, height) = (self.width(), self.height());
        if width < 2 || height < 2 {
            return self.part(0, 0, width, height);
        }
        let across =
            |left: char, right: char| format!("{left}{}{right}", g.horizontal.to_string().repeat(width - 2));
        self.text(0, 0, &across(g.top_left, g.top_right), rule);
        self.text(0, height - 1, &across(g.bottom_left, g.bottom_right), rule);
        for y in 1..height - 1 {
            self.text(0, y, &g.vertical.to_string(), rule);
            self.text(width - 1, y, &g.vertical.to_string(), rule);
        }
        if !title.is_empty() && width > 6 {
            let title = text::truncate(title, width - 6, &g).into_owned();
            self.text(2, 0, &format!(" {title} "), self.look.palette.heading);
        }
        self.part(2, 1, width.saturating_sub(4), height - 2)
    }
}

/// A piece of text in a style.
pub fn span(content: impl Into<String>, style: Style) -> Span<'static> {
    Span::styled(content.into(), style)
}

/// Breaks a text into lines of at most `columns`, at spaces where there are any.
pub fn wrap(content: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in content.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let mut word = word;
            let room = if line.is_empty() { columns } else { columns.saturating_sub(text::width(&line) + 1) };
            if text::width(word) > room && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            while text::width(word) > columns {
                // A letter that is wider than the line has a line to itself.
                let letter = text::letters(word).next().map_or(word.len(), |(_, end)| end);
                let cut = text::fitting(word, columns).max(letter);
                if cut == word.len() {
                    break;
                }
                lines.push(word[..cut].to_owned());
                word = &word[cut..];
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_spaces() {
        assert_eq!(
            wrap("a search that ends with a winner", 12),
            ["a search", "that ends", "with a", "winner"]
        );
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), Vec::<String>::new());
        assert_eq!(wrap("数据e\u{301}e\u{301}", 3), ["数", "据e\u{301}", "e\u{301}"]);
        assert_eq!(wrap("数据", 1), ["数", "据"]);
    }
}
