//! One individual in words and numbers: its losses, cost, cells and lessons.

use ratatui::text::Line;
use relativenas_core::{
    genotype::Cell,
    operation::CellKind,
    population::IndividualId,
    search::Estimate,
    tabular::{self, OPERATIONS},
    view::SearchView,
};

use super::best::cost_words;
use crate::{
    canvas::{Look, span, wrap},
    words::{is_of_before, lineage, loss, ranked},
};

/// The description of an individual in lines of at most `width` columns; `cells` is whether its cells are described
/// too.
pub fn lines(
    search: &SearchView,
    number: IndividualId,
    look: &Look,
    width: usize,
    cells: bool,
) -> Vec<Line<'static>> {
    let palette = &look.palette;
    let mut lines = Vec::new();
    let Some(place) = search.individual(number) else { return lines };
    if let Some(ranked) = ranked(search, number) {
        lines.push(Line::from(vec![
            span("ranking  place ", palette.dim),
            span(ranked.rank.to_string(), palette.strong),
            span("   loss ", palette.dim),
            span(loss(ranked.loss).trim_start().to_owned(), palette.strong),
            span(format!("   accuracy {:.1} %", ranked.accuracy), palette.text),
        ]));
    }
    let is_ranked = !search.ranking.is_empty();
    match &place.learner {
        Some(learner) => {
            let mut line = Line::from(vec![
                span(if is_ranked { "search   loss " } else { "loss " }, palette.dim),
                span(loss(learner.estimate.loss).trim_start().to_owned(), palette.strong),
                span(format!("   accuracy {:.1} %", learner.estimate.accuracy), palette.text),
            ]);
            let trained = trained(search, &learner.estimate);
            // A ranked individual's line is longer by a word, which leaves no room for this.
            if !is_ranked {
                line.push_span(span(trained, palette.dim));
                lines.push(line);
                if is_of_before(place) {
                    let words = "estimated before its last move: what it is now has no loss yet";
                    lines.extend(wrap(words, width).into_iter().map(|line| Line::styled(line, palette.slow)));
                }
            } else {
                lines.push(line);
                lines.push(Line::styled(format!("      {trained}"), palette.dim));
            }
        }
        None => lines.push(Line::styled("not estimated yet", palette.dim)),
    }
    if let Some(genotype) = search.genotype(number) {
        if let Some(words) = cost_words(&genotype, search) {
            lines.push(Line::styled(words.replace('·', &look.glyphs.separator.to_string()), palette.text));
        }
        for kind in CellKind::BOTH.into_iter().filter(|_| cells) {
            lines.push(Line::default());
            lines.push(Line::styled(format!("{kind} cell"), palette.heading));
            for (node, genes) in genotype.cell(kind).genes.chunks(2).enumerate() {
                let mut words = vec![span(format!("node {node}  "), palette.dim)];
                for (index, gene) in genes.iter().enumerate() {
                    words.push(span(if index > 0 { "  +  " } else { "" }, palette.dim));
                    words.push(span(format!("{:<12}", gene.operation.name()), palette.text));
                    words.push(span(format!(" of {:<7}", Cell::input_name(gene.input)), palette.dim));
                }
                lines.push(Line::from(words));
            }
        }
    }
    if let Some(edges) = search.edges(number) {
        lines.push(Line::default());
        lines.push(Line::styled("cell", palette.heading));
        for (edge, index) in edges.into_iter().enumerate() {
            lines.push(Line::from(vec![
                span(format!("{:<8}", tabular::edge_name(edge)), palette.dim),
                span(OPERATIONS[index].name(), palette.text),
            ]));
        }
        lines.push(Line::default());
        let words = wrap(&tabular::describe(&edges), width);
        lines.extend(words.into_iter().map(|line| Line::styled(line, palette.text)));
    }
    lines.push(Line::default());
    let lineage = lineage(search, number);
    lines.extend(wrap(&lineage, width).into_iter().map(|line| Line::styled(line, palette.dim)));
    lines
}

/// The training loss and the number of inherited weights; empty for a table, which trains nothing.
fn trained(search: &SearchView, estimate: &Estimate) -> String {
    if search.network.is_none() {
        return String::new();
    }
    let train_loss = loss(estimate.train_loss);
    format!(
        "   training loss {}   hits {}, misses {}",
        train_loss.trim_start(),
        estimate.hits,
        estimate.misses
    )
}
