//! An estimate of how many kernels a step of the search launches on a CUDA device, counted from the plan.
//!
//! It is not a measurement. Each operation of [`super::Pass`] counts as the kernels that libtorch launches
//! for it and its gradient, as far as its sources tell: batch norm three forward and two backward, a
//! convolution one and two, a max pool one and two, a gradient that several readers contribute to one
//! addition for each. A kernel takes as long as the bytes that it reads and writes, and at least
//! [`SHORTEST`]; launching it takes [`LAUNCH`] in the thread that trains. A step takes as long as the slower
//! of the two, the thread or the device.

use relativenas_core::{
    config::Precision,
    genotype::Genotype,
    network::{NetworkKind, NetworkShape},
    population::IndividualId,
    population::sample_position,
    randomness::Streams,
    space::Space,
};

use super::{CellPlan, Convolution, Layer, Module, Plan, PlannedOperation};

/// Bytes a second that kernels reach: 60 % of an H100's 3.35 TB/s.
const BANDWIDTH: f64 = 2e12;
/// The factor by which depthwise convolutions take longer than reading and writing their bytes: they do not
/// use tensor cores.
const DEPTHWISE: f64 = 4.0;
/// Seconds of the shortest kernel.
const SHORTEST: f64 = 2.5e-6;
/// Seconds until the next kernel is launched: libtorch's dispatcher, automatic differentiation and the
/// driver.
const LAUNCH: f64 = 6e-6;

/// A number of kernels, and the seconds that a device takes for them.
#[derive(Clone, Copy, Debug, Default)]
struct KernelTime {
    kernels: usize,
    seconds: f64,
}

impl KernelTime {
    fn add(&mut self, kernels: usize, bytes: f64) {
        self.kernels += kernels;
        if kernels > 0 {
            self.seconds += kernels as f64 * SHORTEST.max(bytes / kernels as f64 / BANDWIDTH);
        }
    }

    /// The seconds of the whole work, if the thread launches kernels while the device computes.
    fn time(self) -> f64 {
        self.seconds.max(self.kernels as f64 * LAUNCH)
    }
}

/// A feature map of a batch.
#[derive(Clone, Copy)]
struct Map {
    channels: usize,
    side: usize,
}

struct Count<'a> {
    plan: &'a Plan,
    images: usize,
    precision: Precision,
    training: bool,
    forward: KernelTime,
    backward: KernelTime,
}

impl Count<'_> {
    fn bytes(&self, map: Map) -> f64 {
        let element = if self.precision == Precision::Bf16 { 2 } else { 4 };
        (self.images * map.channels * map.side * map.side * element) as f64
    }

    fn both(&mut self, forward: (usize, f64), backward: (usize, f64)) {
        self.forward.add(forward.0, forward.1);
        if self.training {
            self.backward.add(backward.0, backward.1);
        }
    }

    /// The gradients of a map that this many modules read.
    fn readers(&mut self, readers: usize, map: Map) {
        for _ in 1..readers {
            self.both((0, 0.0), (1, 3.0 * self.bytes(map)));
        }
    }

    fn relu(&mut self, map: Map) {
        let b = self.bytes(map);
        self.both((1, 2.0 * b), (1, 3.0 * b));
    }

    fn convolution(&mut self, c: Convolution, input: Map) -> Map {
        let output = Map { channels: c.channels_out, side: input.side / c.stride[0] };
        let slower = if c.groups > 1 { DEPTHWISE } else { 1.0 };
        let b = slower * (self.bytes(input) + self.bytes(output));
        self.both((1, b), (2, 2.0 * b));
        if self.precision == Precision::Bf16 {
            // The weight is converted to bfloat16, and its gradient back.
            self.both((1, 0.0), (1, 0.0));
        }
        output
    }

    fn layer(&mut self, layer: &Layer, input: Map) -> Map {
        let b = self.bytes(input);
        match *layer {
            Layer::Relu => self.relu(input),
            Layer::Convolution(c) => return self.convolution(c, input),
            Layer::OffsetPair { channels_in, channels_out } => {
                let half = Map { channels: channels_out / 2, side: input.side / 2 };
                for _ in 0..2 {
                    // Every other pixel is copied; backward, each of two slices takes a zero and a copy.
                    self.both((1, b / 2.0), (4, 3.0 * b));
                    let copied = Map { channels: channels_in, side: input.side / 2 };
                    let quarter = Convolution {
                        channels_in,
                        channels_out: half.channels,
                        kernel: [1, 1],
                        stride: [1, 1],
                        padding: [0, 0],
                        dilation: 1,
                        groups: 1,
                    };
                    self.convolution(quarter, copied);
                }
                let output = Map { channels: channels_out, side: half.side };
                self.both((1, 2.0 * self.bytes(output)), (1, 3.0 * b));
                return output;
            }
            Layer::BatchNorm { .. } if self.training => self.both((3, 3.0 * b), (2, 5.0 * b)),
            Layer::BatchNorm { .. } => self.both((1, 2.0 * b), (0, 0.0)),
            Layer::AveragePool { .. } => self.both((1, 2.0 * b), (1, 2.0 * b)),
            Layer::GlobalAverage => self.both((1, b), (1, b)),
            Layer::Linear { .. } => self.both((1, 0.0), (3, 0.0)),
        }
        input
    }

    /// A module without the ReLU in front, which the readers of the feature map share.
    fn module(&mut self, module: &Module, input: Map) -> Map {
        let skipped = usize::from(module.rectifies_input());
        module.layers().skip(skipped).fold(input, |map, layer| self.layer(layer, map))
    }

    /// The ReLU that modules share, and the gradients of all readers of a map.
    fn shared(&mut self, map: Map, through_relu: usize, plain: usize) {
        if through_relu > 0 {
            self.relu(map);
        }
        self.readers(through_relu, map);
        self.readers(plain + usize::from(through_relu > 0), map);
    }

    fn network(&mut self) {
        let plan = self.plan;
        let mut outputs = Vec::new();
        let mut map = Map { channels: 3, side: plan.cells[0].place.side };
        if self.precision == Precision::Bf16 {
            self.both((2, 2.0 * self.bytes(map)), (0, 0.0));
        }
        map = self.module(&plan.modules[plan.stems[0]].module, map);
        outputs.extend([map, map]);
        let reads =
            |cell: usize, input: usize| plan.cells.get(cell).is_some_and(|c| c.preprocess[input].is_some());
        self.shared(map, usize::from(reads(0, 0)) + usize::from(reads(0, 1)) + usize::from(reads(1, 0)), 0);
        for (index, cell) in plan.cells.iter().enumerate() {
            let output =
                if cell.is_live() { self.cell(cell, [outputs[index], outputs[index + 1]]) } else { map };
            outputs.push(output);
            let last = usize::from(index + 1 == plan.cells.len());
            self.shared(output, usize::from(reads(index + 1, 1)) + usize::from(reads(index + 2, 0)), last);
            map = output;
        }
        self.module(&plan.modules[plan.classifier].module, map);
        // The softmax and the loss.
        self.both((2, 0.0), (3, 0.0));
    }

    fn cell(&mut self, cell: &CellPlan, before: [Map; 2]) -> Map {
        let plan = self.plan;
        for (module, map) in cell.preprocess.iter().zip(before) {
            if let Some(module) = *module {
                self.module(&plan.modules[module].module, map);
            }
        }
        let input = Map { channels: cell.place.channels, side: cell.place.side };
        let node = Map { side: cell.place.side_out(), ..input };
        for feature in 0..2 + cell.live_nodes.len() {
            let map = if feature < 2 { input } else { node };
            let live = cell
                .genes
                .iter()
                .enumerate()
                .filter(|(gene, g)| cell.live_nodes[gene / 2] && g.input == feature);
            let (mut through_relu, mut plain) = (0, usize::from(cell.concat.contains(&feature)));
            for (_, gene) in live {
                match gene.step {
                    PlannedOperation::Module(_) => through_relu += 1,
                    _ => plain += 1,
                }
            }
            self.shared(map, through_relu, plain);
        }
        let n = self.bytes(node);
        for (index, gene) in cell.genes.iter().enumerate().filter(|(gene, _)| cell.live_nodes[gene / 2]) {
            let map = if gene.input < 2 { input } else { node };
            match gene.step {
                PlannedOperation::Identity => {}
                // The places of the largest values are kept as 64-bit numbers; backward, the sums start from
                // a zero.
                PlannedOperation::MaxPool { .. } => self.both(
                    (1, self.bytes(map) + n * self.index_share()),
                    (2, 2.0 * self.bytes(map) + n * self.index_share()),
                ),
                PlannedOperation::AveragePool { .. } | PlannedOperation::Zero { .. } => {
                    self.both((1, self.bytes(map) + n), (1, self.bytes(map) + n));
                }
                PlannedOperation::Module(module) => {
                    self.module(&plan.modules[module].module, map);
                }
            }
            if self.training && gene.step != PlannedOperation::Identity {
                self.both((1, 2.0 * n), (1, 2.0 * n));
            }
            if index % 2 == 1 {
                self.both((1, 3.0 * n), (0, 0.0));
            }
        }
        let output = Map { channels: cell.concat.len() * node.channels, side: node.side };
        self.both((1, 2.0 * self.bytes(output)), (0, 0.0));
        output
    }

    /// The size of an element together with the 64-bit index of its place, in elements.
    fn index_share(&self) -> f64 {
        if self.precision == Precision::Bf16 { 5.0 } else { 3.0 }
    }
}

/// Kernels for cropping, flipping, cutting out and counting a batch: see [`crate::augmentation`] and
/// [`crate::learner`].
const BATCH: usize = 34;
/// Kernels of clipping and SGD on one vector of all parameters: see [`crate::optimizer`].
const OPTIMIZER: usize = 12;
/// The number of tensors that libtorch concatenates with one kernel.
const CONCATENATED: usize = 128;

fn step(plan: &Plan, precision: Precision, training: bool) -> KernelTime {
    let zero = KernelTime::default();
    let mut count = Count { plan, images: 256, precision, training, forward: zero, backward: zero };
    count.network();
    let mut work = KernelTime {
        kernels: count.forward.kernels + count.backward.kernels,
        seconds: count.forward.seconds + count.backward.seconds,
    };
    work.add(BATCH, 0.0);
    if training {
        let parameters = |m: &Module| m.tensors().iter().filter(|t| t.role.is_parameter()).count();
        let tensors: usize = plan.modules.iter().map(|m| parameters(&m.module)).sum();
        work.add(OPTIMIZER + tensors.div_ceil(CONCATENATED), 0.0);
    }
    work
}

/// Hours of the published search: 50 generations of 20 individuals and their ranking, with 25000 training and
/// 25000 validation images for each, in batches of 256.
fn search_hours(training: KernelTime, validation: KernelTime) -> f64 {
    let (epochs, batches) = (51.0 * 20.0, 25_000_f64 / 256.0);
    epochs * batches.ceil() * (training.time() + validation.time()) / 3600.0
}

/// The figures of ARCHITECTURE.md: means over random architectures of the published size.
#[test]
fn a_search_step_starts_1200_kernels() {
    let shape = NetworkShape { kind: NetworkKind::Cifar, channels: 16, cells: 8, classes: 10 };
    let plans: Vec<_> = (0..200)
        .map(|individual| sample_position(Space::Cells, &Streams::new(1), 0, IndividualId(individual)))
        .map(|position| Plan::search(&Genotype::decode(&position).unwrap(), &shape))
        .collect();
    let mean = |precision, training| {
        let works: Vec<_> = plans.iter().map(|plan| step(plan, precision, training)).collect();
        let kernels = works.iter().map(|w| w.kernels).sum::<usize>() / works.len();
        let seconds = works.iter().map(|w| w.seconds).sum::<f64>() / works.len() as f64;
        KernelTime { kernels, seconds }
    };
    let found = [Precision::F32, Precision::Bf16].map(|precision| {
        let (training, validation) = (mean(precision, true), mean(precision, false));
        let milliseconds = [training, validation].map(|work| (1e3 * work.seconds).round());
        let hours = (10.0 * search_hours(training, validation)).round() / 10.0;
        (training.kernels, validation.kernels, milliseconds, hours)
    });
    assert_eq!(found, [(1219, 362, [19.0, 6.0], 0.7), (1486, 496, [11.0, 3.0], 0.4)]);
}
