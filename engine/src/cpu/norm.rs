//! Batch norm as numbers: from moments to an affine map, and from sums to a gradient.

use super::{
    pointwise::Affine,
    simd::{LANES, Lanes},
};
use crate::network::BATCH_NORM_EPSILON;

/// Where a batch norm's numbers lie in flat memory.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    pub channels: usize,
    /// Where scale and shift lie among the parameters; `None` if it only normalises.
    pub affine: Option<(usize, usize)>,
    /// Among the statistics.
    pub mean: usize,
    /// Among the statistics.
    pub variance: usize,
}

/// What the batch was normalised with, block by block.
#[derive(Clone, Debug, Default)]
pub struct Normalisation {
    pub affines: Vec<Affine>,
    pub means: Vec<Lanes>,
    /// One by the standard deviation.
    inverse_deviations: Vec<Lanes>,
    scales: Vec<Lanes>,
}

/// Coefficients of [`NormGradient`](super::pointwise::NormGradient) for a block.
#[derive(Clone, Copy, Debug)]
pub struct NormBack {
    pub mean: Lanes,
    pub gradient_scale: Lanes,
    pub distance_scale: Lanes,
    pub offset: Lanes,
}

/// Running statistics that a batch moves.
pub struct Running<'a> {
    pub statistics: &'a mut [f32],
    /// The batch's share in them afterwards.
    pub momentum: f64,
    /// A module that two genes share sees its batch twice.
    pub times: usize,
}

impl Norm {
    fn blocks(&self) -> usize {
        self.channels.div_ceil(LANES)
    }

    /// A channel's numbers start at 0 beyond the real channels.
    fn block(&self, flat: &[f32], start: usize, block: usize) -> Lanes {
        let real = &flat[start + block * LANES..start + self.channels.min((block + 1) * LANES)];
        let mut lanes = Lanes::ZERO;
        lanes.0[..real.len()].copy_from_slice(real);
        lanes
    }

    /// A factor of 1 for every real channel.
    fn ones(&self, block: usize) -> Lanes {
        let mut lanes = Lanes::ZERO;
        lanes.0[..(self.channels - block * LANES).min(LANES)].fill(1.0);
        lanes
    }

    /// From the moments of every image: block `b` of image `n` is `moments[n · blocks + b]`, a mean
    /// and a sum of squares over `pixels`. Moves the running statistics, if there are any.
    pub fn of_batch(
        &self,
        moments: &[(Lanes, Lanes)],
        pixels: usize,
        parameters: &[f32],
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
            for (lane, channel) in (block * LANES..self.channels).enumerate().take(LANES) {
                // Running variances are those of a sample, as in PyTorch.
                let variance = variances[lane] * count / (count - 1.0);
                let Some(Running { statistics, momentum, times }) = &mut running else { continue };
                for _ in 0..*times {
                    move_towards(&mut statistics[self.mean + channel], means[lane], *momentum);
                    move_towards(&mut statistics[self.variance + channel], variance, *momentum);
                }
            }
            self.push_block(&mut result, block, &means, &variances, parameters);
        }
        result
    }

    /// From the running statistics.
    pub fn running(&self, parameters: &[f32], statistics: &[f32]) -> Normalisation {
        let mut result = Normalisation::default();
        for block in 0..self.blocks() {
            let means = self.block(statistics, self.mean, block).0.map(f64::from);
            let variances = self.block(statistics, self.variance, block).0.map(f64::from);
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
        parameters: &[f32],
    ) {
        let (scale, shift) = match self.affine {
            Some((scale, shift)) => {
                (self.block(parameters, scale, block), self.block(parameters, shift, block))
            }
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

    /// From sums over the batch, block by block (of gradients, and of gradients times distances
    /// from the mean), to the gradient before batch norm. Writes the parameters' gradients, if there
    /// is a place for them.
    pub fn gradient(
        &self,
        normalisation: &Normalisation,
        sums: &[([f64; LANES], [f64; LANES])],
        count: usize,
        mut flat_gradient: Option<&mut [f32]>,
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
            for (lane, channel) in (block * LANES..self.channels).enumerate().take(LANES) {
                let (Some(flat_gradient), Some((scale, shift))) = (&mut flat_gradient, self.affine) else {
                    break;
                };
                flat_gradient[scale + channel] = (products[lane] * inverse[lane]) as f32;
                flat_gradient[shift + channel] = gradients[lane] as f32;
            }
            back.push(coefficients);
        }
        back
    }
}

fn move_towards(running: &mut f32, seen: f64, momentum: f64) {
    *running = (f64::from(*running) * (1.0 - momentum) + seen * momentum) as f32;
}
