//! Photographs that are made, for measurements where there are none.
//!
//! They have the size and the contrast of ImageNet's photographs, and files nearly as large: what takes time in
//! decoding is the number of pixels and of coefficients that are not 0.

use std::{fs, path::Path};

use anyhow::Context as _;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use relativenas_core::randomness::{Purpose, Stream, Streams};

/// Width and height in pixels: the usual ones in ImageNet.
pub const SIZE: (usize, usize) = (500, 375);
const JPEG_QUALITY: u8 = 95;
/// Distances in pixels between the points of each layer of noise. The power of a layer is in proportion to its
/// distance, so that there is less of what is finer, as in photographs.
const DISTANCES: [usize; 9] = [256, 128, 64, 32, 16, 8, 4, 2, 1];
/// The amplitude of the finest layer; that of others is larger by the root of their distance.
const AMPLITUDE: f32 = 16.0;
/// How much colours vary beside what brightness does.
const COLOUR: f32 = 0.35;
const CLASSES: usize = 4;

/// Writes `count` photographs as an image folder with `train` and `val`, both of the same classes.
///
/// # Errors
/// If they cannot be written.
pub fn write(folder: &Path, count: usize) -> anyhow::Result<()> {
    for (part, count) in [("train", count), ("val", CLASSES)] {
        for number in 0..count.max(CLASSES) {
            let class = folder.join(part).join(format!("class-{}", number % CLASSES));
            let file = class.join(format!("{number:05}.jpg"));
            let written =
                fs::create_dir_all(&class).and_then(|()| fs::write(&file, photograph(number as u64)));
            written.with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(())
}

/// A photograph as a JPEG file with colours at half the resolution, which is the usual way.
fn photograph(number: u64) -> Vec<u8> {
    let (width, height) = SIZE;
    let mut stream = Streams::new(0).stream(Purpose::Augmentation, 0, number);
    let [light, red, blue] = std::array::from_fn(|_| noise(&mut stream));
    let mut rgb = Vec::with_capacity(3 * width * height);
    for pixel in 0..width * height {
        let (light, red, blue) = (128.0 + light[pixel], COLOUR * red[pixel], COLOUR * blue[pixel]);
        rgb.extend([light + red, light - (red + blue) / 2.0, light + blue].map(|value| value as u8));
    }
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, JPEG_QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let encoded = encoder.encode(&rgb, width as u16, height as u16, ColorType::Rgb);
    encoded.expect("the pixels are as many as the size says, and a Vec takes all bytes");
    bytes
}

/// Noise of one value a pixel, with mean 0: layers of random points with straight lines in between.
fn noise(stream: &mut Stream) -> Vec<f32> {
    let (width, height) = SIZE;
    let mut sum = vec![0.0; width * height];
    for distance in DISTANCES {
        let (across, down) = (width / distance + 2, height / distance + 2);
        let amplitude = AMPLITUDE * (distance as f32).sqrt();
        let points: Vec<f32> = (0..across * down).map(|_| amplitude * (stream.unit() as f32 - 0.5)).collect();
        for (y, row) in sum.chunks_exact_mut(width).enumerate() {
            let (top, below) = (y / distance, (y % distance) as f32 / distance as f32);
            for (x, value) in row.iter_mut().enumerate() {
                let (left, beside) = (x / distance, (x % distance) as f32 / distance as f32);
                let at = |y: usize| {
                    let [a, b] = [points[y * across + left], points[y * across + left + 1]];
                    a + (b - a) * beside
                };
                let upper = at(top);
                *value += upper + (at(top + 1) - upper) * below;
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{open_encoded, picture::Picture};

    #[test]
    fn a_made_photograph_is_as_large_as_one_of_imagenet() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), 5).expect("written");
        let data = open_encoded(folder.path()).expect("a data set");
        assert_eq!((data.classes.len(), data.train.len(), data.valid.len()), (4, 5, 4));
        for index in 0..5 {
            let bytes = data.train.read(index).expect("written").bytes;
            assert!((80_000..110_000).contains(&bytes.len()), "{} bytes", bytes.len());
            let picture = Picture::decode(&bytes).expect("whole");
            assert_eq!((picture.width, picture.height), SIZE);
        }
        assert_ne!(photograph(0), photograph(1));
    }
}
