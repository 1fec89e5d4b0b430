//! Where batches come from.

use relativenas_core::randomness::{Purpose, Streams};
use tch::{Device, Kind, TchError, Tensor};

use crate::augmentation::{Augmentation, Batch, ImageStore};

/// Images that a network is trained on or judged with.
#[derive(Debug)]
pub enum Source {
    /// Small images, all of them on the device.
    Memory(ImageStore),
}

/// Why there is no next batch.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(transparent)]
    Device(#[from] TchError),
}

/// How training walks through its images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Feed {
    /// Images a batch; the last one of an epoch takes what is left.
    pub batch: usize,
    pub augmentation: Augmentation,
    pub streams: Streams,
}

/// Batches one after the other, assembled when they are asked for.
pub type Batches<'a> = Box<dyn Iterator<Item = Result<Batch, SourceError>> + 'a>;

impl Source {
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(images) => images.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn device(&self) -> Device {
        match self {
            Self::Memory(images) => images.device(),
        }
    }

    /// Every image once, in the epoch's own random order, from batch number `first` on. Batches are
    /// the same whichever is the first that somebody asks for.
    ///
    /// # Errors
    /// If the device fails.
    pub fn training(&self, feed: Feed, epoch: u32, first: usize) -> Result<Batches<'_>, SourceError> {
        let order = feed.streams.stream(Purpose::Shuffle, u64::from(epoch), 0).order(self.len());
        match self {
            Self::Memory(images) => {
                let order: Vec<_> = order.into_iter().map(|i| i as i64).collect();
                let order = Tensor::f_from_slice(&order)?.f_to_device(images.device())?;
                let batches = batches(images.len(), feed.batch).enumerate().skip(first);
                Ok(Box::new(batches.map(move |(number, (start, count))| {
                    let mut stream =
                        feed.streams.stream(Purpose::Augmentation, u64::from(epoch), number as u64);
                    let places = order.f_narrow(0, start as i64, count as i64)?;
                    Ok(images.batch(&places, feed.augmentation, &mut stream)?)
                })))
            }
        }
    }

    /// The first `limit` images as they are, in their own order.
    ///
    /// # Errors
    /// If the device fails.
    pub fn in_order(&self, batch: usize, limit: usize) -> Result<Batches<'_>, SourceError> {
        let Self::Memory(images) = self;
        let count = limit.min(images.len());
        let places = Tensor::f_arange(count as i64, (Kind::Int64, images.device()))?;
        Ok(Box::new(batches(count, batch).map(move |(start, count)| {
            // Nothing is drawn for images as they are.
            let mut stream = Streams::new(0).stream(Purpose::Validation, 0, 0);
            let places = places.f_narrow(0, start as i64, count as i64)?;
            Ok(images.batch(&places, Augmentation::NONE, &mut stream)?)
        })))
    }
}

/// Start and length of every batch.
fn batches(images: usize, size: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..images).step_by(size).map(move |start| (start, size.min(images - start)))
}
