//! The sources of batches.

use std::{ops::Deref, sync::Arc};

use relativenas_core::randomness::{Purpose, Streams};
use tch::{Device, Kind, TchError, Tensor};

use crate::{
    augmentation::{Augmentation, Batch, ImageStore},
    batches::batches,
    data::{
        Batching, ColourJitter, DataError, EncodedImages, IMAGENET_STATISTICS, PhotoBatch, PhotoView,
        photo_batches_of,
    },
    device::send,
    ranks::{RanksError, Share},
};

/// The images that a network is trained or evaluated on.
#[derive(Debug)]
pub enum ImageSource {
    /// Small images, all of them on the device.
    Memory(ImageStore),
    /// Photographs that are decoded while the network computes.
    Photos(Photos),
}

/// Some images of a set of photographs.
#[derive(Debug)]
pub struct Photos {
    pub images: Arc<EncodedImages>,
    /// Indices in `images`.
    pub chosen: Vec<usize>,
    /// Height and width of the network's input in pixels.
    pub side: usize,
    /// The number of threads that decode.
    pub threads: usize,
    pub device: Device,
}

/// Why there is no next batch.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(transparent)]
    Device(#[from] TchError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Ranks(#[from] RanksError),
}

/// How the batches of a training are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchSettings {
    /// The number of images in a batch; images are divided into batches by [`batches`].
    pub batch: usize,
    /// The variations of small images. Photographs are cropped and coloured as published for ImageNet.
    pub augmentation: Augmentation,
    pub streams: Streams,
    /// The part of each batch that this rank needs. The random draws for an image do not depend on it.
    pub share: Share,
}

/// A rank's part of a batch. It dereferences to a batch of its own, which may be empty.
#[derive(Debug)]
pub struct BatchPart {
    pub batch: Batch,
    /// The index of its first image in the whole batch.
    pub first: usize,
    /// The number of images in the whole batch.
    pub whole: usize,
}

impl Deref for BatchPart {
    type Target = Batch;

    fn deref(&self) -> &Batch {
        &self.batch
    }
}

/// An iterator over batches.
pub type Batches<'a> = Box<dyn Iterator<Item = Result<BatchPart, SourceError>> + 'a>;

impl ImageSource {
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(images) => images.len(),
            Self::Photos(photos) => photos.chosen.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn device(&self) -> Device {
        match self {
            Self::Memory(images) => images.device(),
            Self::Photos(photos) => photos.device,
        }
    }

    /// Every image once, in the epoch's own random order, from batch number `first` on. A batch is the same
    /// whichever batch is the first.
    ///
    /// # Errors
    /// If the device fails.
    pub fn training(
        &self,
        feed: BatchSettings,
        epoch: u32,
        first: usize,
    ) -> Result<Batches<'_>, SourceError> {
        let order = feed.streams.stream(Purpose::Shuffle, u64::from(epoch), 0).order(self.len());
        match self {
            Self::Memory(images) => {
                let order: Vec<_> = order.into_iter().map(|i| i as i64).collect();
                let order = send(&Tensor::f_from_slice(&order)?, images.device())?;
                let batches = batches(images.len(), feed.batch).enumerate().skip(first);
                Ok(Box::new(batches.map(move |(number, (start, whole))| {
                    let mut stream =
                        feed.streams.stream(Purpose::Augmentation, u64::from(epoch), number as u64);
                    let places = order.f_narrow(0, start as i64, whole as i64)?;
                    let part = feed.share.of(whole);
                    let first = part.start;
                    let batch = images.part(&places, part, feed.augmentation, &mut stream)?;
                    Ok(BatchPart { batch, first, whole })
                })))
            }
            Self::Photos(photos) => {
                let batches: Vec<_> = batches(order.len(), feed.batch).skip(first).collect();
                let view = PhotoView::Training { jitter: ColourJitter::PUBLISHED };
                photos.batches(&order, batches, feed.share, view, feed.streams, epoch)
            }
        }
    }

    /// A share of the first `limit` images without variations, in their own order.
    ///
    /// # Errors
    /// If the device fails.
    pub fn in_order(&self, batch: usize, limit: usize, share: Share) -> Result<Batches<'_>, SourceError> {
        let count = limit.min(self.len());
        // Nothing is drawn for images without variations.
        let streams = Streams::new(0);
        match self {
            Self::Memory(images) => {
                let places = Tensor::f_arange(count as i64, (Kind::Int64, images.device()))?;
                Ok(Box::new(batches(count, batch).map(move |(start, whole)| {
                    let mut stream = streams.stream(Purpose::Validation, 0, 0);
                    let part = share.of(whole);
                    let (first, count) = (part.start, part.len());
                    let places = places.f_narrow(0, (start + first) as i64, count as i64)?;
                    let batch = images.batch(&places, Augmentation::NONE, &mut stream)?;
                    Ok(BatchPart { batch, first, whole })
                })))
            }
            Self::Photos(photos) => {
                let order: Vec<_> = (0..count).collect();
                let batches: Vec<_> = batches(count, batch).collect();
                photos.batches(
                    &order,
                    batches,
                    share,
                    PhotoView::Centre { share: PhotoView::VALIDATED },
                    streams,
                    0,
                )
            }
        }
    }
}

impl Photos {
    /// A share of batches with these starts and lengths in `order`, whose elements are indices in `chosen`.
    fn batches(
        &self,
        order: &[usize],
        batches: Vec<(usize, usize)>,
        share: Share,
        view: PhotoView,
        streams: Streams,
        epoch: u32,
    ) -> Result<Batches<'_>, SourceError> {
        let order: Vec<_> = order.iter().map(|&place| self.chosen[place]).collect();
        let batch = batches.iter().map(|&(_, whole)| share.of(whole).len()).max().unwrap_or(0);
        let batching = Batching { batch, side: self.side, threads: self.threads, view };
        let parts = batches.iter().map(|&(start, whole)| {
            let part = share.of(whole);
            start + part.start..start + part.end
        });
        let photos = photo_batches_of(&self.images, &order, parts, batching, streams, u64::from(epoch));
        let (mean, std) = IMAGENET_STATISTICS;
        let factor = Tensor::f_from_slice(&std.map(|std| 1.0 / (255.0 * std)))?.f_to_device(self.device)?;
        let offset: [f32; 3] = std::array::from_fn(|channel| -mean[channel] / std[channel]);
        let offset = Tensor::f_from_slice(&offset)?.f_to_device(self.device)?;
        Ok(Box::new(photos.zip(batches).map(move |(photos, (_, whole))| {
            let PhotoBatch { pixels, labels } = photos?;
            let side = self.side as i64;
            let shape = [labels.len() as i64, side, side, 3];
            let images = send(&Tensor::f_from_data_size(&pixels, &shape, Kind::Uint8)?, self.device)?;
            let images = images.f_to_kind(Kind::Float)?.f_mul(&factor)?.f_add(&offset)?;
            let labels: Vec<_> = labels.into_iter().map(i64::from).collect();
            let labels = send(&Tensor::f_from_slice(&labels)?, self.device)?;
            let batch = Batch { images: images.f_permute([0, 3, 1, 2])?, labels };
            Ok(BatchPart { batch, first: share.of(whole).start, whole })
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        data::{open_encoded, samples::sample},
        images::ImageSet,
    };

    fn photos() -> ImageSource {
        let data = open_encoded(&sample("image-folder")).unwrap();
        let chosen = (0..data.train.len()).rev().take(11).collect();
        ImageSource::Photos(Photos { images: data.train, chosen, side: 24, threads: 2, device: Device::Cpu })
    }

    #[test]
    fn photographs_come_normalised_and_the_same_from_any_first_batch() {
        let source = photos();
        let (augmentation, streams) = (Augmentation::NONE, Streams::new(3));
        let feed = BatchSettings { batch: 4, augmentation, streams, share: Share::WHOLE };
        let all: Vec<_> = source.training(feed, 2, 0).unwrap().map(Result::unwrap).collect();
        assert_eq!(all.iter().map(|part| part.len()).collect::<Vec<_>>(), [4, 4, 3]);
        assert_eq!(all[0].images.size(), [4, 3, 24, 24]);
        assert_eq!(all[0].images.stride(), [24 * 24 * 3, 1, 24 * 3, 3]);
        let rest: Vec<_> = source.training(feed, 2, 1).unwrap().map(Result::unwrap).collect();
        assert_eq!((&rest[0].images, &rest[1].labels), (&all[1].images, &all[2].labels));
        // Eleven images in batches of five: one is left, and joins the second batch.
        let feed = BatchSettings { batch: 5, ..feed };
        let from = |first| source.training(feed, 2, first).unwrap().map(|batch| batch.unwrap().len());
        assert_eq!([0, 1, 2].map(|first| from(first).collect::<Vec<_>>()), [vec![5, 6], vec![6], vec![]]);
        let (low, high) = (all[0].images.min().double_value(&[]), all[0].images.max().double_value(&[]));
        assert!((-2.2..-0.5).contains(&low) && (0.5..2.7).contains(&high), "{low} {high}");
    }

    #[test]
    fn photographs_are_judged_in_the_order_of_their_list() {
        let ImageSource::Photos(photos) = photos() else { unreachable!("made above") };
        let label = |&place: &usize| i64::from(photos.images.read(place).unwrap().label);
        let expected: Vec<_> = photos.chosen.iter().map(label).collect();
        let source = ImageSource::Photos(photos);
        let labels = source
            .in_order(4, 7, Share::WHOLE)
            .unwrap()
            .map(|batch| Vec::<i64>::try_from(&batch.unwrap().labels));
        assert_eq!(labels.map(Result::unwrap).collect::<Vec<_>>().concat(), expected[..7]);
    }
    /// The pixels and labels of all batches of an epoch, put together from the shares of all ranks.
    fn together(source: &ImageSource, ranks: usize) -> Vec<(Tensor, Tensor)> {
        let augmentation = Augmentation { padding: 4, flip: true, cutout: 8 };
        let share = |rank| Share { rank, ranks, least: 2 };
        let feed =
            |rank| BatchSettings { batch: 4, augmentation, streams: Streams::new(3), share: share(rank) };
        let of = |rank| source.training(feed(rank), 1, 0).unwrap().map(Result::unwrap).collect::<Vec<_>>();
        let parts: Vec<Vec<BatchPart>> = (0..ranks).map(of).collect();
        let whole = |batch: usize| {
            let parts: Vec<_> = parts.iter().map(|parts| &parts[batch]).collect();
            let mut next = 0;
            for part in &parts {
                assert_eq!(part.first, next);
                next += part.len();
            }
            assert_eq!(next, parts[0].whole);
            let images: Vec<_> = parts.iter().map(|part| &part.images).collect();
            let labels: Vec<_> = parts.iter().map(|part| &part.labels).collect();
            (Tensor::cat(&images, 0), Tensor::cat(&labels, 0))
        };
        (0..parts[0].len()).map(whole).collect()
    }

    #[test]
    fn shares_are_the_images_of_the_whole_batch_varied_alike() {
        let bytes: Vec<u8> = (0..11 * 3 * 8 * 8).map(|i| (i % 251) as u8).collect();
        let small = ImageSet {
            images: Tensor::from_data_size(&bytes, &[11, 3, 8, 8], Kind::Uint8),
            labels: Tensor::arange(11, (Kind::Int64, Device::Cpu)),
            mean: [0.5; 3],
            std: [0.25; 3],
            classes: 11,
        };
        for source in [photos(), ImageSource::Memory(ImageStore::new(&small, 4, Device::Cpu).unwrap())] {
            let expected = together(&source, 1);
            assert_eq!(expected.len(), 3);
            // With four and with three images, at least two are in each share, so the third rank has none.
            for ranks in [2, 3] {
                assert_eq!(together(&source, ranks), expected, "{ranks} ranks");
            }
        }
    }
}
