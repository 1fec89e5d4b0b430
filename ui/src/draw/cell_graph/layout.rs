//! Positions of the parts of a cell's graph.

use std::{cmp::Reverse, ops::Range};

use relativenas_core::{
    genotype::{Cell, Gene},
    operation::Operation,
};

use crate::{
    draw::{side::Side, text},
    glyphs::Glyphs,
};

/// Indices of the genes that are drawn as one edge: one gene, or both genes of a node if they are the same.
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
    /// The operation's short name, or two of them: see [`Labels`].
    pub label: String,
}

/// A cell, and the one that it is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    pub cell: &'a Cell,
    pub other: Option<(&'a Cell, Side)>,
}

/// What is written on an edge whose operation is not that of the other cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels {
    /// On the side after, the operation before and its own: `s5→d3`.
    Change,
    /// Its own operation.
    Own,
}

impl Compared<'_> {
    /// The number of nodes for which room is kept: that of the larger cell.
    fn nodes(&self) -> usize {
        self.cell.nodes().max(self.other.map_or(0, |(other, _)| other.nodes()))
    }

    fn own(&self, gene: usize) -> Option<Gene> {
        self.cell.genes.get(gene).copied()
    }

    fn others(&self, gene: usize) -> Option<Gene> {
        self.other.and_then(|(other, _)| other.genes.get(gene).copied())
    }

    /// The edges of a node from left to right, in the order that fits both cells: the nearer a wire, the farther left,
    /// so that it can end there instead of being crossed. It is one edge if both are the same in either cell.
    fn edges(&self, node: usize) -> Vec<Genes> {
        let (first, second) = (2 * node, 2 * node + 1);
        if self.own(first) == self.own(second) && self.others(first) == self.others(second) {
            let both = first..second + 1;
            return vec![both];
        }
        let inputs = |genes: &Genes| {
            let of = |gene: Option<Gene>| gene.map(|gene| gene.input);
            let (own, others) = (of(self.own(genes.start)), of(self.others(genes.start)));
            own.or(others).unwrap_or(0) + others.or(own).unwrap_or(0)
        };
        let mut edges = vec![first..second, second..second + 1];
        edges.sort_by_key(|genes| Reverse(inputs(genes)));
        edges
    }

    /// What is written on the edge of these genes, and the most columns that it takes on either side.
    fn label(&self, genes: &Genes, labels: Labels, glyphs: &Glyphs) -> (String, usize) {
        let times = if glyphs.is_ascii() { "x2" } else { "×2" };
        let times = if genes.len() > 1 { times } else { "" };
        let own = self.own(genes.start).map(|gene| gene.operation);
        let others = self.others(genes.start).map(|gene| gene.operation);
        let alone = |operation: Operation| format!("{}{times}", operation.short_name());
        let change = |from: Operation, to: Operation| {
            format!("{}{}{}{times}", from.short_name(), glyphs.arrow_right, to.short_name())
        };
        let own_label = own.or(others).map(alone).unwrap_or_default();
        let (Some(own), Some(others)) = (own, others) else {
            return (own_label.clone(), text::width(&own_label));
        };
        if own == others || labels == Labels::Own {
            return (own_label.clone(), text::width(&own_label));
        }
        match self.other {
            Some((_, Side::After)) => {
                let label = change(others, own);
                (label.clone(), text::width(&label))
            }
            _ => (own_label, text::width(&change(own, others))),
        }
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
const MEASURES: [Measures; 3] = [
    Measures { between: 3, arrow: 3, frame: 4, gap: 2, long_names: true },
    Measures { between: 4, arrow: 3, frame: 0, gap: 3, long_names: true },
    Measures { between: 3, arrow: 2, frame: 0, gap: 2, long_names: false },
];

/// Columns of `▶out` and of the line where the wires meet.
const OUTPUT: usize = 5;

impl Layout {
    /// The roomiest layout of a cell, and of the one that it is compared with, that fits; `None` if there is none.
    pub fn of(
        cells: Compared<'_>,
        labels: Labels,
        (width, height): (usize, usize),
        glyphs: &Glyphs,
    ) -> Option<Self> {
        let wires = cells.nodes() + 2;
        if cells.cell.nodes() == 0 || height < wires {
            return None;
        }
        MEASURES.iter().find_map(|measures| Self::with(cells, labels, measures, (width, height), glyphs))
    }

    fn with(
        cells: Compared<'_>,
        labels: Labels,
        measures: &Measures,
        (width, height): (usize, usize),
        glyphs: &Glyphs,
    ) -> Option<Self> {
        let boxed = measures.frame > 0;
        let wires = cells.nodes() + 2;
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
        for node in 0..cells.nodes() {
            column = layout.add_node((cells, labels), node, column, measures, glyphs);
        }
        // A dash of a wire is enough before the output.
        layout.output = column + 1 - measures.gap.max(1);
        layout.output += usize::from(measures.long_names);
        (layout.output + OUTPUT <= width).then_some(layout)
    }

    /// Places a node; a node that only the other cell has takes its room and is not drawn. Returns the column for
    /// the next one.
    fn add_node(
        &mut self,
        (cells, labels): (Compared<'_>, Labels),
        node: usize,
        start: usize,
        measures: &Measures,
        glyphs: &Glyphs,
    ) -> usize {
        let mut drops = Vec::new();
        let (mut last, mut label_width) = (start, 0);
        for (place, genes) in cells.edges(node).into_iter().enumerate() {
            if place > 0 {
                // The label before ends before this one begins.
                last += measures.between.max(label_width + 1);
            }
            let (label, widest) = cells.label(&genes, labels, glyphs);
            label_width = widest;
            if let Some(Gene { input, operation }) = cells.own(genes.start) {
                drops.push(Drop { input, operation, genes, column: last, label });
            }
        }
        for drop in &drops {
            if let Some(wire) = self.wires.get_mut(drop.input) {
                wire.last_read = wire.last_read.max(drop.column + 1);
            }
        }
        let name = node.to_string().len();
        let beside = match () {
            // The frame stands in the row of the label.
            () if self.boxed => label_width + 1,
            // A long one ends before the next node's first operation.
            () if label_width > 4 => (label_width + 2).saturating_sub(name + measures.gap),
            () => 0,
        };
        let column = last + measures.arrow.max(beside);
        let end = column + name + measures.frame;
        if node < cells.cell.nodes() {
            self.nodes.push(NodePlace { drops, column });
            self.wires.push(Wire { start: end, last_read: 0 });
        }
        end + measures.gap
    }

    /// The row of an input or node.
    pub fn row(&self, input: usize) -> usize {
        self.top + self.pitch * input
    }

    /// The name at the left end of an input's wire.
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
