//! A full network in training: losses and accuracy, epoch by epoch.

use ratatui::{style::Style, text::Line, widgets::Widget};
use relativenas_core::{
    tasks::Task,
    view::{EpochSummary, TrainingView},
};

use crate::{
    canvas::{Canvas, span},
    draw::{
        line_chart::{LineChart, Series, Stroke, legend},
        text,
    },
    words::loss,
};

pub fn losses(canvas: &mut Canvas<'_>, training: &TrainingView) {
    chart(canvas, training, "LOSS PER EPOCH", Some(|e| e.train_loss.0), |e| e.valid_loss.0);
}

pub fn accuracies(canvas: &mut Canvas<'_>, training: &TrainingView) {
    // The metrics of other tasks are not computed for training images.
    let train = training.task.is_classification().then_some(train_accuracy as Pick);
    chart(canvas, training, training.task.metric_title(), train, |e| e.valid_accuracy);
}

type Pick = fn(&EpochSummary) -> f64;

fn train_accuracy(epoch: &EpochSummary) -> f64 {
    epoch.train_accuracy
}

fn chart(canvas: &mut Canvas<'_>, training: &TrainingView, title: &str, train: Option<Pick>, valid: Pick) {
    let look = canvas.look;
    let palette = &look.palette;
    let train: Option<Vec<f64>> = train.map(|train| training.history.iter().map(train).collect());
    let valid: Vec<f64> = training.history.iter().map(valid).collect();
    let mut series = vec![Series::new("validation", &valid, Stroke::Solid, palette.fast)];
    if let Some(train) = &train {
        series.insert(0, Series::new("training", train, Stroke::Dotted, palette.slow));
    }
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
    let mut words = format!(
        "{}, {}, {} classes",
        text::counted(network.channels, "channel"),
        text::counted(network.cells, "cell"),
        network.classes,
    );
    // Costs are known for classifiers only.
    if training.task.is_classification() {
        let cost = relativenas_core::cost::cost(&training.genotype, &network);
        let (parameters, multiply_adds) = (cost.parameters as f64, cost.multiply_adds as f64);
        let [parameters, multiply_adds] = [parameters, multiply_adds].map(text::quantity);
        words += &format!("; {parameters} parameters, {multiply_adds} multiply-adds");
    }
    let words = text::truncate(&words, canvas.width().saturating_sub(2), &look.glyphs).into_owned();
    canvas.text(1, 2, &words, palette.text);
    if let Some(last) = training.history.last() {
        let rates = format!("learning rate {:.5}, drop path {:.3}", last.learning_rate, last.drop_path);
        canvas.text(1, 3, &rates, palette.dim);
    }
}

pub fn best(training: &TrainingView, dim: Style, best: Style, plain: Style) -> Line<'static> {
    match training.best() {
        None => Line::styled("no epoch is done yet", dim),
        Some(epoch) => Line::from(vec![
            span("epoch ", dim),
            span(epoch.epoch.to_string(), best),
            span("  loss ", dim),
            span(loss(epoch.valid_loss).trim_start().to_owned(), best),
            span("  ", dim),
            span(metric(training, epoch.valid_accuracy), plain),
        ]),
    }
}

/// The metric of a training, with its name where that is not plain accuracy.
fn metric(training: &TrainingView, value: f64) -> String {
    match training.task {
        Task::Classification => format!("{value:.2} %"),
        task => format!("{value:.2} % {}", task.metric_name()),
    }
}
