//! The screen as a single line, for terminals that are too small for more.

use ratatui::text::Line;
use relativenas_core::view::SearchView;

use super::sign::sign;
use crate::{
    canvas::{Canvas, span},
    draw::text::{self, out_of},
    shown::Shown,
    words::loss,
};

/// Draws a line such as `g12/50 p4/10 ▶ 1.042 best 1.087 ETA 21m`: generation, pair, status, the loss of the
/// individual in training, the best loss, and the time that is left.
pub fn draw(canvas: &mut Canvas<'_>, shown: Option<&Shown>) {
    let palette = &canvas.look.palette;
    let (text_style, dim) = (palette.text, palette.dim);
    let y = canvas.height() / 2;
    let Some(shown) = shown else {
        canvas.text(0, y, "relativenas: a larger screen shows the runs", dim);
        return;
    };
    let mut line = Line::default();
    let mut word = |word: String, style| {
        line.push_span(span(word, style));
        line.push_span(span(" ", dim));
    };
    let status = shown.status();
    let (glyph, style) = sign(status, canvas.look);
    if let Some(search) = shown.search() {
        let generations = search.settings.generations as usize;
        match search.finals.as_ref().filter(|finals| !finals.ended) {
            Some(finals) => word(
                format!("finals {}", out_of(finals.round() as usize + 1, finals.rounds_in_all() as usize)),
                text_style,
            ),
            None if search.is_warming_up() => {
                let all = search.settings.warm_up as usize;
                word(format!("warm-up {}", out_of(search.generation as usize, all)), text_style);
            }
            None => word(format!("g{}", out_of(search.generation as usize, generations)), text_style),
        }
        if !search.pairs.is_empty() {
            word(format!("p{}", out_of(search.pairs_done(), search.pairs.len())), text_style);
        }
    } else if let Some(training) = &shown.view.training {
        word(format!("e{}", out_of(training.history.len(), training.epochs as usize)), text_style);
    }
    word(glyph.to_string(), style);
    let progress = shown.progress.as_ref();
    match progress.and_then(|p| p.activity.networks().next()?.1.loss) {
        Some(read) => word(loss(read).trim_start().to_owned(), text_style),
        None => word(status.name().to_owned(), style),
    }
    if let Some(best) = shown.search().and_then(SearchView::leader) {
        word("best".to_owned(), dim);
        word(loss(best.loss).trim_start().to_owned(), palette.best);
    }
    if let Some(seconds) = progress.and_then(|progress| progress.seconds_left) {
        word("ETA".to_owned(), dim);
        word(text::short_duration(text::whole_seconds(seconds)), text_style);
    }
    canvas.line(0, y, &line);
}
