//! The best so far, and what it costs.

use ratatui::text::Line;
use relativenas_core::{cost::cost, genotype::Genotype, tabular, view::SearchView};

use super::{individual, loss};
use crate::{
    canvas::{Canvas, Look, span, wrap},
    draw::text,
};

/// Who, in a line of at most `columns`: individual, loss, accuracy, and when it was if there is room.
pub fn line(search: &SearchView, look: &Look, columns: usize) -> Line<'static> {
    let palette = &look.palette;
    let Some(best) = &search.best else {
        return Line::styled("nobody yet", palette.dim);
    };
    let estimate = best.learner.estimate;
    let mut line = Line::from(vec![
        span("individual ", palette.dim),
        span(individual(search, best.learner.individual), palette.best),
        span("  loss ", palette.dim),
        span(loss(estimate.loss).trim_start().to_owned(), palette.best),
        span("  ", palette.dim),
        span(format!("{:.1} %", estimate.accuracy), palette.text),
    ]);
    let when = span(format!("  in generation {}", best.generation), palette.dim);
    if line.width() + when.width() <= columns {
        line.push_span(when);
    }
    line
}

/// Parameters and multiply-adds of a genotype in the network of the search.
pub fn cost_words(genotype: &Genotype, search: &SearchView) -> Option<String> {
    let cost = cost(genotype, &search.network?);
    Some(format!(
        "{} parameters · {} multiply-adds",
        text::quantity(cost.parameters as f64),
        text::quantity(cost.multiply_adds as f64)
    ))
}

pub fn draw(canvas: &mut Canvas<'_>, search: &SearchView) {
    let look = canvas.look;
    canvas.heading(1, 0, "BEST SO FAR");
    canvas.line(1, 1, &line(search, look, canvas.width().saturating_sub(2)));
    let Some(best) = &search.best else { return };
    if search.network.is_none() {
        return edges(canvas, &best.learner.position);
    }
    let Ok(genotype) = Genotype::decode(&best.learner.position) else { return };
    if let Some(words) = cost_words(&genotype, search) {
        let separator = look.glyphs.separator.to_string();
        canvas.text(1, 2, &words.replace('·', &separator), look.palette.text);
    }
    let normal: Vec<_> =
        genotype.normal.genes.iter().map(|g| format!("{}{}", g.input, g.operation.short_name())).collect();
    let cells = normal.chunks(2).map(|node| node.join(" ")).collect::<Vec<_>>();
    let cells = format!("normal {}", cells.join("  "));
    let cells = text::truncate(&cells, canvas.width().saturating_sub(2), &look.glyphs).into_owned();
    canvas.text(1, 3, &cells, look.palette.dim);
}

/// The cell of an architecture that a table answered for.
fn edges(canvas: &mut Canvas<'_>, position: &[f64]) {
    let look = canvas.look;
    let Ok(indices) = tabular::decode(position) else { return };
    let width = canvas.width().saturating_sub(2);
    for (row, line) in wrap(&tabular::describe(&indices), width).iter().take(2).enumerate() {
        canvas.text(1, 2 + row, line, look.palette.text);
    }
}
