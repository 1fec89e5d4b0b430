//! The loss that training minimises.

use tch::{Reduction, TchError, Tensor};

use crate::network::Logits;

/// Cross-entropy with label smoothing, plus a share of the loss of the auxiliary head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossFunction {
    /// The share ε of the target that is spread evenly over all classes.
    pub label_smoothing: f64,
    /// The factor of the auxiliary head's loss.
    pub auxiliary_weight: f64,
}

impl LossFunction {
    /// The mean over the batch, a scalar that can be differentiated. `labels` are `[N] i64`.
    ///
    /// # Errors
    /// If the shapes do not fit, or the device fails.
    pub fn of(&self, logits: &Logits, labels: &Tensor) -> Result<Tensor, TchError> {
        let main = self.cross_entropy(&logits.main, labels)?;
        match &logits.auxiliary {
            Some(auxiliary) => {
                main.f_add(&self.cross_entropy(auxiliary, labels)?.f_mul_scalar(self.auxiliary_weight)?)
            }
            None => Ok(main),
        }
    }

    fn cross_entropy(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor, TchError> {
        logits.f_cross_entropy_loss(labels, None::<&Tensor>, Reduction::Mean, -100, self.label_smoothing)
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    fn logits() -> Tensor {
        Tensor::from_slice(&[2.0_f32, -1.0, 0.5, 0.0, 0.25, 3.0]).view([2, 3])
    }

    /// The published formula, written out: targets (1 − ε)·onehot + ε/K, mean over images of −Σ target · log
    /// p.
    fn by_hand(logits: &Tensor, labels: &[i64], smoothing: f64) -> f64 {
        let (images, classes) = logits.size2().unwrap();
        let mut sum = 0.0;
        for image in 0..images {
            let value = |class: i64| logits.double_value(&[image, class]);
            let normaliser = (0..classes).map(|c| value(c).exp()).sum::<f64>().ln();
            for class in 0..classes {
                let hit = if labels[image as usize] == class { 1.0 - smoothing } else { 0.0 };
                sum -= (hit + smoothing / classes as f64) * (value(class) - normaliser);
            }
        }
        sum / images as f64
    }

    #[test]
    fn smoothed_labels_and_the_auxiliary_head_count_as_published() {
        let labels = [0_i64, 2];
        let auxiliary = logits() * -0.5;
        for (smoothing, weight) in [(0.0, 0.4), (0.1, 0.4), (0.3, 0.0)] {
            let loss = LossFunction { label_smoothing: smoothing, auxiliary_weight: weight };
            let both = Logits { main: logits(), auxiliary: Some(auxiliary.shallow_clone()) };
            let found = loss.of(&both, &Tensor::from_slice(&labels)).unwrap();
            assert_eq!(found.kind(), Kind::Float);
            let expected =
                by_hand(&logits(), &labels, smoothing) + weight * by_hand(&auxiliary, &labels, smoothing);
            assert!((found.double_value(&[]) - expected).abs() < 1e-6, "{found:?} for {expected}");
            let alone = Logits { main: logits(), auxiliary: None };
            let found = loss.of(&alone, &Tensor::from_slice(&labels)).unwrap().double_value(&[]);
            assert!((found - by_hand(&logits(), &labels, smoothing)).abs() < 1e-6);
        }
    }
}
