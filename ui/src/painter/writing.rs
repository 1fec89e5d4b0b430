//! Writes runs, and keeps track of where the terminal's cursor then is and of the style that is set.

use ratatui::{buffer::Cell, style::Color};

use super::{
    runs::{Run, is_blank},
    style::{CellStyle, PLAIN, dress},
};
use crate::{
    draw::text::has_certain_width,
    moves::{self, Target},
};

/// The style and the position in which the terminal would write the next character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WritingState {
    pub style: CellStyle,
    /// Column and row, if they are known.
    pub at: Option<(u16, u16)>,
    /// Whether the column is certain: since the cursor was last placed, only characters were written that are equally
    /// wide in all terminals.
    pub is_sure: bool,
}

/// The state of a terminal whose style was just reset and whose cursor may be anywhere.
pub const FROM_NOTHING: WritingState = WritingState { style: PLAIN, at: None, is_sure: false };

/// Writes a run, whose style must be that of `pen`, into its row. `open` marks cells of the row that will be written
/// later, so that the way to the run may lead across them with any character.
pub fn write_run(bytes: &mut Vec<u8>, pen: &mut WritingState, run: &Run, (row, open): (&[Cell], &[bool])) {
    go_to(bytes, pen, (row, open), run.at);
    bytes.extend_from_slice(run.text.as_bytes());
    pen.is_sure &= has_certain_width(&run.text);
    pen.at = end_of(run, row.len());
}

/// The place of the cursor behind a run, on a screen of so many columns. `None` behind the last column, where
/// terminals differ.
pub fn end_of(run: &Run, width: usize) -> Option<(u16, u16)> {
    let x = run.at.0 + run.columns;
    Some((x, run.at.1)).filter(|_| usize::from(x) < width)
}

/// Moves the cursor, or writes what is in between if that takes no more bytes.
fn go_to(bytes: &mut Vec<u8>, pen: &mut WritingState, (row, open): (&[Cell], &[bool]), (x, y): (u16, u16)) {
    let before = pen.at.replace((x, y));
    if before == Some((x, y)) {
        return;
    }
    let is_left_blank = row.get(..usize::from(x)).is_some_and(|before| before.iter().all(is_blank));
    let target = Target { x, y, behind_blanks: is_left_blank && pen.style.shows_no_blanks() };
    let way = moves::way(before, pen.is_sure, target);
    let between = before.filter(|(from, line)| *line == y && *from < x).and_then(|(from, _)| {
        let columns = usize::from(from)..usize::from(x);
        written_between(row.get(columns.clone())?, open.get(columns)?, pen.style, way.len())
    });
    match between {
        Some(between) => bytes.extend_from_slice(&between),
        None => {
            bytes.extend_from_slice(way.as_bytes());
            pen.is_sure = true;
        }
    }
}

/// The characters that lead across these cells in this style: those that the cells hold, or blanks for cells that are
/// written later. `None` if a cell cannot be written in this style, or if it takes more than `most` bytes.
fn written_between(cells: &[Cell], open: &[bool], style: CellStyle, most: usize) -> Option<Vec<u8>> {
    if cells.len() > most {
        return None;
    }
    let letter = |(cell, &open): (&Cell, &bool)| {
        let same = CellStyle::of(cell) == style || (is_blank(cell) && style.shows_no_blanks());
        match cell.symbol().as_bytes() {
            _ if open => Some(b' '),
            &[letter] if same && letter.is_ascii() => Some(letter),
            _ => None,
        }
    };
    cells.iter().zip(open).map(letter).collect()
}

/// Erases a row from a column on, in the terminal's own colours.
pub fn erase(bytes: &mut Vec<u8>, pen: &mut WritingState, (x, y): (u16, u16)) {
    go_to(bytes, pen, (&[], &[]), (x, y));
    let ground = CellStyle { bg: Color::Reset, ..pen.style };
    dress(bytes, &mut pen.style, ground);
    bytes.extend_from_slice(b"\x1b[K");
}
