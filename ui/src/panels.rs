//! Panels: what is drawn around every view, and the parts that the Overview is made of.

pub mod best;
pub mod diversity;
pub mod footer;
pub mod log;
pub mod losses;
pub mod now;
pub mod probe;
pub mod ranking;
pub mod status_line;
pub mod this_generation;
pub mod title;
pub mod training;
pub mod weight_set;

use relativenas_core::{event::Ranked, view::SearchView};

use crate::{
    app::App,
    canvas::{Canvas, Look},
    draw::text,
};

/// How much room there is. Each is named for the smallest screen that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    /// A single line says it all.
    Line,
    /// 40×12
    Tiny,
    /// 60×16
    Narrow,
    /// 80×24
    Small,
    /// 100×30
    Medium,
    /// 140×40
    Wide,
}

impl Layout {
    pub fn of(width: usize, height: usize) -> Self {
        let sizes = [
            (Self::Wide, 124, 34),
            (Self::Medium, 96, 27),
            (Self::Small, 74, 20),
            (Self::Narrow, 54, 14),
            (Self::Tiny, 30, 8),
        ];
        let fits = sizes.into_iter().find(|&(_, columns, rows)| width >= columns && height >= rows);
        fits.map_or(Self::Line, |(layout, ..)| layout)
    }

    /// Rows above and below a view.
    fn margins(self) -> (usize, usize) {
        match self {
            Self::Wide | Self::Medium => (2, 2),
            Self::Small => (2, 1),
            Self::Narrow | Self::Tiny => (1, 1),
            Self::Line => (0, 0),
        }
    }
}

/// Draws title and footer.
pub fn draw_around(canvas: &mut Canvas<'_>, app: &App) {
    let layout = Layout::of(canvas.width(), canvas.height());
    let (width, height) = (canvas.width(), canvas.height());
    let (top, bottom) = layout.margins();
    title::draw(&mut canvas.part(0, 0, width, top), app, layout);
    footer::draw(&mut canvas.part(0, height - bottom, width, bottom), app);
}

/// Draws what was said last, over everything else.
pub fn draw_notice(canvas: &mut Canvas<'_>, app: &App) {
    let (_, bottom) = Layout::of(canvas.width(), canvas.height()).margins();
    footer::notice(canvas, app, bottom);
}

/// What is left for the view.
pub fn inside<'a>(canvas: &'a mut Canvas<'_>) -> Canvas<'a> {
    let (width, height) = (canvas.width(), canvas.height());
    let (top, bottom) = Layout::of(width, height).margins();
    canvas.part(0, top, width, height.saturating_sub(top + bottom))
}

/// A loss in six columns.
pub fn loss(value: f64) -> String {
    text::number(value, 6, 3)
}

/// The place in the final ranking, if there is one.
pub fn ranked(search: &SearchView, individual: usize) -> Option<&Ranked> {
    search.ranking.iter().find(|ranked| ranked.individual == individual)
}

/// A share in per cent in seven columns, or a dash where there is none.
pub fn per_cent(value: Option<f64>, look: &Look) -> String {
    match value {
        Some(value) => format!("{} %", text::number(value, 5, 1)),
        None => format!("{:>7}", look.glyphs.horizontal),
    }
}

/// A difference of losses in six columns, or a dash where there is none.
pub fn gap(value: Option<f64>, look: &Look) -> String {
    match value.filter(|gap| !gap.is_nan()) {
        Some(gap) => loss(gap),
        None => format!("{:>6}", look.glyphs.horizontal),
    }
}

/// An individual's number, as wide as every other's.
pub fn individual(search: &SearchView, number: usize) -> String {
    let width = search.settings.population.saturating_sub(1).to_string().len().max(2);
    format!("{number:0width$}")
}
