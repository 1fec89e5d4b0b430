//! Losses, generation by generation.

use ratatui::widgets::Widget;
use relativenas_core::view::SearchView;

use super::probe;
use crate::{
    canvas::Canvas,
    draw::line_chart::{LineChart, Series, Stroke, legend},
    layout::Layout,
    shown::Shown,
    words,
};

/// Draws a chart of losses under a heading with its legend, and between them the result of a probe if there is one.
pub fn draw(canvas: &mut Canvas<'_>, shown: &Shown, search: &SearchView) {
    let look = canvas.look;
    let palette = &look.palette;
    let of = |pick: fn(&relativenas_core::view::GenerationSummary) -> f64| -> Vec<f64> {
        search.generations.iter().map(pick).collect()
    };
    let (slow, fast, best) = (of(|g| g.slow), of(|g| g.fast), of(|g| g.best));
    let series = [
        Series::new("slow", &slow, Stroke::Dotted, palette.slow),
        Series::new("fast", &fast, Stroke::Solid, palette.fast),
        Series::new("best", &best, Stroke::Dashed, palette.best),
    ];
    let width = canvas.width();
    if canvas.height() >= Layout::LOSSES_HEADING {
        let mut x = canvas.heading(1, 0, "LOSS PER GENERATION");
        let legend = legend(&series, None, &look.glyphs);
        let unit = words::loss_is(search);
        if !unit.is_empty() && x + unit.len() + 5 < width {
            x = canvas.text(x, 0, &format!(" ({unit})"), palette.dim);
        }
        if x + legend.width() + 3 <= width {
            canvas.line_right(width - 1, 0, &legend);
        }
    }
    let mut top = usize::from(canvas.height() >= Layout::LOSSES_HEADING);
    let probe =
        probe::line(shown, look, width.saturating_sub(3)).filter(|_| canvas.height() >= Layout::LOSSES_PROBE);
    if let Some(line) = probe {
        canvas.line(1, top, &line);
        top += 1;
    }
    let height = canvas.height() - top;
    if search.generations.is_empty() {
        canvas.text(3, top + height / 2, "the first generation is under way", palette.dim);
        return;
    }
    if search.generations.iter().all(|generation| generation.generation < search.settings.warm_up) {
        let words = "no losses yet: a warm-up compares no pairs";
        canvas.text(3, top + height / 2, words, palette.dim);
        return;
    }
    let last = search.settings.generations.saturating_sub(1);
    let area = canvas.part(1, top, width.saturating_sub(2), height).area;
    LineChart::new(&series, 0..=last, &look.glyphs, [palette.dim, palette.rule])
        .robust()
        .render(area, canvas.buffer);
}
