//! Curves of one run.

use relativenas_core::view::{EpochSummary, GenerationSummary, SearchView, TrainingView};

use super::panel::{Curve, Panel};
use crate::{draw::line_chart::Stroke, theme::Palette};

pub fn of_search(palette: &Palette, search: &SearchView) -> Vec<Panel> {
    let p = palette;
    let of =
        |pick: fn(&GenerationSummary) -> f64| -> Vec<f64> { search.generations.iter().map(pick).collect() };
    let losses = vec![
        Curve::new("slow", of(|g| g.slow), Stroke::Dotted, p.slow),
        Curve::new("mean", of(|g| g.mean), Stroke::DashDotted, p.text),
        Curve::new("fast", of(|g| g.fast), Stroke::Solid, p.fast),
        Curve::new("best", of(|g| g.best), Stroke::Dashed, p.best),
    ];
    let accuracies = vec![
        Curve::new("mean", of(|g| g.accuracy), Stroke::Dotted, p.text),
        Curve::new("best", of(|g| g.best_accuracy), Stroke::Dashed, p.best),
    ];
    let diversity = Curve::new("", of(|g| g.diversity), Stroke::Solid, p.text);
    let loss = if search.network.is_none() { "LOSS: 100 - ACCURACY, %" } else { "LOSS" };
    let mut panels = vec![
        Panel { is_loss: true, ..Panel::new(loss, losses) },
        Panel::new("ACCURACY, %", accuracies),
        Panel::new("DIVERSITY", vec![diversity]),
    ];
    // A table trains nothing.
    if search.network.is_some() {
        let hits = Curve::new("", of(|g| g.hits.rate().unwrap_or(f64::NAN)), Stroke::Solid, p.fast);
        let rate = Curve::new("", of(|g| g.learning_rate), Stroke::Solid, p.dim);
        panels.push(Panel::new("HIT RATE, %", vec![hits]));
        panels.push(Panel::new("LEARNING RATE", vec![rate]));
    }
    panels
}

pub fn of_training(palette: &Palette, training: &TrainingView) -> Vec<Panel> {
    let p = palette;
    let of = |pick: fn(&EpochSummary) -> f64| -> Vec<f64> { training.history.iter().map(pick).collect() };
    let both = |train, valid| {
        vec![
            Curve::new("training", of(train), Stroke::Dotted, p.slow),
            Curve::new("validation", of(valid), Stroke::Solid, p.fast),
        ]
    };
    let one = |pick| vec![Curve::new("", of(pick), Stroke::Solid, p.dim)];
    let metric = if training.task.is_classification() {
        both(|e| e.train_accuracy, |e| e.valid_accuracy)
    } else {
        vec![Curve::new("validation", of(|e| e.valid_accuracy), Stroke::Solid, p.fast)]
    };
    let mut panels = vec![
        Panel { is_loss: true, ..Panel::new("LOSS", both(|e| e.train_loss.0, |e| e.valid_loss.0)) },
        Panel::new(training.task.metric_title(), metric),
        Panel::new("LEARNING RATE", one(|e| e.learning_rate)),
    ];
    if training.task.is_classification() {
        panels.push(Panel::new("DROP PATH", one(|e| e.drop_path)));
    }
    panels
}
