//! The part of a photograph that a network sees: a square, in training a random one with changed colours.

use fast_image_resize::Resizer;
use relativenas_core::randomness::Stream;

use super::picture::{Crop, Picture};

/// The share of a photograph that a crop may cover, and the ratio of width to height that it may have: those
/// of Inception, which are generally used to train on ImageNet.
const AREA: (f64, f64) = (0.08, 1.0);
const RATIO: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);
/// The number of crops that are tried before the middle of the photograph is taken.
const TRIES: usize = 10;
/// The weights of red, green and blue in grey (ITU-R BT.601).
const GREY: [f32; 3] = [0.299, 0.587, 0.114];

/// How much colours may change. Each factor is drawn from [1 − x, 1 + x].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColourJitter {
    pub brightness: f64,
    pub contrast: f64,
    pub saturation: f64,
    /// The greatest change of hue, in turns of the colour circle: it is drawn from [−x, x].
    pub hue: f64,
}

impl ColourJitter {
    pub const NONE: Self = Self { brightness: 0.0, contrast: 0.0, saturation: 0.0, hue: 0.0 };
    /// The changes with which the published code trains on ImageNet.
    pub const PUBLISHED: Self = Self { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.2 };
}

/// How a photograph is cropped to a square.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PhotoView {
    /// A random part, mirrored or not, in changed colours.
    Training { jitter: ColourJitter },
    /// The middle, with `share` of the shorter side. 224/256 is the share that is generally used to validate
    /// on ImageNet.
    Centre { share: f64 },
}

impl PhotoView {
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

fn uniform((low, high): (f64, f64), stream: &mut Stream) -> f64 {
    low + (high - low) * stream.unit()
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
        for x in 0..side / 2 {
            for channel in 0..3 {
                row.swap(3 * x + channel, 3 * (side - 1 - x) + channel);
            }
        }
    }
}

/// Changes brightness, contrast, saturation and hue, in random order.
fn change_colours(pixels: &mut [u8], jitter: ColourJitter, stream: &mut Stream) {
    let order = stream.order(4);
    let factor =
        |amount: f64, stream: &mut Stream| uniform(((1.0 - amount).max(0.0), 1.0 + amount), stream) as f32;
    let brightness = factor(jitter.brightness, stream);
    let contrast = factor(jitter.contrast, stream);
    let saturation = factor(jitter.saturation, stream);
    let turn = uniform((-jitter.hue, jitter.hue), stream) as f32;
    for change in order {
        match change {
            0 if jitter.brightness > 0.0 => change_each(pixels, |p| p.map(|c| c * brightness)),
            1 if jitter.contrast > 0.0 => {
                let mean = mean_grey(pixels);
                change_each(pixels, |p| p.map(|c| mean + (c - mean) * contrast));
            }
            2 if jitter.saturation > 0.0 => change_each(pixels, |p| {
                let grey = grey(p);
                p.map(|c| grey + (c - grey) * saturation)
            }),
            3 if jitter.hue > 0.0 => turn_hue(pixels, turn),
            _ => {}
        }
    }
}

/// Multiplies brightness, contrast and saturation of pixels `[pixels, 3]`, in this order, each by its factor. The
/// rounded mean grey of all pixels is what contrast is measured from.
pub fn enhance(pixels: &mut [u8], [brightness, contrast, saturation]: [f32; 3]) {
    change_each(pixels, |p| p.map(|c| c * brightness));
    let mean = mean_grey(pixels).round();
    change_each(pixels, |p| p.map(|c| mean + (c - mean) * contrast));
    change_each(pixels, |p| {
        let grey = grey(p);
        p.map(|c| grey + (c - grey) * saturation)
    });
}

/// Replaces each pixel by the rounded and clamped result of `change`.
fn change_each(pixels: &mut [u8], change: impl Fn([f32; 3]) -> [f32; 3]) {
    for pixel in pixels.as_chunks_mut::<3>().0 {
        // The cast saturates: below 0 is 0, above 255 is 255.
        *pixel = change(pixel.map(f32::from)).map(|c| c.round() as u8);
    }
}

fn grey(pixel: [f32; 3]) -> f32 {
    GREY[0] * pixel[0] + GREY[1] * pixel[1] + GREY[2] * pixel[2]
}

fn mean_grey(pixels: &[u8]) -> f32 {
    let pixels = pixels.as_chunks::<3>().0;
    let sum: f64 = pixels.iter().map(|pixel| f64::from(grey(pixel.map(f32::from)))).sum();
    (sum / pixels.len().max(1) as f64) as f32
}

/// Rotates the hue of every pixel by `turn` of the colour circle, and keeps its saturation and value (HSV).
fn turn_hue(pixels: &mut [u8], turn: f32) {
    change_each(pixels, |[r, g, b]| {
        let value = r.max(g).max(b);
        let chroma = value - r.min(g).min(b);
        if chroma == 0.0 {
            return [r, g, b];
        }
        // The hue in sixths of the colour circle, from red over yellow to green and on.
        let hue = match value {
            v if v == r => (g - b) / chroma,
            v if v == g => (b - r) / chroma + 2.0,
            _ => (r - g) / chroma + 4.0,
        };
        let hue = hue + 6.0 * turn;
        [5.0, 3.0, 1.0].map(|offset: f32| {
            let distance = (offset + hue).rem_euclid(6.0);
            value - chroma * distance.min(4.0 - distance).clamp(0.0, 1.0)
        })
    });
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
    fn each_change_does_what_its_name_says() {
        let changed = |change: &dyn Fn(&mut [u8])| {
            let mut pixels = [200, 100, 50, 10, 20, 30];
            change(&mut pixels);
            pixels
        };
        assert_eq!(changed(&|p| change_each(p, |p| p.map(|c| c * 1.5))), [255, 150, 75, 15, 30, 45]);
        // A third of the circle turns red to green; grey has no hue.
        let mut pixels = [200, 0, 0, 90, 90, 90];
        turn_hue(&mut pixels, 1.0 / 3.0);
        assert_eq!(pixels, [0, 200, 0, 90, 90, 90]);
        assert_eq!(changed(&|p| turn_hue(p, 0.0)), [200, 100, 50, 10, 20, 30]);
        assert_eq!(
            changed(&|p| change_colours(p, ColourJitter::NONE, &mut stream(1))),
            [200, 100, 50, 10, 20, 30]
        );
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
