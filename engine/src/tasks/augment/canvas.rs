//! A picture in floating point, whose values may lie outside of 0 to 255 while it is augmented.

use crate::data::picture::Picture;

/// Pixels, `[height, width, 3] f32`, red first.
#[derive(Clone, Debug, PartialEq)]
pub struct Canvas {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<f32>,
}

impl From<&Picture> for Canvas {
    fn from(picture: &Picture) -> Self {
        let rgb = picture.rgb.iter().map(|&value| f32::from(value)).collect();
        Self { width: picture.width, height: picture.height, rgb }
    }
}

impl Canvas {
    /// Replaces each pixel (red, green, blue) by the result of `change`.
    pub fn change_each(&mut self, change: impl Fn([f32; 3]) -> [f32; 3]) {
        for pixel in self.rgb.as_chunks_mut::<3>().0 {
            *pixel = change(*pixel);
        }
    }

    /// Exchanges left and right.
    pub fn mirror(&mut self) {
        for row in self.rgb.chunks_exact_mut(3 * self.width) {
            row.as_chunks_mut::<3>().0.reverse();
        }
    }

    /// The pixels of a rectangle that lies in the picture.
    pub fn cropped(&self, [left, top]: [usize; 2], [width, height]: [usize; 2]) -> Self {
        let rows = self.rgb.chunks_exact(3 * self.width).skip(top).take(height);
        let rgb = rows.flat_map(|row| &row[3 * left..3 * (left + width)]).copied().collect();
        Self { width, height, rgb }
    }

    /// The picture on a larger canvas of one grey.
    pub fn framed(&self, [left, top]: [usize; 2], [width, height]: [usize; 2], grey: f32) -> Self {
        let mut rgb = vec![grey; 3 * width * height];
        for (row, pixels) in self.rgb.chunks_exact(3 * self.width).enumerate() {
            let start = 3 * ((top + row) * width + left);
            rgb[start..start + pixels.len()].copy_from_slice(pixels);
        }
        Self { width, height, rgb }
    }

    /// The picture at another size, interpolated bilinearly between the centres of pixels, as in evaluation.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        let columns: Vec<_> = (0..width).map(|x| neighbours(x, width, self.width)).collect();
        let mut rgb = Vec::with_capacity(3 * width * height);
        for y in 0..height {
            let (upper, lower, share) = neighbours(y, height, self.height);
            let row = |y: usize| &self.rgb[3 * y * self.width..3 * (y + 1) * self.width];
            let (upper, lower) = (row(upper), row(lower));
            for &(left, right, across) in &columns {
                for channel in 0..3 {
                    let at = |row: &[f32]| {
                        let (left, right) = (row[3 * left + channel], row[3 * right + channel]);
                        left + (right - left) * across
                    };
                    let (above, below) = (at(upper), at(lower));
                    rgb.push(above + (below - above) * share);
                }
            }
        }
        Self { width, height, rgb }
    }
}

/// The two old pixels between which a new one lies, and its distance from the first.
fn neighbours(new: usize, count: usize, old: usize) -> (usize, usize, f32) {
    let place = ((new as f32 + 0.5) * old as f32 / count as f32 - 0.5).max(0.0);
    let first = (place as usize).min(old - 1);
    (first, (first + 1).min(old - 1), place - first as f32)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::tasks::pixels::tensor;

    #[test]
    fn resizing_is_what_evaluation_does() {
        let rgb: Vec<u8> = (0..3 * 13 * 7).map(|i| (i * 37 % 251) as u8).collect();
        let picture = Picture { width: 13, height: 7, rgb };
        for (width, height) in [(13, 7), (20, 20), (5, 3), (320, 320)] {
            let found = Canvas::from(&picture).resized(width, height);
            let expected = tensor(&picture, Device::Cpu).unwrap();
            let expected = expected
                .upsample_bilinear2d([height as i64, width as i64], false, None, None)
                .permute([0, 2, 3, 1]);
            let expected: Vec<f32> = expected.contiguous().reshape([-1]).try_into().unwrap();
            let error = found.rgb.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error < 1e-2, "{width}×{height}: {error}");
        }
    }
}
