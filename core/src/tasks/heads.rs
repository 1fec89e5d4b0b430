//! Sizes of the published heads, and where they take their maps from.

/// Fewest cells of a backbone: each third ends with one of its own.
pub const FEWEST_CELLS: usize = 3;

/// The cells whose outputs a head is handed, of so many cells ([`FEWEST_CELLS`] or more): the last before each reduction,
/// and the last of all. Their maps have strides of 8, 16 and 32.
pub fn taps(cells: usize) -> [usize; 3] {
    [cells / 3 - 1, 2 * cells / 3 - 1, cells - 1]
}

/// SSDLite: channels out of each inverted residual, and hidden channels as a share of those in.
pub const EXTRAS: [(usize, f64); 4] = [(512, 0.2), (256, 0.25), (256, 0.5), (64, 0.25)];

/// BiSeNet: channels of the context path, of the spatial path on its way, and after both are fused.
pub const CONTEXT: usize = 128;
pub const DETAIL: usize = 64;
pub const FUSED: usize = 256;

/// SimpleBaseline: numbers of the transposed convolutions among `deconv_layers`, their channels and their
/// kernel. A batch norm and a ReLU follow each.
pub const TRANSPOSED: [usize; 3] = [0, 3, 6];
pub const TRANSPOSED_CHANNELS: usize = 256;
pub const TRANSPOSED_KERNEL: usize = 4;
