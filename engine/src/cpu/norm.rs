//! The arithmetic of batch norm: from the moments of a batch to an affine map, and from sums over a batch to
//! the coefficients of the gradient.

use super::{pointwise::Affine, team::Sums};
use crate::{
    network::{BATCH_NORM_EPSILON, ParameterPlace, Parameters, StatisticPlace, Statistics},
    simd::{LANES, Lanes},
};

/// A batch norm: how many channels it has, and where its numbers lie in flat memory.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    /// Real channels, without those that fill up the last block.
    pub channels: usize,
    /// Where its factor and offset lie; `None` if it only normalises.
    pub affine: Option<AffinePlaces>,
    /// Where the running mean lies, `[channels]`.
    pub mean: StatisticPlace,
    /// Where the running variance lies, `[channels]`.
    pub variance: StatisticPlace,
}

/// Where the factor and the offset of a batch norm lie, `[channels]` each.
#[derive(Clone, Copy, Debug)]
pub struct AffinePlaces {
    pub scale: ParameterPlace,
    pub shift: ParameterPlace,
}

/// What values are normalised with: the moments of a batch, or running statistics. Every vector has one
/// element for each block of channels.
#[derive(Clone, Debug, Default)]
pub struct Normalisation {
    /// The whole batch norm as one affine map.
    pub affines: Vec<Affine>,
    pub means: Vec<Lanes>,
    /// One divided by the standard deviation.
    inverse_deviations: Vec<Lanes>,
    /// The factors that batch norm has learned, or 1.
    scales: Vec<Lanes>,
}

/// The coefficients of a [`NormGradient`](super::pointwise::NormGradient) for one block of channels.
#[derive(Clone, Copy, Debug)]
pub struct NormBack {
    pub mean: Lanes,
    pub gradient_scale: Lanes,
    pub distance_scale: Lanes,
    pub offset: Lanes,
}

impl NormBack {
    /// Leaves a gradient as it is, where there is no batch norm.
    pub const NONE: Self = Self {
        mean: Lanes::ZERO,
        gradient_scale: Lanes([1.0; LANES]),
        distance_scale: Lanes::ZERO,
        offset: Lanes::ZERO,
    };
}

/// Running statistics that a batch updates.
pub struct Running<'a> {
    pub statistics: Statistics<&'a mut [f32]>,
    /// The batch's share in them afterwards, from 0 to 1.
    pub momentum: f64,
    /// How often the batch updates them: a module that two genes share counts its batch twice.
    pub times: usize,
}

/// Sums over the batch for one block of channels: of the gradient, and of the gradient times the distance from the
/// mean.
pub type GradientSums = ([f64; LANES], [f64; LANES]);

impl Norm {
    /// Blocks of sixteen channels.
    fn blocks(&self) -> usize {
        self.channels.div_ceil(LANES)
    }

    /// The real channels of a block, each with its lane.
    fn channels_of(&self, block: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        (block * LANES..self.channels).enumerate().take(LANES)
    }

    /// A block of a tensor of `[channels]` that begins where `tensor` does; 0 beyond the real channels.
    fn block(&self, tensor: &[f32], block: usize) -> Lanes {
        let real = &tensor[block * LANES..self.channels.min((block + 1) * LANES)];
        let mut lanes = Lanes::ZERO;
        lanes.0[..real.len()].copy_from_slice(real);
        lanes
    }

    /// The factors of a batch norm that only normalises: 1 for every real channel.
    fn ones(&self, block: usize) -> Lanes {
        let mut lanes = Lanes::ZERO;
        lanes.0[..(self.channels - block * LANES).min(LANES)].fill(1.0);
        lanes
    }

    /// What a batch is normalised with, from the moments of its images: block `b` of image `n` is
    /// `moments[n · blocks + b]`, a mean and a sum of squared distances over `pixels`. Updates the running
    /// statistics, if they are given.
    pub fn of_batch(
        &self,
        moments: &[Sums],
        pixels: usize,
        parameters: Parameters<&[f32]>,
        mut running: Option<Running<'_>>,
    ) -> Normalisation {
        let mut result = Normalisation::default();
        let images = (moments.len() / self.blocks()) as f64;
        let count = images * pixels as f64;
        for block in 0..self.blocks() {
            let (mut means, mut variances) = ([0.0; LANES], [0.0; LANES]);
            for lane in 0..LANES {
                let of_images = moments.iter().skip(block).step_by(self.blocks());
                let mean = of_images.clone().map(|(m, _)| f64::from(m.0[lane])).sum::<f64>() / images;
                let squares: f64 = of_images
                    .map(|(m, s)| {
                        f64::from(s.0[lane]) + pixels as f64 * (f64::from(m.0[lane]) - mean).powi(2)
                    })
                    .sum();
                (means[lane], variances[lane]) = (mean, squares / count);
            }
            if let Some(running) = &mut running {
                for (lane, channel) in self.channels_of(block) {
                    // Running variances are those of a sample, as in PyTorch.
                    let variance = variances[lane] * count / (count - 1.0);
                    running.move_towards(self.mean, channel, means[lane]);
                    running.move_towards(self.variance, channel, variance);
                }
            }
            self.push_block(&mut result, block, &means, &variances, parameters);
        }
        result
    }

    /// What evaluation normalises with: the running statistics.
    pub fn running(&self, parameters: Parameters<&[f32]>, statistics: Statistics<&[f32]>) -> Normalisation {
        let mut result = Normalisation::default();
        for block in 0..self.blocks() {
            let of_block = |place| self.block(statistics.starting_at(place), block).0.map(f64::from);
            let (means, variances) = (of_block(self.mean), of_block(self.variance));
            self.push_block(&mut result, block, &means, &variances, parameters);
        }
        result
    }

    fn push_block(
        &self,
        result: &mut Normalisation,
        block: usize,
        means: &[f64; LANES],
        variances: &[f64; LANES],
        parameters: Parameters<&[f32]>,
    ) {
        let (scale, shift) = match self.affine {
            Some(AffinePlaces { scale, shift }) => (
                self.block(parameters.starting_at(scale), block),
                self.block(parameters.starting_at(shift), block),
            ),
            None => (self.ones(block), Lanes::ZERO),
        };
        let mut affine = Affine { scale: Lanes::ZERO, shift: Lanes::ZERO };
        let mut inverse = Lanes::ZERO;
        for lane in 0..LANES {
            let inverse_deviation = 1.0 / (variances[lane] + BATCH_NORM_EPSILON).sqrt();
            let factor = f64::from(scale.0[lane]) * inverse_deviation;
            affine.scale.0[lane] = factor as f32;
            affine.shift.0[lane] = (f64::from(shift.0[lane]) - means[lane] * factor) as f32;
            inverse.0[lane] = inverse_deviation as f32;
        }
        result.affines.push(affine);
        result.means.push(Lanes(means.map(|m| m as f32)));
        result.inverse_deviations.push(inverse);
        result.scales.push(scale);
    }

    /// The coefficients of the gradient of batch norm's input, one for each block of channels, from the sums
    /// over the batch of each block. `count` is the number of values that a channel has in the batch. Writes
    /// the gradients of factor and offset to `flat_gradient`, if it is given.
    pub fn gradient(
        &self,
        normalisation: &Normalisation,
        sums: &[GradientSums],
        count: usize,
        mut flat_gradient: Option<Parameters<&mut [f32]>>,
    ) -> Vec<NormBack> {
        let mut back = Vec::with_capacity(sums.len());
        for (block, (gradients, products)) in sums.iter().enumerate() {
            let inverse = normalisation.inverse_deviations[block].0.map(f64::from);
            let scale = normalisation.scales[block].0.map(f64::from);
            let mut coefficients = NormBack {
                mean: normalisation.means[block],
                gradient_scale: Lanes::ZERO,
                distance_scale: Lanes::ZERO,
                offset: Lanes::ZERO,
            };
            for lane in 0..LANES {
                let factor = scale[lane] * inverse[lane];
                let share = products[lane] * inverse[lane] * inverse[lane] / count as f64;
                coefficients.gradient_scale.0[lane] = factor as f32;
                coefficients.distance_scale.0[lane] = (-factor * share) as f32;
                coefficients.offset.0[lane] = (-factor * gradients[lane] / count as f64) as f32;
            }
            if let (Some(flat), Some(AffinePlaces { scale, shift })) = (&mut flat_gradient, self.affine) {
                for (lane, channel) in self.channels_of(block) {
                    flat[scale.plus(channel)] = (products[lane] * inverse[lane]) as f32;
                    flat[shift.plus(channel)] = gradients[lane] as f32;
                }
            }
            back.push(coefficients);
        }
        back
    }
}

impl Running<'_> {
    /// Updates one channel of a running statistic with the batch's value `seen`, [`Running::times`] times.
    fn move_towards(&mut self, statistic: StatisticPlace, channel: usize, seen: f64) {
        let running = &mut self.statistics.starting_at_mut(statistic)[channel];
        for _ in 0..self.times {
            *running = (f64::from(*running) * (1.0 - self.momentum) + seen * self.momentum) as f32;
        }
    }
}
