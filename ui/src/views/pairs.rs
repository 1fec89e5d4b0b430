//! Pairs: the slow and the fast learner, their gap, and what the slow one learns.

use ratatui::style::Style;
use relativenas_core::{
    describe::{differences, gene_changes},
    event::Learner,
    genotype::Genotype,
    operation::CellKind,
    space::GeneIndex,
    space::{GeneRole, NODES, Space},
    view::{Comparison, SearchView},
};

use crate::{
    canvas::{Canvas, wrap},
    draw::{bars, text},
    layout::Layout,
    lists,
    words::{gap, individual, loss},
};

/// The cursor and switches of the view of pairs.
#[derive(Clone, Copy, Debug, Default)]
pub struct PairsPlace {
    pub row: usize,
    /// Whether the last finished generation is shown instead of the one that is under way.
    pub earlier: bool,
}

pub fn draw(canvas: &mut Canvas<'_>, place: &PairsPlace, search: &SearchView) {
    let (width, height) = (canvas.width(), canvas.height());
    let pairs = lists::pairs(search, place.earlier);
    let look = canvas.look;
    let generation = pairs.first().map_or(search.generation, |pair| pair.generation);
    let x = canvas.heading(1, 0, "PAIRS");
    let words = if generation == search.generation { "" } else { ", the last one that is done" };
    canvas.text(x + 2, 0, &format!("generation {generation}{words}"), look.palette.dim);
    if width >= Layout::USUAL {
        let at_once = match search.settings.pairs_at_once {
            1 => String::new(),
            pairs => format!(", {pairs} at once"),
        };
        let all = search.settings.population.div_ceil(2);
        let compared = format!("{} of {all} compared{at_once}", pairs.len());
        canvas.line_right(width - 1, 0, &ratatui::text::Line::styled(compared, look.palette.dim));
    }
    if pairs.is_empty() {
        canvas.text(1, 2, "no pair was compared yet", look.palette.dim);
        return;
    }
    let selected = place.row.min(pairs.len() - 1);
    let rows =
        if height >= Layout::PAIR_LARGE { pairs.len().min(height / 3) } else { pairs.len().min(height / 2) };
    let first = (selected + 1).saturating_sub(rows);
    let widest = pairs.iter().filter_map(|pair| pair.gap()).fold(0.0, f64::max);
    for (row, pair) in pairs.iter().enumerate().skip(first).take(rows) {
        let part = &mut canvas.part(0, 1 + row - first, width, 1);
        pair_line(part, search, pair, widest, row == selected);
    }
    let y = 2 + rows;
    if height > y + 1 {
        detail(&mut canvas.part(0, y, width, height - y), search, &pairs[selected]);
    }
}

/// Columns of the arrow of the widest gap: enough to compare gaps, and few bytes on a slow link.
const LONGEST_ARROW: usize = 36;

/// Draws a pair: the slow learner on the left, an arrow as long as the gap of the losses, the fast one on the right.
fn pair_line(canvas: &mut Canvas<'_>, search: &SearchView, pair: &Comparison, widest: f64, selected: bool) {
    let look = canvas.look;
    let palette = &look.palette;
    let width = canvas.width();
    let mut x = 1;
    if selected {
        canvas.text(0, 0, &look.glyphs.selected.to_string(), palette.key);
    }
    let learner = |canvas: &mut Canvas<'_>, x: usize, learner: &Learner, style: Style| {
        let name = individual(search, learner.individual);
        let style = if learner.estimate.loss.is_finite() { style } else { palette.warning };
        let style = if selected { style.patch(palette.selected) } else { style };
        canvas.text(x, 0, &format!("{name} {}", loss(learner.estimate.loss)), style)
    };
    let (Some(slow), Some(fast)) = (pair.learner(pair.slow), pair.learner(pair.fast)) else {
        for member in &pair.learners {
            let finite = member.estimate.loss.is_finite();
            x = learner(canvas, x, member, if finite { palette.text } else { palette.warning }) + 2;
        }
        let words = if pair.learners.len() > 1 { "no individual moves: no loss is a number" } else { "" };
        canvas.text(x, 0, words, palette.warning);
        return;
    };
    x = learner(canvas, x, slow, palette.slow) + 1;
    let behind = if width >= Layout::TWO_COLUMNS { 34 } else { 10 };
    let columns = width.saturating_sub(x + 1 + 10 + behind).min(LONGEST_ARROW);
    let difference = pair.gap().unwrap_or(f64::NAN);
    x = canvas.text(x, 0, &bars::arrow(difference, widest, columns, &look.glyphs), palette.dim) + 1;
    x = learner(canvas, x, fast, palette.fast) + 2;
    let words = format!("{}{}", look.glyphs.delta, gap(pair.gap(), look));
    x = canvas.text(x, 0, &words, palette.text) + 3;
    if width >= Layout::TWO_COLUMNS {
        let again = match pair.estimations {
            0 | 1 => String::new(),
            count => format!(", mean of {count}"),
        };
        let words = step_words(search, pair, slow, fast) + &again;
        canvas.text(x, 0, &words, palette.dim);
    }
}

fn step_words(search: &SearchView, pair: &Comparison, slow: &Learner, fast: &Learner) -> String {
    let space = search.settings.space;
    match moved(search, pair) {
        Some((from, to)) => {
            let changed = gene_changes(space, from, to).len();
            let genes = if changed == 1 { "gene" } else { "genes" };
            format!("{changed} {genes} changed")
        }
        None => {
            let differ = gene_changes(space, &slow.position, &fast.position).len();
            format!("differ in {differ} of {}", space.genes())
        }
    }
}

/// The positions of the slow learner before and after the end of the generation.
fn moved<'a>(search: &'a SearchView, pair: &Comparison) -> Option<(&'a [f64], &'a [f64])> {
    if pair.generation == search.generation {
        return None;
    }
    let place = search.individual(pair.slow?)?;
    Some((place.moved_from.as_deref()?, &place.position))
}

/// The 32 genes of the selected pair, and what changes in words.
fn detail(canvas: &mut Canvas<'_>, search: &SearchView, pair: &Comparison) {
    let (Some(slow), Some(fast)) = (pair.learner(pair.slow), pair.learner(pair.fast)) else { return };
    let (width, height) = (canvas.width(), canvas.height());
    let look = canvas.look;
    let space = search.settings.space;
    let step = moved(search, pair);
    let title = match step {
        Some(_) => "THE STEP",
        None => "THE PULL",
    };
    let x = canvas.heading(1, 0, title);
    let name = |learner: &Learner| individual(search, learner.individual);
    let words = match step {
        _ if !search.settings.searcher.moves_slow_learners() => {
            format!(
                "{} is worse than {}; this searcher moves neither and draws new ones",
                name(slow),
                name(fast)
            )
        }
        Some(_) => format!("{} moved towards {}", name(slow), name(fast)),
        None => format!("{} will move towards {} when the generation ends", name(slow), name(fast)),
    };
    canvas.text(
        x + 2,
        0,
        &text::truncate(&words, width.saturating_sub(x + 3), &look.glyphs),
        look.palette.dim,
    );
    let genes_fit = space == Space::Cells && height > 4 * NODES && width >= Layout::USUAL;
    let words_width = if !genes_fit {
        width
    } else if width >= Layout::WIDE {
        width - 82
    } else {
        0
    };
    if genes_fit {
        for (column, kind) in CellKind::BOTH.into_iter().enumerate() {
            let part = &mut canvas.part(column * 38, 1, 38, height - 1);
            genes(part, kind, slow, fast, step);
        }
    }
    if words_width > 0 {
        let x = width - words_width;
        // As high as the genes beside; these say the rest.
        let rows = (height - 1).min(1 + 4 * NODES);
        in_words(&mut canvas.part(x, 1, words_width, rows), space, slow, fast, step);
    } else {
        // Words below the genes, if there are rows left.
        let y = 3 + 4 * NODES;
        in_words(&mut canvas.part(0, y, width, height.saturating_sub(y)), space, slow, fast, step);
    }
}

/// A gene's role with the slot of its node: `N1in0`, `N1in1`.
fn role(gene: GeneIndex) -> String {
    let role = Space::Cells.role(gene);
    match role {
        GeneRole::Input { slot, .. } | GeneRole::Operation { slot, .. } => format!("{role}{slot}"),
        GeneRole::Edge { .. } => role.to_string(),
    }
}

/// A cell's 16 genes: before and after (or the fast learner's), and the pull as a bar.
fn genes(
    canvas: &mut Canvas<'_>,
    kind: CellKind,
    slow: &Learner,
    fast: &Learner,
    step: Option<(&[f64], &[f64])>,
) {
    let look = canvas.look;
    let palette = &look.palette;
    let space = Space::Cells;
    let of_cell = 4 * NODES;
    if canvas.height() > of_cell {
        let [before, after] = if step.is_some() { ["before", "after"] } else { ["slow", "fast"] };
        let heads = format!("gene {before:>6} {after:>6}  decoded   pull");
        canvas.text(1, 0, &heads, palette.dim);
    }
    let top = canvas.height().saturating_sub(of_cell).min(1);
    let first = if kind == CellKind::Normal { 0 } else { of_cell };
    for gene in space.gene_indices().skip(first).take(of_cell) {
        let row = top + gene.0 - first;
        let from = step.map_or(&slow.position[..], |(from, _)| from)[gene];
        let to = step.map_or(&fast.position[..], |(_, to)| to)[gene];
        let label = |value: f64| space.label(gene, space.decode_gene(gene, value));
        let changed = space.decode_gene(gene, from) != space.decode_gene(gene, to);
        let style = if changed { palette.strong } else { palette.dim };
        let x = canvas.text(1, row, &text::left(&role(gene), 5, &look.glyphs), palette.dim);
        let x = canvas.text(x, row, &text::number(from, 5, 2), palette.slow) + 2;
        let end = if step.is_some() { palette.slow } else { palette.fast };
        let x = canvas.text(x, row, &text::number(to, 5, 2), end) + 2;
        let words = if changed {
            format!("{:>2}{}{:<2}", label(from), look.glyphs.arrow_right, label(to))
        } else {
            format!("{:>2}", label(to))
        };
        canvas.text(x, row, &words, style);
        // Apart from both values, since it is where the fast learner pulls, not what changed.
        let pull = (fast.position[gene] - from) / space.upper(gene);
        canvas.text(x + 7, row, &bars::pull(pull, 9, &look.glyphs), palette.fast);
    }
}

/// Draws a sentence for each gene of the slow learner that changed.
///
/// While the generation is under way, these are its differences to the fast learner.
fn in_words(
    canvas: &mut Canvas<'_>,
    space: Space,
    slow: &Learner,
    fast: &Learner,
    step: Option<(&[f64], &[f64])>,
) {
    let look = canvas.look;
    let (from, to) = step.unwrap_or((&slow.position, &fast.position));
    let mut sentences = match (Genotype::decode(from), Genotype::decode(to)) {
        (Ok(before), Ok(after)) => differences(&before, &after),
        // Architectures of NAS-Bench-201 have no genotype, so the changes are listed gene by gene.
        _ => gene_changes(space, from, to)
            .iter()
            .map(|change| change.to_string().replace('→', &look.glyphs.arrow_right.to_string()))
            .collect(),
    };
    if step.is_none() {
        for sentence in &mut sentences {
            *sentence = sentence.replacen(" now reads ", " would read ", 1);
        }
    }
    if sentences.is_empty() {
        sentences.push("no gene decodes to another value".to_owned());
    }
    let mut y = 0;
    let (width, height) = (canvas.width().saturating_sub(4), canvas.height());
    for sentence in sentences {
        let lines = wrap(&sentence, width);
        // A sentence that does not fit is not begun.
        if y + lines.len() > height {
            canvas.text(1, height.saturating_sub(1), &look.glyphs.ellipsis.to_string(), look.palette.dim);
            return;
        }
        canvas.text(1, y, &look.glyphs.separator.to_string(), look.palette.dim);
        for line in lines {
            canvas.text(3, y, &line, look.palette.text);
            y += 1;
        }
    }
}
