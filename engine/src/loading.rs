//! How many photographs a second this machine makes ready for a network.
//!
//! The work is that of a training on ImageNet before the network: read, decode, crop at random, resize, mirror,
//! change the colours. `engine/benches/torchvision_loader.py` does the same with torchvision.

pub mod made_photos;

use std::{path::Path, sync::Arc, time::Instant};

use anyhow::{Context as _, ensure};
use relativenas_core::randomness::{Purpose, Streams};
use serde::Serialize;

use crate::data::{Batching, ColourJitter, EncodedImages, PhotoView, open_encoded, photo_batches};

/// The work to be measured.
#[derive(Clone, Copy, Debug)]
pub struct LoadingWork {
    /// The number of photographs in a pass, at most; 0 takes all.
    pub images: usize,
    /// Photographs in a batch.
    pub batch: usize,
    /// Height and width in pixels of what a network gets.
    pub side: usize,
    /// The number of threads that decode.
    pub threads: usize,
    /// The number of passes after the first one.
    pub passes: usize,
    /// Whether photographs are cropped, mirrored and coloured as in training, or cropped in the middle as in
    /// validation.
    pub training: bool,
}

/// The results of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadingRate {
    /// The number of photographs in a pass.
    pub images: usize,
    /// The mean size of a photograph's file in bytes, over a few hundred of them.
    pub bytes: usize,
    pub threads: usize,
    /// Photographs a second in the first pass, in which every file is checked from beginning to end.
    pub first_pass: f64,
    /// Photographs a second in the passes after it; the median.
    pub images_per_second: f64,
}

/// Passes over the training images of a folder, in another order each time.
///
/// # Errors
/// If the folder holds no photographs, or one of them cannot be decoded.
pub fn measure(folder: &Path, work: &LoadingWork) -> anyhow::Result<LoadingRate> {
    let images = open_encoded(folder)?.train;
    let count = if work.images == 0 { images.len() } else { work.images.min(images.len()) };
    ensure!(count > 0, "`{}` holds no training images", folder.display());
    // A few hundred files tell the mean; of a large folder, reading all would take longer than a pass.
    let sampled = count.min(256);
    let mut bytes = 0;
    for index in 0..sampled {
        bytes += images.read(index * count / sampled)?.bytes.len();
    }
    let rate = |epoch| -> anyhow::Result<f64> { Ok(count as f64 / pass(&images, count, work, epoch)?) };
    let first_pass = rate(0)?;
    let mut later = (1..=work.passes as u64).map(rate).collect::<anyhow::Result<Vec<f64>>>()?;
    later.sort_by(f64::total_cmp);
    Ok(LoadingRate {
        images: count,
        bytes: bytes / sampled,
        threads: work.threads,
        first_pass,
        images_per_second: median(&later).context("at least one pass after the first is needed")?,
    })
}

/// The median of rates that are sorted; `None` if there are none.
fn median(sorted: &[f64]) -> Option<f64> {
    let (below, above) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some((below + above) / 2.0)
}

/// The time of one pass in seconds.
fn pass(images: &Arc<EncodedImages>, count: usize, work: &LoadingWork, epoch: u64) -> anyhow::Result<f64> {
    let view = if work.training {
        PhotoView::Training { jitter: ColourJitter::PUBLISHED }
    } else {
        PhotoView::Centre { share: PhotoView::VALIDATED }
    };
    let batching = Batching { batch: work.batch, side: work.side, threads: work.threads, view };
    let streams = Streams::new(0);
    let order = streams.stream(Purpose::Shuffle, epoch, 0).order(count);
    let start = Instant::now();
    let mut seen = 0;
    for batch in photo_batches(images, &order, batching, streams, epoch) {
        seen += batch?.labels.len();
    }
    ensure!(seen == count, "{seen} of {count} photographs came");
    Ok(start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::samples::sample;

    const WORK: LoadingWork =
        LoadingWork { images: 0, batch: 10, side: 24, threads: 2, passes: 2, training: true };

    #[test]
    fn all_photographs_of_a_folder_or_of_lmdb_are_counted() {
        for folder in ["image-folder", "lmdb"] {
            let all = measure(&sample(folder), &WORK).expect("photographs");
            assert_eq!((all.images, all.threads), (24, 2), "{folder}");
            assert!(all.bytes > 100 && all.first_pass > 0.0 && all.images_per_second > 0.0, "{all:?}");
            let few = LoadingWork { images: 7, training: false, ..WORK };
            assert_eq!(measure(&sample(folder), &few).expect("photographs").images, 7);
        }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!([median(&[]), median(&[3.0])], [None, Some(3.0)]);
        assert_eq!([median(&[1.0, 2.0, 9.0]), median(&[1.0, 2.0, 4.0, 9.0])], [Some(2.0), Some(3.0)]);
    }

    #[test]
    fn a_folder_without_photographs_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(measure(folder.path(), &WORK).is_err());
    }
}
