//! BiSeNet, a head for segmentation, which finds a class for every pixel from context and from detail.
//!
//! The context path refines the backbone's maps at strides 16 and 32 with attention and the mean over all
//! pixels; the spatial path keeps detail at stride 8; both are fused. Two further outputs of the context path
//! are used in training only.

use relativenas_core::tasks::heads::{CONTEXT, DETAIL, FUSED};
use tch::{TchError, Tensor};

use super::{
    Head, NetworkState, TaskNetwork,
    layers::{HeadLayers, Specs, average, double, resize},
};
use crate::network::{ForwardMode, TensorSpec};

/// The number that the published activated batch norm adds to the absolute value of its weight.
const PUBLISHED_EPSILON: f64 = 1e-5;

/// Class scores of every pixel that are not yet normalised, `[N, classes, H, W] f32`.
#[derive(Debug)]
pub struct Segmentation {
    pub main: Tensor,
    /// The scores from the maps at stride 8 and 16; only used in training.
    pub auxiliary: [Tensor; 2],
}

/// The tensors of the head, in the order of the published state dict.
pub(super) fn tensors([_, middle, last]: [usize; 3], classes: usize) -> Vec<TensorSpec> {
    let mut specs = Specs::default();
    for (name, from) in [("cp.arm16", middle), ("cp.arm32", last)] {
        specs.activated(&format!("{name}.conv"), [CONTEXT, from], 3);
        specs.convolution(&format!("{name}.conv_atten"), [CONTEXT, CONTEXT], 1);
        specs.batch_norm(&format!("{name}.bn_atten"), CONTEXT);
    }
    specs.activated("cp.conv_head32", [CONTEXT, CONTEXT], 3);
    specs.activated("cp.conv_head16", [CONTEXT, CONTEXT], 3);
    specs.activated("cp.conv_avg", [CONTEXT, last], 1);
    specs.activated("sp.conv1", [DETAIL, 3], 7);
    specs.activated("sp.conv2", [DETAIL, DETAIL], 3);
    specs.activated("sp.conv3", [DETAIL, DETAIL], 3);
    specs.activated("sp.conv_out", [CONTEXT, DETAIL], 1);
    specs.activated("ffm.convblk", [FUSED, 2 * CONTEXT], 1);
    specs.convolution("ffm.conv1", [FUSED / 4, FUSED], 1);
    specs.convolution("ffm.conv2", [FUSED, FUSED / 4], 1);
    for (name, from, hidden) in
        [("conv_out", FUSED, FUSED), ("conv_out16", CONTEXT, DETAIL), ("conv_out32", CONTEXT, DETAIL)]
    {
        specs.activated(&format!("{name}.conv"), [hidden, from], 3);
        specs.convolution(&format!("{name}.conv_out"), [classes, hidden], 1);
    }
    specs.0
}

/// Scores for images `[N, 3, H, W] f32`, whose sides are multiples of 32. In training there must be at least
/// two images: batch norm after a mean over all pixels has no variance over one.
///
/// # Errors
/// If the network has another head, the shapes do not fit, or the device fails.
pub fn run(
    network: &TaskNetwork,
    state: &NetworkState,
    images: &Tensor,
    mode: ForwardMode,
) -> Result<Segmentation, TchError> {
    if !matches!(network.head, Head::BiSeNet { .. }) {
        return Err(TchError::Shape("the network's head is not BiSeNet".to_owned()));
    }
    let layers = HeadLayers { state, mode };
    let [_, middle, last] = state.maps(network, images, mode)?;
    let global = layers.activated(&average(&last)?, "cp.conv_avg", 1)?;
    let refined = attention(&layers, &last, "cp.arm32")?.f_add(&global)?;
    let context16 = layers.activated(&double(&refined)?, "cp.conv_head32", 1)?;
    let refined = attention(&layers, &middle, "cp.arm16")?.f_add(&context16)?;
    let context8 = layers.activated(&double(&refined)?, "cp.conv_head16", 1)?;

    let mut detail = layers.activated(images, "sp.conv1", 2)?;
    detail = layers.activated(&detail, "sp.conv2", 2)?;
    detail = layers.activated(&detail, "sp.conv3", 2)?;
    detail = layers.activated(&detail, "sp.conv_out", 1)?;

    let joined = layers.activated(&Tensor::f_cat(&[&detail, &context8], 1)?, "ffm.convblk", 1)?;
    let weight = layers.convolve(&average(&joined)?, "ffm.conv1", 1)?.f_relu()?;
    let weight = layers.convolve(&weight, "ffm.conv2", 1)?.f_sigmoid()?;
    let fused = joined.f_add(&joined.f_mul(&weight)?)?;

    let (_, _, height, width) = images.size4()?;
    let output = |map: &Tensor, name: &str| {
        let hidden = layers.activated(map, &format!("{name}.conv"), 1)?;
        resize(&layers.convolve(&hidden, &format!("{name}.conv_out"), 1)?, height, width)
    };
    Ok(Segmentation {
        main: output(&fused, "conv_out")?,
        auxiliary: [output(&context8, "conv_out16")?, output(&context16, "conv_out32")?],
    })
}

fn attention(layers: &HeadLayers<'_>, map: &Tensor, name: &str) -> Result<Tensor, TchError> {
    let map = layers.activated(map, &format!("{name}.conv"), 1)?;
    let weight = layers.convolve(&average(&map)?, &format!("{name}.conv_atten"), 1)?;
    let weight = layers.batch_norm(&weight, &format!("{name}.bn_atten"))?.f_sigmoid()?;
    map.f_mul(&weight)
}

/// Weight decay and learning rate of a group of tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateGroup {
    /// Whether weight decay applies: to convolutions it does, to batch norms it does not.
    pub decays: bool,
    /// The factor of the learning rate: 10 in the fusion and the outputs, 1 elsewhere.
    pub rate: u8,
}

impl RateGroup {
    /// The group of a parameter. The published program puts the backbone's batch norms into no group, so they
    /// are never trained; here they are trained like all others.
    pub fn of(parameter: &TensorSpec) -> Self {
        let last = ["ffm.", "conv_out.", "conv_out16.", "conv_out32."];
        let rate = if last.iter().any(|prefix| parameter.name.starts_with(prefix)) { 10 } else { 1 };
        Self { decays: parameter.shape.len() > 1, rate }
    }
}

/// The weight with which an ordinary batch norm computes the same as the published activated batch norm with
/// its weight: that one scales by the absolute value of its weight plus a small constant.
///
/// # Errors
/// If the device fails.
pub fn weight_of_published(weight: &Tensor) -> Result<Tensor, TchError> {
    weight.f_abs()?.f_add_scalar(PUBLISHED_EPSILON)
}
