//! Writes the difference of two frames in few bytes: blanks are erased, each colour is named once if possible, and
//! the cursor is moved only where that is shorter than writing the characters in between again.

mod order;
mod runs;
mod style;
mod writing;

use std::io::{self, Write};

use ratatui::{buffer::Buffer, layout::Rect};

use self::{
    order::in_short_order,
    runs::{Run, row_change},
    style::dress,
    writing::{FROM_NOTHING, WritingState, erase, write_run},
};

/// Writes frames to a terminal: of each frame only what differs from the one before.
///
/// ratatui's own backend resets and names colours for every change, and writes blanks one by one.
pub struct Painter<W: Write> {
    writer: W,
    shown: Buffer,
    pen: WritingState,
}

impl<W: Write> Painter<W> {
    pub fn new(writer: W) -> Self {
        Self { writer, shown: Buffer::empty(Rect::ZERO), pen: FROM_NOTHING }
    }

    /// Forgets what is on the screen: the next frame is drawn in full.
    pub fn forget(&mut self) {
        self.shown = Buffer::empty(Rect::ZERO);
    }

    /// Shows a frame, and returns how many bytes were written for it. The first frame, and a frame of another size
    /// than the one before, is drawn on a cleared screen.
    ///
    /// # Errors
    /// If the terminal cannot be written.
    pub fn show(&mut self, frame: Buffer) -> io::Result<usize> {
        let mut bytes = Vec::new();
        let mut pen = self.pen;
        if frame.area != self.shown.area {
            self.shown = Buffer::empty(frame.area);
            bytes.extend_from_slice(b"\x1b[0m\x1b[2J");
            pen = FROM_NOTHING;
        }
        let width = usize::from(frame.area.width).max(1);
        let mut runs = Vec::new();
        // Cells that are still to be written.
        let mut open = vec![false; frame.content().len()];
        let rows = self.shown.content().chunks(width).zip(frame.content().chunks(width));
        for (y, (old, new)) in (0..).zip(rows) {
            let Some(change) = row_change(old, new, y) else { continue };
            if let Some(x) = change.erased_from {
                erase(&mut bytes, &mut pen, (x, y));
            }
            // What has the pen's colour already is written where the row was erased.
            let (now, later): (Vec<Run>, Vec<Run>) =
                change.runs.into_iter().partition(|run| run.style == pen.style);
            let open = &mut open[usize::from(y) * width..][..width];
            later.iter().for_each(|run| open[run.place()].fill(true));
            now.iter().for_each(|run| write_run(&mut bytes, &mut pen, run, (new, open)));
            runs.extend(later);
        }
        // Runs are written style by style, because a move takes fewer bytes than a change of colour.
        while let Some(style) = runs.first().map(|run| run.style) {
            let (now, later): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| run.style == style);
            dress(&mut bytes, &mut pen.style, style);
            let start = |run: &Run| usize::from(run.at.1) * width;
            let now = in_short_order(now, &pen, width);
            now.iter().for_each(|run| open[start(run)..][run.place()].fill(false));
            for run in &now {
                let row = (&frame.content()[start(run)..][..width], &open[start(run)..][..width]);
                write_run(&mut bytes, &mut pen, run, row);
            }
            runs = later;
        }
        if bytes.is_empty() {
            self.shown = frame; // Blanks may differ in what cannot be seen.
            return Ok(0);
        }
        self.writer.write_all(b"\x1b[?2026h")?;
        let written = self.writer.write_all(&bytes);
        // The synchronized update is ended even if writing failed.
        self.writer.write_all(b"\x1b[?2026l")?;
        self.writer.flush()?;
        written?;
        self.shown = frame;
        self.pen = pen;
        Ok(bytes.len())
    }
}

#[cfg(test)]
mod tests;
