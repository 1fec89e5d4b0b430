//! All quantities over generations or epochs, with one cursor through them.

use ratatui::{style::Style, widgets::Widget};
use relativenas_core::view::{RunView, SearchView};

use crate::{
    app::App,
    canvas::Canvas,
    draw::line_chart::{LineChart, Scale, Series, Stroke, legend},
};

/// A chart: its title and its curves.
struct Panel {
    title: &'static str,
    curves: Vec<Curve>,
    /// A logarithmic axis makes sense.
    is_loss: bool,
}

struct Curve {
    name: String,
    values: Vec<f64>,
    spread: Option<Vec<f64>>,
    stroke: Stroke,
    style: Style,
}

impl Curve {
    fn new(name: impl Into<String>, values: Vec<f64>, stroke: Stroke, style: Style) -> Self {
        Self { name: name.into(), values, spread: None, stroke, style }
    }
}

/// Finished generations or epochs.
pub fn points(app: &App) -> usize {
    let Some(shown) = &app.shown else { return 0 };
    match (shown.search(), &shown.view.training) {
        (Some(search), _) => search.generations.len(),
        (None, Some(training)) => training.history.len(),
        (None, None) => 0,
    }
}

pub fn draw(canvas: &mut Canvas<'_>, app: &App) {
    let Some(shown) = &app.shown else { return };
    let look = canvas.look;
    let (width, height) = (canvas.width(), canvas.height());
    let (panels, last, unit) = match (shown.search(), &shown.view.training) {
        (Some(search), _) => {
            (search_panels(app, search), search.settings.generations.saturating_sub(1), "generation")
        }
        (None, Some(training)) => (training_panels(app, shown), training.epochs.saturating_sub(1), "epoch"),
        (None, None) => (Vec::new(), 0, "generation"),
    };
    let count = points(app);
    let cursor = app.places.curves.cursor.map(|at| at.min(count.saturating_sub(1))).filter(|_| count > 0);
    let words = match cursor {
        Some(at) => format!("{unit} {at}"),
        None if count == 0 => format!("the first {unit} is under way"),
        None => "left and right read values".to_owned(),
    };
    let x = canvas.heading(1, 0, "CURVES");
    let x = canvas.text(x + 2, 0, &words, look.palette.dim);
    if !app.compared.is_empty() && x + 40 < width {
        let words = format!("{} more runs are laid over these", app.compared.len());
        canvas.text(x + 3, 0, &words, look.palette.dim);
    }
    if count == 0 && app.compared.is_empty() {
        return;
    }
    let mut draw_panel = |panel: &Panel, (x, y, w, h): (usize, usize, usize, usize)| {
        chart(&mut canvas.part(x, y, w, h), app, panel, last, cursor);
    };
    let room = height.saturating_sub(1);
    if app.places.curves.losses_only || height < 12 {
        draw_panel(&panels[0], (0, 1, width, room));
    } else if width >= 96 {
        // Losses large on the left, the others one above the other.
        let left = width * 55 / 100;
        draw_panel(&panels[0], (0, 1, left, room));
        let others = &panels[1..];
        let each = room / others.len().max(1);
        for (row, panel) in others.iter().enumerate() {
            draw_panel(panel, (left + 2, 1 + row * each, width - left - 2, each));
        }
    } else {
        // Losses, and the others two by two below.
        let top = room / 2;
        draw_panel(&panels[0], (0, 1, width, top));
        let others = &panels[1..];
        let rows = others.len().div_ceil(2).max(1);
        let each = (room - top) / rows;
        for (place, panel) in others.iter().enumerate() {
            let (column, row) = (place % 2, place / 2);
            draw_panel(panel, (column * width / 2, 1 + top + row * each, width / 2, each));
        }
    }
}

fn chart(canvas: &mut Canvas<'_>, app: &App, panel: &Panel, last: u32, cursor: Option<usize>) {
    let look = canvas.look;
    let palette = &look.palette;
    let series: Vec<Series<'_>> = panel
        .curves
        .iter()
        .map(|curve| Series {
            spread: curve.spread.as_deref(),
            ..Series::new(&curve.name, &curve.values, curve.stroke, curve.style)
        })
        .collect();
    let (width, height) = (canvas.width(), canvas.height());
    if height < 2 {
        return;
    }
    let logarithmic = panel.is_loss && app.places.curves.logarithmic;
    let x = canvas.heading(1, 0, panel.title);
    let x = if logarithmic { canvas.text(x + 1, 0, "(log)", palette.dim) } else { x };
    // Without a cursor the last values are read.
    let at = cursor.or_else(|| points(app).checked_sub(1));
    let long = legend(&series, at, &look.glyphs);
    let short = legend(&series, None, &look.glyphs);
    let fits = |line: &ratatui::text::Line<'_>| x + 2 + line.width() < width;
    if let Some(line) = [long, short].iter().find(|line| fits(line)) {
        canvas.line_right(width - 1, 0, line);
    }
    let area = canvas.part(1, 1, width.saturating_sub(2), height - 1).area;
    let scale = if logarithmic { Scale::Logarithmic } else { Scale::Linear };
    LineChart::new(&series, 0..=last, &look.glyphs, [palette.dim, palette.rule])
        .scale(scale)
        .cursor(cursor.map(|at| at as u32))
        .render(area, canvas.buffer);
}

fn search_panels(app: &App, search: &SearchView) -> Vec<Panel> {
    let p = &app.look.palette;
    let of = |pick: fn(&relativenas_core::view::GenerationSummary) -> f64| -> Vec<f64> {
        search.generations.iter().map(pick).collect()
    };
    let mut losses = vec![
        Curve::new("slow", of(|g| g.slow), Stroke::Dotted, p.slow),
        Curve::new("mean", of(|g| g.mean), Stroke::Dotted, p.text),
        Curve::new("fast", of(|g| g.fast), Stroke::Solid, p.fast),
        Curve::new("best", of(|g| g.best), Stroke::Dashed, p.best),
    ];
    if !app.compared.is_empty() {
        // The curves to be compared are those of fast learners; the others would hide them.
        losses.retain(|curve| curve.name == "fast");
        losses.extend(compared(app));
        if app.places.curves.spread {
            losses = vec![mean_and_spread(app, &losses)];
        }
    }
    vec![
        Panel { title: "LOSS", curves: losses, is_loss: true },
        Panel {
            title: "ACCURACY, %",
            curves: vec![
                Curve::new("mean", of(|g| g.accuracy), Stroke::Dotted, p.text),
                Curve::new("best", of(|g| g.best_accuracy), Stroke::Dashed, p.best),
            ],
            is_loss: false,
        },
        Panel {
            title: "DIVERSITY",
            curves: vec![Curve::new("", of(|g| g.diversity), Stroke::Solid, p.text)],
            is_loss: false,
        },
        Panel {
            title: "HIT RATE, %",
            curves: vec![Curve::new("", of(|g| g.hits.rate().unwrap_or(f64::NAN)), Stroke::Solid, p.fast)],
            is_loss: false,
        },
        Panel {
            title: "LEARNING RATE",
            curves: vec![Curve::new("", of(|g| g.learning_rate), Stroke::Solid, p.dim)],
            is_loss: false,
        },
    ]
}

fn training_panels(app: &App, shown: &crate::shown::Shown) -> Vec<Panel> {
    let p = &app.look.palette;
    let Some(training) = &shown.view.training else { return Vec::new() };
    let of = |pick: fn(&relativenas_core::view::EpochSummary) -> f64| -> Vec<f64> {
        training.history.iter().map(pick).collect()
    };
    let both = |title, is_loss, train, valid| Panel {
        title,
        curves: vec![
            Curve::new("training", of(train), Stroke::Dotted, p.slow),
            Curve::new("validation", of(valid), Stroke::Solid, p.fast),
        ],
        is_loss,
    };
    let one = |title, pick| Panel {
        title,
        curves: vec![Curve::new("", of(pick), Stroke::Solid, p.dim)],
        is_loss: false,
    };
    let mut losses = both("LOSS", true, |e| e.train_loss, |e| e.valid_loss);
    losses.curves.extend(compared(app));
    vec![
        losses,
        both("ACCURACY, %", false, |e| e.train_accuracy, |e| e.valid_accuracy),
        one("LEARNING RATE", |e| e.learning_rate),
        one("DROP PATH", |e| e.drop_path),
    ]
}

/// Losses of other runs: of fast learners in a search, of validation in a training run.
fn compared(app: &App) -> Vec<Curve> {
    let strokes = [Stroke::Dashed, Stroke::Dotted, Stroke::Solid];
    let curve = |(index, (name, view)): (usize, &(String, Box<RunView>))| {
        let values = losses(view);
        let style = app.look.palette.series[index % app.look.palette.series.len()];
        Curve::new(name.clone(), values, strokes[index % strokes.len()], style)
    };
    app.compared.iter().enumerate().map(curve).collect()
}

fn losses(view: &RunView) -> Vec<f64> {
    match (&view.search, &view.training) {
        (Some(search), _) => search.generations.iter().map(|g| g.fast).collect(),
        (None, Some(training)) => training.history.iter().map(|e| e.valid_loss).collect(),
        (None, None) => Vec::new(),
    }
}

/// The mean of several curves where all have values, and how far they lie apart (one standard deviation).
fn mean_and_spread(app: &App, curves: &[Curve]) -> Curve {
    let points = curves.iter().map(|curve| curve.values.len()).min().unwrap_or(0);
    let count = curves.len() as f64;
    let (mut means, mut spreads) = (Vec::with_capacity(points), Vec::with_capacity(points));
    for point in 0..points {
        let values = curves.iter().map(|curve| curve.values[point]);
        let mean = values.clone().sum::<f64>() / count;
        let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        means.push(mean);
        spreads.push(variance.sqrt());
    }
    let name = format!("mean of {} runs", curves.len());
    Curve { spread: Some(spreads), ..Curve::new(name, means, Stroke::Solid, app.look.palette.fast) }
}
