//! Measures the latencies of operations, which a search with `search.max_latency` adds up for each network.
//!
//! A measurement times what validation does: a pass over a batch in evaluation mode, with the kernels and the
//! precision of the search, on its first device and with all of its threads.

use std::{
    thread,
    time::{Duration, Instant},
};

use relativenas_core::{
    config::Precision,
    genotype::Genotype,
    latency::{Calibration, LatencyTable, OperationLatency, Spot},
    network::NetworkShape,
    operation::Operation,
    population::IndividualId,
    population::sample_position,
    randomness::{Purpose, Streams},
    space::Space,
};
use tch::{Device, Kind, Tensor};

use crate::{
    augmentation::Batch,
    device,
    estimator::model_on,
    network::{ModuleWeights, Plan, WeightsError},
    optimizer::SgdSettings,
};

/// The networks to be measured, and the device that they are measured on.
#[derive(Clone, Copy, Debug)]
pub struct LatencyMeasurement {
    pub shape: NetworkShape,
    /// Rows and columns of the images, in pixels; a multiple of 4.
    pub image_side: usize,
    /// The number of images in a pass.
    pub batch: usize,
    pub device: Device,
    /// The number of CPU threads.
    pub threads: usize,
    pub precision: Precision,
    /// The seed of the networks that are drawn to be measured whole.
    pub seed: u64,
}

/// Returns the nanoseconds of a pass through a network of this plan, over images of this side.
type PassTimer<'a> = &'a dyn Fn(Plan, usize) -> Result<u64, WeightsError>;

/// The number of networks from which the remainder is computed: the mean of their times less those of their
/// operations.
const FOR_REMAINDER: u64 = 4;
/// The number of further networks whose times are compared with the sums.
const FOR_CALIBRATION: u64 = 6;
/// The numbers of nodes of the two cells that are compared. Each node applies the operation twice.
const NODES: [usize; 2] = [1, 4];
/// The least and the greatest number of passes that are timed, after one that is not timed.
const PASSES: [usize; 2] = [3, 15];
/// Once this time has passed, the least number of passes is enough.
const ENOUGH: Duration = Duration::from_millis(60);

impl LatencyMeasurement {
    /// Measures every operation at each spot, and some whole networks.
    ///
    /// # Errors
    /// If the device fails.
    pub fn measure(&self) -> Result<LatencyTable, WeightsError> {
        // libtorch keeps the number of its threads for each calling thread.
        thread::scope(|scope| {
            let measuring = scope.spawn(|| {
                device::set_threads_of_this_thread(self.threads);
                self.measure_by(&|plan, side| self.time(plan, side))
            });
            measuring.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Makes the table with the given function for timing a pass.
    fn measure_by(&self, clock: PassTimer) -> Result<LatencyTable, WeightsError> {
        let mut table = LatencyTable {
            device: match self.device {
                Device::Cpu if self.threads == 1 => "cpu, 1 thread".to_owned(),
                Device::Cpu => format!("cpu, {} threads", self.threads),
                other => device::name(other),
            },
            batch: self.batch,
            remainder: 0,
            calibration: Vec::new(),
            operations: Vec::new(),
        };
        for spot in Spot::all(&self.shape) {
            for operation in Operation::SEARCHED {
                let nanoseconds = self.operation(operation, spot, clock)?;
                table.operations.push(OperationLatency { operation, spot, nanoseconds });
            }
        }
        let mut beside = 0;
        for number in 0..FOR_REMAINDER {
            let (genotype, measured) = self.drawn(number, clock)?;
            beside += measured as i64 - table.operations_of(&genotype, &self.shape) as i64;
        }
        table.remainder = beside / FOR_REMAINDER as i64;
        for number in FOR_REMAINDER..FOR_REMAINDER + FOR_CALIBRATION {
            let (genotype, measured) = self.drawn(number, clock)?;
            let summed = table.sum(&genotype, &self.shape);
            table.calibration.push(Calibration { summed, measured });
        }
        Ok(table)
    }

    /// The nanoseconds that one operation adds to a cell: how much longer a cell with many of them takes than
    /// one with few, divided by how many more there are.
    fn operation(&self, operation: Operation, spot: Spot, clock: PassTimer) -> Result<u64, WeightsError> {
        // The table's sides are those for images of the shape's side.
        let side = spot.side * self.image_side / self.shape.image_side();
        let spot = Spot { side: side.max(1), ..spot };
        let [few, many] = NODES.map(|nodes| {
            let plan = Plan::of_operation(operation, spot, nodes, self.shape.classes);
            clock(plan, spot.side)
        });
        let more = 2 * (NODES[1] - NODES[0]) as u64;
        // The difference may be negative for an operation that takes hardly any time.
        Ok(many?.saturating_sub(few?) / more)
    }

    /// A random network, and the nanoseconds that it takes.
    fn drawn(&self, number: u64, clock: PassTimer) -> Result<(Genotype, u64), WeightsError> {
        let seed = Streams::new(self.seed).stream(Purpose::Latency, 0, 0).bits();
        let position = sample_position(Space::Cells, &Streams::new(seed), 0, IndividualId(number as usize));
        let genotype = Genotype::decode(&position).expect("drawn from the space");
        let time = clock(Plan::search(&genotype, &self.shape), self.image_side)?;
        Ok((genotype, time))
    }

    /// The nanoseconds of the quickest pass: other work of the machine makes a pass slower, never quicker.
    fn time(&self, plan: Plan, side: usize) -> Result<u64, WeightsError> {
        let streams = Streams::new(self.seed);
        let fresh = |planned| ModuleWeights::fresh(planned, &streams, self.device);
        let weights = plan.modules.iter().map(fresh).collect::<Result<Vec<_>, _>>()?;
        // The model is not trained.
        let sgd = SgdSettings { momentum: 0.0, weight_decay: 0.0, clip: 0.0 };
        let own_kernels = (self.image_side == self.shape.image_side()).then_some(side);
        let place = (self.device, self.threads);
        let mut model = model_on(plan, &weights, sgd, self.precision, place, own_kernels)?;
        let batch = self.images(side)?;
        let _outcome = model.judge(&batch)?; // The first pass also allocates memory and chooses algorithms.
        device::wait(self.device);
        let (begin, mut quickest) = (Instant::now(), Duration::MAX);
        for pass in 0..PASSES[1] {
            if pass >= PASSES[0] && begin.elapsed() > ENOUGH {
                break;
            }
            let start = Instant::now();
            let _outcome = model.judge(&batch)?;
            device::wait(self.device);
            quickest = quickest.min(start.elapsed());
        }
        Ok(u64::try_from(quickest.as_nanos()).unwrap_or(u64::MAX))
    }

    /// A batch of grey images that are not all the same.
    fn images(&self, side: usize) -> Result<Batch, WeightsError> {
        let (count, side) = (self.batch as i64, side as i64);
        let grey = Tensor::f_arange(count * 3 * side * side, (Kind::Float, self.device))?;
        let images = grey.f_remainder(17.0)?.f_div_scalar(8.5)?.f_sub_scalar(1.0)?;
        let images = images.f_view([count, side, side, 3])?.f_permute([0, 3, 1, 2])?;
        let labels = Tensor::f_zeros([count], (Kind::Int64, self.device))?;
        Ok(Batch { images, labels })
    }
}

#[cfg(test)]
mod tests {
    use relativenas_core::network::NetworkKind;

    use super::*;

    fn meter(image_side: usize, batch: usize) -> LatencyMeasurement {
        LatencyMeasurement {
            shape: NetworkShape { kind: NetworkKind::Cifar, channels: 4, cells: 3, classes: 10 },
            image_side,
            batch,
            device: Device::Cpu,
            threads: 1,
            precision: Precision::F32,
            seed: 1,
        }
    }

    #[test]
    fn every_operation_of_the_search_is_measured_on_either_kernels() {
        // For images of 36 pixels, libtorch's kernels are used.
        for side in [32, 36] {
            let meter = meter(side, 2);
            let table = meter.measure().unwrap();
            assert_eq!(table.check(&meter.shape), Ok(()));
            assert_eq!((table.batch, table.device.as_str()), (2, "cpu, 1 thread"));
            assert_eq!(table.calibration.len(), FOR_CALIBRATION as usize);
            assert!(table.calibration.iter().all(|c| c.measured > 0), "{table:?}");
            assert!(table.mean_error().is_some_and(f64::is_finite));
        }
    }

    #[test]
    fn where_time_is_a_sum_over_modules_the_table_s_sums_are_near() {
        let meter = meter(32, 2);
        let clock = |plan: Plan, _| Ok(100 + 7 * plan.modules.len() as u64);
        let table = meter.measure_by(&clock).unwrap();
        // Equal genes of a node share a module, so the time beside operations differs between networks.
        assert!(table.mean_error().is_some_and(|error| error < 5.0), "{table:?}");
        let operation = |operation| {
            let spot = Spot { channels: 4, side: 32, stride: 1 };
            meter.operation(operation, spot, &clock).unwrap()
        };
        // A skip connection has no module.
        assert_eq!(operation(Operation::SkipConnect), 0);
        assert!(operation(Operation::SepConv3x3) >= 7);
    }
}
