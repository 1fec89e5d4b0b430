//! The individual that is selected, beside or below the population: cells, cost, lessons.

use ratatui::{text::Line, widgets::Widget};
use relativenas_core::{operation::CellKind, population::IndividualId, view::SearchView};

use crate::{
    canvas::{Canvas, span, wrap},
    draw::cell_graph::CellGraph,
    panels::individual::lines,
    words::individual,
};

/// Rows of a cell's graph.
const GRAPH: usize = 8;

/// Whether the genes of the individual are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Genes {
    Named,
    /// The genes stand in the population above, so they are left out if there is no room to draw them as graphs.
    StandAbove,
}

pub fn draw(canvas: &mut Canvas<'_>, search: &SearchView, number: IndividualId, genes: Genes) {
    let look = canvas.look;
    let palette = &look.palette;
    let (width, height) = (canvas.width(), canvas.height());
    let name = format!("INDIVIDUAL {}", individual(search, number));
    let x = canvas.heading(1, 0, &name) + 2;
    let leader = search.leader().filter(|leader| leader.individual == number);
    if let Some(leader) = leader {
        let words = if leader.source.is_none() { "the best so far" } else { "the winner" };
        canvas.text(x, 0, words, palette.best);
    }
    let genotype = search.genotype(number);
    // Graphs where both fit with words below, else genes in a line each, or in a table.
    let graphs = genotype.as_ref().filter(|_| width >= 52 && height >= 2 * GRAPH + 10);
    let in_table = graphs.is_none() && height >= 18;
    let mut words = lines(search, number, look, width.saturating_sub(2), in_table);
    let mut y = 2;
    if let Some(genotype) = graphs {
        for kind in CellKind::BOTH {
            canvas.heading(1, y, &format!("{} CELL", kind.to_string().to_uppercase()));
            let area = canvas.part(1, y + 1, width.saturating_sub(2), GRAPH - 1).area;
            CellGraph::new(genotype.cell(kind), &look.glyphs, palette).render(area, canvas.buffer);
            y += GRAPH + 1;
        }
    } else if genes == Genes::StandAbove && !in_table {
        y = 1;
        words.retain(|line| line.width() > 0);
    } else if let Some(genotype) = genotype.filter(|_| !in_table) {
        y = 1;
        let cells = CellKind::BOTH.iter().flat_map(|kind| {
            let text = format!("{kind} {}", genotype.cell(*kind).short());
            wrap(&text, width.saturating_sub(2)).into_iter().map(|line| Line::from(span(line, palette.text)))
        });
        words.splice(0..0, cells.collect::<Vec<_>>());
        words.retain(|line| line.width() > 0);
    }
    for (row, line) in words.iter().take(height.saturating_sub(y)).enumerate() {
        canvas.line(1, y + row, line);
    }
}
