//! All quantities over generations or epochs, with one cursor through them.

mod alone;
mod overlay;
mod panel;
mod place;

use ratatui::{
    text::{Line, Span},
    widgets::Widget,
};

use self::panel::{Curve, Names, Panel};
pub use self::place::CurvesPlace;
use crate::{
    canvas::Canvas,
    draw::{
        line_chart::{LineChart, Scale, Series, legend},
        text,
    },
    layout::Layout,
    lists,
    panels::probe,
    scene::Scene,
    shown::Shown,
    state::State,
};

pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, place: &CurvesPlace, state: &State, shown: &Shown) {
    let palette = &canvas.look.palette;
    let (width, height) = (canvas.width(), canvas.height());
    let (panels, unit) = match (shown.search(), &shown.view.training) {
        (None, None) => (Vec::new(), "generation"),
        (search, _) if !state.compared.is_empty() => {
            (overlay::panels(palette, place, state), if search.is_some() { "generation" } else { "epoch" })
        }
        (Some(search), _) => (alone::of_search(palette, search), "generation"),
        (None, Some(training)) => (alone::of_training(palette, training), "epoch"),
    };
    let (count, all) = lists::curve_points(state);
    let cursor = place.cursor.map(|at| at.min(count.saturating_sub(1))).filter(|_| count > 0);
    let compared = (!state.compared.is_empty()).then_some(|room| overlay::words(scene, place, state, room));
    head(canvas, (cursor, count, unit), compared);
    if count == 0 || panels.is_empty() {
        return;
    }
    // What a probe says belongs beside the losses.
    let probe =
        probe::line(shown, canvas.look, width.saturating_sub(3)).filter(|_| height >= Layout::ALL_CURVES);
    let top = 1 + usize::from(probe.is_some());
    if let Some(line) = probe {
        canvas.line(1, 1, &line);
    }
    let mut draw_panel = |panel: &Panel, (x, y, w, h): (usize, usize, usize, usize)| {
        chart(&mut canvas.part(x, y, w, h), place, panel, (count, all), cursor);
    };
    let room = height.saturating_sub(top);
    if place.losses_only || height < Layout::ALL_CURVES {
        draw_panel(&panels[0], (0, top, width, room));
    } else if width >= Layout::TWO_COLUMNS {
        // The losses are large on the left; the other charts stand on top of each other at the right.
        let left = width * 55 / 100;
        draw_panel(&panels[0], (0, top, left, room));
        let others = &panels[1..];
        let each = room / others.len().max(1);
        for (row, panel) in others.iter().enumerate() {
            draw_panel(panel, (left + 2, top + row * each, width - left - 2, each));
        }
    } else {
        // The losses come first; the other charts stand below, two in a row.
        let half = room / 2;
        draw_panel(&panels[0], (0, top, width, half));
        let others = &panels[1..];
        let rows = others.len().div_ceil(2).max(1);
        let each = (room - half) / rows;
        for (place, panel) in others.iter().enumerate() {
            let (column, row) = (place % 2, place / 2);
            draw_panel(panel, (column * width / 2, top + half + row * each, width / 2, each));
        }
    }
}

/// Draws the head of the view: where values are read, and which runs are compared.
fn head(
    canvas: &mut Canvas<'_>,
    (cursor, count, unit): (Option<usize>, usize, &str),
    compared: Option<impl Fn(usize) -> String>,
) {
    let dim = canvas.look.palette.dim;
    let words = match cursor {
        Some(at) => format!("{unit} {at}"),
        None if count == 0 => format!("the first {unit} is under way"),
        None => "left and right read values".to_owned(),
    };
    let x = canvas.heading(1, 0, "CURVES");
    let x = canvas.text(x + 2, 0, &words, dim) + 3;
    if let Some(words) = compared {
        let glyphs = canvas.look.glyphs;
        let room = canvas.width().saturating_sub(x + 1);
        canvas.text(x, 0, &text::truncate(&words(room), room, &glyphs), dim);
    }
}

fn chart(
    canvas: &mut Canvas<'_>,
    place: &CurvesPlace,
    panel: &Panel,
    (count, all): (usize, u32),
    cursor: Option<usize>,
) {
    let look = canvas.look;
    let palette = &look.palette;
    let series: Vec<Series<'_>> = panel.curves.iter().map(Curve::series).collect();
    let (width, height) = (canvas.width(), canvas.height());
    if height < 2 {
        return;
    }
    let logarithmic = panel.is_loss && place.logarithmic;
    let x = canvas.heading(1, 0, panel.title);
    let x = if logarithmic { canvas.text(x + 1, 0, "(log)", palette.dim) } else { x };
    // Without a cursor the last value of each curve is read; runs may have different lengths.
    let read = |series: &Series<'_>| cursor.or_else(|| series.values.len().checked_sub(1));
    let below = if panel.names == Names::Below && height >= Layout::CURVES_IN_WORDS {
        series.len().min(height / 3)
    } else {
        0
    };
    if below > 0 {
        rows(&mut canvas.part(1, 1, width.saturating_sub(2), below), &series, read);
    } else {
        let mut lines = if panel.names != Names::Beside {
            let spans = series.iter().enumerate().flat_map(|(place, series)| {
                let apart = Span::raw(if place > 0 { "   " } else { "" });
                let nameless = Series { name: "", ..*series };
                let read = legend(&[nameless], read(series), &look.glyphs);
                [apart].into_iter().chain(read.spans)
            });
            // Where strokes do not fit, values stand in the order of the names.
            let values = series.iter().map(|series| {
                let value =
                    read(series).map_or(f64::NAN, |at| series.values.get(at).copied().unwrap_or(f64::NAN));
                Span::styled(format!("  {}", text::number(value, 7, 3).trim_start()), series.style)
            });
            vec![Line::from_iter(spans), Line::from_iter(values)]
        } else {
            vec![legend(&series, cursor.or_else(|| count.checked_sub(1)), &look.glyphs)]
        };
        if panel.names == Names::Beside {
            lines.push(legend(&series, None, &look.glyphs));
        }
        if let Some(line) = lines.iter().find(|line| x + 2 + line.width() < width) {
            canvas.line_right(width - 1, 0, line);
        }
    }
    let area = canvas.part(1, 1 + below, width.saturating_sub(2), height - 1 - below).area;
    let scale = if logarithmic { Scale::Logarithmic } else { Scale::Linear };
    let chart = LineChart::new(&series, 0..=all.saturating_sub(1), &look.glyphs, [palette.dim, palette.rule])
        .scale(scale)
        .cursor(cursor.map(|at| at as u32));
    let chart = if panel.is_loss && !logarithmic { chart.robust() } else { chart };
    chart.render(area, canvas.buffer);
}

/// Draws one row for each curve: its stroke and name, its value at the cursor, and the range of its runs.
fn rows(canvas: &mut Canvas<'_>, series: &[Series<'_>], read: impl Fn(&Series<'_>) -> Option<usize>) {
    let look = canvas.look;
    let width = canvas.width();
    let widest = series.iter().map(|series| text::width(series.name)).max().unwrap_or(0);
    let widest = widest.min(width.saturating_sub(12));
    for (row, series) in series.iter().enumerate() {
        let name = text::left(series.name, widest, &look.glyphs);
        let at = read(series);
        let mut line = legend(&[Series { name: &name, ..*series }], at, &look.glyphs);
        let range = at.and_then(|at| series.band?.get(at));
        if let Some(&(low, high)) = range.filter(|(low, high)| low.is_finite() && high.is_finite()) {
            let number = |value| text::number(value, 7, 3);
            let words = format!("   {} to {}", number(low).trim_start(), number(high).trim_start());
            line.push_span(Span::styled(words, look.palette.dim));
        }
        canvas.line(0, row, &Line::from(line.spans));
    }
}
