//! Copies weights from flat memory to the layout that the kernels read, and gradients back to flat memory,
//! where the optimizer reads them.

use super::window::{Taps, turned};
use crate::{
    network::{ParameterPlace, Parameters},
    simd::{LANES, Lanes, numbers, numbers_mut},
};

/// The channels of a feature: those of the nodes that a cell concatenates, each filled up to whole blocks of
/// sixteen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channels {
    /// Which nodes of the feature map, in the order of the channels.
    pub nodes: Vec<usize>,
    /// Real channels of a node.
    pub per_node: usize,
}

/// Where a channel lies among blocks of sixteen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The number of the block.
    pub block: usize,
    /// The number among the sixteen channels of the plane.
    pub lane: usize,
}

impl Channels {
    /// The channels of a single node.
    pub fn one(channels: usize) -> Self {
        Self { nodes: vec![0], per_node: channels }
    }

    /// Blocks of each node.
    pub fn blocks_per_node(&self) -> usize {
        self.per_node.div_ceil(LANES)
    }

    /// Blocks of all these nodes.
    pub fn blocks(&self) -> usize {
        self.nodes.len() * self.blocks_per_node()
    }

    /// Real channels of all these nodes.
    pub fn count(&self) -> usize {
        self.nodes.len() * self.per_node
    }

    /// Where a real channel lies among the blocks of these nodes alone, one node after the other.
    pub fn lane_alone(&self, channel: usize) -> Lane {
        let (node, within) = (channel / self.per_node, channel % self.per_node);
        Lane { block: node * self.blocks_per_node() + within / LANES, lane: within % LANES }
    }

    /// The lanes of all channels in order, as [`Channels::lane_alone`] counts them.
    pub fn lanes_alone(&self) -> Vec<Lane> {
        (0..self.count()).map(|channel| self.lane_alone(channel)).collect()
    }

    /// Where a real channel lies among the planes of the whole feature map.
    pub fn lane(&self, channel: usize) -> Lane {
        let Lane { block, lane } = self.lane_alone(channel);
        let (node, within) = (block / self.blocks_per_node(), block % self.blocks_per_node());
        Lane { block: self.nodes[node] * self.blocks_per_node() + within, lane }
    }
}

/// One weight of a matrix: where it lies among the numbers of the packed matrix, among those of its transpose, and
/// in flat memory.
#[derive(Clone, Copy, Debug)]
struct MatrixWeight {
    matrix: usize,
    transposed: usize,
    flat: ParameterPlace,
}

/// The kernels of a depthwise convolution, one a channel.
#[derive(Clone, Copy, Debug)]
struct DepthwiseKernels {
    /// Where they lie in flat memory, `[channels, 1, kernel, kernel]`.
    flat: ParameterPlace,
    channels: usize,
    taps: Taps,
}

/// Where a stage's weights lie in flat memory, and where they lie once they are packed.
#[derive(Clone, Debug)]
pub struct Packing {
    matrix: Vec<MatrixWeight>,
    depthwise: Option<DepthwiseKernels>,
    /// The number of blocks that the matrix reads.
    blocks_front: usize,
    /// The number of blocks that the matrix writes.
    blocks_out: usize,
}

/// Rows of a matrix that lie together in flat memory.
#[derive(Clone, Copy, Debug)]
pub struct MatrixPart {
    /// The first of their weights; they are `[outputs, columns]`.
    pub flat: ParameterPlace,
    /// The number of blocks of the matrix's input before those that these rows read.
    pub first_block: usize,
}

/// The weights of a stage, or their gradients, packed for the kernels.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    /// From inputs to outputs, as [`Multiply`](super::matrix::Multiply) reads it.
    pub matrix: Vec<Lanes>,
    /// From outputs to inputs.
    pub transposed: Vec<Lanes>,
    /// Depthwise kernels, block by block, each row by row.
    taps: Vec<Lanes>,
    /// The same kernels turned by 180 degrees.
    turned: Vec<Lanes>,
}

impl Packed {
    /// The depthwise kernel of a block.
    pub fn taps(&self, block: usize, taps: Taps) -> &[Lanes] {
        &self.taps[block * taps.count()..][..taps.count()]
    }

    /// The depthwise kernel of a block, to be changed.
    pub fn taps_mut(&mut self, block: usize, taps: Taps) -> &mut [Lanes] {
        &mut self.taps[block * taps.count()..][..taps.count()]
    }

    /// The depthwise kernel of a block, turned by 180 degrees.
    pub fn turned(&self, block: usize, taps: Taps) -> &[Lanes] {
        &self.turned[block * taps.count()..][..taps.count()]
    }

    /// Makes all sums of gradients zero, as they are before the first image.
    pub fn clear(&mut self) {
        self.matrix.fill(Lanes::ZERO);
        self.taps.fill(Lanes::ZERO);
    }
}

impl Packing {
    /// The packing of a matrix with `outputs` output channels. The outputs are divided evenly among its
    /// parts, in their order. A row holds the weights of one output, one for each of the lanes `columns` that
    /// it reads. `blocks_front` is the number of blocks that all parts together read.
    pub fn new(parts: &[MatrixPart], outputs: usize, columns: &[Lane], blocks_front: usize) -> Self {
        let blocks_out = outputs.div_ceil(LANES);
        let rows = outputs / parts.len();
        let mut matrix = Vec::with_capacity(outputs * columns.len());
        for (part, &MatrixPart { flat, first_block }) in parts.iter().enumerate() {
            for row in 0..rows {
                let output = part * rows + row;
                for (column, &Lane { block, lane }) in columns.iter().enumerate() {
                    let input = (first_block + block) * LANES + lane;
                    matrix.push(MatrixWeight {
                        matrix: (output / LANES * blocks_front * LANES + input) * LANES + output % LANES,
                        transposed: (input / LANES * blocks_out * LANES + output) * LANES + input % LANES,
                        flat: flat.plus(row * columns.len() + column),
                    });
                }
            }
        }
        Self { matrix, depthwise: None, blocks_front, blocks_out }
    }

    /// The same with a depthwise convolution before the matrix, whose kernels lie at this place.
    pub fn with_depthwise(mut self, flat: ParameterPlace, channels: usize, taps: Taps) -> Self {
        self.depthwise = Some(DepthwiseKernels { flat, channels, taps });
        self
    }

    /// Memory for packed weights or gradients, filled with zeros. The padding is never written, so it stays
    /// 0.
    pub fn room(&self) -> Packed {
        let matrix = vec![Lanes::ZERO; self.blocks_front * LANES * self.blocks_out];
        let taps = self.depthwise.map_or(0, |kernels| {
            let DepthwiseKernels { channels, taps, .. } = kernels;
            channels.div_ceil(LANES) * taps.count()
        });
        Packed {
            transposed: matrix.clone(),
            matrix,
            taps: vec![Lanes::ZERO; taps],
            turned: vec![Lanes::ZERO; taps],
        }
    }

    /// Packs the weights as they are now.
    pub fn pack(&self, flat: Parameters<&[f32]>, packed: &mut Packed) {
        let (matrix, transposed) = (numbers_mut(&mut packed.matrix), numbers_mut(&mut packed.transposed));
        for entry in &self.matrix {
            let weight = flat[entry.flat];
            matrix[entry.matrix] = weight;
            transposed[entry.transposed] = weight;
        }
        if let Some(DepthwiseKernels { flat: place, channels, taps }) = self.depthwise {
            let kernels = flat.starting_at(place).chunks_exact(taps.count()).take(channels);
            for (channel, kernel) in kernels.enumerate() {
                let lanes = packed.taps_mut(channel / LANES, taps).iter_mut();
                for (lanes, &weight) in lanes.zip(kernel) {
                    lanes.0[channel % LANES] = weight;
                }
            }
            let blocks = packed.taps.chunks_exact(taps.count());
            for (to, from) in packed.turned.chunks_exact_mut(taps.count()).zip(blocks) {
                to.copy_from_slice(&turned(from));
            }
        }
    }

    /// Writes gradients where their weights lie in flat memory.
    pub fn unpack(&self, gradient: &Packed, flat: &mut Parameters<&mut [f32]>) {
        let matrix = numbers(&gradient.matrix);
        for entry in &self.matrix {
            flat[entry.flat] = matrix[entry.matrix];
        }
        if let Some(DepthwiseKernels { flat: place, channels, taps }) = self.depthwise {
            let kernels = flat.starting_at_mut(place).chunks_exact_mut(taps.count()).take(channels);
            for (channel, kernel) in kernels.enumerate() {
                let lanes = gradient.taps(channel / LANES, taps).iter();
                for (lanes, weight) in lanes.zip(kernel) {
                    *weight = lanes.0[channel % LANES];
                }
            }
        }
    }
}
