//! A cell as a graph, drawn like a circuit.
//!
//! Every value of the cell (its two inputs, its nodes) is a wire that runs from left to right on a
//! row of its own. A node's operations drop from the wires they read, straight down to the node,
//! which starts a new wire. A line that passes another without a `┬` is not connected to it. The
//! drawing shows depth and width at a glance: a deep cell is a staircase of short drops, a shallow
//! one a curtain of long ones.

mod layout;

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Widget,
};
use relativenas_core::{
    genotype::{Cell, Gene},
    operation::Operation,
};

pub use self::layout::input_name;
use self::layout::{Compared, Drop, Labels, Layout};
use super::{pen::Pen, side::Side};
use crate::{glyphs::Glyphs, theme::Palette};

/// A graph of one cell; where there is no room for it, a sentence a node.
#[derive(Clone, Debug)]
pub struct CellGraph<'a> {
    cell: &'a Cell,
    /// The cell that it is compared with, and which of the two this one is.
    other: Option<(&'a Cell, Side)>,
    marked: &'a [usize],
    glyphs: &'a Glyphs,
    palette: &'a Palette,
}

impl<'a> CellGraph<'a> {
    pub fn new(cell: &'a Cell, glyphs: &'a Glyphs, palette: &'a Palette) -> Self {
        Self { cell, other: None, marked: &[], glyphs, palette }
    }

    /// Genes (indices into [`Cell::genes`]) whose operations are shown in reverse video, such as those that just
    /// changed.
    pub fn marked(mut self, genes: &'a [usize]) -> Self {
        self.marked = genes;
        self
    }

    /// Compares the cell with another one. Drawn in areas of the same size, both have their nodes and equal edges in
    /// the same place. Marked edges are bold, the others dim. On [`Side::After`], an edge whose operation differs
    /// names both operations, such as `s5→d3`.
    pub fn compared_with(mut self, other: &'a Cell, side: Side) -> Self {
        self.other = Some((other, side));
        self
    }

    fn draw_graph(&self, layout: &Layout, pen: &mut Pen<'_>) {
        for input in 0..layout.wires.len() {
            self.draw_wire(input, layout, pen);
        }
        for node in 0..self.cell.nodes() {
            self.draw_node(node, layout, pen);
        }
        self.draw_output(layout, pen);
    }

    /// A wire: solid to the last operation that reads it, in dashes from there to the output.
    fn draw_wire(&self, input: usize, layout: &Layout, pen: &mut Pen<'_>) {
        let row = layout.row(input);
        let wire = &layout.wires[input];
        let read = wire.last_read.max(wire.start);
        if input < 2 {
            let read = self.cell.reads(input);
            let style = if read { self.palette.text } else { self.palette.dim };
            let end = pen.text(0, row, &layout.input_name(input), style);
            if !read {
                pen.text(end + 1, row, "not read", self.palette.dim);
            }
        }
        pen.run(wire.start, row, read - wire.start, self.glyphs.horizontal, self.palette.rule);
        if self.cell.concat.contains(&input) {
            let dashed = if self.glyphs.is_ascii() { '.' } else { self.glyphs.dashed };
            // With blanks between, which take fewer bytes on a slow link.
            for column in (read..layout.output).step_by(2) {
                pen.glyph(column, row, dashed, self.palette.rule);
            }
        }
    }

    fn draw_node(&self, node: usize, layout: &Layout, pen: &mut Pen<'_>) {
        let row = layout.row(node + 2);
        let place = &layout.nodes[node];
        let drops = &place.drops;
        if let (Some(first), Some(last)) = (drops.first(), drops.last()) {
            let rule = self.palette.text;
            pen.run(first.column, row, place.column - first.column, self.glyphs.horizontal, rule);
            for drop in drops {
                self.draw_drop(drop, row, layout, pen);
            }
            pen.glyph(first.column, row, self.glyphs.bottom_left, rule);
            if last.column > first.column {
                pen.glyph(last.column, row, self.glyphs.tee_up, rule);
            }
            let head = if self.glyphs.is_ascii() { self.glyphs.arrow_right } else { '▶' };
            pen.glyph(place.column - 1, row, head, rule);
        }
        self.draw_name(node, row, layout, pen);
    }

    fn draw_name(&self, node: usize, row: usize, layout: &Layout, pen: &mut Pen<'_>) {
        let used = self.cell.reads(node + 2);
        let style = if used { self.palette.strong } else { self.palette.dim };
        let column = layout.nodes[node].column;
        let name = node.to_string();
        let g = self.glyphs;
        if !layout.boxed {
            pen.text(column, row, &name, style);
            return;
        }
        let inner = name.len() + 2;
        let border = |left: char, right: char| {
            let line: String = std::iter::repeat_n(g.horizontal, inner).collect();
            format!("{left}{line}{right}")
        };
        pen.text(column, row - 1, &border(g.top_left, g.top_right), style);
        pen.text(
            column,
            row,
            &format!("{} {name} {}", g.vertical, if used { g.tee_right } else { g.vertical }),
            style,
        );
        pen.text(column, row + 1, &border(g.bottom_left, g.bottom_right), style);
    }

    /// The line from the wire that an operation reads down to its node, with the operation's name.
    fn draw_drop(&self, drop: &Drop, bottom: usize, layout: &Layout, pen: &mut Pen<'_>) {
        let top = layout.row(drop.input);
        let marked = drop.genes.clone().any(|g| self.marked.contains(&g));
        let own = operation_style(drop.operation, self.palette);
        let (style, emphasis) = match (self.other.is_some(), marked) {
            (true, true) => (own.add_modifier(Modifier::BOLD), Modifier::BOLD),
            (true, false) => (self.palette.dim, Modifier::empty()),
            (false, true) => (own, Modifier::REVERSED),
            (false, false) => (own, Modifier::empty()),
        };
        for row in top + 1..bottom {
            pen.glyph(drop.column, row, self.glyphs.vertical, style);
        }
        let label = &drop.label;
        // Just above the node if there is a row for it, else in place of the branch.
        if layout.pitch > 1 {
            pen.glyph(drop.column, top, self.glyphs.tee_down, style);
            pen.text(drop.column, bottom - 1, label, style.add_modifier(emphasis));
        } else {
            pen.text(drop.column, top, label, style.add_modifier(emphasis));
        }
    }

    /// Draws the line that joins the wires of all concatenated nodes and leads to the output.
    fn draw_output(&self, layout: &Layout, pen: &mut Pen<'_>) {
        let g = self.glyphs;
        let rows: Vec<usize> = (0..layout.wires.len())
            .filter(|input| self.cell.concat.contains(input))
            .map(|input| layout.row(input))
            .collect();
        let (Some(&top), Some(&bottom)) = (rows.first(), rows.last()) else { return };
        let middle = (top + bottom) / 2;
        for row in top..=bottom {
            let corner = match (rows.contains(&row), row) {
                (true, _) if top == bottom => g.horizontal,
                (true, _) if row == middle => g.cross,
                (true, _) if row == top => g.top_right,
                (true, _) if row == bottom => g.bottom_right,
                (true, _) => g.tee_left,
                (false, _) if row == middle => g.tee_right,
                (false, _) => g.vertical,
            };
            pen.glyph(layout.output, row, corner, self.palette.text);
        }
        let head = if g.is_ascii() { g.arrow_right } else { '▶' };
        pen.glyph(layout.output + 1, middle, head, self.palette.text);
        pen.text(layout.output + 2, middle, "out", self.palette.strong);
    }

    fn draw_sentences(&self, pen: &mut Pen<'_>) {
        let width = pen.width();
        for (row, sentence) in sentences(self.cell, self.glyphs).iter().enumerate() {
            let shown = super::text::truncate(sentence, width, self.glyphs);
            pen.text(0, row, &shown, self.palette.text);
        }
    }
}

impl Widget for CellGraph<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let mut pen = Pen::new(area, buffer);
        let cells = Compared { cell: self.cell, other: self.other };
        let of = |labels| Layout::of(cells, labels, (pen.width(), pen.height()), self.glyphs);
        // Where there is no room to say what an edge was before, it is marked alone.
        match of(Labels::Change).or_else(|| of(Labels::Own)) {
            Some(layout) => self.draw_graph(&layout, &mut pen),
            None => self.draw_sentences(&mut pen),
        }
    }
}

/// A line for each node that says what it computes, such as `node 2 ← s3(node 0) + id(c(k-1))`, and a last line with
/// the values that are concatenated to the cell's output.
pub fn sentences(cell: &Cell, glyphs: &Glyphs) -> Vec<String> {
    let term = |gene: &Gene| format!("{}({})", gene.operation.short_name(), input_name(gene.input));
    let (arrow, times) = if glyphs.is_ascii() { ("<-", "2 ") } else { ("←", "2×") };
    let node = |(node, genes): (usize, &[Gene])| match genes {
        [a, b] if a == b => format!("node {node} {arrow} {times}{}", term(a)),
        genes => format!("node {node} {arrow} {}", genes.iter().map(term).collect::<Vec<_>>().join(" + ")),
    };
    let nodes = cell.genes.chunks(2).enumerate().map(node);
    let out: Vec<_> = cell.concat.iter().map(|&input| input_name(input)).collect();
    nodes.chain([format!("out {arrow} {}", out.join(", "))]).collect()
}

/// The short names that occur in these cells, spelled out: `s3 sep_conv_3x3   id skip_connect`.
pub fn legend(cells: &[&Cell], palette: &Palette) -> Line<'static> {
    let mut operations: Vec<_> = cells.iter().flat_map(|c| &c.genes).map(|g| g.operation).collect();
    operations.sort_unstable();
    operations.dedup();
    let spans = operations.into_iter().flat_map(|operation| {
        let style = operation_style(operation, palette);
        let short = Span::styled(operation.short_name(), style.add_modifier(Modifier::BOLD));
        [short, Span::styled(format!(" {}   ", operation.name()), palette.dim)]
    });
    Line::from_iter(spans)
}

/// The colour of an operation's family. Where there is no colour, the names tell operations apart.
pub fn operation_style(operation: Operation, palette: &Palette) -> Style {
    let [dilated, pooling, _, other] = palette.series;
    match operation {
        Operation::SepConv3x3 | Operation::SepConv5x5 | Operation::SepConv7x7 => palette.fast,
        Operation::DilConv3x3 | Operation::DilConv5x5 => dilated,
        Operation::MaxPool3x3 | Operation::AvgPool3x3 => pooling,
        Operation::Conv7x1Then1x7 => other,
        Operation::SkipConnect | Operation::None => palette.dim,
    }
}

#[cfg(test)]
mod tests;
