//! The latency of the search network of a genotype, as a sum over a table of measured latencies.
//!
//! An operation takes the same time wherever it reads maps of the same channels and size with the same stride,
//! whether the cell is normal or reduces; so the table has one entry for each operation at each such [`Spot`]. What
//! all networks have in common (stem, preprocessing, classifier, and whatever overlaps) is the remainder. An engine
//! measures them once on the device of a search, for a batch of images. From then on the table is plain data, and a
//! search with it is as deterministic as one without.
//!
//! A sum is only an estimate of a network's latency: caches may be warm or not, and the result of a ReLU may be used
//! by several operations. So the engine also measures whole networks that were not used for the table, and
//! [`LatencyTable::mean_error`] tells how far off the sums are.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    genotype::Genotype,
    network::{CellPlace, NetworkShape},
    operation::Operation,
    space::Space,
};

/// The properties of a place in a network on which the latency of an operation depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Spot {
    pub channels: usize,
    /// Rows and columns of the maps that the operation reads, for images of [`NetworkShape::image_side`].
    pub side: usize,
    pub stride: usize,
}

impl Spot {
    /// Every spot of a network of this shape, which are the same for all genotypes; each once, in order.
    pub fn all(shape: &NetworkShape) -> BTreeSet<Self> {
        let any = Genotype::decode(&vec![0.0; Space::Cells.genes()]).expect("in the space");
        // A place depends on its genotype only in the channels that are preprocessed.
        let places = shape.places(&any);
        places.iter().flat_map(|place| [0, 2].map(|input| Self::of(place, input))).collect()
    }

    /// The spot of a gene that reads `input` in the cell at `place`.
    fn of(place: &CellPlace, input: usize) -> Self {
        let side = if input < 2 { place.side } else { place.side_out() };
        Self { channels: place.channels, side, stride: place.stride(input) }
    }
}

/// The latency of an operation at a spot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationLatency {
    pub operation: Operation,
    #[serde(flatten)]
    pub spot: Spot,
    /// The latency for a batch.
    pub nanoseconds: u64,
}

/// The latencies of a network that was measured whole, and was not used for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calibration {
    /// The latency by the table, in nanoseconds for a batch.
    pub summed: u64,
    /// The latency that was measured, in nanoseconds for a batch.
    pub measured: u64,
}

/// Latencies of operations on some device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyTable {
    /// The device on which latencies were measured, such as `cpu, 4 threads`.
    pub device: String,
    /// The number of images in a batch.
    pub batch: usize,
    /// The time that every network takes in addition to its operations, in nanoseconds for a batch. It may be
    /// negative if operations overlap in a network.
    pub remainder: i64,
    pub calibration: Vec<Calibration>,
    pub operations: Vec<OperationLatency>,
}

/// The error for a table that lacks an operation of a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the table of latencies has no {operation} on {channels} channels of {side} rows with stride {stride}; \
     remove [latency] and every [[latency.…]] below it from run.toml, so that it is measured again",
    operation = .0.name(), channels = .1.channels, side = .1.side, stride = .1.stride
)]
pub struct MissingLatency(Operation, Spot);

impl LatencyTable {
    /// Checks that every operation that a search may choose in a network of this shape is in the table.
    ///
    /// # Errors
    /// If an operation is missing; the error names the first one.
    pub fn check(&self, shape: &NetworkShape) -> Result<(), MissingLatency> {
        for spot in Spot::all(shape) {
            if let Some(&operation) = Operation::SEARCHED.iter().find(|&&o| self.find(o, spot).is_none()) {
                return Err(MissingLatency(operation, spot));
            }
        }
        Ok(())
    }

    /// The latency of the search network of a genotype, in nanoseconds for a batch: the remainder and the latencies
    /// of all genes, also of nodes and cells whose output is not used. Operations that are not in the table count as
    /// 0.
    pub fn sum(&self, genotype: &Genotype, shape: &NetworkShape) -> u64 {
        let total = self.operations_of(genotype, shape);
        total.saturating_add_signed(self.remainder)
    }

    /// The part of [`LatencyTable::sum`] without the remainder, in nanoseconds for a batch.
    pub fn operations_of(&self, genotype: &Genotype, shape: &NetworkShape) -> u64 {
        let places = shape.places(genotype);
        let genes = places.iter().flat_map(|place| {
            let genes = genotype.cell(place.kind).genes.iter();
            genes.filter_map(|gene| self.find(gene.operation, Spot::of(place, gene.input)))
        });
        genes.fold(0, u64::saturating_add)
    }

    fn find(&self, operation: Operation, spot: Spot) -> Option<u64> {
        let found = self.operations.iter().find(|entry| (entry.operation, entry.spot) == (operation, spot));
        found.map(|entry| entry.nanoseconds)
    }

    /// The mean difference between sums and measurements, in per cent of the measurement, over the networks that were
    /// measured whole; `None` if there are none.
    pub fn mean_error(&self) -> Option<f64> {
        let measured = self.calibration.iter().filter(|c| c.measured > 0);
        let errors: Vec<_> =
            measured.map(|c| 100.0 * c.summed.abs_diff(c.measured) as f64 / c.measured as f64).collect();
        (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
    }

    /// A description of the table: its device, its batch, and its error.
    pub fn words(&self) -> String {
        let measured = format!("measured on {} for a batch of {}", self.device, self.batch);
        match self.mean_error() {
            Some(error) => format!(
                "{measured}; its sums differ by {error:.1} % in the mean from networks that were measured whole ({})",
                self.calibration.len()
            ),
            None => measured,
        }
    }
}

/// Nanoseconds as milliseconds.
pub fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{network::NetworkKind, published};

    const SHAPE: NetworkShape =
        NetworkShape { kind: NetworkKind::Cifar, channels: 16, cells: 8, classes: 10 };

    /// An operation takes as many nanoseconds as it stands in the list of operations, counted from 1.
    fn table() -> LatencyTable {
        let entry = |spot| {
            let of = move |(place, &operation): (usize, &Operation)| OperationLatency {
                operation,
                spot,
                nanoseconds: 1 + place as u64,
            };
            Operation::SEARCHED.iter().enumerate().map(of)
        };
        LatencyTable {
            device: "cpu, 2 threads".to_owned(),
            batch: 64,
            remainder: 1000,
            calibration: vec![
                Calibration { summed: 90, measured: 100 },
                Calibration { summed: 220, measured: 200 },
            ],
            operations: Spot::all(&SHAPE).into_iter().flat_map(entry).collect(),
        }
    }

    #[test]
    fn a_spot_is_where_channels_size_or_stride_differ() {
        let spots: Vec<_> =
            Spot::all(&SHAPE).into_iter().map(|spot| (spot.channels, spot.side, spot.stride)).collect();
        assert_eq!(spots, [(16, 32, 1), (32, 16, 1), (32, 32, 2), (64, 8, 1), (64, 16, 2)]);
    }

    #[test]
    fn the_genes_of_all_cells_are_summed_and_the_remainder_is_added() {
        let genotype = published::genotype("RelativeNAS").expect("published");
        let of = |operation: Operation| {
            1 + Operation::SEARCHED.iter().position(|&o| o == operation).expect("searched") as u64
        };
        let cell = |cell: &crate::genotype::Cell| cell.genes.iter().map(|g| of(g.operation)).sum::<u64>();
        // Of eight cells two reduce.
        let expected = 6 * cell(&genotype.normal) + 2 * cell(&genotype.reduction);
        assert_eq!(table().sum(&genotype, &SHAPE), 1000 + expected);
        assert_eq!(LatencyTable { remainder: -1_000_000, ..table() }.sum(&genotype, &SHAPE), 0);
    }

    #[test]
    fn the_error_is_the_mean_over_whole_networks() {
        assert_eq!(table().mean_error(), Some(10.0));
        assert_eq!(LatencyTable { calibration: Vec::new(), ..table() }.mean_error(), None);
        assert_eq!(
            table().words(),
            "measured on cpu, 2 threads for a batch of 64; its sums differ by 10.0 % in the mean from networks that \
             were measured whole (2)"
        );
    }

    #[test]
    fn a_table_of_another_network_is_refused_by_what_it_lacks() {
        assert_eq!(table().check(&SHAPE), Ok(()));
        let wider = NetworkShape { channels: 20, ..SHAPE };
        let error = table().check(&wider).expect_err("other channels").to_string();
        let expected = "the table of latencies has no max_pool_3x3 on 20 channels of 32 rows with stride 1; remove \
                        [latency] and every [[latency.…]] below it from run.toml, so that it is measured again";
        assert_eq!(error, expected);
    }
}
