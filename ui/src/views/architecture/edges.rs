//! An individual of a NAS-Bench-201 search: its cell as a graph and in words, with the lessons it had; or two of them
//! side by side.

use ratatui::widgets::Widget;
use relativenas_core::{describe::gene_changes, population::IndividualId, tabular, view::SearchView};

use crate::{
    canvas::{Canvas, wrap},
    draw::{edge_graph::EdgeGraph, side::Side},
    layout::Layout,
    words::{individual, lineage, loss},
};

/// How many rows the graph takes without blank rows between, and with them.
const GRAPH: [usize; 2] = [6, 9];

/// Draws an individual, and `beside` it another one if it is given and exists.
pub fn draw(
    canvas: &mut Canvas<'_>,
    search: &SearchView,
    number: IndividualId,
    beside: Option<IndividualId>,
) {
    let (width, height) = (canvas.width(), canvas.height());
    match beside.filter(|other| search.individual(*other).is_some()) {
        None => column(canvas, search, number, None),
        Some(other) if width >= Layout::TWO_COLUMNS => {
            // Both are as wide as each other, so that what is equal is in the same place.
            let half = width / 2;
            column(&mut canvas.part(0, 0, half, height), search, number, Some((other, Side::Before)));
            column(&mut canvas.part(half, 0, half, height), search, other, Some((number, Side::After)));
        }
        // Where two do not fit, the other one is shown with what sets it apart.
        Some(other) => column(canvas, search, other, Some((number, Side::After))),
    }
}

fn column(
    canvas: &mut Canvas<'_>,
    search: &SearchView,
    number: IndividualId,
    beside: Option<(IndividualId, Side)>,
) {
    let look = canvas.look;
    let palette = &look.palette;
    let place = &search.population[number];
    let Some(indices) = search.edges(number) else { return };
    let x = canvas.text(1, 0, &format!("individual {}", individual(search, number)), palette.strong);
    if let Some(learner) = &place.learner {
        let estimate = learner.estimate;
        let words = format!("loss {}, {:.2} %", loss(estimate.loss).trim_start(), estimate.accuracy);
        canvas.text(x + 3, 0, &words, palette.dim);
    }
    let space = search.settings.space;
    let changes = |from: &[f64]| gene_changes(space, from, &place.position);
    let moved: Vec<usize> =
        place.moved_from.iter().flat_map(|from| changes(from)).map(|change| change.gene.0).collect();
    let (width, height) = (canvas.width().saturating_sub(3), canvas.height());
    canvas.heading(1, 1, "CELL");
    let rows = GRAPH[usize::from(height >= Layout::OPEN_EDGES)].min(height.saturating_sub(2));
    let area = canvas.part(1, 2, width, rows).area;
    let graph = EdgeGraph::new(indices, &look.glyphs, palette);
    let compared = beside.and_then(|(other, side)| {
        let position = &search.population[other].position;
        Some((search.edges(other)?, side, changes(position)))
    });
    let differing: Vec<usize>;
    let graph = match compared {
        Some((edges, side, changes)) => {
            differing = changes.into_iter().map(|change| change.gene.0).collect();
            graph.compared_with(edges, side).marked(&differing)
        }
        None => graph.marked(&moved),
    };
    graph.render(area, canvas.buffer);
    let mut y = 3 + rows;
    let mut say = |words: &str, style| {
        for line in wrap(words, width) {
            if y < height {
                canvas.text(1, y, &line, style);
            }
            y += 1;
        }
    };
    if let Some((before, Side::After)) = beside {
        let differences = changes(&search.population[before].position);
        let count = differences.len();
        let differ = if count == 1 { "difference" } else { "differences" };
        say(&format!("{count} {differ} to individual {}", individual(search, before)), palette.heading);
        for change in differences {
            say(&change.to_string().replace('→', &look.glyphs.arrow_right.to_string()), palette.text);
        }
    }
    say(&tabular::describe(&indices), palette.text);
    say(&lineage(search, number), palette.text);
    if !moved.is_empty() && beside.is_none() {
        say("What changed in the last move is reversed.", palette.dim);
    }
    // Broken where it stays readable.
    let published = tabular::architecture(&indices);
    let published = if published.len() <= width { published } else { published.replace("+|", "+\n|") };
    say(&published, palette.dim);
}
