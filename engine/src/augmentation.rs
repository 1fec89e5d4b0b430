//! Makes the batches that a network reads from stored bytes: crops, flips, cutout and normalisation.
//!
//! A batch is one gather and a few elementwise operations on the device, never a loop over images.

use std::ops::Range;

use relativenas_core::randomness::Stream;
use tch::{Device, Kind, TchError, Tensor};

use crate::{device, images::ImageSet};

/// How training images are varied. The published search pads by 4 pixels, flips, and cuts out squares of side
/// 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Augmentation {
    /// Black pixels on each side of the image before a crop of the original size is taken; 0 takes no crop.
    pub padding: usize,
    /// Whether half of the images are mirrored left to right.
    pub flip: bool,
    /// Side in pixels of the square that is set to the mean. Its centre may lie on any pixel, so the border
    /// may cut the square off. 0 cuts out nothing.
    pub cutout: usize,
}

impl Augmentation {
    /// Leaves images as they are.
    pub const NONE: Self = Self { padding: 0, flip: false, cutout: 0 };
}

/// A set of images on a device, laid out so that crops are gathers.
#[derive(Debug)]
pub struct ImageStore {
    /// The pixels of all images, each in a black frame: `[N · F · F, 3] u8`, where F is the side of the
    /// frame.
    pixels: Tensor,
    /// The label of each image, `[N] i64`.
    labels: Tensor,
    /// What a pixel's bytes are multiplied by when they are normalised, `[3] f32`.
    factor: Tensor,
    /// What is added to the product, `[3] f32`.
    offset: Tensor,
    count: usize,
    side: i64,
    frame: i64,
}

/// Images that a network reads at once, with their labels.
#[derive(Debug)]
pub struct Batch {
    /// The normalised images, `[B, 3, H, W] f32`, channels last in memory.
    pub images: Tensor,
    /// The label of each image, `[B] i64`.
    pub labels: Tensor,
}

impl Batch {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.size().first().map_or(0, |&n| n as usize)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The random numbers that a batch is varied by, image by image.
struct Draws {
    /// Five numbers for each image, `[5, B] i64`: row and column of the crop's corner in the frame; 1 if the
    /// image is mirrored, else 0; row and column of the cutout's centre.
    numbers: Tensor,
}

impl ImageStore {
    /// Copies a set of square images to a device, with a frame that allows crops of this padding.
    ///
    /// # Errors
    /// If the images are not square `[N, 3, H, H]`, or the device fails.
    pub fn new(set: &ImageSet, padding: usize, device: Device) -> Result<Self, TchError> {
        let (count, channels, height, width) = set.images.size4()?;
        if channels != 3 || height != width {
            return Err(TchError::Shape(format!(
                "images have {channels} channels and {height}×{width} pixels; they must be square and have 3 channels"
            )));
        }
        let (frame, padding) = (height + 2 * padding as i64, padding as i64);
        let images = device::send(&set.images, device)?.f_permute([0, 2, 3, 1])?;
        let framed = images.f_constant_pad_nd([0, 0, padding, padding, padding, padding])?;
        let channel = |value: &dyn Fn(usize) -> f32| {
            Tensor::f_from_slice(&[value(0), value(1), value(2)])?.f_to_device(device)
        };
        Ok(Self {
            pixels: framed.f_reshape([count * frame * frame, 3])?,
            labels: set.labels.f_to_device(device)?,
            factor: channel(&|c| 1.0 / (255.0 * set.std[c]))?,
            offset: channel(&|c| -set.mean[c] / set.std[c])?,
            count: count as usize,
            side: height,
            frame,
        })
    }

    /// Returns another handle on the same memory, to be used by another thread.
    pub fn share(&self) -> Self {
        Self {
            pixels: self.pixels.shallow_clone(),
            labels: self.labels.shallow_clone(),
            factor: self.factor.shallow_clone(),
            offset: self.offset.shallow_clone(),
            ..*self
        }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The number of rows, and of columns, of an image.
    pub fn side(&self) -> usize {
        self.side as usize
    }

    pub fn device(&self) -> Device {
        self.pixels.device()
    }

    /// The images with the indices `places` (`[B] i64` on the device), varied by numbers drawn from `stream`.
    /// A crop is shifted by at most the padding that the store was made with.
    ///
    /// # Errors
    /// If the device fails.
    pub fn batch(
        &self,
        places: &Tensor,
        augmentation: Augmentation,
        stream: &mut Stream,
    ) -> Result<Batch, TchError> {
        self.part(places, 0..places.size1()? as usize, augmentation, stream)
    }

    /// The images in the range `part` of the batch that [`ImageStore::batch`] gives, with the same variations
    /// as there.
    ///
    /// # Errors
    /// If the device fails.
    pub fn part(
        &self,
        places: &Tensor,
        part: Range<usize>,
        augmentation: Augmentation,
        stream: &mut Stream,
    ) -> Result<Batch, TchError> {
        let mut draws = self.draw(places.size1()? as usize, augmentation, stream)?;
        let (first, count) = (part.start as i64, part.len() as i64);
        draws.numbers = draws.numbers.f_narrow(1, first, count)?;
        let places = &places.f_narrow(0, first, count)?;
        let images = self.normalised(&self.crop(places, &draws)?)?;
        let images = match augmentation.cutout {
            0 => images,
            size => images.f_mul(&self.cutout(size, &draws)?)?,
        };
        let labels = self.labels.f_index_select(0, places)?;
        Ok(Batch { images: images.f_permute([0, 3, 1, 2])?, labels })
    }

    fn draw(&self, images: usize, a: Augmentation, stream: &mut Stream) -> Result<Draws, TchError> {
        let margin = ((self.frame - self.side) / 2) as usize;
        let (reach, side) = (a.padding.min(margin), self.side as usize);
        let mut numbers = vec![0; 5 * images];
        for image in 0..images {
            let drawn = [
                margin - reach + stream.below(2 * reach + 1),
                margin - reach + stream.below(2 * reach + 1),
                if a.flip { stream.below(2) } else { 0 },
                stream.below(side),
                stream.below(side),
            ];
            for (row, number) in drawn.into_iter().enumerate() {
                numbers[row * images + image] = number as i64;
            }
        }
        let numbers = Tensor::f_from_slice(&numbers)?.f_reshape([5, images as i64])?;
        Ok(Draws { numbers: device::send(&numbers, self.device())? })
    }

    /// The cropped and mirrored pixels, `[B, H, W, 3] u8`.
    fn crop(&self, places: &Tensor, draws: &Draws) -> Result<Tensor, TchError> {
        let steps = Tensor::f_arange(self.side, (Kind::Int64, self.device()))?;
        let mirrored = draws.column(2)?;
        // A mirrored row is read from its end: side − 1 − step.
        let sign = mirrored.f_mul_scalar(-2)?.f_add_scalar(1)?;
        let columns = steps.f_mul(&sign)?.f_add(&mirrored.f_mul_scalar(self.side - 1)?)?;
        let columns = columns.f_add(&draws.column(1)?)?.f_unsqueeze(1)?;
        let rows = steps.f_add(&draws.column(0)?)?.f_unsqueeze(2)?;
        let images = places.f_view([-1, 1, 1])?.f_mul_scalar(self.frame * self.frame)?;
        let pixels = rows.f_mul_scalar(self.frame)?.f_add(&columns)?.f_add(&images)?;
        let gathered = self.pixels.f_index_select(0, &pixels.f_reshape([-1])?)?;
        gathered.f_view([-1, self.side, self.side, 3])
    }

    fn normalised(&self, bytes: &Tensor) -> Result<Tensor, TchError> {
        bytes.f_to_kind(Kind::Float)?.f_mul(&self.factor)?.f_add(&self.offset)
    }

    /// A mask that is 0 inside the square and 1 elsewhere, `[B, H, W, 1] f32`.
    fn cutout(&self, size: usize, draws: &Draws) -> Result<Tensor, TchError> {
        let half = (size / 2) as i64;
        let steps = Tensor::f_arange(self.side, (Kind::Int64, self.device()))?;
        let inside = |centre: Tensor| {
            let distance = steps.f_sub(&centre)?;
            distance.f_ge(-half)?.f_logical_and(&distance.f_lt(half)?)
        };
        let rows = inside(draws.column(3)?)?.f_unsqueeze(2)?;
        let columns = inside(draws.column(4)?)?.f_unsqueeze(1)?;
        rows.f_logical_and(&columns)?.f_logical_not()?.f_to_kind(Kind::Float)?.f_unsqueeze(3)
    }
}

impl Draws {
    /// One of the five numbers of every image, `[B, 1]`.
    fn column(&self, row: i64) -> Result<Tensor, TchError> {
        self.numbers.f_select(0, row)?.f_unsqueeze(1)
    }
}

#[cfg(test)]
mod tests {
    use relativenas_core::randomness::{Purpose, Streams};

    use super::*;

    const SIDE: i64 = 8;

    /// Every pixel tells where it is: red its image, green its row, blue its column; never black.
    fn set() -> ImageSet {
        let options = (Kind::Uint8, Device::Cpu);
        let steps = Tensor::arange(SIDE, options) + 1_i64;
        let image = Tensor::arange(3, options).view([3, 1, 1]) + 1_i64;
        let shape = [3, SIDE, SIDE];
        let planes = [
            image.expand(shape, false),
            steps.view([SIDE, 1]).expand(shape, false),
            steps.expand(shape, false),
        ];
        ImageSet {
            images: Tensor::stack(&planes, 1).to_kind(Kind::Uint8),
            labels: Tensor::from_slice(&[7_i64, 8, 9]),
            mean: [0.0; 3],
            std: [1.0 / 255.0; 3],
            classes: 10,
        }
    }

    fn stream(seed: u64) -> Stream {
        Streams::new(seed).stream(Purpose::Augmentation, 0, 0)
    }

    fn batch(augmentation: Augmentation, seed: u64) -> Batch {
        let store = ImageStore::new(&set(), 2, Device::Cpu).unwrap();
        store.batch(&Tensor::from_slice(&[2_i64, 0]), augmentation, &mut stream(seed)).unwrap()
    }

    fn pixel(images: &Tensor, image: i64, row: i64, column: i64) -> [f64; 3] {
        [0, 1, 2].map(|c| images.double_value(&[image, c, row, column]).round())
    }

    #[test]
    fn without_augmentation_images_are_what_was_stored() {
        let batch = batch(Augmentation::NONE, 1);
        assert_eq!(pixel(&batch.images, 0, 4, 7), [3.0, 5.0, 8.0]);
        assert_eq!(pixel(&batch.images, 1, 0, 0), [1.0, 1.0, 1.0]);
        assert_eq!(Vec::<i64>::try_from(&batch.labels).unwrap(), [9, 7]);
    }

    #[test]
    fn batches_lie_channels_last() {
        let images = batch(Augmentation { padding: 2, flip: true, cutout: 4 }, 1).images;
        assert_eq!(images.size(), [2, 3, SIDE, SIDE]);
        assert_eq!(images.stride(), [3 * SIDE * SIDE, 1, 3 * SIDE, 3]);
    }

    #[test]
    fn a_crop_shifts_within_the_padding_and_a_flip_mirrors_columns() {
        let (mut shifts, mut flips) = (Vec::new(), Vec::new());
        for seed in 0..60 {
            let images = batch(Augmentation { padding: 2, flip: true, cutout: 0 }, seed).images;
            let [red, row, column] = pixel(&images, 0, 4, 3);
            let right = pixel(&images, 0, 4, 4)[2];
            assert_eq!(red, 3.0);
            flips.push(right < column);
            shifts.push(row as i64 - 5);
            // All pixels that are not black lie in one row.
            for x in 0..SIDE {
                let [_, r, _] = pixel(&images, 0, 4, x);
                assert!(r == row || r == 0.0);
            }
        }
        assert!((-2..=2).all(|shift| shifts.contains(&shift)), "{shifts:?}");
        assert!(shifts.iter().all(|s| s.abs() <= 2));
        assert!(flips.contains(&true) && flips.contains(&false));
    }

    #[test]
    fn cutout_clears_one_square() {
        for seed in 0..20 {
            let images = batch(Augmentation { cutout: 4, ..Augmentation::NONE }, seed).images;
            let cleared: Vec<(i64, i64)> = (0..SIDE * SIDE)
                .map(|i| (i / SIDE, i % SIDE))
                .filter(|&(y, x)| pixel(&images, 0, y, x)[0] == 0.0)
                .collect();
            let rows = 1 + cleared.last().unwrap().0 - cleared[0].0;
            let columns = 1 + cleared.last().unwrap().1 - cleared[0].1;
            assert_eq!(rows * columns, cleared.len() as i64);
            assert!((2..=4).contains(&rows) && (2..=4).contains(&columns), "{rows}×{columns}");
        }
    }

    #[test]
    fn normalisation_is_the_data_set_s_own() {
        let set = ImageSet { mean: [0.5, 0.4, 0.3], std: [0.1, 0.2, 0.4], ..set() };
        let store = ImageStore::new(&set, 0, Device::Cpu).unwrap();
        let batch = store.batch(&Tensor::from_slice(&[0_i64]), Augmentation::NONE, &mut stream(0)).unwrap();
        let expected = [(1.0 / 255.0 - 0.5) / 0.1, (3.0 / 255.0 - 0.4) / 0.2, (6.0 / 255.0 - 0.3) / 0.4];
        for (channel, expected) in expected.into_iter().enumerate() {
            let found = batch.images.double_value(&[0, channel as i64, 2, 5]);
            assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
        }
    }
}
