//! The finals as a bracket: which entrants were trained from scratch, for how long, and which are left.

use ratatui::{style::Style, text::Line};
use relativenas_core::{finals::EntrantSource, view::FinalsView};

use crate::{
    canvas::{Canvas, span},
    draw::text,
    scene::Scene,
    words::loss,
};

/// Columns of an entrant's name, and of each round.
const NAME: usize = 10;
const ROUND: usize = 9;

/// Whether an entrant has won, is still in the finals, or is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Won,
    In,
    Out,
}

/// Draws a row for each entrant and a column for each round, with the figure by which the round was decided. Entrants
/// that came furthest stand first, so that those that are still in the finals are visible.
pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, finals: &FinalsView) {
    let palette = &canvas.look.palette;
    let (dim, plain, best, warning) = (palette.dim, palette.text, palette.best, palette.warning);
    let glyphs = canvas.look.glyphs;
    let x = canvas.heading(1, 0, "FINALS");
    let about = text::truncate(&about(finals), canvas.width().saturating_sub(x + 3), &glyphs).into_owned();
    canvas.text(x + 2, 0, &about, dim);
    let rounds = finals.rounds_in_all().min(columns(canvas.width()) as u32);
    // If not all rounds fit, the latest are shown.
    let first = (finals.round() + 1).saturating_sub(rounds);
    for round in first..first + rounds {
        let end = NAME + ROUND * (round - first + 1) as usize;
        let epochs = format!("{} ep", finals.settings.epochs_of(round));
        canvas.line_right(end, 1, &Line::styled(epochs, dim));
    }
    for (row, place) in order(finals).into_iter().take(canvas.height().saturating_sub(2)).enumerate() {
        let (y, entrant) = (2 + row, &finals.entrants[place]);
        let style = match standing(finals, place) {
            Standing::Won => best,
            Standing::In => plain,
            Standing::Out => dim,
        };
        canvas.text(2, y, &entrant.name(), style);
        for round in first..first + rounds {
            let end = NAME + ROUND * (round - first + 1) as usize;
            let figure = figure(finals, round, place, glyphs.separator);
            let lost = figure.as_ref().is_some_and(|(_, known)| !known);
            let content = figure.map_or_else(String::new, |(content, _)| content);
            canvas.line_right(end, y, &Line::from(span(content, if lost { warning } else { style })));
        }
        let end = NAME + ROUND * rounds as usize;
        canvas.text(end + 2, y, word(finals, place), mark(style, dim, standing(finals, place)));
        if scene.selected == Some(entrant.individual) && entrant.source == EntrantSource::Ranking {
            canvas.text(1, y, &glyphs.selected.to_string(), canvas.look.palette.key);
        }
    }
}

/// How many rounds fit in this width.
fn columns(width: usize) -> usize {
    (width.saturating_sub(NAME + 12) / ROUND).max(1)
}

/// The figure that decides, and how far the finals are.
fn about(finals: &FinalsView) -> String {
    let judge = finals.settings.judge.words();
    let (round, rounds) = (finals.round() + 1, finals.rounds_in_all());
    match (finals.ended, finals.winner) {
        (false, _) => {
            let of = |seeds: u32| format!(", seed {} of {seeds}", finals.seed());
            let seed = finals.settings.several_seeds().map_or_else(String::new, of);
            format!("round {round} of {rounds}{seed}, by {judge}")
        }
        (true, Some(_)) => format!("from scratch{}, by {judge}", finals.settings.means()),
        (true, None) => "no figure is a number; the ranking stands".to_owned(),
    }
}

/// Indices of all entrants: those that came furthest first; within a round in the order of the figure that decided.
fn order(finals: &FinalsView) -> Vec<usize> {
    let mut order: Vec<_> = (0..finals.entrants.len()).collect();
    let last = |place: &usize| (0..=finals.round()).rev().find(|&round| finals.going(round).contains(place));
    let judged = |round, place| finals.figures(round, place).map(|f| f.judged(finals.settings.judge));
    let keys: Vec<_> = order
        .iter()
        .map(|place| {
            let last = last(place);
            (last, last.and_then(|round| judged(round, *place)))
        })
        .collect();
    order.sort_by(|&a, &b| {
        let ((at, figure), (of, other)) = (keys[a], keys[b]);
        // The sort is stable: entrants that are not trained yet keep their order.
        of.cmp(&at).then_with(|| figure.zip(other).map_or(std::cmp::Ordering::Equal, |(a, b)| a.order(b)))
    });
    order
}

fn standing(finals: &FinalsView, place: usize) -> Standing {
    if finals.winner == Some(place) {
        return Standing::Won;
    }
    let survived = finals.rounds.last().is_none_or(|survivors| survivors.contains(&place));
    if survived && !finals.ended { Standing::In } else { Standing::Out }
}

/// The figure by which a round is decided, in six columns, and whether it is a number; a dot if it is still to come,
/// `None` if the entrant does not take part in the round.
fn figure(finals: &FinalsView, round: u32, place: usize, to_come: char) -> Option<(String, bool)> {
    match finals.figures(round, place) {
        Some(figures) => {
            let judged = figures.judged(finals.settings.judge);
            Some((loss(judged), judged.is_finite()))
        }
        None => finals.going(round).contains(&place).then(|| (to_come.to_string(), true)),
    }
}

fn word(finals: &FinalsView, place: usize) -> &'static str {
    match standing(finals, place) {
        Standing::Won => "wins",
        Standing::Out => "out",
        Standing::In => "",
    }
}

fn mark(own: Style, dim: Style, standing: Standing) -> Style {
    if standing == Standing::Won { own } else { dim }
}
