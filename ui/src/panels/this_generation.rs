//! The pairs of this generation: the slow learner, the fast learner and their gap, and the pairs that wait.

use ratatui::text::Line;
use relativenas_core::{
    describe::gene_changes,
    loss::Loss,
    population::IndividualId,
    protocol::{Activity, MemberProgress},
    view::{Comparison, SearchView},
};

use crate::{
    canvas::{Canvas, span},
    draw::text,
    layout::Layout,
    scene::Scene,
    shown::Shown,
    words::{gap, individual, loss},
};

pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, shown: &Shown, search: &SearchView) {
    if search.compared.is_empty() && search.pairs.is_empty() {
        return last_generation(canvas, scene, search);
    }
    let dim = canvas.look.palette.dim;
    let mut y = 0;
    let tall = canvas.height() >= Layout::PAIRS_HEADING;
    if tall {
        canvas.heading(1, 0, "THIS GENERATION");
        if canvas.width() >= Layout::PAIR_HEADINGS {
            head(canvas, search);
        }
        y = 1;
    }
    let waiting = waiting(search, canvas.width().saturating_sub(2), canvas.look.glyphs.separator);
    let in_hand = in_hand(search);
    let running = in_hand.len();
    let wanted = search.compared.len() + running + waiting.len();
    let rows = canvas.height() - y;
    // If there is little room, the oldest pairs are left out, so that the one in training is always visible.
    let kept_waiting = waiting.len().min(2).min(rows.saturating_sub(1 + running));
    let compared_rows = rows.saturating_sub(running + kept_waiting);
    let first = search.compared.len().saturating_sub(compared_rows);
    for comparison in &search.compared[first..] {
        pair(canvas, y, scene, search, comparison);
        y += 1;
    }
    for members in in_hand {
        let begun = begun(shown, search);
        pair_in_hand(canvas, y, scene, search, (members, begun));
        y += 1;
    }
    for line in waiting.iter().take(kept_waiting) {
        canvas.text(2, y, line, dim);
        y += 1;
    }
    if tall && rows > wanted + 3 && !search.compared_before.is_empty() {
        last_generation(&mut canvas.part(0, y + 1, usize::MAX >> 1, rows), scene, search);
    }
}

/// Draws the pairs of the generation before, whose slow learners have moved by now.
fn last_generation(canvas: &mut Canvas<'_>, scene: &Scene<'_>, search: &SearchView) {
    canvas.heading(1, 0, "LAST GENERATION");
    let rows = canvas.height().saturating_sub(1);
    let mut compared: Vec<_> = search.compared_before.iter().collect();
    compared.sort_by(|a, b| b.gap().unwrap_or(0.0).total_cmp(&a.gap().unwrap_or(0.0)));
    for (row, comparison) in compared.into_iter().take(rows).enumerate() {
        pair(canvas, 1 + row, scene, search, comparison);
    }
}

fn head(canvas: &mut Canvas<'_>, search: &SearchView) {
    let dim = canvas.look.palette.dim;
    let c = columns(search);
    if c.genes < 22 {
        return;
    }
    canvas.line_right(c.gap + 6, 0, &Line::styled(format!("{} loss", canvas.look.glyphs.delta), dim));
    canvas.text(c.genes, 0, "genes", dim);
}

/// The columns in which the parts of a pair begin.
struct Columns {
    slow: usize,
    arrow: usize,
    fast: usize,
    gap: usize,
    genes: usize,
}

fn columns(search: &SearchView) -> Columns {
    let name = individual(search, IndividualId(0)).len();
    let learner = name + 1 + 6;
    let slow = 2;
    let arrow = slow + learner + 1;
    let fast = arrow + 2;
    let gap = fast + learner + 2;
    Columns { slow, arrow, fast, gap, genes: gap + 6 + 2 }
}

fn pair(canvas: &mut Canvas<'_>, y: usize, scene: &Scene<'_>, search: &SearchView, comparison: &Comparison) {
    let look = canvas.look;
    let palette = &look.palette;
    let c = columns(search);
    let (Some(slow), Some(fast)) = (comparison.learner(comparison.slow), comparison.learner(comparison.fast))
    else {
        return without_verdict(canvas, y, search, comparison);
    };
    let name = |number| individual(search, number);
    learner(canvas, c.slow, y, &name(slow.individual), slow.estimate.loss, palette.slow);
    canvas.text(c.arrow, y, &look.glyphs.arrow_right.to_string(), palette.dim);
    learner(canvas, c.fast, y, &name(fast.individual), fast.estimate.loss, palette.fast);
    canvas.text(c.gap, y, &gap(comparison.gap(), look), palette.text);
    let genes = genes(search, comparison, slow.individual);
    let room = canvas.width().saturating_sub(c.genes + 1);
    let genes = text::truncate(&genes, room, &look.glyphs).into_owned();
    canvas.text(c.genes, y, &genes, palette.dim);
    mark_selected(canvas, y, scene, &[(slow.individual, c.slow), (fast.individual, c.fast)]);
}

/// In words: while a generation runs, in how many genes the two learners differ; afterwards, which genes of the slow
/// learner changed.
fn genes(search: &SearchView, comparison: &Comparison, slow: IndividualId) -> String {
    let space = search.settings.space;
    if comparison.generation == search.generation {
        let (Some(slow), Some(fast)) =
            (comparison.learner(comparison.slow), comparison.learner(comparison.fast))
        else {
            return String::new();
        };
        let differ = gene_changes(space, &slow.position, &fast.position).len();
        return format!("{differ} of {} differ", space.genes());
    }
    let place = search.individual(slow);
    match place.and_then(|place| Some((place.moved_from.as_ref()?, &place.position))) {
        Some((from, to)) => {
            let mut labels: Vec<_> =
                gene_changes(space, from, to).iter().map(|change| change.role.to_string()).collect();
            labels.dedup();
            if labels.is_empty() { "none changed".to_owned() } else { labels.join(" ") }
        }
        None => "did not move".to_owned(),
    }
}

fn learner(
    canvas: &mut Canvas<'_>,
    x: usize,
    y: usize,
    name: &str,
    value: Loss,
    style: ratatui::style::Style,
) {
    let style = if value.is_finite() { style } else { canvas.look.palette.warning };
    let x = canvas.text(x, y, name, style);
    canvas.text(x + 1, y, &loss(value), style);
}

/// A single individual, or a pair in which no loss was a number.
fn without_verdict(canvas: &mut Canvas<'_>, y: usize, search: &SearchView, comparison: &Comparison) {
    let palette = &canvas.look.palette;
    let c = columns(search);
    for (learner_, x) in comparison.learners.iter().zip([c.slow, c.fast]) {
        let style = if learner_.estimate.loss.is_finite() { palette.text } else { palette.warning };
        learner(canvas, x, y, &individual(search, learner_.individual), learner_.estimate.loss, style);
    }
    if comparison.learners.len() > 1 {
        canvas.text(c.gap, y, "none moves", palette.warning);
    }
}

/// The pairs that are estimated now, or will be next.
fn in_hand(search: &SearchView) -> &[Vec<IndividualId>] {
    let after = search.pairs.get(search.compared.len()..).unwrap_or_default();
    &after[..search.settings.pairs_at_once.min(after.len())]
}

/// The engine's progress with the members of the pairs in hand; empty before it has begun them.
fn begun<'a>(shown: &'a Shown, search: &SearchView) -> &'a [MemberProgress] {
    // After a pair, the engine's last progress is that of the pair, until the next one begins.
    match shown.progress.as_ref().map(|progress| &progress.activity) {
        Some(Activity::Estimating { generation, pair, members, .. })
            if *generation == search.generation && *pair == search.compared.len() =>
        {
            members
        }
        _ => &[],
    }
}

/// The pair that is estimated, or the one that will be.
fn pair_in_hand(
    canvas: &mut Canvas<'_>,
    y: usize,
    scene: &Scene<'_>,
    search: &SearchView,
    (members, begun): (&[IndividualId], &[MemberProgress]),
) {
    let look = canvas.look;
    let c = columns(search);
    let mut marks = Vec::new();
    for (&member, x) in members.iter().zip([c.slow, c.fast]) {
        let after = canvas.text(x, y, &individual(search, member), look.palette.text);
        let loss = begun
            .iter()
            .find(|m| m.individual == member)
            .and_then(|m| m.progress.loss)
            .filter(|l| l.is_finite());
        let loss = loss.map_or_else(|| format!("{:>6}", look.glyphs.ellipsis), self::loss);
        canvas.text(after + 1, y, &loss, look.palette.dim);
        marks.push((member, x));
    }
    if members.len() > 1 {
        canvas.text(c.arrow, y, "?", look.palette.dim);
        let doing = match () {
            () if begun.is_empty() => "next",
            () if search.network.is_some() => "in training",
            () => "looking up",
        };
        canvas.text(c.gap, y, doing, look.palette.dim);
    }
    mark_selected(canvas, y, scene, &marks);
}

/// Marks the selected individual, if it is at one of these places: in the style of selections, with a bar before it.
fn mark_selected(canvas: &mut Canvas<'_>, y: usize, scene: &Scene<'_>, places: &[(IndividualId, usize)]) {
    let Some(&(number, x)) = places.iter().find(|(individual, _)| Some(*individual) == scene.selected) else {
        return;
    };
    let look = canvas.look;
    let digits = number.to_string().len().max(2);
    canvas.restyle(x, y, digits + 7, look.palette.selected);
    canvas.text(x - 1, y, &look.glyphs.selected.to_string(), look.palette.key);
}

/// Pairs that wait, as `06, 12 · 00, 19`, in lines of at most `columns`.
fn waiting(search: &SearchView, columns: usize, separator: char) -> Vec<String> {
    let pairs = search.pairs.iter().skip(search.compared.len() + in_hand(search).len());
    let pairs: Vec<String> = pairs
        .map(|pair| pair.iter().map(|&i| individual(search, i)).collect::<Vec<_>>().join(", "))
        .collect();
    if pairs.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::from("wait:")];
    for (index, pair) in pairs.iter().enumerate() {
        let between = if index == 0 { " ".to_owned() } else { format!(" {separator} ") };
        let line = lines.last().map_or(0, |line| text::width(line));
        if line + text::width(&between) + text::width(pair) > columns {
            lines.push(format!("     {between}{pair}"));
        } else if let Some(line) = lines.last_mut() {
            line.push_str(&between);
            line.push_str(pair);
        }
    }
    lines
}

/// The pair that was compared last, in one line, for small screens.
pub fn last_pair(search: &SearchView, canvas: &Canvas<'_>) -> Line<'static> {
    let palette = &canvas.look.palette;
    let compared = search.compared.last().or(search.compared_before.last());
    let Some(comparison) = compared else {
        return Line::styled("no pair was compared yet", palette.dim);
    };
    let side = |who: Option<IndividualId>, style| {
        comparison.learner(who).map(|l| {
            span(
                format!("{} {}", individual(search, l.individual), loss(l.estimate.loss).trim_start()),
                style,
            )
        })
    };
    let (slow, fast) = (side(comparison.slow, palette.slow), side(comparison.fast, palette.fast));
    match (slow, fast) {
        (Some(slow), Some(fast)) => {
            let arrow = span(format!(" {} ", canvas.look.glyphs.arrow_right), palette.dim);
            let gap = gap(comparison.gap(), canvas.look);
            let gap = span(format!("  {}{gap}", canvas.look.glyphs.delta), palette.text);
            Line::from(vec![slow, arrow, fast, gap])
        }
        (None, Some(only)) => Line::from(only),
        _ => Line::styled("no loss was a number", palette.warning),
    }
}
