//! The weight set in a few lines: its hit rate, and how many of its operations were ever trained or are starved.

use relativenas_core::{
    network::NetworkShape,
    operation::CellKind,
    view::SearchView,
    weight_set::{CANDIDATES, WeightKey},
};

use crate::{
    canvas::Canvas,
    draw::{bars, text},
    words::per_cent,
};

/// How often the operations of a weight set were trained.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrainingCounts {
    /// The number of operations that have weights.
    pub trainable: usize,
    /// The number of those that were trained at least once.
    pub trained: usize,
    /// The number of trained operations that had less than a quarter of the mean number of updates.
    pub starved: usize,
    /// The mean number of updates of trained operations.
    pub mean: f64,
}

/// Whether a candidate (as in [`WeightKey::Operation`]) of a cell has weights.
pub fn has_weights(shape: &NetworkShape, cell: usize, candidate: usize) -> bool {
    let (_, input, operation) = WeightKey::describe_candidate(candidate);
    let strided = shape.cell_kind(cell) == CellKind::Reduction && input < 2;
    operation.has_parameters(if strided { 2 } else { 1 })
}

/// Whether an operation that was trained `updates` times is starved: it had less than a quarter of `mean`, the mean
/// number of updates of trained operations.
pub fn starves(updates: u32, mean: f64) -> bool {
    f64::from(updates) < mean / 4.0
}

/// Counts the operations of all cells; all counts are 0 for a search without a network.
pub fn fares(search: &SearchView) -> TrainingCounts {
    let Some(shape) = search.network else { return TrainingCounts::default() };
    let trainable = (0..shape.cells)
        .map(|cell| (0..CANDIDATES).filter(|&candidate| has_weights(&shape, cell, candidate)).count())
        .sum();
    let updates: Vec<u32> =
        search.weights.entries().filter(|(k, _)| k.is_operation()).map(|(_, e)| e.trained.updates).collect();
    let mean = updates.iter().map(|&u| f64::from(u)).sum::<f64>() / updates.len().max(1) as f64;
    let starved = updates.iter().filter(|&&u| starves(u, mean)).count();
    TrainingCounts { trainable, trained: updates.len(), starved, mean }
}

/// Hit rates of all finished generations, per cent.
pub fn rates(search: &SearchView) -> Vec<f64> {
    search.generations.iter().map(|g| g.hits.rate().unwrap_or(f64::NAN)).collect()
}

pub fn draw(canvas: &mut Canvas<'_>, search: &SearchView) {
    let look = canvas.look;
    let (dim, text_style) = (look.palette.dim, look.palette.text);
    canvas.heading(1, 0, "WEIGHT SET");
    if search.network.is_none() {
        canvas.text(1, 1, "losses from a table:", dim);
        canvas.text(1, 2, "there are no weights", dim);
        return;
    }
    let x = canvas.text(1, 1, "hits ", dim);
    let x = canvas.text(x, 1, &per_cent(search.hits.rate(), look), look.palette.strong) + 2;
    let columns = canvas.width().saturating_sub(x + 2);
    canvas.text(x, 1, &bars::sparkline(&rates(search), columns, &look.glyphs), look.palette.fast);
    let fares = fares(search);
    let x = canvas.text(1, 2, "trained ", dim);
    let x = canvas.text(x, 2, &text::grouped(fares.trained as u64), text_style);
    canvas.text(x, 2, &format!(" of {}", text::grouped(fares.trainable as u64)), dim);
    let x = canvas.text(1, 3, "starved ", dim);
    canvas.text(x, 3, &text::grouped(fares.starved as u64), text_style);
}
