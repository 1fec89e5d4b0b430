//! Positions of the parts of a cell's graph.

use std::ops::Range;

use relativenas_core::{genotype::Cell, operation::Operation};

use crate::{draw::text, glyphs::Glyphs};

/// Genes that say the same thing and are drawn as one.
pub type Genes = Range<usize>;

/// Columns and rows of everything in a graph.
pub struct Layout {
    /// Rows from one wire to the next.
    pub pitch: usize,
    /// Whether nodes have a frame of three rows.
    pub boxed: bool,
    top: usize,
    long_names: bool,
    pub wires: Vec<Wire>,
    pub nodes: Vec<NodePlace>,
    /// The column where the output's wires meet.
    pub output: usize,
}

/// A value's row, from the column where it starts to that of the last operation that reads it.
pub struct Wire {
    pub start: usize,
    pub last_read: usize,
}

pub struct NodePlace {
    /// The node's operations from left to right; there is one if both are the same.
    pub drops: Vec<Drop>,
    /// The column where the node's name or frame begins.
    pub column: usize,
}

/// An operation, drawn from the wire that it reads down to its node.
pub struct Drop {
    pub input: usize,
    pub operation: Operation,
    pub genes: Genes,
    pub column: usize,
    /// The operation's short name; where another cell has another operation there, both: `s5→d3`.
    pub label: String,
}

/// What is written on the edge of these genes.
fn label((cell, before): (&Cell, Option<&Cell>), genes: &Genes, glyphs: &Glyphs) -> String {
    let times = if glyphs.is_ascii() { "x2" } else { "×2" };
    let times = if genes.len() > 1 { times } else { "" };
    let operation = cell.genes[genes.start].operation;
    let was = before.and_then(|before| before.genes.get(genes.start)).map(|gene| gene.operation);
    match was.filter(|was| *was != operation) {
        Some(was) => format!("{}{}{}{times}", was.short_name(), glyphs.arrow_right, operation.short_name()),
        None => format!("{}{times}", operation.short_name()),
    }
}

/// How many columns the parts of a graph take. There are several choices, from roomy to narrow.
struct Measures {
    /// Columns from one operation of a node to the other.
    between: usize,
    /// Columns of the arrow from the second operation to the node's name or frame.
    arrow: usize,
    frame: usize,
    /// Columns from the node's name or frame to the next node's first operation.
    gap: usize,
    /// Whether the inputs are called `c(k-2)`, not `k-2`.
    long_names: bool,
}

/// All choices of measures, from the widest to the narrowest.
const MEASURES: [Measures; 5] = [
    Measures { between: 5, arrow: 4, frame: 4, gap: 4, long_names: true },
    Measures { between: 4, arrow: 3, frame: 4, gap: 3, long_names: true },
    Measures { between: 3, arrow: 3, frame: 4, gap: 2, long_names: true },
    Measures { between: 4, arrow: 3, frame: 0, gap: 3, long_names: true },
    Measures { between: 3, arrow: 2, frame: 0, gap: 2, long_names: false },
];

/// `▶out` and the column where the wires meet.
const OUTPUT: usize = 5;

impl Layout {
    /// The roomiest layout of a cell, and the one that it is compared with, that fits; `None` if there is none.
    pub fn of(cells: (&Cell, Option<&Cell>), width: usize, height: usize, glyphs: &Glyphs) -> Option<Self> {
        let (cell, _) = cells;
        let wires = cell.nodes() + 2;
        if cell.nodes() == 0 || height < wires {
            return None;
        }
        MEASURES.iter().find_map(|measures| Self::with(cells, measures, width, height, glyphs))
    }

    fn with(
        cells: (&Cell, Option<&Cell>),
        measures: &Measures,
        width: usize,
        height: usize,
        glyphs: &Glyphs,
    ) -> Option<Self> {
        let (cell, _) = cells;
        let boxed = measures.frame > 0;
        let wires = cell.nodes() + 2;
        let room = height.checked_sub(usize::from(boxed))?;
        let pitch = ((room.checked_sub(1)?) / (wires - 1)).min(if boxed { 3 } else { 2 });
        if pitch < if boxed { 2 } else { 1 } {
            return None;
        }
        let used = pitch * (wires - 1) + 1 + usize::from(boxed);
        let mut layout = Self {
            pitch,
            boxed,
            top: ((height - used) / 2).min(1),
            long_names: measures.long_names,
            wires: Vec::new(),
            nodes: Vec::new(),
            output: 0,
        };
        let start = layout.input_name(0).len() + usize::from(measures.long_names);
        layout.wires.extend((0..2).map(|_| Wire { start, last_read: 0 }));
        let mut column = start + measures.gap - 1;
        for node in 0..cell.nodes() {
            column = layout.add_node(cells, node, column, measures, glyphs);
        }
        // A dash of a wire is enough before the output.
        layout.output = column + 1 - measures.gap.max(1);
        layout.output += usize::from(measures.long_names);
        (layout.output + OUTPUT <= width).then_some(layout)
    }

    /// Places a node. Returns the column for the next one.
    fn add_node(
        &mut self,
        cells: (&Cell, Option<&Cell>),
        node: usize,
        start: usize,
        measures: &Measures,
        glyphs: &Glyphs,
    ) -> usize {
        let (first, second) = (2 * node, 2 * node + 1);
        let (cell, before) = cells;
        let drop = |genes: Genes| {
            let gene = cell.genes[genes.start];
            let label = label(cells, &genes, glyphs);
            Drop { input: gene.input, operation: gene.operation, genes, column: start, label }
        };
        let operation_before =
            |gene: usize| before.and_then(|cell| cell.genes.get(gene)).map(|g| g.operation);
        let alike = operation_before(first) == operation_before(second);
        let mut drops = match cell.genes[first] == cell.genes[second] && alike {
            true => vec![drop(first..second + 1)],
            false => vec![drop(first..second), drop(second..second + 1)],
        };
        // The nearer wire goes left, so that it can end there instead of being crossed.
        drops.sort_by_key(|d| std::cmp::Reverse(d.input));
        if let [left, right] = &mut drops[..] {
            // Its label ends before that of the other one begins.
            right.column += measures.between.max(text::width(&left.label) + 1);
        }
        for drop in &drops {
            if let Some(wire) = self.wires.get_mut(drop.input) {
                wire.last_read = wire.last_read.max(drop.column + 1);
            }
        }
        let last = drops.last().map_or(start, |d| start.max(d.column));
        let label = drops.last().map_or(0, |d| text::width(&d.label));
        let beside = if self.boxed || label > 4 { label + 1 } else { 0 };
        let column = last + measures.arrow.max(beside);
        let name = node.to_string().len();
        let end = column + name + measures.frame;
        self.nodes.push(NodePlace { drops, column });
        self.wires.push(Wire { start: end, last_read: 0 });
        end + measures.gap
    }

    /// The row of an input or node.
    pub fn row(&self, input: usize) -> usize {
        self.top + self.pitch * input
    }

    /// What stands at the left of an input's wire.
    pub fn input_name(&self, input: usize) -> String {
        if self.long_names { input_name(input) } else { format!("k-{}", 2 - input) }
    }
}

/// The name of a cell's input, `c(k-2)` or `c(k-1)`, or of a node.
pub fn input_name(input: usize) -> String {
    match input {
        0 => "c(k-2)".to_owned(),
        1 => "c(k-1)".to_owned(),
        node => format!("node {}", node - 2),
    }
}
