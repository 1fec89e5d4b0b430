//! The warm-up: which networks trained the weights in this generation, and a note that no pair is compared.

use relativenas_core::{event::Trainee, population::IndividualId, view::SearchView};

use crate::{
    canvas::Canvas,
    draw::text::{self, out_of},
    layout::Layout,
    words::{individual, loss},
};

/// Draws a heading, a note on what the warm-up is for, and the pairs of networks that were trained, the newest last.
pub fn draw(canvas: &mut Canvas<'_>, search: &SearchView) {
    let palette = &canvas.look.palette;
    let (dim, plain, warning) = (palette.dim, palette.text, palette.warning);
    let (width, glyphs) = (canvas.width(), canvas.look.glyphs);
    let mut y = 0;
    let say = |canvas: &mut Canvas<'_>, y: &mut usize, words: &str| {
        canvas.text(1, *y, &text::truncate(words, width.saturating_sub(2), &glyphs), dim);
        *y += 1;
    };
    if canvas.height() >= Layout::PAIRS_HEADING {
        let x = canvas.heading(1, 0, "WARM-UP");
        canvas.text(x + 2, 0, &out_of(search.warmed.len(), search.pairs.len()), dim);
        y = 1;
        say(canvas, &mut y, "trains every operation equally often");
        say(canvas, &mut y, "no pair is compared, no individual moves");
    }
    let rows = canvas.height().saturating_sub(y);
    let first = search.warmed.len().saturating_sub(rows);
    for pair in &search.warmed[first..] {
        let mut x = 1;
        for Trainee { network, train_loss, .. } in pair {
            let style = if train_loss.is_finite() { plain } else { warning };
            let words =
                format!("network {} {}", individual(search, IndividualId(*network)), loss(*train_loss));
            x = canvas.text(x, y, &words, style) + 3;
        }
        y += 1;
    }
}
