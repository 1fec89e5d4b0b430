//! Genotypes as pictures: in Graphviz's language, and as self-contained SVG.
//!
//! In the SVG every node has a row of its own, and stands in the column of its depth. An edge leaves its source,
//! turns once in the gap behind it, and runs along the row of the node that reads it, so that edges never cross other
//! nodes.

use std::fmt::Write as _;

use crate::{
    genotype::{Cell, Genotype},
    operation::{CellKind, Family, Operation},
};

/// The genotype in Graphviz's language, with one cluster for each cell.
pub fn dot(genotype: &Genotype) -> String {
    let mut out = String::from(
        "digraph genotype {\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fillcolor=white];\n",
    );
    for kind in CellKind::BOTH {
        let cell = genotype.cell(kind);
        let id = |index: usize| format!("{kind}_{index}");
        let _ = writeln!(out, "  subgraph cluster_{kind} {{\n    label=\"{kind} cell\";");
        for index in 0..cell.nodes() + 2 {
            let _ = writeln!(out, "    {} [label=\"{}\"];", id(index), Cell::input_name(index));
        }
        let _ = writeln!(out, "    {kind}_output [label=\"c(k)\"];");
        for (index, gene) in cell.genes.iter().enumerate() {
            let (from, to) = (id(gene.input), id(2 + Cell::node_of(index)));
            let color = color(gene.operation);
            let _ = writeln!(out, "    {from} -> {to} [label=\"{}\", color=\"{color}\"];", gene.operation);
        }
        for &index in &cell.concat {
            let _ = writeln!(out, "    {} -> {kind}_output [style=dashed];", id(index));
        }
        out.push_str("  }\n");
    }
    out.push_str("}\n");
    out
}

/// A colour for each family that is readable on white.
fn color(operation: Operation) -> &'static str {
    match operation.family() {
        Family::Separable => "#1f6feb",
        Family::Dilated => "#8250df",
        Family::Full => "#0a7f78",
        Family::Pool => "#b35900",
        Family::Skip => "#57606a",
        Family::Zero => "#8c959f",
    }
}

/// The height of a node's row, in pixels.
const ROW: i32 = 64;
const MARGIN: i32 = 24;
const TITLE: i32 = 36;
/// Width and height of the boxes of inputs, nodes and the output.
const BOX: (i32, i32) = (72, 32);
/// Width and height of an operation's box. The boxes of a node's operations stand before it, one above the
/// other.
const CHIP: (i32, i32) = (116, 20);
/// The distance from the middle of a row to the middle of an operation.
const CHIP_OFFSET: i32 = 13;
/// The width of the gap in which edges turn.
const GAP: i32 = 64;
const COLUMN: i32 = GAP + CHIP.0 + 14 + BOX.0;

/// Both cells as a self-contained SVG image.
pub fn svg(genotype: &Genotype) -> String {
    let panels = CellKind::BOTH.map(|kind| Panel { kind, cell: genotype.cell(kind) });
    let width = panels.iter().map(Panel::width).max().unwrap_or(0);
    let height = MARGIN + panels.iter().map(Panel::height).sum::<i32>();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"ui-monospace, Menlo, Consolas, monospace\" \
         font-size=\"12\">\n<title>Normal and reduction cell</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    let mut top = 0;
    for panel in &panels {
        let _ = writeln!(out, "<g transform=\"translate(0 {top})\">");
        panel.draw(&mut out);
        out.push_str("</g>\n");
        top += panel.height();
    }
    out.push_str("</svg>\n");
    out
}

/// One cell with its title; the origin is at its top left corner.
struct Panel<'a> {
    kind: CellKind,
    cell: &'a Cell,
}

impl Panel<'_> {
    fn width(&self) -> i32 {
        self.output_left() + BOX.0 + MARGIN
    }

    fn height(&self) -> i32 {
        MARGIN + TITLE + self.cell.nodes() as i32 * ROW
    }

    fn output_left(&self) -> i32 {
        MARGIN + BOX.0 + self.cell.depth() as i32 * COLUMN + GAP
    }

    /// The middle of a node's row.
    fn row(&self, node: usize) -> i32 {
        MARGIN + TITLE + node as i32 * ROW + ROW / 2
    }

    /// Where an input or a node stands: its left edge and the middle of its height.
    fn place(&self, index: usize, depths: &[usize]) -> (i32, i32) {
        let rows = MARGIN + TITLE + self.cell.nodes() as i32 * ROW / 2;
        match index {
            0 => (MARGIN, rows - ROW / 2),
            1 => (MARGIN, rows + ROW / 2),
            _ => (MARGIN + depths[index - 2] as i32 * COLUMN, self.row(index - 2)),
        }
    }

    fn draw(&self, out: &mut String) {
        let depths = self.cell.node_depths();
        let title = if self.kind == CellKind::Normal { "Normal cell" } else { "Reduction cell" };
        let baseline = MARGIN + TITLE / 2;
        let _ = writeln!(
            out,
            "<text x=\"{MARGIN}\" y=\"{baseline}\" font-size=\"15\" font-weight=\"bold\" \
             fill=\"#1f2328\">{title}</text>"
        );
        self.draw_edges(out, &depths);
        for index in 0..self.cell.nodes() + 2 {
            let (left, middle) = self.place(index, &depths);
            let fill = if index < 2 { "#ddf4ff" } else { "#f6f8fa" };
            draw_box(out, left, middle, fill, &Cell::input_name(index));
        }
        draw_box(out, self.output_left(), self.output_middle(), "#dafbe1", "c(k)");
    }

    fn output_middle(&self) -> i32 {
        MARGIN + TITLE + self.cell.nodes() as i32 * ROW / 2
    }

    fn draw_edges(&self, out: &mut String, depths: &[usize]) {
        for &index in &self.cell.concat {
            let (left, middle) = self.place(index, depths);
            let (from, to) = (left + BOX.0, self.output_left());
            let end = self.output_middle();
            let turn = to - GAP;
            let _ = writeln!(
                out,
                "<path d=\"M{from} {middle} H{turn} C{} {middle} {} {end} {to} {end}\" fill=\"none\" \
                 stroke=\"#8c959f\" stroke-dasharray=\"4 3\"/>",
                turn + GAP / 2,
                to - GAP / 2,
            );
        }
        for (index, gene) in self.cell.genes.iter().enumerate() {
            let (source, start) = self.place(gene.input, depths);
            let (node, row) = self.place(2 + Cell::node_of(index), depths);
            let middle = row + if index % 2 == 0 { -CHIP_OFFSET } else { CHIP_OFFSET };
            let (from, chip) = (source + BOX.0, node - 14 - CHIP.0);
            let (turned, half) = (from + GAP, from + GAP / 2);
            let color = color(gene.operation);
            let _ = writeln!(
                out,
                "<path d=\"M{from} {start} C{half} {start} {half} {middle} {turned} {middle} H{chip}\" \
                 fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\"/>\n\
                 <path d=\"M{} {middle} L{node} {row}\" stroke=\"{color}\" stroke-width=\"1.5\"/>\n\
                 <rect x=\"{chip}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"10\" fill=\"#ffffff\" \
                 stroke=\"{color}\"/>\n\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"{color}\">{}</text>",
                chip + CHIP.0,
                middle - CHIP.1 / 2,
                CHIP.0,
                CHIP.1,
                chip + CHIP.0 / 2,
                middle + 4,
                gene.operation,
            );
        }
    }
}

fn draw_box(out: &mut String, left: i32, middle: i32, fill: &str, label: &str) {
    let _ = writeln!(
        out,
        "<rect x=\"{left}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"6\" fill=\"{fill}\" stroke=\"#57606a\"/>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#1f2328\">{label}</text>",
        middle - BOX.1 / 2,
        BOX.0,
        BOX.1,
        left + BOX.0 / 2,
        middle + 4,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published;

    #[test]
    fn every_edge_is_drawn_and_labelled() {
        for name in published::NAMES {
            let genotype = published::genotype(name).expect("published");
            let cells = [&genotype.normal, &genotype.reduction];
            let edges: usize = cells.iter().map(|c| c.genes.len()).sum();
            let concatenated: usize = cells.iter().map(|c| c.concat.len()).sum();
            let (dot, svg) = (dot(&genotype), svg(&genotype));
            assert_eq!(dot.matches("->").count(), edges + concatenated, "{name}: {dot}");
            assert_eq!(svg.matches("stroke-dasharray").count(), concatenated, "{name}");
            for operation in cells.iter().flat_map(|c| &c.genes).map(|g| g.operation) {
                let count = cells.iter().flat_map(|c| &c.genes).filter(|g| g.operation == operation).count();
                assert_eq!(dot.matches(&format!("label=\"{operation}\"")).count(), count, "{name}");
                assert_eq!(svg.matches(&format!(">{operation}</text>")).count(), count, "{name}");
            }
        }
    }

    #[test]
    fn a_small_genotype_for_graphviz() {
        let genotype = Genotype::parse(
            "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1)], normal_concat=[2],
                      reduce=[('max_pool_3x3', 1), ('dil_conv_5x5', 0)], reduce_concat=[2])",
        );
        insta::assert_snapshot!(dot(&genotype.expect("valid")));
    }
}
