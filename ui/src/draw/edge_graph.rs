//! The cell of NAS-Bench-201 as a graph: its four nodes stand on a line, and edges that skip a node run below that
//! line.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    widgets::Widget,
};
use relativenas_core::tabular::{EDGES, EdgeOperation, OPERATIONS, ends};

use super::{pen::Pen, side::Side, text};
use crate::{glyphs::Glyphs, theme::Palette};

/// The names of the nodes.
const NODES: [&str; 4] = ["in", "1", "2", "out"];

/// Rows of the drawing where there is little room, and the row that each edge runs on.
const ROWS: usize = 5;
const ROW_OF: [usize; EDGES] = [0, 2, 0, 4, 3, 0];

/// Columns that a name of an operation wants: in full, and short.
const LONG: usize = 12;
const SHORT: usize = 2;

/// A graph of the cell with one operation an edge; where there is no room, a line an edge.
#[derive(Clone, Debug)]
pub struct EdgeGraph<'a> {
    indices: [usize; EDGES],
    /// The cell that it is compared with, and which of the two this one is.
    other: Option<([usize; EDGES], Side)>,
    marked: &'a [usize],
    glyphs: &'a Glyphs,
    palette: &'a Palette,
}

impl<'a> EdgeGraph<'a> {
    /// `indices` are those of each edge's operation in [`OPERATIONS`].
    pub fn new(indices: [usize; EDGES], glyphs: &'a Glyphs, palette: &'a Palette) -> Self {
        Self { indices, other: None, marked: &[], glyphs, palette }
    }

    /// Edges whose operations are shown in reverse video, such as those that just changed.
    pub fn marked(mut self, edges: &'a [usize]) -> Self {
        self.marked = edges;
        self
    }

    /// Compares the cell with another one: marked edges are bold, the others dim. On [`Side::After`], an edge whose
    /// operation differs names both operations, such as `c1→c3`.
    pub fn compared_with(mut self, other: [usize; EDGES], side: Side) -> Self {
        self.other = Some((other, side));
        self
    }

    /// What is written on an edge, with names in full or short.
    fn label(&self, edge: usize, long: bool) -> String {
        let name = |operation: EdgeOperation| if long { operation.name() } else { operation.short_name() };
        let before = self.other.filter(|(_, side)| *side == Side::After);
        let (now, before) = (self.operation(edge), before.map(|(before, _)| OPERATIONS[before[edge]]));
        match before.filter(|before| *before != now) {
            Some(before) => format!("{}{}{}", name(before), self.glyphs.arrow_right, name(now)),
            None => name(now).to_owned(),
        }
    }

    /// The style of an edge, and that of what is written on it.
    fn styles(&self, edge: usize) -> (Style, Style) {
        let own = operation_style(self.operation(edge), self.palette);
        match (self.other.is_some(), self.marked.contains(&edge)) {
            (true, true) => (own.add_modifier(Modifier::BOLD), own.add_modifier(Modifier::BOLD)),
            (true, false) => (self.palette.dim, self.palette.dim),
            (false, true) => (own, own.add_modifier(Modifier::REVERSED)),
            (false, false) => (own, own),
        }
    }

    fn operation(&self, edge: usize) -> EdgeOperation {
        OPERATIONS[self.indices[edge]]
    }

    fn draw_graph(&self, pen: &mut Pen<'_>, width: usize) {
        let columns = columns(width);
        let long = columns[1] - columns[0] >= LONG + 6;
        // Twice as high where there is room.
        let pitch = if pen.height() > 2 * (ROWS - 1) { 2 } else { 1 };
        // The longest first: those within it branch off its ends.
        for edge in [3, 1, 4, 0, 2, 5] {
            self.draw_edge(edge, &columns, (long, pitch), pen);
        }
        for (name, column) in NODES.into_iter().zip(columns) {
            pen.text(column, 0, name, self.palette.strong);
        }
    }

    fn draw_edge(&self, edge: usize, columns: &[usize; 4], (long, pitch): (bool, usize), pen: &mut Pen<'_>) {
        let g = self.glyphs;
        let operation = self.operation(edge);
        let (style, label_style) = self.styles(edge);
        let shaft = match (operation, g.is_ascii()) {
            (EdgeOperation::None, true) => '.',
            (EdgeOperation::None, false) => g.dashed,
            _ => g.horizontal,
        };
        let (from, to) = ends(edge);
        let row = pitch * ROW_OF[edge];
        let passes = row > 0;
        let (left, right) = if passes {
            (columns[from], columns[to])
        } else {
            (columns[from] + NODES[from].len() + 1, columns[to] - 2)
        };
        pen.run(left, row, right - left + 1, shaft, style);
        if passes {
            // What comes from the input, and what leads to the output, shares a line with edge 3.
            let (shared_left, shared_right) = (edge == 1, edge == 4);
            for y in 1..row {
                if !shared_left {
                    pen.glyph(left, y, g.vertical, style);
                }
                if !shared_right {
                    pen.glyph(right, y, g.vertical, style);
                }
            }
            pen.glyph(left, row, if shared_left { g.tee_right } else { g.bottom_left }, style);
            pen.glyph(right, row, if shared_right { g.tee_left } else { g.bottom_right }, style);
            if !shared_right {
                pen.glyph(right, 1, if g.is_ascii() { '^' } else { '▲' }, style);
            }
        } else {
            pen.glyph(right, 0, if g.is_ascii() { '>' } else { '▶' }, style);
        }
        // In the middle of its first stretch, where no vertical line passes.
        let stretch = if passes { columns[from + 1] - columns[from] } else { right - left };
        let name = self.label(edge, long);
        let name = if text::width(&name) + 2 <= stretch { name } else { self.label(edge, false) };
        let start = left + (stretch.saturating_sub(text::width(&name) + 2)).div_ceil(2).max(1);
        pen.text(start, row, &format!(" {name} "), label_style);
    }

    fn draw_lines(&self, pen: &mut Pen<'_>) {
        let arrow = self.glyphs.arrow_right;
        for edge in 0..EDGES {
            let (from, to) = ends(edge);
            let ends = format!("{:>3} {arrow} {:<3} ", NODES[from], NODES[to]);
            let x = pen.text(0, edge, &ends, self.palette.dim);
            let (_, style) = self.styles(edge);
            pen.text(x, edge, &self.label(edge, true), style);
        }
    }
}

/// Where the nodes stand; the last one's name ends with the drawing.
fn columns(width: usize) -> [usize; 4] {
    let last = width - NODES[3].len();
    [0, last / 3, last * 2 / 3, last]
}

impl Widget for EdgeGraph<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let mut pen = Pen::new(area, buffer);
        // A drawing that is wider than this is not clearer.
        let width = pen.width().min(76);
        let least = 3 * (SHORT + 8) + NODES[3].len();
        if width >= least && pen.height() >= ROWS {
            self.draw_graph(&mut pen, width);
        } else {
            self.draw_lines(&mut pen);
        }
    }
}

fn operation_style(operation: EdgeOperation, palette: &Palette) -> Style {
    match operation {
        EdgeOperation::Conv1x1 => palette.series[0],
        EdgeOperation::Conv3x3 => palette.fast,
        EdgeOperation::AvgPool3x3 => palette.series[1],
        EdgeOperation::SkipConnect => palette.text,
        EdgeOperation::None => palette.dim,
    }
}

#[cfg(test)]
mod tests {
    use relativenas_core::config::Theme;

    use super::*;
    use crate::{draw::tests::sheet, glyphs::Fineness, theme::Depth};

    fn drawn(fineness: Fineness) -> String {
        let glyphs = Glyphs::new(fineness);
        let palette = Palette::new(Theme::Dark, Depth::None);
        let graph = EdgeGraph::new([3, 0, 1, 4, 2, 3], &glyphs, &palette);
        sheet(&[(70, 9), (70, 5), (40, 5), (30, 6), (3, 2)], |area, buffer| {
            graph.clone().render(area, buffer)
        })
    }

    #[test]
    fn a_cell_is_drawn_where_there_is_room_and_listed_elsewhere() {
        insta::assert_snapshot!(drawn(Fineness::Braille));
    }

    #[test]
    fn an_edge_says_what_it_was_in_the_cell_that_is_compared() {
        let glyphs = Glyphs::new(Fineness::Braille);
        let palette = Palette::new(Theme::Dark, Depth::None);
        let graph = EdgeGraph::new([3, 0, 1, 4, 2, 3], &glyphs, &palette)
            .compared_with([3, 1, 1, 0, 2, 2], Side::After);
        insta::assert_snapshot!(sheet(&[(70, 9), (40, 5), (30, 6)], |area, buffer| {
            graph.clone().render(area, buffer)
        }));
    }

    #[test]
    fn ascii_is_ascii() {
        let drawn = drawn(Fineness::Ascii);
        assert!(drawn.is_ascii(), "{drawn}");
        insta::assert_snapshot!(drawn);
    }
}
