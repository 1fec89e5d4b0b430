//! The result of a training from scratch.

use serde::{Deserialize, Serialize};

use super::settings::Judge;
use crate::{loss::Loss, number};

/// The result of a training from scratch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The mean cross-entropy on the training half, for every epoch.
    pub train_losses: Vec<Loss>,
    /// The mean cross-entropy on the validation half after the last epoch.
    pub loss: Loss,
    /// The accuracy on the validation half after the last epoch, in per cent.
    #[serde(with = "number")]
    pub accuracy: f64,
}

impl Figures {
    /// The figure that decides which entrants go on; lower is better.
    pub fn judged(&self, judge: Judge) -> Loss {
        match judge {
            Judge::TrainingLoss => Loss(self.train_losses.iter().map(|loss| loss.0).sum()),
            Judge::ValidationLoss => self.loss,
        }
    }

    /// The mean of an architecture's figures over its seeds; `None` if there are none. If a figure is NaN for one
    /// seed, its mean is NaN.
    pub fn mean<'a>(of: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut seeds = of.into_iter();
        let (mut sum, mut count) = (seeds.next()?.clone(), 1.0);
        for figures in seeds {
            for (sum, loss) in sum.train_losses.iter_mut().zip(&figures.train_losses) {
                sum.0 += loss.0;
            }
            sum.loss.0 += figures.loss.0;
            sum.accuracy += figures.accuracy;
            count += 1.0;
        }
        let train_losses = sum.train_losses.into_iter().map(|loss| Loss(loss.0 / count)).collect();
        Some(Self { train_losses, loss: Loss(sum.loss.0 / count), accuracy: sum.accuracy / count })
    }
}
