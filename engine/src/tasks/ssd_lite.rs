//! SSDLite, a head for detection: boxes and classes from six maps.
//!
//! The maps are the backbone's at strides 16 and 32, and four that inverted residuals make of the last. For
//! each of the six priors of a cell, each map predicts the scores of all classes and four numbers that place
//! the box.

use relativenas_core::tasks::{
    heads::EXTRAS,
    priors::{LEVELS, PER_CELL},
};
use tch::{TchError, Tensor};

use super::{
    Head, NetworkState, TaskNetwork,
    layers::{HeadLayers, Specs},
};
use crate::network::{ForwardMode, TensorSpec};

/// The predictions for every prior.
#[derive(Debug)]
pub struct Predictions {
    /// Class scores that are not yet normalised, background first, `[N, priors, classes] f32`.
    pub confidences: Tensor,
    /// The boxes relative to their priors, `[N, priors, 4] f32`; see [`relativenas_core::tasks::matching::decode`].
    pub locations: Tensor,
}

/// The channels of the six maps.
fn channels([_, middle, last]: [usize; 3]) -> [usize; 6] {
    [middle, last, EXTRAS[0].0, EXTRAS[1].0, EXTRAS[2].0, EXTRAS[3].0]
}

/// The tensors of the head, in the order of the published state dict.
pub(super) fn tensors(maps: [usize; 3], classes: usize) -> Vec<TensorSpec> {
    let mut specs = Specs::default();
    let maps = channels(maps);
    for (index, (out, share)) in EXTRAS.into_iter().enumerate() {
        let name = format!("extras.{index}.conv");
        let from = maps[index + 1];
        let hidden = (from as f64 * share).round() as usize;
        specs.convolution(&format!("{name}.0.0"), [hidden, from], 1);
        specs.batch_norm(&format!("{name}.0.1"), hidden);
        specs.convolution(&format!("{name}.1.0"), [hidden, 1], 3);
        specs.batch_norm(&format!("{name}.1.1"), hidden);
        specs.convolution(&format!("{name}.2"), [out, hidden], 1);
        specs.batch_norm(&format!("{name}.3"), out);
    }
    for (kind, numbers) in [("classification_headers", classes), ("regression_headers", 4)] {
        for (level, channels) in maps.into_iter().enumerate() {
            let name = format!("{kind}.{level}");
            let last = if level + 1 == maps.len() {
                name
            } else {
                specs.convolution(&format!("{name}.0"), [channels, 1], 3);
                specs.bias(&format!("{name}.0"), channels, 9);
                specs.batch_norm(&format!("{name}.1"), channels);
                format!("{name}.3")
            };
            specs.convolution(&last, [PER_CELL * numbers, channels], 1);
            specs.bias(&last, PER_CELL * numbers, channels);
        }
    }
    specs.0
}

/// Predictions for images `[N, 3, 320, 320] f32`.
///
/// # Errors
/// If the network has another head, the shapes do not fit, or the device fails.
pub fn run(
    network: &TaskNetwork,
    state: &NetworkState,
    images: &Tensor,
    mode: ForwardMode,
) -> Result<Predictions, TchError> {
    let Head::SsdLite { classes } = network.head else {
        return Err(TchError::Shape("the network's head is not SSDLite".to_owned()));
    };
    let layers = HeadLayers { state, mode };
    let [_, middle, last] = state.maps(network, images, mode)?;
    let mut maps = vec![middle, last];
    for index in 0..EXTRAS.len() {
        let map = inverted_residual(&layers, &maps[index + 1], &format!("extras.{index}.conv"))?;
        maps.push(map);
    }
    let all = |kind: &str, numbers: usize| {
        let levels = maps.iter().enumerate().map(|(level, map)| {
            let outputs = header(&layers, map, &format!("{kind}.{level}"), level + 1 == LEVELS.len())?;
            // The order is row by row, then prior by prior.
            let outputs = outputs.f_permute([0, 2, 3, 1])?.f_contiguous()?;
            outputs.f_view([outputs.size()[0], -1, numbers as i64])
        });
        Tensor::f_cat(&levels.collect::<Result<Vec<_>, _>>()?, 1)
    };
    Ok(Predictions {
        confidences: all("classification_headers", classes)?,
        locations: all("regression_headers", 4)?,
    })
}

/// An inverted residual: a convolution to more channels, a depthwise one with stride 2, and one to fewer
/// channels, without shortcut.
fn inverted_residual(layers: &HeadLayers<'_>, map: &Tensor, name: &str) -> Result<Tensor, TchError> {
    let wide = layers.convolve(map, &format!("{name}.0.0"), 1)?;
    let wide = layers.batch_norm(&wide, &format!("{name}.0.1"))?.f_relu6()?;
    let halved = layers.convolve(&wide, &format!("{name}.1.0"), 2)?;
    let halved = layers.batch_norm(&halved, &format!("{name}.1.1"))?.f_relu6()?;
    layers.batch_norm(&layers.convolve(&halved, &format!("{name}.2"), 1)?, &format!("{name}.3"))
}

fn header(layers: &HeadLayers<'_>, map: &Tensor, name: &str, plain: bool) -> Result<Tensor, TchError> {
    if plain {
        return layers.convolve(map, name, 1);
    }
    let value = layers.convolve(map, &format!("{name}.0"), 1)?;
    let value = layers.batch_norm(&value, &format!("{name}.1"))?.f_relu6()?;
    layers.convolve(&value, &format!("{name}.3"), 1)
}
