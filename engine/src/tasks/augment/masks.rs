//! Augmentation for segmentation: changes of colours, a mirror image, another size and a crop of a picture with a
//! label for every pixel.

use fast_image_resize::Resizer;
use relativenas_core::randomness::Stream;

use super::{half, uniform};
use crate::data::{
    cityscapes::Labels,
    enhance,
    picture::{Crop, Picture},
};

/// The range of the factors of brightness, contrast and saturation.
const FACTOR: (f64, f64) = (0.5, 1.5);
/// The factors by which a picture may be resized.
const SCALES: [f64; 6] = [0.75, 1.0, 1.25, 1.5, 1.75, 2.0];

/// A square part of a picture, and its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentationInput {
    /// Pixels, `[side, side, 3] u8`.
    pub rgb: Vec<u8>,
    /// The training id of every pixel, `[side, side] u8`.
    pub ids: Vec<u8>,
}

/// A random square part with `side` rows and columns, after random changes of colours, a mirror image or none, and a
/// random change of size.
///
/// # Errors
/// If the picture cannot be resized; the text gives the reason.
pub fn varied(
    picture: &Picture,
    labels: &Labels,
    side: usize,
    stream: &mut Stream,
    resizer: &mut Resizer,
) -> Result<SegmentationInput, String> {
    let mut picture = picture.clone();
    let mut factor = || uniform(FACTOR.0, FACTOR.1, stream) as f32;
    let factors = [factor(), factor(), factor()];
    enhance(&mut picture.rgb, factors);
    moved(&picture, labels, side, stream, resizer)
}

/// Mirrors, resizes and crops.
fn moved(
    picture: &Picture,
    labels: &Labels,
    side: usize,
    stream: &mut Stream,
    resizer: &mut Resizer,
) -> Result<SegmentationInput, String> {
    let mirrored = half(stream);
    let scale = SCALES[stream.below(SCALES.len())];
    let at = [stream.unit(), stream.unit()];
    let sized = sized(picture, labels, scale, side, resizer)?;
    Ok(sized.part(at, side, mirrored))
}

/// A part of the picture in its own size; the picture is enlarged only if it is smaller than the crop. Which
/// part of a larger picture it is, is random.
///
/// # Errors
/// As [`varied`].
pub fn plain(
    picture: &Picture,
    labels: &Labels,
    side: usize,
    stream: &mut Stream,
    resizer: &mut Resizer,
) -> Result<SegmentationInput, String> {
    let at = [stream.unit(), stream.unit()];
    Ok(sized(picture, labels, 1.0, side, resizer)?.part(at, side, false))
}

struct Sized {
    picture: Picture,
    ids: Vec<u8>,
}

/// Resizes a picture so that its sides are at least `side`: a smaller result is enlarged by the larger of the
/// two ratios. (The published program takes that of one side, so that a crop may not fit.)
fn sized(
    picture: &Picture,
    labels: &Labels,
    scale: f64,
    side: usize,
    resizer: &mut Resizer,
) -> Result<Sized, String> {
    let old = [picture.width, picture.height];
    let mut new = old.map(|length| ((length as f64 * scale) as usize).max(1));
    if let Some(ratio) = new.iter().map(|&n| side as f64 / n as f64).reduce(f64::max).filter(|&r| r > 1.0) {
        new = new.map(|length| ((length as f64 * ratio).round() as usize).max(side));
    }
    let [width, height] = new;
    let whole = Crop { left: 0.0, top: 0.0, width: old[0] as f64, height: old[1] as f64 };
    let rgb = picture.resize_to(whole, width, height, resizer)?;
    let from = |at: usize, new: usize, old: usize| {
        (((at as f64 + 0.5) * old as f64 / new as f64) as usize).min(old - 1)
    };
    let columns: Vec<_> = (0..width).map(|x| from(x, width, old[0])).collect();
    let rows = (0..height).map(|y| &labels.ids[from(y, height, old[1]) * old[0]..][..old[0]]);
    let ids = rows.flat_map(|row| columns.iter().map(|&x| row[x])).collect();
    Ok(Sized { picture: Picture { width, height, rgb }, ids })
}

impl Sized {
    /// A square crop, whose corner lies at these shares of the room that there is.
    fn part(&self, at: [f64; 2], side: usize, mirrored: bool) -> SegmentationInput {
        let Picture { width, height, rgb } = &self.picture;
        let [left, top] = [(at[0], width), (at[1], height)]
            .map(|(at, length)| ((at * (length - side + 1) as f64) as usize).min(length - side));
        let (mut pixels, mut ids) = (Vec::with_capacity(3 * side * side), Vec::with_capacity(side * side));
        for row in top..top + side {
            let start = row * width + left;
            let (colours, numbers) = (&rgb[3 * start..3 * (start + side)], &self.ids[start..start + side]);
            if mirrored {
                pixels.extend(colours.as_chunks::<3>().0.iter().rev().flatten());
                ids.extend(numbers.iter().rev());
            } else {
                pixels.extend_from_slice(colours);
                ids.extend_from_slice(numbers);
            }
        }
        SegmentationInput { rgb: pixels, ids }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use relativenas_core::randomness::{Purpose, Streams};

    use super::*;

    /// Vertical and horizontal stripes whose grey tells their label.
    fn striped(width: usize, height: usize) -> (Picture, Labels) {
        let label = |place: usize| {
            let (x, y) = (place % width, place / width);
            (x / 16 % 3 * 3 + y / 16 % 3) as u8
        };
        let ids: Vec<u8> = (0..width * height).map(label).collect();
        let rgb = ids.iter().flat_map(|&id| [25 * id + 10; 3]).collect();
        (Picture { width, height, rgb }, Labels { width, height, ids })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn labels_stay_in_step_with_pixels(width in 40_usize..150, height in 40_usize..150, seed: u64) {
            let (picture, labels) = striped(width, height);
            let mut stream = Streams::new(seed).stream(Purpose::Augmentation, 0, 0);
            let side = 64;
            let shown = moved(&picture, &labels, side, &mut stream, &mut Resizer::new()).expect("resized");
            prop_assert_eq!((shown.rgb.len(), shown.ids.len()), (3 * side * side, side * side));
            // Where all neighbouring pixels have one label, no grey value is interpolated.
            let id = |x: usize, y: usize| shown.ids[y * side + x];
            let mut seen = 0;
            for y in 2..side - 2 {
                for x in 2..side - 2 {
                    let alike = (y - 2..=y + 2).all(|v| (x - 2..=x + 2).all(|u| id(u, v) == id(x, y)));
                    if alike {
                        let grey = f64::from(shown.rgb[3 * (y * side + x)]);
                        prop_assert!((grey - f64::from(25 * id(x, y) + 10)).abs() <= 2.0, "{} at {},{}", grey, x, y);
                        seen += 1;
                    }
                }
            }
            prop_assert!(seen > side * side / 4, "{} pixels are compared", seen);
        }
    }

    #[test]
    fn what_is_as_large_as_the_crop_is_seen_as_it_is() {
        let (picture, labels) = striped(64, 64);
        let mut stream = Streams::new(1).stream(Purpose::Augmentation, 0, 0);
        let shown = plain(&picture, &labels, 64, &mut stream, &mut Resizer::new()).expect("resized");
        assert_eq!((shown.rgb, shown.ids), (picture.rgb, labels.ids));
    }
}
