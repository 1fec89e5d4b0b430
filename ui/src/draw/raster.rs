//! Lines of dots that are finer than characters: a character has 2×4 dots in Braille and 2×2 with block glyphs, and
//! in ASCII it shows one of three heights.

use std::collections::BTreeSet;

use ratatui::style::Style;

use super::pen::Pen;
use crate::glyphs::Fineness;

/// Dots to be drawn as characters. Rows count from the top.
pub struct Raster {
    fineness: Fineness,
    columns: usize,
    rows: usize,
    /// The dots of each character as bits, and the style that was drawn there last.
    cells: Vec<(u8, Style)>,
}

/// A point in dots, from the left and from the top.
pub type Point = (f64, f64);

impl Raster {
    /// An empty raster for an area of so many characters.
    pub fn new(columns: usize, rows: usize, fineness: Fineness) -> Self {
        Self { fineness, columns, rows, cells: vec![(0, Style::new()); columns * rows] }
    }

    /// Dots in a character, across and down.
    pub fn dots_per_cell(fineness: Fineness) -> (usize, usize) {
        match fineness {
            Fineness::Braille => (2, 4),
            Fineness::Block => (2, 2),
            Fineness::Ascii => (1, 3),
        }
    }

    pub fn width(&self) -> usize {
        self.columns * Self::dots_per_cell(self.fineness).0
    }

    pub fn height(&self) -> usize {
        self.rows * Self::dots_per_cell(self.fineness).1
    }

    pub fn dot(&mut self, x: usize, y: usize, style: Style) {
        if x >= self.width() || y >= self.height() {
            return;
        }
        let (across, down) = Self::dots_per_cell(self.fineness);
        let (mask, last) = &mut self.cells[y / down * self.columns + x / across];
        *mask |= 1 << (y % down * across + x % across);
        *last = style;
    }

    /// Draws a straight line, cut where it leaves the raster. `pattern` decides which of its dots are drawn; it is
    /// given a dot's column if the line is flat, and its row if the line is steep.
    pub fn line(&mut self, from: Point, to: Point, style: Style, pattern: impl Fn(usize) -> bool) {
        let Some(((x0, y0), (x1, y1))) = self.clip(from, to) else { return };
        let steep = (y1 - y0).abs() > (x1 - x0).abs();
        let steps = (x1 - x0).abs().max((y1 - y0).abs()).round().max(1.0);
        for step in 0..=steps as usize {
            let share = step as f64 / steps;
            let (x, y) = (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share);
            let (x, y) = (x.round() as usize, y.round() as usize);
            if pattern(if steep { y } else { x }) {
                self.dot(x, y, style);
            }
        }
    }

    /// Draws a straight line, cut where it leaves the raster. `pattern` decides which of its dots are drawn; it is
    /// given the number of dots after a dot, and the share of the line before it (from 0 to 1).
    pub fn trail(&mut self, from: Point, to: Point, style: Style, pattern: impl Fn(usize, f64) -> bool) {
        let Some(((x0, y0), (x1, y1))) = self.clip(from, to) else { return };
        let steps = (x1 - x0).abs().max((y1 - y0).abs()).round().max(1.0);
        for step in 0..=steps as usize {
            let share = step as f64 / steps;
            if pattern(steps as usize - step, share) {
                let (x, y) = (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share);
                self.dot(x.round() as usize, y.round() as usize, style);
            }
        }
    }

    /// Column and row of every character that has a dot.
    pub fn inked(&self) -> BTreeSet<(usize, usize)> {
        let has_dot = self.cells.iter().enumerate().filter(|(_, (mask, _))| *mask != 0);
        has_dot.map(|(index, _)| (index % self.columns, index / self.columns)).collect()
    }

    /// The part of a line inside the raster (Liang and Barsky, 1984).
    fn clip(&self, (x0, y0): Point, (x1, y1): Point) -> Option<(Point, Point)> {
        let (right, bottom) = (self.width().checked_sub(1)? as f64, self.height().checked_sub(1)? as f64);
        let (dx, dy) = (x1 - x0, y1 - y0);
        if !(dx.is_finite() && dy.is_finite()) {
            return None;
        }
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        for (slope, distance) in [(-dx, x0), (dx, right - x0), (-dy, y0), (dy, bottom - y0)] {
            if slope == 0.0 && distance < 0.0 {
                return None;
            } else if slope < 0.0 {
                enter = enter.max(distance / slope);
            } else if slope > 0.0 {
                leave = leave.min(distance / slope);
            }
        }
        let at = |share: f64| (x0 + dx * share, y0 + dy * share);
        (enter <= leave).then(|| (at(enter), at(leave)))
    }

    /// Draws every character that has a dot.
    pub fn draw(&self, pen: &mut Pen<'_>, left: usize, top: usize) {
        self.draw_as(pen, left, top, |mask| glyph(mask, self.fineness));
    }

    /// Draws this character wherever there is a dot.
    pub fn draw_wash(&self, pen: &mut Pen<'_>, left: usize, top: usize, wash: char) {
        self.draw_as(pen, left, top, |_| wash);
    }

    fn draw_as(&self, pen: &mut Pen<'_>, left: usize, top: usize, glyph: impl Fn(u8) -> char) {
        for (index, &(mask, style)) in self.cells.iter().enumerate() {
            if mask != 0 {
                pen.glyph(left + index % self.columns, top + index / self.columns, glyph(mask), style);
            }
        }
    }
}

/// The character with these dots; bit 0 is the top left, bits go by rows.
fn glyph(mask: u8, fineness: Fineness) -> char {
    /// For each of our bits, the bit of the same dot in Unicode's Braille characters.
    const BRAILLE: [u8; 8] = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80];
    const QUADRANTS: [char; 16] =
        [' ', '▘', '▝', '▀', '▖', '▌', '▞', '▛', '▗', '▚', '▐', '▜', '▄', '▙', '▟', '█'];
    const HEIGHTS: [char; 8] = [' ', '\'', '-', '\'', '.', '|', '.', '|'];
    match fineness {
        Fineness::Braille => {
            let dots =
                (0..8).filter(|bit| mask & 1 << bit != 0).map(|bit| u32::from(BRAILLE[bit])).sum::<u32>();
            char::from_u32(0x2800 + dots).unwrap_or(' ')
        }
        Fineness::Block => QUADRANTS[usize::from(mask & 15)],
        Fineness::Ascii => HEIGHTS[usize::from(mask & 7)],
    }
}
