//! The text beside the map: about the selected individual, or the best, and the lessons of the last generation.

use ratatui::text::Line;
use relativenas_core::{
    describe::{GeneChange, gene_changes},
    population::IndividualId,
    view::{Comparison, SearchView},
};

use crate::{
    canvas::{Canvas, span, wrap},
    draw::text,
    words::{gap, individual, lineage, loss},
};

/// The individual that is described: the selected one, or the best.
fn told(search: &SearchView, selected: Option<IndividualId>) -> Option<IndividualId> {
    selected.filter(|i| search.individual(*i).is_some()).or_else(|| Some(search.leader()?.individual))
}

/// The newest comparison of an individual.
fn verdict(search: &SearchView, number: IndividualId) -> Option<&Comparison> {
    let all = search.compared_before.iter().chain(&search.compared);
    all.rev().find(|comparison| comparison.learners.iter().any(|l| l.individual == number))
}

/// The role of an individual, and what follows from it, in a few words.
fn role(search: &SearchView, number: IndividualId) -> String {
    let Some(comparison) = verdict(search, number) else { return "was not compared yet".to_owned() };
    let is_done = comparison.generation < search.generation;
    let name = |who: Option<IndividualId>| who.map(|who| individual(search, who)).unwrap_or_default();
    let (fast, slow) = (comparison.fast, comparison.slow);
    match () {
        // Such a searcher moves no individual, but draws new ones.
        () if !search.settings.searcher.moves_slow_learners() && slow == Some(number) => {
            format!("worse than {}", name(fast))
        }
        () if !search.settings.searcher.moves_slow_learners() && fast == Some(number) => {
            format!("better than {}", name(slow))
        }
        () if slow == Some(number) && is_done => format!("slow, moved towards {}", name(fast)),
        () if slow == Some(number) => format!("slow, will move towards {}", name(fast)),
        () if fast == Some(number) && is_done => format!("fast, {} moved towards it", name(slow)),
        () if fast == Some(number) => format!("fast, {} will move towards it", name(slow)),
        () => "has no verdict".to_owned(),
    }
}

/// An individual's last loss, and a note if it has moved since.
fn losses(search: &SearchView, number: IndividualId) -> Option<(String, &'static str)> {
    let place = search.individual(number)?;
    let learner = place.learner.as_ref()?;
    let moved = learner.position != place.position;
    let note = if moved { " before it moved" } else { "" };
    Some((loss(learner.estimate.loss).trim_start().to_owned(), note))
}

/// The individual in one line, for screens without room beside the map.
pub(super) fn below(canvas: &mut Canvas<'_>, search: &SearchView, selected: Option<IndividualId>) {
    let look = canvas.look;
    let palette = &look.palette;
    let Some(number) = told(search, selected) else { return };
    let style = if selected == Some(number) { palette.strong } else { palette.best };
    let mut line = Line::from(vec![span(individual(search, number), style), span("  ", palette.dim)]);
    if let Some((value, note)) = losses(search, number) {
        line.spans.extend([span("loss ", palette.dim), span(value, palette.text), span(note, palette.dim)]);
    }
    line.push_span(span(format!("  {}", role(search, number)), palette.dim));
    if let Some(genes) = genes(search, number) {
        line.push_span(span(format!(", {genes}"), palette.dim));
    }
    canvas.line(1, 0, &line);
}

/// In how many genes an individual's last move changed the decoded value, if it moved after its newest
/// comparison.
fn genes(search: &SearchView, number: IndividualId) -> Option<String> {
    verdict(search, number).filter(|c| c.slow == Some(number) && c.generation < search.generation)?;
    let place = search.individual(number)?;
    let from = place.moved_from.as_ref()?;
    let changed = gene_changes(search.settings.space, from, &place.position).len();
    Some(format!("{} changed", text::counted(changed, "gene")))
}

/// The individual in several lines, then the last generation's lessons.
pub(super) fn beside(canvas: &mut Canvas<'_>, search: &SearchView, selected: Option<IndividualId>) {
    let look = canvas.look;
    let palette = &look.palette;
    let (width, height) = (canvas.width(), canvas.height());
    let Some(number) = told(search, selected) else { return };
    let what = if selected == Some(number) { "SELECTED" } else { "BEST SO FAR" };
    let what = if what == "BEST SO FAR" && !search.ranking.is_empty() { "WINNER" } else { what };
    canvas.heading(0, 0, what);
    let style = if selected == Some(number) { palette.strong } else { palette.best };
    let mut line = Line::from(span(format!("{}  ", individual(search, number)), style));
    line.push_span(span(role(search, number), palette.text));
    canvas.line(0, 1, &line);
    let mut y = 2;
    if let Some((value, note)) = losses(search, number) {
        let line = vec![span("loss ", palette.dim), span(value, palette.text), span(note, palette.dim)];
        canvas.line(0, y, &line.into());
        y += 1;
    }
    if let Some(place) = search.individual(number)
        && let Some(from) = &place.moved_from
    {
        let changes = gene_changes(search.settings.space, from, &place.position);
        let space = search.settings.space;
        let arrow = look.glyphs.arrow_right;
        let label = |change: &GeneChange| {
            let [from, to] = [change.from, change.to].map(|index| space.label(change.gene, index));
            format!("{} {from}{arrow}{to}", change.role)
        };
        let changes: Vec<_> = changes.iter().map(label).collect();
        let words = if changes.is_empty() { "no gene".to_owned() } else { changes.join(", ") };
        let words = format!("changed {words}");
        for line in wrap(&words, width).iter().take(height / 4) {
            canvas.text(0, y, line, palette.dim);
            y += 1;
        }
    }
    for line in wrap(&lineage(search, number), width).iter().take(height / 4) {
        canvas.text(0, y, line, palette.dim);
        y += 1;
    }
    lessons(&mut canvas.part(0, y + 1, width, height.saturating_sub(y + 1)), search);
}

/// Draws which slow learner moved towards which fast one at the end of the last generation.
fn lessons(canvas: &mut Canvas<'_>, search: &SearchView) {
    let look = canvas.look;
    let palette = &look.palette;
    let Some(last) = search.map.lessons().next_back().map(|lesson| lesson.generation) else { return };
    let lessons: Vec<_> = search.map.lessons().filter(|lesson| lesson.generation == last).collect();
    let rows = canvas.height().saturating_sub(1);
    canvas.heading(0, 0, &format!("LESSONS OF GENERATION {last}"));
    for (row, lesson) in lessons.iter().enumerate().take(rows) {
        if row + 1 == rows && lessons.len() > rows {
            let rest = lessons.len() - row;
            canvas.text(0, row + 1, &format!("{} {rest} more", look.glyphs.ellipsis), palette.dim);
            return;
        }
        let changed = gene_changes(search.settings.space, &lesson.from, &lesson.to).len();
        let found =
            search.compared_before.iter().find(|c| c.slow == Some(lesson.slow)).and_then(Comparison::gap);
        let found =
            found.map_or(String::new(), |value| format!("{}{}", look.glyphs.delta, gap(Some(value), look)));
        let line = vec![
            span(individual(search, lesson.slow), palette.slow),
            span(format!(" {} ", look.glyphs.arrow_right), palette.dim),
            span(individual(search, lesson.fast), palette.fast),
            span(format!("  {found}"), palette.text),
            span(format!("  {}", text::counted(changed, "gene")), palette.dim),
        ];
        canvas.line(0, row + 1, &line.into());
    }
}
