//! How good a trained network of a task is, by the metric of its protocol. The network itself is a
//! function from inputs to what it says.

mod detection;
mod keypoints;
mod segmentation;

pub use detection::detection;
pub use keypoints::keypoints;
pub use segmentation::segmentation;

use tch::{Device, Kind, TchError, Tensor};

use crate::data::{fault::Fault, picture::Picture};

/// Where a network computes, and how much of it at once.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub device: Device,
    /// Images, or people, at once.
    pub batch: usize,
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
    pub loss: f64,
    pub images: usize,
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    #[error(transparent)]
    Data(#[from] Fault),
    #[error(transparent)]
    Device(#[from] TchError),
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

/// A picture as `[1, 3, H, W] f32`, 0 to 255, red first.
fn tensor(picture: &Picture, device: Device) -> Result<Tensor, TchError> {
    let shape = [1, picture.height as i64, picture.width as i64, 3];
    let bytes = Tensor::f_from_slice(&picture.rgb)?.f_reshape(shape)?.f_to_device(device)?;
    bytes.f_to_kind(Kind::Float)?.f_permute([0, 3, 1, 2])?.f_contiguous()
}

/// Mean and standard deviation of ImageNet's red, green and blue, each `[1, 3, 1, 1]`.
fn statistics(device: Device) -> Result<[Tensor; 2], TchError> {
    let row =
        |numbers: [f32; 3]| Tensor::f_from_slice(&numbers)?.f_reshape([1, 3, 1, 1])?.f_to_device(device);
    Ok([row([0.485, 0.456, 0.406])?, row([0.229, 0.224, 0.225])?])
}

/// A picture normalised as ImageNet's are.
fn normalised(picture: &Tensor) -> Result<Tensor, TchError> {
    let [mean, deviation] = statistics(picture.device())?;
    picture.f_div_scalar(255.0)?.f_sub(&mean)?.f_div(&deviation)
}

/// Normalised inputs as a network sees them that was trained with blue first: red and blue exchanged,
/// and normalised by the place of a channel, whatever it shows.
///
/// # Errors
/// If the device fails.
pub fn exchanged(inputs: &Tensor) -> Result<Tensor, TchError> {
    let [mean, deviation] = statistics(inputs.device())?;
    let raw = inputs.f_mul(&deviation)?.f_add(&mean)?.f_flip([1])?;
    raw.f_sub(&mean)?.f_div(&deviation)
}

#[cfg(test)]
mod tests;
