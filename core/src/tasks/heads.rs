//! Sizes of the published heads, and where they take their maps from.

/// The least number of cells of a backbone, so that each of its thirds has a cell.
pub const FEWEST_CELLS: usize = 3;

/// The cells whose outputs a head reads, in a backbone with this number of cells ([`FEWEST_CELLS`] or more):
/// the last before each reduction, and the last of all. Their maps have strides of 8, 16 and 32.
pub fn taps(cells: usize) -> [usize; 3] {
    [cells / 3 - 1, 2 * cells / 3 - 1, cells - 1]
}

/// SSDLite: the inverted residuals that make smaller maps of the last one. Each has its output channels, and its
/// hidden channels as a share of its input channels.
pub const EXTRAS: [(usize, f64); 4] = [(512, 0.2), (256, 0.25), (256, 0.5), (64, 0.25)];

/// BiSeNet: the channels of the context path, and of the spatial path's output.
pub const CONTEXT: usize = 128;
/// BiSeNet: the channels within the spatial path.
pub const DETAIL: usize = 64;
/// BiSeNet: the channels after both paths are fused.
pub const FUSED: usize = 256;

/// SimpleBaseline: the numbers of the transposed convolutions among `deconv_layers`. A batch norm and a ReLU follow
/// each.
pub const TRANSPOSED: [usize; 3] = [0, 3, 6];
/// SimpleBaseline: the output channels of each transposed convolution.
pub const TRANSPOSED_CHANNELS: usize = 256;
/// SimpleBaseline: rows and columns of the kernel of each transposed convolution.
pub const TRANSPOSED_KERNEL: usize = 4;
