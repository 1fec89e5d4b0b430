//! How good a trained network of a task is, by the metric of its protocol. The network itself is a
//! function from inputs to what it says.

mod detection;
mod keypoints;
mod segmentation;

pub use detection::{detection, input as detector_input, report};
pub use keypoints::{keypoints, poses};
pub use segmentation::{classes, segmentation};

use relativenas_core::{loss::Loss, search::Flow};
use tch::{Device, TchError, Tensor};

use super::{
    State, TaskNetwork, bisenet, data::TaskImages, pixels::exchanged, simple_baseline, sliding::Sliding,
    ssd_lite,
};
use crate::{data::fault::Fault, network::Mode};

/// Where a network computes, and how much of it at once.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub device: Device,
    /// Images, or people, at once.
    pub batch: usize,
    /// Called after so many images; says whether to go on.
    pub after: &'a dyn Fn(usize) -> Flow,
}

impl Place<'_> {
    fn after(&self, images: usize) -> Result<(), EvaluationError> {
        match (self.after)(images) {
            Flow::Abort => Err(EvaluationError::Ended),
            _ => Ok(()),
        }
    }
}

/// How a network of a task looks at pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskView {
    /// Rows and columns of what segmentation sees at once.
    pub chip: usize,
    /// Keypoints are looked for in a mirror too, as in a published evaluation.
    pub flip: bool,
    /// The network was trained with blue first, as published ones for keypoints.
    pub blue_first: bool,
}

impl TaskView {
    /// As results are reported.
    pub const PUBLISHED: Self = Self { chip: 1024, flip: true, blue_first: false };
}

/// Judges a network by the metric of its images' task.
///
/// # Errors
/// If a picture cannot be read, the images are not those of the network's task, or the device fails; or
/// [`EvaluationError::Ended`] if somebody ended it.
pub fn judge(
    place: Place<'_>,
    look: TaskView,
    network: &TaskNetwork,
    state: &State,
    images: &TaskImages,
) -> Result<Judged, EvaluationError> {
    let mode = Mode::Evaluation;
    match images {
        TaskImages::Boxes { classes, images } => {
            let mut run = |inputs: &Tensor| ssd_lite::run(network, state, inputs, mode);
            detection(place, classes, images, &mut run)
        }
        TaskImages::Masks(streets) => {
            let sliding = Sliding { chip: look.chip, ..Sliding::plain() };
            let mut run = |inputs: &Tensor| bisenet::run(network, state, inputs, mode);
            segmentation(place, streets, &sliding, &mut run)
        }
        TaskImages::People(images) => {
            let mut run = |inputs: &Tensor| heat(network, state, look, inputs);
            keypoints(place, images, &mut run)
        }
    }
}

/// Maps of people's joints.
///
/// # Errors
/// If the network is none for keypoints, or the device fails.
pub fn heat(
    network: &TaskNetwork,
    state: &State,
    look: TaskView,
    inputs: &Tensor,
) -> Result<Tensor, TchError> {
    let inputs = if look.blue_first { exchanged(inputs)? } else { inputs.shallow_clone() };
    if look.flip {
        simple_baseline::run_flipped(network, state, &inputs)
    } else {
        simple_baseline::run(network, state, &inputs, Mode::Evaluation)
    }
}

/// What was found; shares are between 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// `map`, `miou` or `ap`; `None` where nothing is asked for.
    pub metric: (&'static str, Option<f64>),
    /// Figures beside it, such as `ap50`.
    pub more: Vec<(&'static str, Option<f64>)>,
    /// The metric class by class, where there are classes.
    pub by_class: Vec<(String, Option<f64>)>,
    /// Mean over the batches, of what training minimises.
    pub loss: Loss,
    pub images: usize,
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    #[error(transparent)]
    Data(#[from] Fault),
    #[error(transparent)]
    Device(#[from] TchError),
    #[error("the evaluation was ended before its end")]
    Ended,
}

/// Means of losses.
#[derive(Debug, Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn add(&mut self, value: &Tensor, count: usize) -> Result<(), TchError> {
        self.sum += value.f_double_value(&[])? * count as f64;
        self.count += count;
        Ok(())
    }

    fn value(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}

#[cfg(test)]
mod tests;
