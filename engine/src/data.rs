//! Data sets: the images of searches and trainings, and the annotated pictures of the transfer tasks.
//!
//! [`open`] recognises a data set of small images by the files in a folder and reads it into memory as plain
//! bytes; [`open_encoded`] lists photographs, which are decoded as they are needed; [`voc`], [`cityscapes`] and
//! [`coco`] read the data sets of the transfer tasks. This module does not depend on libtorch.
//!
//! Whatever is wrong with a file is an error that names it. An image is skipped only where the settings allow it,
//! and then it is named.

pub mod check;
mod cifar;
mod cifar_names;
mod cifar_python;
pub mod cityscapes;
pub mod coco;
mod colours;
mod embedded;
mod encoded;
mod error;
pub mod fault;
mod faults;
mod idx;
mod idx_names;
mod jpeg;
mod junk;
mod labels;
mod layout;
mod lmdb;
mod loader;
mod nearly;
mod numpy;
pub mod pack;
pub mod picture;
mod record;
#[cfg(test)]
pub(crate) mod samples;
mod split;
mod view;
pub mod voc;

use std::{fs, io, path::Path};

pub use cifar::Cifar100Labels;
pub use colours::{ColourJitter, enhance};
pub use encoded::{Encoded, EncodedDataSet, EncodedImages, Skipped, survey_parts};
pub use error::DataError;
pub use loader::{Batching, IMAGENET_STATISTICS, PhotoBatch, PhotoBatches, photo_batches, photo_batches_of};
pub use split::{Split, hold_out, split};
pub use view::PhotoView;

/// Images of one size with their labels, in the order of their files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledImages {
    /// Pixels, `[N, 3, side, side] u8`, as red, green and blue planes, row by row.
    pub pixels: Vec<u8>,
    /// The label of each image, `[N]`, each below the number of classes.
    pub labels: Vec<u16>,
    /// Height and width in pixels.
    pub side: usize,
}

impl LabelledImages {
    fn empty(side: usize) -> Self {
        Self { pixels: Vec::new(), labels: Vec::new(), side }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Size of one image in bytes.
    pub fn stride(&self) -> usize {
        3 * self.side * self.side
    }

    /// The pixels of image `index`, `[3, side, side]`.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn image(&self, index: usize) -> &[u8] {
        &self.pixels[index * self.stride()..][..self.stride()]
    }

    /// Mean and standard deviation of each channel, where pixels count from 0 to 1.
    ///
    /// The sums are whole numbers, so the order of the images does not change the result.
    pub fn statistics(&self) -> ([f32; 3], [f32; 3]) {
        let plane = self.side * self.side;
        let (mut sums, mut squares) = ([0_u64; 3], [0_u64; 3]);
        for (position, pixels) in self.pixels.chunks_exact(plane.max(1)).enumerate() {
            for &pixel in pixels {
                sums[position % 3] += u64::from(pixel);
                squares[position % 3] += u64::from(pixel) * u64::from(pixel);
            }
        }
        let count = (self.len() * plane).max(1) as f64;
        let mean = sums.map(|sum| sum as f64 / count);
        let deviation: [f64; 3] =
            std::array::from_fn(|c| (squares[c] as f64 / count - mean[c] * mean[c]).max(0.0).sqrt());
        // A channel that never varies carries no information; dividing by 1 keeps it finite.
        let deviation = deviation.map(|d| if d > 0.0 { d / 255.0 } else { 1.0 });
        (mean.map(|m| (m / 255.0) as f32), deviation.map(|d| d as f32))
    }

    fn hash_into(&self, hasher: &mut blake3::Hasher) {
        hasher.update(&(self.side as u64).to_le_bytes());
        hasher.update(&(self.len() as u64).to_le_bytes());
        for label in &self.labels {
            hasher.update(&label.to_le_bytes());
        }
        hasher.update(&self.pixels);
    }
}

/// A data set in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    /// The usual name of the data set, such as `CIFAR-10`.
    pub name: String,
    /// The names of the classes, in the order of their labels.
    pub classes: Vec<String>,
    /// The images that a search splits into a training and a validation half.
    pub train: LabelledImages,
    /// Images that results are reported on, and that no choice depends on.
    pub test: LabelledImages,
    /// Mean of each channel, where pixels count from 0 to 1: the published values for CIFAR, else those of
    /// the training images.
    pub mean: [f32; 3],
    /// Standard deviation of each channel, where pixels count from 0 to 1, from the same source as the mean.
    pub std: [f32; 3],
    /// Sentences about what is unusual but no error, such as classes that never occur.
    pub notes: Vec<String>,
}

impl DataSet {
    /// A fingerprint of pixels and labels, whatever layout they were read from: 64 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        self.train.hash_into(&mut hasher);
        self.test.hash_into(&mut hasher);
        hasher.finalize().to_hex().to_string()
    }

    /// A data set that is normalised by the statistics of its own training images.
    fn with_own_statistics(
        name: String,
        classes: Vec<String>,
        train: LabelledImages,
        test: LabelledImages,
    ) -> Self {
        let (mean, std) = train.statistics();
        Self { name, classes, train, test, mean, std, notes: Vec::new() }.with_notes()
    }

    /// Adds notes about what is odd about the labels.
    fn with_notes(mut self) -> Self {
        let labels = self.train.labels.iter().copied();
        self.notes.extend(labels::note(&self.name, &self.classes, labels));
        self
    }
}

/// Choices about reading that the folder alone does not settle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    pub cifar_100: Cifar100Labels,
    /// Photographs are cropped to their central square and resized to this height and width in pixels.
    pub side: usize,
    /// The greatest number of photographs that may be left out because they cannot be read.
    pub skip_faulty: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { cifar_100: Cifar100Labels::Fine, side: 32, skip_faulty: 0 }
    }
}

/// Reads the data set in a folder, or in the folder below it that the official archive unpacks to; without a
/// path, the embedded one.
///
/// # Errors
/// If the folder is missing or holds nothing (or more than one thing) that is known, or if any file
/// in it is not what its layout promises.
pub fn open(path: Option<&Path>) -> Result<DataSet, DataError> {
    open_with(path, &ReadOptions::default())
}

/// Reads a data set as [`open`] does, with options.
pub fn open_with(path: Option<&Path>, options: &ReadOptions) -> Result<DataSet, DataError> {
    match path.filter(|path| !path.as_os_str().is_empty()) {
        None => embedded::read(),
        Some(path) => layout::FoundLayout::below(path)?.read(options),
    }
}

/// Lists the photographs in a folder without decoding any, for data sets that do not fit into memory.
///
/// # Errors
/// Fails for the same reasons as [`open`], and if the folder holds a data set of another kind.
pub fn open_encoded(path: &Path) -> Result<EncodedDataSet, DataError> {
    layout::FoundLayout::below(path)?.encoded()
}

/// Reads a file. A pipe or a device, which may never end, is refused.
fn read_file(path: &Path) -> Result<Vec<u8>, DataError> {
    let read = || {
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a file, but a folder, a pipe or a device",
            ));
        }
        fs::read(path)
    };
    read().map_err(|source| DataError::Read { path: path.to_owned(), reason: source })
}

/// Reads a text file.
fn read_text(path: &Path) -> Result<String, DataError> {
    String::from_utf8(read_file(path)?)
        .map_err(|_| DataError::Malformed { path: path.to_owned(), problem: "it is not UTF-8".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_the_definition() {
        let images = LabelledImages { pixels: vec![0, 255, 51, 51, 255, 255], labels: vec![0, 0], side: 1 };
        let (mean, std) = images.statistics();
        assert_eq!(mean, [0.1, 1.0, 0.6]);
        assert_eq!(std, [0.1, 1.0, 0.4]); // the middle channel never varies
    }
}
