//! The part of a photograph that a network sees: a square, in training a random one with changed colours.

use fast_image_resize::Resizer;
use relativenas_core::randomness::Stream;

use super::{
    colours::{ColourJitter, change_colours},
    picture::{Crop, Picture},
};

/// The share of a photograph that a crop may cover, and the ratio of width to height that it may have: those
/// of Inception, which are generally used to train on ImageNet.
const AREA: (f64, f64) = (0.08, 1.0);
const RATIO: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);
/// The number of crops that are tried before the middle of the photograph is taken.
const TRIES: usize = 10;

/// How a photograph is cropped to a square.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PhotoView {
    /// A random part, mirrored or not, in changed colours.
    Training { jitter: ColourJitter },
    /// The middle, with `share` of the shorter side, such as [`PhotoView::VALIDATED`].
    Centre { share: f64 },
}

impl PhotoView {
    /// The share of a photograph's shorter side that a classifier is evaluated on: 224 of 256 pixels, as is generally
    /// done on ImageNet.
    pub const VALIDATED: f64 = 224.0 / 256.0;

    /// Returns the square, `[side, side, 3] u8`. The number of draws from the stream does not depend on the
    /// size of the picture.
    ///
    /// # Errors
    /// If the picture cannot be resized.
    pub fn of(
        self,
        picture: &Picture,
        side: usize,
        stream: &mut Stream,
        resizer: &mut Resizer,
    ) -> Result<Vec<u8>, String> {
        match self {
            Self::Centre { share } => picture.resize(picture.centre(share), side, resizer),
            Self::Training { jitter } => {
                let mut pixels = picture.resize(random_crop(picture, stream), side, resizer)?;
                if stream.bits() & 1 == 1 {
                    mirror(&mut pixels, side);
                }
                change_colours(&mut pixels, jitter, stream);
                Ok(pixels)
            }
        }
    }
}

/// A random rectangle of random area and shape that lies in the picture.
fn random_crop(picture: &Picture, stream: &mut Stream) -> Crop {
    let (width, height) = (picture.width as f64, picture.height as f64);
    let draws: [[f64; 4]; TRIES] = std::array::from_fn(|_| std::array::from_fn(|_| stream.unit()));
    for [area, ratio, left, top] in draws {
        let area = (AREA.0 + (AREA.1 - AREA.0) * area) * width * height;
        let ratio = (RATIO.0.ln() + (RATIO.1 / RATIO.0).ln() * ratio).exp();
        let (w, h) = ((area * ratio).sqrt().round(), (area / ratio).sqrt().round());
        if (1.0..=width).contains(&w) && (1.0..=height).contains(&h) {
            let place = |draw: f64, room: f64| (draw * (room + 1.0)).floor().min(room);
            return Crop { left: place(left, width - w), top: place(top, height - h), width: w, height: h };
        }
    }
    let ratio = (width / height).clamp(RATIO.0, RATIO.1);
    let (w, h) = (width.min((height * ratio).round()).max(1.0), height.min((width / ratio).round()).max(1.0));
    Crop { left: ((width - w) / 2.0).floor(), top: ((height - h) / 2.0).floor(), width: w, height: h }
}

fn mirror(pixels: &mut [u8], side: usize) {
    for row in pixels.chunks_exact_mut(3 * side) {
        row.as_chunks_mut::<3>().0.reverse();
    }
}

#[cfg(test)]
mod tests {
    use relativenas_core::randomness::{Purpose, Streams};

    use super::*;

    fn stream(number: u64) -> Stream {
        Streams::new(5).stream(Purpose::Augmentation, 0, number)
    }

    fn picture(width: usize, height: usize) -> Picture {
        let rgb = (0..3 * width * height).map(|i| (i * 37 % 251) as u8).collect();
        Picture { width, height, rgb }
    }

    #[test]
    fn crops_lie_in_the_picture_and_keep_their_shape() {
        for (width, height) in [(500, 375), (32, 32), (1, 1), (1000, 10), (7, 900)] {
            let picture = picture(width, height);
            for number in 0..200 {
                let Crop { left, top, width: w, height: h } = random_crop(&picture, &mut stream(number));
                assert!(left >= 0.0 && top >= 0.0 && w >= 1.0 && h >= 1.0);
                assert!(left + w <= width as f64 && top + h <= height as f64);
                if width == 500 {
                    let (area, ratio) = (w * h / (500.0 * 375.0), w / h);
                    assert!(
                        (0.078..=1.0).contains(&area) && (0.74..=1.35).contains(&ratio),
                        "{area} {ratio}"
                    );
                }
            }
        }
    }

    #[test]
    fn crops_cover_areas_evenly() {
        let picture = picture(500, 500);
        let area = |number| {
            let crop = random_crop(&picture, &mut stream(number));
            crop.width * crop.height / 250_000.0
        };
        let mean = (0..2000).map(area).sum::<f64>() / 2000.0;
        // Areas are uniform in [0.08, 1]; the mean is a little less because the largest do not fit unless
        // they are square.
        assert!((0.47..0.54).contains(&mean), "{mean}");
    }

    #[test]
    fn mirroring_twice_changes_nothing() {
        let original = picture(5, 2).rgb;
        let mut pixels = original.clone();
        mirror(&mut pixels, 5);
        assert_eq!(pixels[..3], original[12..15]);
        mirror(&mut pixels, 5);
        assert_eq!(pixels, original);
    }

    #[test]
    fn a_view_depends_on_the_stream_alone() {
        let (picture, mut resizer) = (picture(60, 40), Resizer::new());
        let view = PhotoView::Training { jitter: ColourJitter::PUBLISHED };
        let mut of = |number| view.of(&picture, 16, &mut stream(number), &mut resizer).expect("resized");
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_eq!(of(1).len(), 3 * 16 * 16);
    }
}
