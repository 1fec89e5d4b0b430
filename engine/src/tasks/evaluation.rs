//! Evaluation of a trained network of a task by the metric of its benchmark. The functions for each task receive the
//! network as a function from inputs to outputs.

mod detection;
mod keypoints;
mod segmentation;

pub use detection::{detection, input as detector_input, report};
pub use keypoints::{keypoints, poses};
pub use segmentation::{classes, segmentation};

use relativenas_core::{loss::Loss, search::Flow};
use tch::{Device, TchError, Tensor};

use super::{
    NetworkState, TaskNetwork, bisenet, data::TaskImages, pixels::exchanged, simple_baseline,
    sliding::Sliding, ssd_lite,
};
use crate::{data::fault::Fault, network::ForwardMode};

/// How an evaluation is carried out: the device, the size of batches, and what is called with the progress.
#[derive(Clone, Copy)]
pub struct EvaluationRun<'a> {
    pub device: Device,
    /// The number of images, or of people, in a batch.
    pub batch: usize,
    /// Called with the number of images that were evaluated since the last call; returns whether to go on.
    pub after: &'a dyn Fn(usize) -> Flow,
}

impl EvaluationRun<'_> {
    fn after(&self, images: usize) -> Result<(), EvaluationError> {
        match (self.after)(images) {
            Flow::Abort => Err(EvaluationError::Ended),
            _ => Ok(()),
        }
    }
}

/// How pictures are presented to the network of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskView {
    /// Rows and columns, in pixels, of the chips that segmentation sees.
    pub chip: usize,
    /// Whether keypoints are also looked for in the mirror image, as in published evaluations.
    pub flip: bool,
    /// Whether the network was trained with blue first, as the published ones for keypoints were.
    pub blue_first: bool,
}

impl TaskView {
    /// The settings with which results are published.
    pub const PUBLISHED: Self = Self { chip: 1024, flip: true, blue_first: false };
}

/// Evaluates a network by the metric of its images' task.
///
/// # Errors
/// If a picture cannot be read, the images are not those of the network's task, or the device fails; or
/// [`EvaluationError::Ended`] if `after` ended it.
pub fn judge(
    place: EvaluationRun<'_>,
    view: TaskView,
    network: &TaskNetwork,
    state: &NetworkState,
    images: &TaskImages,
) -> Result<Judged, EvaluationError> {
    let mode = ForwardMode::Evaluation;
    match images {
        TaskImages::Boxes { classes, images } => {
            let mut run = |inputs: &Tensor| ssd_lite::run(network, state, inputs, mode);
            detection(place, classes, images, &mut run)
        }
        TaskImages::Masks(streets) => {
            let sliding = Sliding { chip: view.chip, ..Sliding::plain() };
            let mut run = |inputs: &Tensor| bisenet::run(network, state, inputs, mode);
            segmentation(place, streets, &sliding, &mut run)
        }
        TaskImages::People(images) => {
            let mut run = |inputs: &Tensor| heat(network, state, view, inputs);
            keypoints(place, images, &mut run)
        }
    }
}

/// The heat maps of people's joints, `[N, joints, H/4, W/4] f32`, for normalised inputs `[N, 3, H, W] f32`.
///
/// # Errors
/// If the network is not one for keypoints, or the device fails.
pub fn heat(
    network: &TaskNetwork,
    state: &NetworkState,
    view: TaskView,
    inputs: &Tensor,
) -> Result<Tensor, TchError> {
    let inputs = if view.blue_first { exchanged(inputs)? } else { inputs.shallow_clone() };
    if view.flip {
        simple_baseline::run_flipped(network, state, &inputs)
    } else {
        simple_baseline::run(network, state, &inputs, ForwardMode::Evaluation)
    }
}

/// The results of an evaluation; shares are between 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The name and the value of the metric, `map`, `miou` or `ap`; the value is `None` where there is
    /// nothing to find.
    pub metric: (&'static str, Option<f64>),
    /// Further figures, such as `ap50`.
    pub more: Vec<(&'static str, Option<f64>)>,
    /// The metric for each class, where there are classes.
    pub by_class: Vec<(String, Option<f64>)>,
    /// The mean over the batches of the loss that training minimises.
    pub loss: Loss,
    /// The number of images that were evaluated.
    pub images: usize,
}

/// Why an evaluation gave no results.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    #[error(transparent)]
    Data(#[from] Fault),
    #[error(transparent)]
    Device(#[from] TchError),
    #[error("the evaluation was ended early")]
    Ended,
}

/// A mean of losses.
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
