//! The cost of a network, computed from its genotype and shape without building it.
//!
//! Counted are the learnable parameters of a full network (running statistics are not learnable), and the
//! multiply-adds of convolutions and linear layers for one image. Normalisation, pooling and additions cost
//! nothing, as is usual in the literature.
//!
//! In a full network both inputs of a cell are preprocessed, even if no gene reads one of them. Two genes
//! that apply the same operation to the same input count twice, because published weights have a module for
//! each.
//!
//! ```
//! use relativenas_core::{cost::cost, network::{NetworkKind, NetworkShape}, published};
//!
//! let genotype = published::find("RelativeNAS")?;
//! let shape = NetworkShape { kind: NetworkKind::Cifar, channels: 36, cells: 20, classes: 10 };
//! let counted = cost(&genotype, &shape);
//! assert_eq!(format!("{:.2} M", counted.parameters as f64 / 1e6), "3.93 M"); // As published.
//! assert_eq!(counted.cells.len(), 20);
//! # Ok::<(), published::UnknownGenotype>(())
//! ```

use std::{iter::Sum, ops::Add, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    genotype::{Cell, Genotype},
    latency::{LatencyTable, milliseconds},
    network::{CellPlace, NetworkKind, NetworkShape},
    number,
    operation::{CellKind, Operation},
    space::Space,
};

/// The cost of a part of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub parameters: u64,
    /// Multiply-adds for one image.
    pub multiply_adds: u64,
}

impl Add for Part {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            parameters: self.parameters + other.parameters,
            multiply_adds: self.multiply_adds + other.multiply_adds,
        }
    }
}

impl Sum for Part {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), Add::add)
    }
}

/// The cost of a cell, part by part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellCost {
    pub kind: CellKind,
    /// The modules that convert inputs 0 and 1 to the channels and the resolution of the cell.
    pub preprocess: [Part; 2],
    /// The cost of each gene's operation, in the order of the genotype.
    pub genes: Vec<Part>,
    pub total: Part,
}

/// The cost of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Learnable parameters, without the auxiliary head, which exists in training only.
    pub parameters: u64,
    /// Multiply-adds for one image, without the auxiliary head.
    pub multiply_adds: u64,
    /// The parameters of the auxiliary head, which are not part of `parameters`.
    pub auxiliary_parameters: u64,
    pub stem: Part,
    /// The cost of each cell, from the stem to the classifier.
    pub cells: Vec<CellCost>,
    pub classifier: Part,
}

/// Counts the full network of a genotype.
///
/// `shape` is one that [`NetworkShape::check`] accepts; others may overflow.
pub fn cost(genotype: &Genotype, shape: &NetworkShape) -> Cost {
    let places = shape.places(genotype);
    let cells: Vec<_> = places.iter().map(|place| cell_cost(genotype.cell(place.kind), place)).collect();
    let stem = stem(shape);
    let width = |index: usize| {
        places.get(index).map_or(shape.stem_channels(), |p| p.channels * genotype.cell(p.kind).concat.len())
    };
    let classifier = linear(width(places.len().saturating_sub(1)), shape.classes);
    let total = stem + cells.iter().map(|c| c.total).sum() + classifier;
    Cost {
        parameters: total.parameters,
        multiply_adds: total.multiply_adds,
        auxiliary_parameters: auxiliary_parameters(shape, width(shape.auxiliary_cell())),
        stem,
        cells,
        classifier,
    }
}

fn stem(shape: &NetworkShape) -> Part {
    let (side, channels) = (shape.image_side(), shape.stem_channels());
    let strided = |from, to, side| convolution(from, to, 9, side, side) + norm(to);
    match shape.kind {
        NetworkKind::Cifar => strided(3, channels, side),
        NetworkKind::Imagenet => {
            strided(3, channels / 2, side / 2)
                + strided(channels / 2, channels, side / 4)
                + strided(channels, channels, side / 8)
        }
    }
}

fn cell_cost(cell: &Cell, place: &CellPlace) -> CellCost {
    let first = if place.after_reduction {
        factorized_reduction(place.channels_before_last, place.channels, place.side)
    } else {
        pointwise(place.channels_before_last, place.channels, place.side)
    };
    let preprocess = [first, pointwise(place.channels_last, place.channels, place.side)];
    let genes: Vec<_> = cell
        .genes
        .iter()
        .map(|gene| {
            let stride = place.stride(gene.input);
            // Nodes of a reduction cell have half the resolution of its inputs.
            let reads = if gene.input < 2 { place.side } else { place.side_out() };
            operation(gene.operation, place.channels, reads, stride)
        })
        .collect();
    let total = preprocess.into_iter().chain(genes.iter().copied()).sum();
    CellCost { kind: place.kind, preprocess, genes, total }
}

/// The cost of an operation on `channels` maps of `side` rows and columns.
fn operation(operation: Operation, channels: usize, side: usize, stride: usize) -> Part {
    let out = side.div_ceil(stride);
    match operation {
        Operation::MaxPool3x3 | Operation::AvgPool3x3 | Operation::None => Part::default(),
        Operation::SkipConnect if stride == 1 => Part::default(),
        Operation::SkipConnect => factorized_reduction(channels, channels, out),
        // Separable convolutions are applied twice; only the first has the stride.
        Operation::SepConv3x3 => separable(channels, 9, out) + separable(channels, 9, out),
        Operation::SepConv5x5 => separable(channels, 25, out) + separable(channels, 25, out),
        Operation::SepConv7x7 => separable(channels, 49, out) + separable(channels, 49, out),
        Operation::DilConv3x3 => separable(channels, 9, out),
        Operation::DilConv5x5 => separable(channels, 25, out),
        // The 1×7 convolution with the stride halves the columns, then the 7×1 convolution halves the rows.
        Operation::Conv7x1Then1x7 => {
            convolution(channels, channels, 7, side, out)
                + convolution(channels, channels, 7, out, out)
                + norm(channels)
        }
    }
}

/// A depthwise convolution whose kernel has `taps` weights, a pointwise convolution and normalisation.
fn separable(channels: usize, taps: usize, side: usize) -> Part {
    convolution(1, channels, taps, side, side) + pointwise(channels, channels, side)
}

/// A 1×1 convolution and normalisation.
fn pointwise(from: usize, to: usize, side: usize) -> Part {
    convolution(from, to, 1, side, side) + norm(to)
}

/// Two 1×1 convolutions of stride 2, half of the channels each, and normalisation.
fn factorized_reduction(from: usize, to: usize, side_out: usize) -> Part {
    let half = convolution(from, to / 2, 1, side_out, side_out);
    half + half + norm(to)
}

/// A convolution without bias from `from` channels (in each group) to `to` channels of `rows` × `columns` pixels; its
/// kernel has `taps` weights.
fn convolution(from: usize, to: usize, taps: usize, rows: usize, columns: usize) -> Part {
    let parameters = from as u64 * to as u64 * taps as u64;
    Part { parameters, multiply_adds: parameters * rows as u64 * columns as u64 }
}

/// Scale and shift of a batch normalisation.
fn norm(channels: usize) -> Part {
    Part { parameters: 2 * channels as u64, multiply_adds: 0 }
}

fn linear(from: usize, to: usize) -> Part {
    let weights = from as u64 * to as u64;
    Part { parameters: weights + to as u64, multiply_adds: weights }
}

/// 1×1 convolution to 128 channels, 2×2 convolution to 768, linear; published ImageNet weights have
/// no normalisation after the second convolution.
fn auxiliary_parameters(shape: &NetworkShape, channels: usize) -> u64 {
    let last_norm = if shape.kind == NetworkKind::Cifar { norm(768) } else { Part::default() };
    let head = pointwise(channels, 128, 1) + convolution(128, 768, 4, 1, 1) + last_norm;
    (head + linear(768, shape.classes)).parameters
}

/// Limits on the cost of an architecture; 0 means no limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    pub max_parameters: u64,
    pub max_multiply_adds: u64,
    /// The greatest latency of a batch in milliseconds, as [`Limits::latency`] computes it.
    #[serde(default, skip_serializing_if = "number::is_zero")]
    pub max_latency: f64,
    /// The table of latencies; without one, latency has no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latencies: Option<Arc<LatencyTable>>,
    /// The network whose cost is limited; without one there are no limits.
    pub shape: Option<NetworkShape>,
}

impl Limits {
    /// By how much a position exceeds the limits, as the sum of relative excesses; 0 within them.
    ///
    /// It is always 0 in [`Space::NasBench201`], whose architectures have no cost here, and infinite for a position
    /// that cannot be decoded.
    pub fn violation(&self, space: Space, position: &[f64]) -> f64 {
        let Some(shape) = self.shape.filter(|_| self.is_bounded() && space == Space::Cells) else {
            return 0.0;
        };
        Genotype::decode(position).map_or(f64::INFINITY, |genotype| {
            self.excess(&cost(&genotype, &shape)) + self.excess_latency(&genotype)
        })
    }

    /// Whether there is any limit.
    pub fn is_bounded(&self) -> bool {
        self.max_parameters > 0 || self.max_multiply_adds > 0 || self.max_latency > 0.0
    }

    /// The latency of the search network of a genotype, in milliseconds for a batch; `None` without a table.
    pub fn latency(&self, genotype: &Genotype) -> Option<f64> {
        let (table, shape) = self.latencies.as_ref().zip(self.shape)?;
        Some(milliseconds(table.sum(genotype, &shape)))
    }

    fn excess(&self, cost: &Cost) -> f64 {
        let relative = |value: u64, limit: u64| {
            if limit == 0 { 0.0 } else { value.saturating_sub(limit) as f64 / limit as f64 }
        };
        relative(cost.parameters, self.max_parameters) + relative(cost.multiply_adds, self.max_multiply_adds)
    }

    fn excess_latency(&self, genotype: &Genotype) -> f64 {
        match self.latency(genotype) {
            Some(latency) if self.max_latency > 0.0 => (latency / self.max_latency - 1.0).max(0.0),
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published;

    const SHAPE: NetworkShape =
        NetworkShape { kind: NetworkKind::Cifar, channels: 16, cells: 8, classes: 10 };

    #[test]
    fn parts_add_up() {
        for name in published::NAMES {
            let cost = cost(&published::genotype(name).expect("published"), &SHAPE);
            assert_eq!(cost.cells.len(), SHAPE.cells);
            let total = cost.stem + cost.cells.iter().map(|c| c.total).sum() + cost.classifier;
            assert_eq!((total.parameters, total.multiply_adds), (cost.parameters, cost.multiply_adds));
        }
    }

    #[test]
    fn a_violation_is_the_sum_of_relative_excesses() {
        let genotype = published::genotype("RelativeNAS").expect("published");
        let position = genotype.encode().expect("searched");
        let cost = cost(&genotype, &SHAPE);
        let check = |max_parameters: u64, max_multiply_adds: u64, expected: f64| {
            let limits =
                Limits { max_parameters, max_multiply_adds, shape: Some(SHAPE), ..Limits::default() };
            assert_eq!(limits.violation(Space::Cells, &position), expected, "{limits:?}");
        };
        check(0, 0, 0.0);
        check(cost.parameters, cost.multiply_adds, 0.0);
        check(cost.parameters / 2, 0, 1.0);
        check(0, cost.multiply_adds / 4, 3.0);
        check(cost.parameters / 2, cost.multiply_adds / 4, 4.0);
    }

    #[test]
    fn a_table_has_no_cost() {
        let limits =
            Limits { max_parameters: 1, max_multiply_adds: 1, shape: Some(SHAPE), ..Limits::default() };
        assert_eq!(limits.violation(Space::NasBench201, &[0.5; 6]), 0.0);
    }
}
