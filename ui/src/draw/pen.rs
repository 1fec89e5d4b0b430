//! Writing into a part of a buffer; whatever falls outside of that part is dropped.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

/// Writes at columns and rows counted from the top left corner of an area.
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
}

impl<'a> Pen<'a> {
    pub fn new(area: Rect, buffer: &'a mut Buffer) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, area }
    }

    pub fn width(&self) -> usize {
        self.area.width.into()
    }

    pub fn height(&self) -> usize {
        self.area.height.into()
    }

    /// Writes a character that is one column wide.
    pub fn glyph(&mut self, x: usize, y: usize, glyph: char, style: Style) {
        if let Some((column, row)) = self.place(x, y) {
            self.buffer[(column, row)].set_char(glyph).set_style(style);
        }
    }

    /// Writes a text. Returns the column behind it.
    pub fn text(&mut self, x: usize, y: usize, text: &str, style: Style) -> usize {
        let Some((column, row)) = self.place(x, y) else { return x + super::text::width(text) };
        let (end, _) = self.buffer.set_stringn(column, row, text, self.width() - x, style);
        usize::from(end - self.area.x)
    }

    /// Writes the same character `count` times.
    pub fn run(&mut self, x: usize, y: usize, count: usize, glyph: char, style: Style) {
        for x in x..(x + count).min(self.width().max(x)) {
            self.glyph(x, y, glyph, style);
        }
    }

    fn place(&self, x: usize, y: usize) -> Option<(u16, u16)> {
        let inside = x < self.width() && y < self.height();
        inside.then(|| (self.area.x + x as u16, self.area.y + y as u16))
    }
}
