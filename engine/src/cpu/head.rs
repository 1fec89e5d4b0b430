//! The classifier: mean over pixels, linear layer, cross-entropy.

use super::{
    program::Head,
    simd::{LANES, Lanes},
};

/// Mean of every channel of an image, `[features]`.
fn features(head: &Head, image: &[Lanes]) -> Vec<f32> {
    let mut padded = Vec::with_capacity(image.len() / head.pixels * LANES);
    for plane in image.chunks_exact(head.pixels) {
        let mut sum = [0.0; LANES];
        for pixel in plane {
            for (sum, x) in sum.iter_mut().zip(pixel.0) {
                *sum += x;
            }
        }
        padded.extend(sum.map(|s| s / head.pixels as f32));
    }
    (0..head.features.count()).map(|channel| padded[head.features.padded(channel)]).collect()
}

fn logits(head: &Head, features: &[f32], parameters: &[f32]) -> Vec<f32> {
    let weights = parameters[head.weight..].chunks_exact(features.len()).take(head.classes);
    let biases = &parameters[head.bias..];
    weights
        .zip(biases)
        .map(|(weights, bias)| bias + weights.iter().zip(features).map(|(w, x)| w * x).sum::<f32>())
        .collect()
}

/// What the classifier makes of one image: logits, and the features that they come from.
pub struct Prediction {
    features: Vec<f32>,
    pub logits: Vec<f32>,
}

impl Prediction {
    pub fn new(head: &Head, image: &[Lanes], parameters: &[f32]) -> Self {
        let features = features(head, image);
        let logits = logits(head, &features, parameters);
        Self { features, logits }
    }

    /// Cross-entropy, and probabilities of all classes.
    pub fn loss(&self, label: usize) -> (f64, Vec<f64>) {
        let largest = self.logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<_> = self.logits.iter().map(|l| f64::from(l - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        let loss = sum.ln() - f64::from(self.logits[label] - largest);
        (loss, powers.into_iter().map(|p| p / sum).collect())
    }

    /// Whether no class has more than the right one, as far as libtorch's first maximum goes.
    pub fn is_right(&self, label: usize) -> bool {
        let mut best = 0;
        for (class, logit) in self.logits.iter().enumerate() {
            if *logit > self.logits[best] {
                best = class;
            }
        }
        best == label
    }

    /// Adds the gradient of this image's share of the mean loss to that of the parameters, and
    /// writes that of the image.
    pub fn backward(
        &self,
        head: &Head,
        logit_gradients: &[f32],
        parameters: &[f32],
        flat: &mut [f32],
        image: &mut [Lanes],
    ) {
        let width = self.features.len();
        let mut feature_gradients = vec![0.0; width];
        for (class, gradient) in logit_gradients.iter().enumerate() {
            let start = head.weight + class * width;
            flat[head.bias + class] += gradient;
            for (sum, feature) in flat[start..start + width].iter_mut().zip(&self.features) {
                *sum += gradient * feature;
            }
            for (sum, weight) in feature_gradients.iter_mut().zip(&parameters[start..start + width]) {
                *sum += gradient * weight;
            }
        }
        let mut padded = vec![Lanes::ZERO; head.features.blocks()];
        for (channel, gradient) in feature_gradients.into_iter().enumerate() {
            let place = head.features.padded(channel);
            padded[place / LANES].0[place % LANES] = gradient / head.pixels as f32;
        }
        for (plane, gradient) in image.chunks_exact_mut(head.pixels).zip(padded) {
            plane.fill(gradient);
        }
    }
}
