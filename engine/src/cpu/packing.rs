//! Weights as the kernels want them, and gradients back to where the optimizer wants them.

use super::{
    simd::{LANES, Lanes, numbers, numbers_mut},
    window::{Taps, turned},
};

/// Channels of a feature map: cells put out several nodes, each padded to whole blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    pub segments: usize,
    /// Real channels of a segment.
    pub per_segment: usize,
}

impl Channels {
    pub fn one(channels: usize) -> Self {
        Self { segments: 1, per_segment: channels }
    }

    pub fn blocks_per_segment(self) -> usize {
        self.per_segment.div_ceil(LANES)
    }

    pub fn blocks(self) -> usize {
        self.segments * self.blocks_per_segment()
    }

    pub fn count(self) -> usize {
        self.segments * self.per_segment
    }

    /// Where a real channel is among the padded ones.
    pub fn padded(self, channel: usize) -> usize {
        channel / self.per_segment * self.blocks_per_segment() * LANES + channel % self.per_segment
    }
}

/// One weight of a matrix, in its three homes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    matrix: usize,
    transposed: usize,
    flat: usize,
}

/// Where a stage's weights lie in memory that is flat, and where they go.
#[derive(Clone, Debug)]
pub struct Packing {
    matrix: Vec<Entry>,
    /// Start of a depthwise kernel in flat memory, its channels and its taps.
    depthwise: Option<(usize, usize, Taps)>,
    blocks_front: usize,
    blocks_out: usize,
}

/// Weights of a stage, or their gradients, packed for the kernels.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    pub matrix: Vec<Lanes>,
    /// From outputs to inputs.
    pub transposed: Vec<Lanes>,
    /// Block by block.
    taps: Vec<Lanes>,
    turned: Vec<Lanes>,
}

impl Packed {
    pub fn taps(&self, block: usize, taps: Taps) -> &[Lanes] {
        &self.taps[block * taps.count()..][..taps.count()]
    }

    pub fn taps_mut(&mut self, block: usize, taps: Taps) -> &mut [Lanes] {
        &mut self.taps[block * taps.count()..][..taps.count()]
    }

    pub fn turned(&self, block: usize, taps: Taps) -> &[Lanes] {
        &self.turned[block * taps.count()..][..taps.count()]
    }

    /// Sums of gradients before the first image.
    pub fn clear(&mut self) {
        self.matrix.fill(Lanes::ZERO);
        self.taps.fill(Lanes::ZERO);
    }
}

impl Packing {
    /// A matrix for `outputs` channels whose rows (weights of one output) are `columns` long in flat
    /// memory. The parts follow each other among the outputs: where each starts in flat memory, and
    /// how far its inputs are moved among the padded ones.
    pub fn new(parts: &[(usize, usize)], outputs: usize, columns: Channels, blocks_front: usize) -> Self {
        let blocks_out = outputs.div_ceil(LANES);
        let outputs_a_part = outputs / parts.len();
        let mut matrix = Vec::with_capacity(outputs * columns.count());
        for (part, &(start, moved)) in parts.iter().enumerate() {
            for row in 0..outputs_a_part {
                let output = part * outputs_a_part + row;
                for column in 0..columns.count() {
                    let input = moved + columns.padded(column);
                    matrix.push(Entry {
                        matrix: (output / LANES * blocks_front * LANES + input) * LANES + output % LANES,
                        transposed: (input / LANES * blocks_out * LANES + output) * LANES + input % LANES,
                        flat: start + row * columns.count() + column,
                    });
                }
            }
        }
        Self { matrix, depthwise: None, blocks_front, blocks_out }
    }

    /// The same with a depthwise kernel before the matrix.
    pub fn with_depthwise(mut self, start: usize, channels: usize, taps: Taps) -> Self {
        self.depthwise = Some((start, channels, taps));
        self
    }

    /// Room for packed weights or gradients; what pads is 0 and stays so.
    pub fn room(&self) -> Packed {
        let matrix = vec![Lanes::ZERO; self.blocks_front * LANES * self.blocks_out];
        let taps = self.depthwise.map_or(0, |(_, channels, taps)| channels.div_ceil(LANES) * taps.count());
        Packed {
            transposed: matrix.clone(),
            matrix,
            taps: vec![Lanes::ZERO; taps],
            turned: vec![Lanes::ZERO; taps],
        }
    }

    pub fn pack(&self, flat: &[f32], packed: &mut Packed) {
        let (matrix, transposed) = (numbers_mut(&mut packed.matrix), numbers_mut(&mut packed.transposed));
        for entry in &self.matrix {
            let weight = flat[entry.flat];
            matrix[entry.matrix] = weight;
            transposed[entry.transposed] = weight;
        }
        if let Some((start, channels, taps)) = self.depthwise {
            for (channel, kernel) in flat[start..].chunks_exact(taps.count()).take(channels).enumerate() {
                let block = &mut packed.taps[channel / LANES * taps.count()..][..taps.count()];
                for (lanes, &weight) in block.iter_mut().zip(kernel) {
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
    pub fn unpack(&self, gradient: &Packed, flat: &mut [f32]) {
        let matrix = numbers(&gradient.matrix);
        for entry in &self.matrix {
            flat[entry.flat] = matrix[entry.matrix];
        }
        if let Some((start, channels, taps)) = self.depthwise {
            for (channel, kernel) in flat[start..].chunks_exact_mut(taps.count()).take(channels).enumerate() {
                let block = &gradient.taps[channel / LANES * taps.count()..][..taps.count()];
                for (lanes, weight) in block.iter().zip(kernel) {
                    *weight = lanes.0[channel % LANES];
                }
            }
        }
    }
}
