//! The layers of heads, computed with tensors that are found by name.

use tch::{TchError, Tensor};

use super::NetworkState;
use crate::network::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, ForwardMode, TensorRole, TensorSpec};

/// A list of tensors in the order of the published state dict.
#[derive(Debug, Default)]
pub(super) struct Specs(pub(super) Vec<TensorSpec>);

impl Specs {
    fn add(&mut self, name: String, shape: &[usize], role: TensorRole) {
        let shape = shape.iter().map(|&n| n as i64).collect();
        self.0.push(TensorSpec { name, shape, role });
    }

    /// Adds the weight of a convolution; a depthwise one has one input channel.
    pub(super) fn convolution(&mut self, name: &str, [to, from]: [usize; 2], kernel: usize) {
        let role = TensorRole::Weight { fan_in: from * kernel * kernel };
        self.add(format!("{name}.weight"), &[to, from, kernel, kernel], role);
    }

    pub(super) fn bias(&mut self, name: &str, channels: usize, fan_in: usize) {
        self.add(format!("{name}.bias"), &[channels], TensorRole::Bias { fan_in });
    }

    /// Adds the weight of a transposed convolution, whose first dimension counts input channels.
    pub(super) fn transposed(&mut self, name: &str, [from, to]: [usize; 2], kernel: usize) {
        let role = TensorRole::Weight { fan_in: to * kernel * kernel };
        self.add(format!("{name}.weight"), &[from, to, kernel, kernel], role);
    }

    pub(super) fn batch_norm(&mut self, name: &str, channels: usize) {
        for (part, role) in [
            ("weight", TensorRole::Scale),
            ("bias", TensorRole::Shift),
            ("running_mean", TensorRole::RunningMean),
            ("running_var", TensorRole::RunningVariance),
        ] {
            self.add(format!("{name}.{part}"), &[channels], role);
        }
    }

    /// Adds a convolution without bias, and an activated batch norm.
    pub(super) fn activated(&mut self, name: &str, channels: [usize; 2], kernel: usize) {
        self.convolution(&format!("{name}.conv"), channels, kernel);
        self.batch_norm(&format!("{name}.bn"), channels[0]);
    }
}

/// The tensors of a network, and whether its batch norms use the statistics of the batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLayers<'a> {
    pub(super) state: &'a NetworkState,
    pub(super) mode: ForwardMode,
}

impl HeadLayers<'_> {
    /// A convolution, with a bias if the tensors have one; padded so that stride 1 keeps the resolution. A
    /// convolution whose weight has one input channel is depthwise.
    ///
    /// None of the heads has a pointwise convolution of stride 2, whose gradient libtorch computes wrongly
    /// (see `every_other_pixel` in the networks' forward pass).
    pub(super) fn convolve(&self, value: &Tensor, name: &str, stride: i64) -> Result<Tensor, TchError> {
        let weight = self.state.get(&format!("{name}.weight"))?;
        let (_, depth, kernel, _) = weight.size4()?;
        let groups = if depth == 1 { value.size4()?.1 } else { 1 };
        let bias = self.state.find(&format!("{name}.bias"));
        value.f_conv2d(weight, bias, [stride; 2], [kernel / 2; 2], [1, 1], groups)
    }

    pub(super) fn batch_norm(&self, value: &Tensor, name: &str) -> Result<Tensor, TchError> {
        let part = |part: &str| self.state.get(&format!("{name}.{part}"));
        value.f_batch_norm(
            Some(part("weight")?),
            Some(part("bias")?),
            Some(part("running_mean")?),
            Some(part("running_var")?),
            self.mode == ForwardMode::Training,
            BATCH_NORM_MOMENTUM,
            BATCH_NORM_EPSILON,
            true,
        )
    }

    /// A convolution and an activated batch norm, named as in [`Specs::activated`].
    pub(super) fn activated(&self, value: &Tensor, name: &str, stride: i64) -> Result<Tensor, TchError> {
        let value = self.convolve(value, &format!("{name}.conv"), stride)?;
        leaky(&self.batch_norm(&value, &format!("{name}.bn"))?)
    }
}

/// The activation of an activated batch norm: a leaky ReLU with slope 0.01, PyTorch's default.
pub(super) fn leaky(value: &Tensor) -> Result<Tensor, TchError> {
    value.f_leaky_relu()
}

/// The mean over all pixels, as a map of one pixel: `[N, C, 1, 1]`.
pub(super) fn average(value: &Tensor) -> Result<Tensor, TchError> {
    value.f_mean_dim([2_i64, 3].as_slice(), true, None)
}

/// The map at another size, interpolated with aligned corners.
pub(super) fn resize(value: &Tensor, height: i64, width: i64) -> Result<Tensor, TchError> {
    value.f_upsample_bilinear2d([height, width], true, None, None)
}

/// The map with twice as many rows and columns, every pixel repeated four times.
pub(super) fn double(value: &Tensor) -> Result<Tensor, TchError> {
    let (_, _, height, width) = value.size4()?;
    value.f_upsample_nearest2d([2 * height, 2 * width], None, None)
}
