//! A full network in training: losses and accuracy, epoch by epoch.

use ratatui::{style::Style, text::Line, widgets::Widget};
use relativenas_core::view::{EpochSummary, TrainingView};

use crate::{
    canvas::{Canvas, span},
    draw::{
        line_chart::{LineChart, Series, Stroke, legend},
        text,
    },
    words::loss,
};

pub fn losses(canvas: &mut Canvas<'_>, training: &TrainingView) {
    chart(canvas, training, "LOSS PER EPOCH", |e| e.train_loss, |e| e.valid_loss);
}

pub fn accuracies(canvas: &mut Canvas<'_>, training: &TrainingView) {
    chart(canvas, training, "ACCURACY, %", |e| e.train_accuracy, |e| e.valid_accuracy);
}

fn chart(
    canvas: &mut Canvas<'_>,
    training: &TrainingView,
    title: &str,
    train: fn(&EpochSummary) -> f64,
    valid: fn(&EpochSummary) -> f64,
) {
    let look = canvas.look;
    let palette = &look.palette;
    let train: Vec<f64> = training.history.iter().map(train).collect();
    let valid: Vec<f64> = training.history.iter().map(valid).collect();
    let series = [
        Series::new("training", &train, Stroke::Dotted, palette.slow),
        Series::new("validation", &valid, Stroke::Solid, palette.fast),
    ];
    let (width, height) = (canvas.width(), canvas.height());
    let x = canvas.heading(1, 0, title);
    let legend = legend(&series, None, &look.glyphs);
    if x + legend.width() + 3 <= width {
        canvas.line_right(width - 1, 0, &legend);
    }
    if training.history.is_empty() {
        canvas.text(3, height / 2, "the first epoch is under way", palette.dim);
        return;
    }
    let last = training.epochs.saturating_sub(1);
    let area = canvas.part(1, 1, width.saturating_sub(2), height.saturating_sub(1)).area;
    let chart = LineChart::new(&series, 0..=last, &look.glyphs, [palette.dim, palette.rule]);
    // Accuracies are bounded, so a low one is no outlier that could be left out.
    let chart = if title.starts_with("LOSS") { chart.robust() } else { chart };
    chart.render(area, canvas.buffer);
}

/// The best epoch so far and the network, in words.
pub fn summary(canvas: &mut Canvas<'_>, training: &TrainingView) {
    let look = canvas.look;
    let palette = &look.palette;
    canvas.heading(1, 0, "BEST SO FAR");
    canvas.line(1, 1, &best(training, palette.dim, palette.best, palette.text));
    let network = training.network;
    let cost = relativenas_core::cost::cost(&training.genotype, &network);
    let words = format!(
        "{}, {}, {} classes; {} parameters, {} multiply-adds",
        text::counted(network.channels, "channel"),
        text::counted(network.cells, "cell"),
        network.classes,
        text::quantity(cost.parameters as f64),
        text::quantity(cost.multiply_adds as f64)
    );
    let words = text::truncate(&words, canvas.width().saturating_sub(2), &look.glyphs).into_owned();
    canvas.text(1, 2, &words, palette.text);
    if let Some(last) = training.history.last() {
        let rates = format!("learning rate {:.5}, drop path {:.3}", last.learning_rate, last.drop_path);
        canvas.text(1, 3, &rates, palette.dim);
    }
}

pub fn best(training: &TrainingView, dim: Style, best: Style, plain: Style) -> Line<'static> {
    let epoch = training.best_epoch.and_then(|e| training.history.iter().find(|h| h.epoch == e));
    match epoch {
        None => Line::styled("no epoch is done yet", dim),
        Some(epoch) => Line::from(vec![
            span("epoch ", dim),
            span(epoch.epoch.to_string(), best),
            span("  loss ", dim),
            span(loss(epoch.valid_loss).trim_start().to_owned(), best),
            span("  ", dim),
            span(format!("{:.2} %", epoch.valid_accuracy), plain),
        ]),
    }
}
