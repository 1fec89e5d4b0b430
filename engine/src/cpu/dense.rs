//! Convolutions that mix all channels, computed as matrix products (im2col). The pixels that a window covers
//! are gathered first, those under each tap as a node of their own; a pointwise convolution then reads all
//! nodes.

use super::{
    packing::{Channels, Lane},
    pointwise::Arrival,
    shape::{Image, ImageMut, Plane, PlaneMut},
};
use crate::simd::Lanes;

/// The window of a convolution that mixes all channels. It is padded so that stride 1 keeps the side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns, both odd.
    pub kernel: [usize; 2],
    /// How many pixels lie between the windows of neighbouring output pixels, in rows and columns alike.
    pub stride: usize,
    /// Whether it reads through ReLU.
    pub rectified: bool,
}

impl Window {
    /// The number of rows of zeros that a frame has above the input and below it, and of columns on either
    /// side.
    pub fn padding(self) -> usize {
        self.kernel[0].max(self.kernel[1]) / 2
    }

    /// The number of pixels that it covers.
    pub fn count(self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Rows and columns of the output for an input of this side.
    pub fn output_side(self, side: usize) -> usize {
        (side - 1) / self.stride + 1
    }

    /// Rows and columns of the framed input for an input of this side.
    pub fn framed_side(self, side: usize) -> usize {
        side + 2 * self.padding()
    }

    /// For each tap, row by row: the index of the pixel that lies under it in the first window, in a frame of
    /// `width` columns.
    fn first_pixels(self, width: usize) -> impl Iterator<Item = usize> {
        let [rows, columns] = self.kernel;
        let (top, left) = (self.padding() - rows / 2, self.padding() - columns / 2);
        (0..rows).flat_map(move |row| (0..columns).map(move |column| (top + row) * width + left + column))
    }

    /// Where each of a filter's weights, `[channels, rows, columns]`, finds its input among the gathered planes.
    pub fn lanes(self, input: &Channels) -> Vec<Lane> {
        let lane = |channel, tap| {
            let Lane { block, lane } = input.lane_alone(channel);
            Lane { block: tap * input.blocks() + block, lane }
        };
        (0..input.count()).flat_map(|channel| (0..self.count()).map(move |tap| lane(channel, tap))).collect()
    }

    /// Copies what the window covers at each output pixel: tap `t` of a framed plane to the same plane of node `t`.
    pub fn gather(self, frames: Image<'_>, mut front: ImageMut<'_>) {
        let width = frames.shape.side;
        for (tap, first) in self.first_pixels(width).enumerate() {
            for (frame, output) in frames.planes().zip(front.again().node(tap).planes()) {
                for (y, line) in output.pixels.chunks_exact_mut(output.side).enumerate() {
                    let start = first + y * self.stride * width;
                    for (to, from) in line.iter_mut().zip(frame.pixels[start..].iter().step_by(self.stride)) {
                        *to = *from;
                    }
                }
            }
        }
    }

    /// Adds up in `frame` the gradients of all pixels that were gathered from plane `block`: the reverse of
    /// [`Window::gather`].
    pub fn scatter(self, gradients: Image<'_>, block: usize, frame: PlaneMut<'_>) {
        frame.pixels.fill(Lanes::ZERO);
        for (tap, first) in self.first_pixels(frame.side).enumerate() {
            let gradient = gradients.node(tap).plane(block);
            for (y, line) in gradient.pixels.chunks_exact(gradient.side).enumerate() {
                let start = first + y * self.stride * frame.side;
                for (sum, from) in frame.pixels[start..].iter_mut().step_by(self.stride).zip(line) {
                    for (sum, from) in sum.0.iter_mut().zip(from.0) {
                        *sum += from;
                    }
                }
            }
        }
    }
}

/// Writes a gradient that lies in the middle of a frame to `output`, or adds it. `gradient` begins at the
/// first pixel inside the frame's border.
pub fn unframe(gradient: Plane<'_>, arrival: Arrival, output: PlaneMut<'_>) {
    let rows = output.pixels.chunks_exact_mut(output.side).zip(gradient.pixels.chunks(gradient.side));
    for (output, gradient) in rows {
        for (output, gradient) in output.iter_mut().zip(gradient) {
            for (output, gradient) in output.0.iter_mut().zip(gradient.0) {
                *output = if arrival == Arrival::First { gradient } else { *output + gradient };
            }
        }
    }
}
