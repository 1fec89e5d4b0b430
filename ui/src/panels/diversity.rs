//! The diversity of the population.

use relativenas_core::view::SearchView;

use crate::{
    canvas::Canvas,
    draw::{bars, text},
    layout::Layout,
};

pub fn draw(canvas: &mut Canvas<'_>, search: &SearchView) {
    let look = canvas.look;
    canvas.heading(1, 0, "DIVERSITY");
    let x = canvas.text(1, 1, &text::number(search.diversity(), 5, 2), look.palette.strong) + 2;
    let history: Vec<f64> = search.generations.iter().map(|g| g.diversity).collect();
    let columns = canvas.width().saturating_sub(x + 2);
    canvas.text(x, 1, &bars::sparkline(&history, columns, &look.glyphs), look.palette.text);
    // Without this note, a falling diversity would be taken for progress.
    let [above, below] = if canvas.width() >= Layout::DIVERSITY_IN_WORDS {
        ["falls with random losses too:", "it measures agreement"]
    } else {
        ["falls with random", "losses too"]
    };
    canvas.text(1, 2, above, look.palette.dim);
    canvas.text(1, 3, below, look.palette.dim);
}
