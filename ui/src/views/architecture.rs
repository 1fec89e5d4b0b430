//! An individual's two cells as graphs, described in words and numbers, with the lessons it had; or two architectures
//! side by side.

mod edges;

use ratatui::{text::Line, widgets::Widget};
use relativenas_core::{
    cost::{Cost, cost},
    describe::{describe, gene_changes},
    event::RankedIndividual,
    genotype::{Cell, Genotype},
    lint::lint,
    loss::Loss,
    network::NetworkShape,
    operation::CellKind,
    population::IndividualId,
    space::Space,
};

use crate::{
    actions::Action,
    canvas::{Canvas, Look, wrap},
    draw::{
        cell_graph::{CellGraph, legend},
        side::Side,
        text,
    },
    layout::Layout,
    scene::Scene,
    state::State,
    words::{individual, lineage, loss, ranked},
};

/// Cursor and choices of the view of architectures.
#[derive(Clone, Debug, Default)]
pub struct ArchitecturePlace {
    /// What stands beside the selected individual.
    pub beside: Option<Beside>,
    /// The page of the text that is shown, if the text does not fit; the first page follows the last.
    pub page: isize,
}

/// Something to compare an architecture with.
#[derive(Clone, Debug, PartialEq)]
pub enum Beside {
    Individual(IndividualId),
    Named(String, Genotype),
}

/// Rows of a graph with its heading, in its compact form.
const GRAPH: usize = 8;

/// One column of the view.
struct Subject {
    title: String,
    genotype: Genotype,
    /// Genes of both cells that just changed.
    changed: [Vec<usize>; 2],
    /// Loss and accuracy, for individuals that were estimated.
    estimate: Option<(Loss, f64)>,
    /// Loss and lineage, for individuals.
    words: Vec<String>,
}

pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, place: &ArchitecturePlace, state: &State) {
    let Some(subject) = subject(state) else {
        let in_table = state.search().filter(|search| search.network.is_none());
        if let Some((search, number)) = in_table.zip(state.individual()) {
            let beside = match place.beside {
                Some(Beside::Individual(other)) => Some(other),
                _ => None,
            };
            return edges::draw(canvas, search, number, beside);
        }
        canvas.heading(1, 0, "ARCHITECTURE");
        canvas.text(1, 2, "no individual was estimated yet; select one", canvas.look.palette.dim);
        return;
    };
    let shape = shape(state);
    let (width, height) = (canvas.width(), canvas.height());
    let beside = place.beside.as_ref().and_then(|beside| other(state, beside));
    let (subject, beside) = match beside {
        // What differs is marked in both, in place of what moved lately.
        Some(mut beside) => {
            let changed = differing(&subject.genotype, &beside.genotype);
            beside.changed = changed.clone();
            (Subject { changed, ..subject }, Some(beside))
        }
        None => (subject, None),
    };
    let look = canvas.look;
    let Some(beside) = beside else {
        let column = Column::new(&subject, None, shape, width, look);
        return column.draw(canvas, scene, place.page, Some(graph_rows(column.words.len(), height)));
    };
    let after = |width| Column::new(&beside, Some((&subject, Side::After)), shape, width, look);
    if width < Layout::TWO_COLUMNS {
        // Where two do not fit, what sets the other one apart is shown alone, as a table.
        return after(width).draw(canvas, scene, place.page, None);
    }
    // Both are as wide as each other, and their graphs as high, so that what is equal is in the same place.
    let half = width / 2;
    let columns = [Column::new(&subject, Some((&beside, Side::Before)), shape, half, look), after(half)];
    let rows = graph_rows(columns.iter().map(|column| column.words.len()).max().unwrap_or(0), height);
    for (number, column) in columns.iter().enumerate() {
        column.draw(&mut canvas.part(number * half, 0, half, height), scene, place.page, Some(rows));
    }
}

/// The genes of either cell that are not the same in both genotypes.
fn differing(left: &Genotype, right: &Genotype) -> [Vec<usize>; 2] {
    CellKind::BOTH.map(|kind| {
        let (left, right) = (&left.cell(kind).genes, &right.cell(kind).genes);
        let longest = left.len().max(right.len());
        (0..longest).filter(|&gene| left.get(gene) != right.get(gene)).collect()
    })
}

/// A table of the differences: for each gene its input and operation, before and after.
fn table(before: &Subject, after: &Subject, shape: Option<NetworkShape>, look: &Look) -> Vec<String> {
    let arrow = look.glyphs.arrow_right;
    let both = |before: String, after: String| {
        if before == after { before } else { format!("{before} {arrow} {after}") }
    };
    let mut rows = Vec::new();
    if let (Some((loss, accuracy)), Some((other_loss, other_accuracy))) = (before.estimate, after.estimate) {
        rows.push(format!(
            "loss {}   accuracy {}",
            both(format!("{loss:.3}"), format!("{other_loss:.3}")),
            both(format!("{accuracy:.1}"), format!("{other_accuracy:.1}"))
        ));
    }
    if let Some(shape) = shape {
        let [left, right] = [before, after].map(|subject| cost(&subject.genotype, &shape));
        let quantity = |value: u64| text::quantity(value as f64).replace(' ', "");
        rows.push(format!(
            "parameters {}   multiply-adds {}",
            both(quantity(left.parameters), quantity(right.parameters)),
            both(quantity(left.multiply_adds), quantity(right.multiply_adds))
        ));
    }
    let differing = differing(&before.genotype, &after.genotype);
    for (kind, genes) in CellKind::BOTH.into_iter().zip(differing) {
        let (left, right) = (before.genotype.cell(kind), after.genotype.cell(kind));
        for gene in genes {
            let node = format!("{kind:<9} node {}", gene / 2);
            rows.push(match (left.genes.get(gene), right.genes.get(gene)) {
                (Some(left), Some(right)) => {
                    let reads = both(Cell::input_name(left.input), Cell::input_name(right.input));
                    let width = text::width(&reads).max(18);
                    let gap = width - text::width(&reads);
                    let through =
                        both(left.operation.short_name().to_owned(), right.operation.short_name().to_owned());
                    format!("{node}  {reads}{:gap$}  {through}", "")
                }
                _ => format!("{node}  only one of the two has this gene"),
            });
        }
    }
    rows
}

fn shape(state: &State) -> Option<NetworkShape> {
    let shown = state.shown.as_ref()?;
    let training = shown.view.training.as_ref().map(|training| training.network);
    shown.search().map_or(training, |search| search.network)
}

fn subject(state: &State) -> Option<Subject> {
    if let Some(number) = state.individual() {
        return numbered(state, number);
    }
    let training = state.shown.as_ref()?.view.training.as_ref()?;
    Some(named("the network in training", training.genotype.clone()))
}

fn other(state: &State, beside: &Beside) -> Option<Subject> {
    match beside {
        Beside::Individual(number) => numbered(state, *number),
        Beside::Named(name, genotype) => Some(named(name, genotype.clone())),
    }
}

fn named(name: &str, genotype: Genotype) -> Subject {
    Subject {
        title: name.to_owned(),
        genotype,
        changed: Default::default(),
        estimate: None,
        words: Vec::new(),
    }
}

fn numbered(state: &State, number: IndividualId) -> Option<Subject> {
    let search = state.search()?;
    let place = search.individual(number)?;
    let genotype = search.genotype(number)?;
    let mut changed: [Vec<usize>; 2] = Default::default();
    if let Some(from) = &place.moved_from {
        let genes = Space::Cells.genes();
        for change in gene_changes(Space::Cells, from, &place.position) {
            // A gene of a cell has two numbers in the vector.
            let (cell, gene) = (change.gene.0 / (genes / 2), change.gene.0 % (genes / 2) / 2);
            if !changed[cell].contains(&gene) {
                changed[cell].push(gene);
            }
        }
    }
    let mut words = Vec::new();
    if let Some(ranked) = ranked(search, number) {
        let RankedIndividual { rank, loss: value, accuracy, .. } = ranked;
        words.push(format!("Ranked {rank} with loss {}, {accuracy:.1} %.", loss(*value).trim_start()));
    } else if let Some(learner) = &place.learner {
        let estimate = learner.estimate;
        words.push(format!("Loss {}, {:.1} %.", loss(estimate.loss).trim_start(), estimate.accuracy));
    }
    words.push(lineage(search, number));
    let estimate = ranked(search, number).map(|ranked| (ranked.loss, ranked.accuracy));
    let last = || place.learner.as_ref().map(|l| (l.estimate.loss, l.estimate.accuracy));
    let title = format!("individual {}", individual(search, number));
    Some(Subject { title, genotype, changed, estimate: estimate.or_else(last), words })
}

/// An architecture, what it is compared with, and the words below its graphs.
struct Column<'a> {
    subject: &'a Subject,
    other: Option<(&'a Subject, Side)>,
    cost: Option<Cost>,
    words: Vec<Line<'static>>,
}

/// The rows of each of a column's two graphs with its heading, if there are `words` lines of text below. The text
/// gets up to a third of the height, but the graphs have priority.
fn graph_rows(words: usize, height: usize) -> usize {
    let kept = words.min(height / 3).min(height.saturating_sub(1 + 2 * GRAPH));
    (height.saturating_sub(1 + kept) / 2).clamp(4, 13)
}

impl<'a> Column<'a> {
    fn new(
        subject: &'a Subject,
        other: Option<(&'a Subject, Side)>,
        shape: Option<NetworkShape>,
        width: usize,
        look: &Look,
    ) -> Self {
        let before = other.filter(|(_, side)| *side == Side::After).map(|(before, _)| before);
        let words = words(subject, before, shape, width.saturating_sub(3), look);
        Self { subject, other, cost: shape.map(|shape| cost(&subject.genotype, &shape)), words }
    }

    /// Draws graphs of so many rows each, or none, and as many words below as there is room for.
    fn draw(&self, canvas: &mut Canvas<'_>, scene: &Scene<'_>, page: isize, graph: Option<usize>) {
        let look = canvas.look;
        let palette = &look.palette;
        let (width, height) = (canvas.width(), canvas.height());
        let mut x = canvas.text(1, 0, &self.subject.title, palette.strong);
        if let Some(cost) = &self.cost {
            let words = format!(
                "{} parameters {} {} multiply-adds",
                text::quantity(cost.parameters as f64),
                look.glyphs.separator,
                text::quantity(cost.multiply_adds as f64)
            );
            if x + 3 + words.len() < width {
                x = canvas.text(x + 3, 0, &words, palette.dim);
            }
        }
        let mut y = 1;
        let cells = CellKind::BOTH.into_iter().zip(&self.subject.changed);
        for ((kind, changed), graph) in cells.zip(graph.into_iter().cycle()) {
            if y + 2 > height {
                return;
            }
            canvas.heading(1, y, &format!("{} CELL", kind.to_string().to_uppercase()));
            let cell = self.subject.genotype.cell(kind);
            let rows = graph.saturating_sub(1).min(height - y - 1);
            let area = canvas.part(1, y + 1, width.saturating_sub(3), rows).area;
            let drawn = CellGraph::new(cell, &look.glyphs, palette).marked(changed);
            let drawn = match self.other {
                Some((other, side)) => drawn.compared_with(other.genotype.cell(kind), side),
                None => drawn,
            };
            drawn.render(area, canvas.buffer);
            y += graph;
        }
        // Text that does not fit is split into pages.
        let rows = height.saturating_sub(y);
        let pages = self.words.len().div_ceil(rows.max(1));
        let page = page.rem_euclid(pages.max(1) as isize) as usize;
        for (row, line) in self.words.iter().skip(page * rows).take(rows).enumerate() {
            canvas.line(1, y + row, line);
        }
        if rows > 0 && pages > 1 {
            let key = scene.key(Action::PageDown);
            let more = format!("{key}: {}/{pages}", page + 1);
            if x + 2 + more.len() < width {
                canvas.line_right(width - 1, 0, &Line::styled(more, palette.dim));
            }
        }
    }
}

/// The description of an architecture: how it differs from `before`, what is unusual about it, from whom it
/// learned, and what its cells are like.
fn words(
    subject: &Subject,
    before: Option<&Subject>,
    shape: Option<NetworkShape>,
    columns: usize,
    look: &Look,
) -> Vec<Line<'static>> {
    let palette = &look.palette;
    let mut lines = Vec::new();
    let mut say = |words: &str, style| {
        lines.extend(wrap(words, columns).into_iter().map(|line| Line::styled(line, style)));
    };
    if let Some(before) = before {
        let count = differing(&before.genotype, &subject.genotype).iter().map(Vec::len).sum::<usize>();
        let differ = if count == 1 { "difference" } else { "differences" };
        say(&format!("{count} {differ} to {}", before.title), palette.heading);
        for row in table(before, subject, shape, look) {
            say(&row, palette.text);
        }
    }
    // Unusual findings come first, because they must be visible even if the rest does not fit.
    for finding in lint(&subject.genotype) {
        say(&format!("{} {finding}", look.glyphs.warning), palette.slow);
    }
    for words in &subject.words {
        say(words, palette.text);
    }
    say(&describe(&subject.genotype), palette.text);
    let cells = CellKind::BOTH.map(|kind| subject.genotype.cell(kind));
    lines.push(legend(&cells, palette));
    lines
}
