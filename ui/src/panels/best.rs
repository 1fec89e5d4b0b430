//! The best so far, and what it costs.

use ratatui::text::Line;
use relativenas_core::{
    cost::cost,
    genotype::Genotype,
    tabular,
    view::{SearchView, WinnerSource},
};

use crate::{
    canvas::{Canvas, Look, span, wrap},
    draw::text,
    words::{self, individual, loss},
};

/// A line about the best individual: its number, loss and accuracy, and when it was estimated if that fits in
/// `columns`.
pub fn line(search: &SearchView, look: &Look, columns: usize) -> Line<'static> {
    let palette = &look.palette;
    let Some(best) = search.leader() else {
        return Line::styled("none yet", palette.dim);
    };
    let mut line = Line::from(vec![
        span("individual ", palette.dim),
        span(individual(search, best.individual), palette.best),
        span("  loss ", palette.dim),
        span(loss(best.loss).trim_start().to_owned(), palette.best),
        span("  ", palette.dim),
        span(format!("{:.1} %", best.accuracy), palette.text),
    ]);
    let unit = words::loss_is(search);
    if !unit.is_empty() {
        let unit = span(format!(" ({unit})"), palette.dim);
        if line.width() + unit.width() <= columns {
            line.push_span(unit);
        }
    }
    let when = match best.source {
        Some(WinnerSource::Finals) => "  in the finals, from scratch".to_owned(),
        _ => format!("  in {}", words::estimated_in(best.generation)),
    };
    let when = span(when, palette.dim);
    if line.width() + when.width() <= columns {
        line.push_span(when);
    }
    line
}

/// Parameters and multiply-adds of a genotype in the network of the search, and its latency if the search has a table
/// of latencies. `None` if the search has no network.
pub fn cost_words(genotype: &Genotype, search: &SearchView) -> Option<String> {
    let cost = cost(genotype, &search.network?);
    let latency = search.settings.limits.latency(genotype);
    Some(format!(
        "{} parameters · {} multiply-adds{}",
        text::quantity(cost.parameters as f64),
        text::quantity(cost.multiply_adds as f64),
        latency.map_or_else(String::new, |milliseconds| format!(" · {milliseconds:.2} ms"))
    ))
}

pub fn draw(canvas: &mut Canvas<'_>, search: &SearchView) {
    let look = canvas.look;
    canvas.heading(1, 0, if search.ranking.is_empty() { "BEST SO FAR" } else { "WINNER" });
    canvas.line(1, 1, &line(search, look, canvas.width().saturating_sub(2)));
    let Some(best) = search.leader() else { return };
    if search.network.is_none() {
        return edges(canvas, best.position);
    }
    let Ok(genotype) = Genotype::decode(best.position) else { return };
    if let Some(words) = cost_words(&genotype, search) {
        let separator = look.glyphs.separator.to_string();
        canvas.text(1, 2, &words.replace('·', &separator), look.palette.text);
    }
    let cells = format!("normal {}", genotype.normal.short());
    let cells = text::truncate(&cells, canvas.width().saturating_sub(2), &look.glyphs).into_owned();
    canvas.text(1, 3, &cells, look.palette.dim);
}

/// Describes the cell of an architecture of NAS-Bench-201 in two lines.
fn edges(canvas: &mut Canvas<'_>, position: &[f64]) {
    let look = canvas.look;
    let Ok(indices) = tabular::decode(position) else { return };
    let width = canvas.width().saturating_sub(2);
    for (row, line) in wrap(&tabular::describe(&indices), width).iter().take(2).enumerate() {
        canvas.text(1, 2 + row, line, look.palette.text);
    }
}
