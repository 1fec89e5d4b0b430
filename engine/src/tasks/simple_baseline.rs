//! SimpleBaseline, a head for keypoints: a heat map for every joint, computed from the last map by three
//! transposed convolutions.

use relativenas_core::tasks::{
    heads::{TRANSPOSED, TRANSPOSED_CHANNELS as CHANNELS, TRANSPOSED_KERNEL as KERNEL},
    joints::PAIRS,
};
use tch::{TchError, Tensor};

use super::{
    Head, NetworkState, TaskNetwork,
    layers::{HeadLayers, Specs},
};
use crate::network::{ForwardMode, TensorSpec};

/// The tensors of the head, in the order of the published state dict.
pub(super) fn tensors([_, _, last]: [usize; 3], joints: usize) -> Vec<TensorSpec> {
    let mut specs = Specs::default();
    let mut from = last;
    for index in TRANSPOSED {
        specs.transposed(&format!("deconv_layers.{index}"), [from, CHANNELS], KERNEL);
        specs.batch_norm(&format!("deconv_layers.{}", index + 1), CHANNELS);
        from = CHANNELS;
    }
    specs.convolution("final_layer", [joints, CHANNELS], 1);
    specs.bias("final_layer", joints, CHANNELS);
    specs.0
}

/// Heat maps `[N, joints, H/4, W/4] f32` for images `[N, 3, H, W] f32`, whose sides are multiples of 32.
///
/// # Errors
/// If the network has another head, the shapes do not fit, or the device fails.
pub fn run(
    network: &TaskNetwork,
    state: &NetworkState,
    images: &Tensor,
    mode: ForwardMode,
) -> Result<Tensor, TchError> {
    if !matches!(network.head, Head::SimpleBaseline { .. }) {
        return Err(TchError::Shape("the network's head is not SimpleBaseline".to_owned()));
    }
    let layers = HeadLayers { state, mode };
    let [_, _, mut map] = state.maps(network, images, mode)?;
    for index in TRANSPOSED {
        let weight = state.get(&format!("deconv_layers.{index}.weight"))?;
        map = map.f_conv_transpose2d(weight, None::<&Tensor>, [2, 2], [1, 1], [0, 0], 1, [1, 1])?;
        map = layers.batch_norm(&map, &format!("deconv_layers.{}", index + 1))?.f_relu()?;
    }
    layers.convolve(&map, "final_layer", 1)
}

/// The mean of the heat maps of images and of their mirror images, mirrored back: pairs of joints are
/// exchanged, and the maps are moved one column to the right, except for the first column.
///
/// # Errors
/// As [`run`].
pub fn run_flipped(network: &TaskNetwork, state: &NetworkState, images: &Tensor) -> Result<Tensor, TchError> {
    let maps = run(network, state, images, ForwardMode::Evaluation)?;
    let mirrored = run(network, state, &images.f_flip([3])?, ForwardMode::Evaluation)?.f_flip([3])?;
    let (_, joints, _, width) = mirrored.size4()?;
    let mut order: Vec<_> = (0..joints).collect();
    for (left, right) in PAIRS.into_iter().filter(|&(_, right)| (right as i64) < joints) {
        order.swap(left, right);
    }
    let order = Tensor::from_slice(&order).f_to_device(images.device())?;
    let mirrored = mirrored.f_index_select(1, &order)?;
    let moved = Tensor::f_cat(&[mirrored.f_narrow(3, 0, 1)?, mirrored.f_narrow(3, 0, width - 1)?], 3)?;
    maps.f_add(&moved)?.f_mul_scalar(0.5)
}
