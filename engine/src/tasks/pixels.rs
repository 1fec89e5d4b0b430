//! Pictures as tensors, and the inputs of networks that are made of them.

use relativenas_core::tasks::person_crop::Affine;
use tch::{Device, Kind, TchError, Tensor};

use crate::data::{IMAGENET_STATISTICS, picture::Picture};

/// A picture as `[1, 3, H, W] f32`, with values from 0 to 255, red first.
///
/// # Errors
/// If the device fails.
pub fn tensor(picture: &Picture, device: Device) -> Result<Tensor, TchError> {
    let shape = [1, picture.height as i64, picture.width as i64, 3];
    let bytes = Tensor::f_from_slice(&picture.rgb)?.f_reshape(shape)?.f_to_device(device)?;
    bytes.f_to_kind(Kind::Float)?.f_permute([0, 3, 1, 2])?.f_contiguous()
}

/// Mean and standard deviation of ImageNet's red, green and blue, each `[1, 3, 1, 1]`.
fn statistics(device: Device) -> Result<[Tensor; 2], TchError> {
    let row =
        |numbers: [f32; 3]| Tensor::f_from_slice(&numbers)?.f_reshape([1, 3, 1, 1])?.f_to_device(device);
    let (mean, deviation) = IMAGENET_STATISTICS;
    Ok([row(mean)?, row(deviation)?])
}

/// Pictures normalised with the statistics of ImageNet: the inputs of segmentation and keypoints.
///
/// # Errors
/// If the device fails.
pub fn normalised(pictures: &Tensor) -> Result<Tensor, TchError> {
    let [mean, deviation] = statistics(pictures.device())?;
    pictures.f_div_scalar(255.0)?.f_sub(&mean)?.f_div(&deviation)
}

/// Pictures with values from about −1 to 1: the inputs of the detector.
///
/// # Errors
/// If the device fails.
pub fn centred(pictures: &Tensor) -> Result<Tensor, TchError> {
    pictures.f_sub_scalar(127.0)?.f_div_scalar(128.0)
}

/// Normalised inputs for a network that was trained with blue first: red and blue are exchanged, and each
/// channel is normalised by the statistics of its index, whichever colour it holds.
///
/// # Errors
/// If the device fails.
pub fn exchanged(inputs: &Tensor) -> Result<Tensor, TchError> {
    let [mean, deviation] = statistics(inputs.device())?;
    let raw = inputs.f_mul(&deviation)?.f_add(&mean)?.f_flip([1])?;
    raw.f_sub(&mean)?.f_div(&deviation)
}

/// A part of a picture, sampled bilinearly, `[height, width, 3]`; outside of the picture it is black. `back`
/// maps its pixels to those of the picture or, if `mirrored`, to those of the mirror image.
pub fn sampled(picture: &Picture, back: &Affine, [width, height]: [usize; 2], mirrored: bool) -> Vec<u8> {
    let at = |x: i64, y: i64, channel: usize| {
        let inside = x >= 0 && y >= 0 && x < picture.width as i64 && y < picture.height as i64;
        if inside {
            f64::from(picture.rgb[3 * (y as usize * picture.width + x as usize) + channel])
        } else {
            0.0
        }
    };
    let mut rgb = Vec::with_capacity(3 * width * height);
    for row in 0..height {
        for column in 0..width {
            let [x, y] = back.apply([column as f64, row as f64]);
            let x = if mirrored { picture.width as f64 - 1.0 - x } else { x };
            let (left, top) = (x.floor(), y.floor());
            let (right_share, lower_share) = (x - left, y - top);
            let (left, top) = (left as i64, top as i64);
            for channel in 0..3 {
                let line = |y: i64| {
                    at(left, y, channel) * (1.0 - right_share) + at(left + 1, y, channel) * right_share
                };
                let value = line(top) * (1.0 - lower_share) + line(top + 1) * lower_share;
                rgb.push(value.round() as u8);
            }
        }
    }
    rgb
}
