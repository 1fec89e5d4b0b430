//! The classifier: mean over pixels, linear layer, cross-entropy.

use super::{
    packing::Lane,
    program::Head,
    shape::{Image, ImageMut},
};
use crate::{
    network::Parameters,
    simd::{LANES, Lanes},
};

/// The mean of every channel of an image, `[features]`.
fn features(head: &Head, image: Image<'_>) -> Vec<f32> {
    let mut means = Vec::with_capacity(image.shape.planes());
    for plane in image.planes() {
        let mut sum = [0.0; LANES];
        for pixel in plane.pixels {
            for (sum, x) in sum.iter_mut().zip(pixel.0) {
                *sum += x;
            }
        }
        means.push(sum.map(|s| s / plane.pixels.len() as f32));
    }
    let mean = |channel| {
        let Lane { block, lane } = head.features.lane(channel);
        means[block][lane]
    };
    (0..head.features.count()).map(mean).collect()
}

/// The linear layer: from `[features]` to `[classes]`.
fn logits(head: &Head, features: &[f32], parameters: Parameters<&[f32]>) -> Vec<f32> {
    let weights = parameters.starting_at(head.weight).chunks_exact(features.len()).take(head.classes);
    let biases = parameters.starting_at(head.bias);
    weights
        .zip(biases)
        .map(|(weights, bias)| bias + weights.iter().zip(features).map(|(w, x)| w * x).sum::<f32>())
        .collect()
}

/// What the classifier makes of one image.
pub struct Prediction {
    /// The means that the logits come from, `[features]`.
    features: Vec<f32>,
    /// Class scores that are not normalised, `[classes]`.
    pub logits: Vec<f32>,
}

impl Prediction {
    /// Classifies an image of the last cell's output.
    pub fn new(head: &Head, image: Image<'_>, parameters: Parameters<&[f32]>) -> Self {
        let features = features(head, image);
        let logits = logits(head, &features, parameters);
        Self { features, logits }
    }

    /// Cross-entropy, and the probabilities of all classes.
    pub fn loss(&self, label: usize) -> (f64, Vec<f64>) {
        let largest = self.logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<_> = self.logits.iter().map(|l| f64::from(l - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        let loss = sum.ln() - f64::from(self.logits[label] - largest);
        (loss, powers.into_iter().map(|p| p / sum).collect())
    }

    /// Whether the right class has the highest score; of several that have it, the first counts, as in libtorch.
    pub fn is_right(&self, label: usize) -> bool {
        let mut best = 0;
        for (class, logit) in self.logits.iter().enumerate() {
            if *logit > self.logits[best] {
                best = class;
            }
        }
        best == label
    }

    /// From the gradient of the logits, `[classes]`: adds the gradients of the head's weights to `flat`, which
    /// belongs to all parameters, and writes the gradient of the image.
    pub fn backward(
        &self,
        head: &Head,
        logit_gradients: &[f32],
        parameters: Parameters<&[f32]>,
        flat: &mut Parameters<Vec<f32>>,
        image: ImageMut<'_>,
    ) {
        let width = self.features.len();
        let mut feature_gradients = vec![0.0; width];
        for (class, gradient) in logit_gradients.iter().enumerate() {
            let row = head.weight.plus(class * width);
            flat[head.bias.plus(class)] += gradient;
            for (sum, feature) in flat.starting_at_mut(row).iter_mut().zip(&self.features) {
                *sum += gradient * feature;
            }
            for (sum, weight) in feature_gradients.iter_mut().zip(parameters.starting_at(row)) {
                *sum += gradient * weight;
            }
        }
        let pixels = image.shape.pixels() as f32;
        let mut of_blocks = vec![Lanes::ZERO; image.shape.planes()];
        for (channel, gradient) in feature_gradients.into_iter().enumerate() {
            let Lane { block, lane } = head.features.lane(channel);
            of_blocks[block].0[lane] = gradient / pixels;
        }
        for (plane, gradient) in image.planes().zip(of_blocks) {
            plane.pixels.fill(gradient);
        }
    }
}
