//! The ranking of the last population, at the end of a search.

use relativenas_core::{loss::Loss, population::IndividualId, view::SearchView};

use crate::{
    canvas::Canvas,
    draw::text,
    scene::Scene,
    words::{individual, loss},
};

pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, search: &SearchView) {
    let look = canvas.look;
    let palette = &look.palette;
    let x = canvas.heading(1, 0, "RANKING");
    let rows = canvas.height().saturating_sub(1);
    if search.ranking.is_empty() {
        let done = text::out_of(search.ranked.len(), search.settings.population);
        canvas.text(x + 2, 0, &format!("{done} estimated with the final weights"), palette.dim);
        let first = search.ranked.len().saturating_sub(rows);
        for (row, learner) in search.ranked[first..].iter().enumerate() {
            let style = if learner.estimate.loss.is_finite() { palette.text } else { palette.warning };
            let estimate = learner.estimate;
            let words = line(search, learner.individual, estimate.loss, estimate.accuracy);
            canvas.text(7, 1 + row, &words, style);
        }
        return;
    }
    canvas.text(x + 2, 0, "by loss with the final weights", palette.dim);
    for (row, ranked) in search.ranking.iter().take(rows).enumerate() {
        let y = 1 + row;
        let style = if ranked.rank == 1 { palette.best } else { palette.text };
        canvas.text(2, y, &format!("{:>3}", ranked.rank), palette.dim);
        canvas.text(7, y, &line(search, ranked.individual, ranked.loss, ranked.accuracy), style);
        if scene.selected == Some(ranked.individual) {
            canvas.restyle(2, y, 26, palette.selected);
            canvas.text(1, y, &look.glyphs.selected.to_string(), palette.key);
        }
    }
}

fn line(search: &SearchView, number: IndividualId, value: Loss, accuracy: f64) -> String {
    format!("{}  {}  {accuracy:>5.1} %", individual(search, number), loss(value))
}
