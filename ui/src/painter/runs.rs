//! The changes from one frame to the next, as runs: characters of one style, side by side.

use std::ops::Range;

use ratatui::{buffer::Cell, style::Color};

use super::style::CellStyle;
use crate::draw::text;

/// Characters of one style, side by side in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Column and row of the first character.
    pub at: (u16, u16),
    pub columns: u16,
    pub style: CellStyle,
    pub text: String,
}

impl Run {
    /// The range of its columns.
    pub fn place(&self) -> Range<usize> {
        usize::from(self.at.0)..usize::from(self.at.0 + self.columns)
    }
}

/// How a row is turned into another one.
pub struct RowChange {
    /// The column from which the row is erased to its end before the runs are written, if it is.
    pub erased_from: Option<u16>,
    /// The runs that are written.
    pub runs: Vec<Run>,
}

/// The usual number of unchanged letters up to which they are written again instead of moving the cursor past them.
const SHORT_GAP: u16 = 4;

/// Finds the shortest way to turn row `y` from `old` to `new`: either only what differs is written, or the row is
/// erased first, in whole or at its end. `None` if both look the same.
pub fn row_change(old: &[Cell], new: &[Cell], y: u16) -> Option<RowChange> {
    let first = old.iter().zip(new).position(|(old, new)| !is_same(old, new))?;
    let end = new.iter().rposition(|cell| !is_blank(cell)).map_or(0, |last| last + 1);
    // In a row with wide letters a column may lie within one of them, so such a row is not erased.
    let is_narrow = |cells: &[Cell]| cells.iter().all(|cell| text::width(cell.symbol()) <= 1);
    let changed = changes(old, new, y);
    // Erase the whole row if it is mostly blank now.
    let blank = vec![Cell::EMPTY; new.len()];
    let anew = changes(&[&new[..first], &blank[first..]].concat(), new, y);
    // Erase only the end of the row if that is blank now.
    let tail_is_left = old.iter().skip(end).filter(|cell| !is_blank(cell)).count() > 3;
    let ended = changes(&[&old[..end.max(first)], &blank[end.max(first)..]].concat(), new, y);
    let erases = |at: usize, runs: &[Run]| cost(runs) + 8 + usize::from(at > 99);
    let narrow = is_narrow(old) && is_narrow(new);
    let choices = [
        (cost(&changed), changed, None),
        (if narrow { erases(first, &anew) } else { usize::MAX }, anew, Some(first)),
        (if narrow && tail_is_left { erases(end, &ended) } else { usize::MAX }, ended, Some(end.max(first))),
    ];
    let (_, runs, erased) = choices.into_iter().min_by_key(|(cost, ..)| *cost)?;
    Some(RowChange { erased_from: erased.map(|x| x as u16), runs })
}

/// An estimate of the bytes that the runs of a row take: their characters, moves between runs of one style, and a few
/// bytes for each style.
fn cost(runs: &[Run]) -> usize {
    let mut ends: Vec<(CellStyle, u16)> = Vec::new();
    let way = |run: &Run| {
        let end = run.at.0 + run.columns;
        match ends.iter_mut().find(|(style, _)| *style == run.style) {
            Some((_, before)) => {
                let gap = run.at.0 - *before;
                *before = end;
                usize::from(if gap <= SHORT_GAP { gap } else { 4 })
            }
            None => {
                ends.push((run.style, end));
                5
            }
        }
    };
    runs.iter().map(|run| run.text.len()).sum::<usize>() + runs.iter().map(way).sum::<usize>()
}

/// The style in which a run and the cell behind it can be written together; a blank can have any style that does not
/// show on blanks. `None` if there is no such style.
fn shared_style(run: &Run, cell: &Cell) -> Option<CellStyle> {
    let style = CellStyle::of(cell);
    let run_is_blank = run.style.shows_no_blanks() && run.text.bytes().all(|letter| letter == b' ');
    match () {
        () if run.style == style || (is_blank(cell) && run.style.shows_no_blanks()) => Some(run.style),
        () if run_is_blank && style.shows_no_blanks() => Some(style),
        () => None,
    }
}

/// All cells that changed, as runs of neighbours that can be written in one style.
fn changes(old: &[Cell], new: &[Cell], y: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut x = 0;
    // The number of columns, from here on, that a wide letter of the old frame covered.
    let mut uncovered = 0;
    while x < new.len() {
        let columns = text::width(new[x].symbol()).max(1);
        let was = text::width(old[x].symbol()).max(1);
        if uncovered > 0 || !is_same(&old[x], &new[x]) {
            let (at, style) = ((x as u16, y), CellStyle::of(&new[x]));
            let before = runs.last_mut().filter(|run| run.at.0 + run.columns == at.0);
            match before.and_then(|run| Some((shared_style(run, &new[x])?, run))) {
                Some((shared, run)) => {
                    run.style = shared;
                    run.text.push_str(new[x].symbol());
                    run.columns += columns as u16;
                }
                None => {
                    runs.push(Run { at, columns: columns as u16, style, text: new[x].symbol().to_owned() })
                }
            }
            uncovered = uncovered.max(was);
        }
        uncovered = uncovered.saturating_sub(columns);
        x += columns;
    }
    runs
}

/// Whether two cells look the same.
pub fn is_same(a: &Cell, b: &Cell) -> bool {
    (is_blank(a) && is_blank(b)) || (a.symbol() == b.symbol() && CellStyle::of(a) == CellStyle::of(b))
}

/// Whether a cell looks like an erased one.
pub fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && cell.bg == Color::Reset && CellStyle::of(cell).shows_no_blanks()
}
