//! The outputs that a network is trained to give for annotated pictures.

use relativenas_core::tasks::{
    boxes::{CentreBox, CornerBox},
    heat_maps::MAP,
    joints::JOINTS,
    matching::{encode, match_boxes},
};
use tch::{Device, TchError, Tensor};

use super::losses::BoxTargets;

/// The targets of the priors of one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Priors {
    /// The class of each prior, 0 for background, `[priors]`.
    pub labels: Vec<i64>,
    /// The box of each prior as the four numbers that are regressed, `[priors, 4]`; zeros for background.
    pub locations: Vec<f32>,
}

impl Priors {
    /// The targets for boxes in shares of a picture's sides, with their classes counted from 0 (without
    /// background).
    pub fn of(priors: &[CentreBox], boxes: &[(CornerBox, usize)]) -> Self {
        let corners: Vec<_> = boxes.iter().map(|(corners, _)| *corners).collect();
        let (mut labels, mut locations) = (Vec::new(), Vec::new());
        for (found, prior) in match_boxes(priors, &corners).into_iter().zip(priors) {
            labels.push(found.map_or(0, |object| boxes[object].1 as i64 + 1));
            let location = found.map_or([0.0; 4], |object| encode(&corners[object], prior));
            locations.extend(location.map(|number| number as f32));
        }
        Self { labels, locations }
    }
}

/// The targets of several pictures on a device.
///
/// # Errors
/// If the device fails.
pub fn boxes(pictures: &[Priors], device: Device) -> Result<BoxTargets, TchError> {
    let (mut labels, mut locations) = (Vec::new(), Vec::new());
    for picture in pictures {
        labels.extend_from_slice(&picture.labels);
        locations.extend_from_slice(&picture.locations);
    }
    let count = pictures.len() as i64;
    Ok(BoxTargets {
        labels: Tensor::f_from_slice(&labels)?.f_reshape([count, -1])?.f_to_device(device)?,
        locations: Tensor::f_from_slice(&locations)?.f_reshape([count, -1, 4])?.f_to_device(device)?,
    })
}

/// The heat maps of several people (`[people, joints, 64, 48]` row by row) and the weights of their joints,
/// on a device.
///
/// # Errors
/// If the device fails.
pub fn heat_maps(maps: &[f32], weights: &[f32], device: Device) -> Result<[Tensor; 2], TchError> {
    let shape = [-1, JOINTS as i64, MAP[1] as i64, MAP[0] as i64];
    let maps = Tensor::f_from_slice(maps)?.f_reshape(shape)?.f_to_device(device)?;
    let weights = Tensor::f_from_slice(weights)?.f_reshape([-1, JOINTS as i64])?.f_to_device(device)?;
    Ok([maps, weights])
}
