//! Batches of photographs, decoded in threads of their own while the network trains.
//!
//! Which part of an image is seen, and in which colours, depends on (seed, epoch, image) alone, not on the
//! number of threads. Threads decode small pieces of coming batches; another thread puts the pieces together
//! in order. All stop when they are far enough ahead, so memory is bounded.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use fast_image_resize::Resizer;
use relativenas_core::randomness::{Purpose, Streams};

use super::{DataError, EncodedImages, PhotoView};
use crate::batches::batches;

/// Mean and standard deviation of ImageNet's channels, where pixels count from 0 to 1, as they are generally
/// used.
pub const IMAGENET_STATISTICS: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

/// Images that a thread decodes in one piece.
const PIECE: usize = 16;
/// The number of whole batches that may wait for the network.
const BATCHES_AHEAD: usize = 2;

/// How batches of photographs are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batching {
    /// Images in a batch; the division into batches is that of [`batches`].
    pub batch: usize,
    /// Height and width in pixels.
    pub side: usize,
    /// The number of threads that decode; at least one.
    pub threads: usize,
    /// How each photograph is cropped, and whether its colours vary.
    pub view: PhotoView,
}

/// The photographs of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoBatch {
    /// Pixels, `[B, side, side, 3] u8`, channels last.
    pub pixels: Vec<u8>,
    /// The label of each photograph, `[B]`.
    pub labels: Vec<u16>,
}

/// The batches of a pass, in order. Dropping it ends the threads.
///
/// An image that cannot be decoded ends the pass with an error that names it.
#[derive(Debug)]
pub struct PhotoBatches {
    receiver: Option<Receiver<Result<PhotoBatch, DataError>>>,
    shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Iterator for PhotoBatches {
    type Item = Result<PhotoBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.receiver.as_ref()?.recv().ok()
    }
}

impl Drop for PhotoBatches {
    fn drop(&mut self) {
        // Without a receiver, the assembling thread does not wait for room, and the others do not wait for
        // that thread.
        self.receiver = None;
        self.shared.stop();
        for thread in self.threads.drain(..) {
            // The threads do not panic: a decoder's panic is caught and becomes an error.
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct DecodingWork {
    images: Arc<EncodedImages>,
    batching: Batching,
    streams: Streams,
    epoch: u64,
    /// The images of each piece. All images of a piece belong to the same batch.
    pieces: Vec<Vec<usize>>,
    /// The number of images in each batch.
    lengths: Vec<usize>,
    /// The number of pieces by which decoding may be ahead of assembling.
    window: usize,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<Pipeline>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pipeline {
    /// The piece that the next free thread takes.
    next: usize,
    /// The piece that the batch being assembled needs next.
    needed: usize,
    ready: BTreeMap<usize, Result<PhotoBatch, DataError>>,
    stopped: bool,
}

/// Batches of these images, in this order. How an image is varied depends on the epoch and its index in
/// `images`, not on the order.
pub fn photo_batches(
    images: &Arc<EncodedImages>,
    order: &[usize],
    batching: Batching,
    streams: Streams,
    epoch: u64,
) -> PhotoBatches {
    let whole = batches(order.len(), batching.batch).map(|(start, length)| start..start + length);
    photo_batches_of(images, order, whole, batching, streams, epoch)
}

/// As [`photo_batches`], with batches that are given as ranges of the order, none of which is longer than
/// `batch`.
pub fn photo_batches_of(
    images: &Arc<EncodedImages>,
    order: &[usize],
    parts: impl Iterator<Item = Range<usize>>,
    batching: Batching,
    streams: Streams,
    epoch: u64,
) -> PhotoBatches {
    let (mut pieces, mut lengths) = (Vec::new(), Vec::new());
    for part in parts {
        lengths.push(part.len());
        pieces.extend(order[part].chunks(PIECE).map(<[usize]>::to_vec));
    }
    let threads = batching.threads.max(1);
    let window = 2 * threads + batching.batch.div_ceil(PIECE);
    let work = Arc::new(DecodingWork {
        images: Arc::clone(images),
        batching,
        streams,
        epoch,
        pieces,
        lengths,
        window,
    });
    let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
    let (sender, receiver) = sync_channel(BATCHES_AHEAD);

    let parties = || (Arc::clone(&work), Arc::clone(&shared));
    let decoding = (0..threads).map(|_| {
        let (work, shared) = parties();
        thread::spawn(move || decode(&work, &shared))
    });
    let mut handles: Vec<_> = decoding.collect();
    let (work, shared_with_assembly) = parties();
    handles.push(thread::spawn(move || assemble(&work, &shared_with_assembly, &sender)));
    PhotoBatches { receiver: Some(receiver), shared, threads: handles }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pipeline> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl FnMut(&mut Pipeline) -> bool) -> MutexGuard<'_, Pipeline> {
        self.changed.wait_while(self.lock(), condition).unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Takes the next piece to decode, once it is near enough to the piece that is needed.
    fn take(&self, work: &DecodingWork) -> Option<usize> {
        let total = work.pieces.len();
        let mut state = self.wait_while(|s| !s.stopped && s.next < total && s.next >= s.needed + work.window);
        if state.stopped || state.next >= total {
            return None;
        }
        state.next += 1;
        Some(state.next - 1)
    }

    fn put(&self, piece: usize, decoded: Result<PhotoBatch, DataError>) {
        self.lock().ready.insert(piece, decoded);
        self.changed.notify_all();
    }

    /// Returns the needed piece once it is ready, or `None` if the batches were dropped.
    fn get(&self) -> Option<Result<PhotoBatch, DataError>> {
        let mut state = self.wait_while(|s| !s.stopped && !s.ready.contains_key(&s.needed));
        let needed = state.needed;
        let piece = state.ready.remove(&needed)?;
        state.needed += 1;
        drop(state);
        self.changed.notify_all();
        Some(piece)
    }
}

/// Decodes pieces until none are left.
fn decode(work: &DecodingWork, shared: &Shared) {
    let mut resizer = Resizer::new();
    while let Some(piece) = shared.take(work) {
        shared.put(piece, work.decode(&work.pieces[piece], &mut resizer));
    }
}

/// Puts pieces together, batch by batch.
fn assemble(work: &DecodingWork, shared: &Shared, sender: &SyncSender<Result<PhotoBatch, DataError>>) {
    let batch_of = |count: usize| PhotoBatch {
        pixels: Vec::with_capacity(count * 3 * work.batching.side.pow(2)),
        labels: Vec::with_capacity(count),
    };
    for &count in &work.lengths {
        let mut batch = batch_of(count);
        while batch.labels.len() < count {
            match shared.get() {
                Some(Ok(piece)) => {
                    batch.pixels.extend(piece.pixels);
                    batch.labels.extend(piece.labels);
                }
                Some(Err(error)) => {
                    // Sending fails only if the batches were dropped, which is no error.
                    let _ = sender.send(Err(error));
                    return shared.stop();
                }
                None => return,
            }
        }
        if sender.send(Ok(batch)).is_err() {
            return shared.stop();
        }
    }
}

impl DecodingWork {
    fn decode(&self, piece: &[usize], resizer: &mut Resizer) -> Result<PhotoBatch, DataError> {
        let Batching { side, view, .. } = self.batching;
        let mut batch = PhotoBatch { pixels: Vec::new(), labels: Vec::new() };
        for &index in piece {
            let (picture, label) = self.images.decode(index)?;
            let mut stream = self.streams.stream(Purpose::Augmentation, self.epoch, index as u64);
            let pixels = view
                .of(&picture, side, &mut stream, resizer)
                .map_err(|problem| DataError::Undecodable { name: self.images.full_name(index), problem })?;
            batch.pixels.extend(pixels);
            batch.labels.push(label);
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::{ColourJitter, open, open_encoded, samples::sample};

    const TRAINING: PhotoView = PhotoView::Training { jitter: ColourJitter::PUBLISHED };

    fn sample_images() -> Arc<EncodedImages> {
        open_encoded(&sample("lmdb")).expect("the sample").train
    }

    fn in_order(images: &Arc<EncodedImages>, batching: Batching) -> PhotoBatches {
        let order: Vec<_> = (0..images.len()).collect();
        photo_batches(images, &order, batching, Streams::new(0), 0)
    }

    fn epoch(threads: usize, epoch: u64) -> Vec<PhotoBatch> {
        let batching = Batching { batch: 10, side: 24, threads, view: TRAINING };
        let (images, streams) = (sample_images(), Streams::new(1));
        let order = streams.stream(Purpose::Shuffle, epoch, 0).order(images.len());
        photo_batches(&images, &order, batching, streams, epoch)
            .collect::<Result<_, _>>()
            .expect("the sample")
    }

    #[test]
    fn an_epoch_depends_on_its_number_and_not_on_the_threads() {
        let first = epoch(1, 0);
        assert_eq!(first.iter().map(|batch| batch.labels.len()).collect::<Vec<_>>(), [10, 10, 4]);
        assert!(first.iter().all(|batch| batch.pixels.len() == batch.labels.len() * 3 * 24 * 24));
        for _ in 0..5 {
            assert!(epoch(4, 0) == first);
        }
        assert!(epoch(4, 1) != first);
        let mut labels: Vec<_> = first.into_iter().flat_map(|batch| batch.labels).collect();
        let mut expected = open(Some(&sample("lmdb"))).expect("the sample").train.labels;
        labels.sort_unstable();
        expected.sort_unstable();
        assert_eq!(labels, expected);
    }

    #[test]
    fn one_image_that_is_left_over_joins_the_batch_before() {
        // There are 24 images, in batches of 23.
        let batching = Batching { batch: 23, side: 24, threads: 2, view: PhotoView::Centre { share: 1.0 } };
        let lengths: Vec<_> =
            in_order(&sample_images(), batching).map(|b| b.expect("the sample").labels.len()).collect();
        assert_eq!(lengths, [24]);
    }

    #[test]
    fn in_order_and_whole_is_what_memory_holds() {
        let batching = Batching { batch: 24, side: 32, threads: 3, view: PhotoView::Centre { share: 1.0 } };
        let batch = in_order(&sample_images(), batching).next().expect("a batch").expect("the sample");
        let memory = open(Some(&sample("lmdb"))).expect("the sample").train;
        assert_eq!(batch.labels, memory.labels);
        let red: Vec<u8> = batch.pixels[..3 * 1024].iter().step_by(3).copied().collect();
        assert_eq!(red, memory.image(0)[..1024]);
    }

    #[test]
    fn dropping_it_early_ends_the_threads() {
        let batching = Batching { batch: 1, side: 24, threads: 2, view: TRAINING };
        let mut batches = in_order(&sample_images(), batching);
        batches.next().expect("a batch").expect("the sample");
        let shared = Arc::downgrade(&batches.shared);
        drop(batches);
        assert!(shared.upgrade().is_none(), "every thread has let go");
    }

    #[test]
    fn a_damaged_image_ends_the_pass_with_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let original = fs::read(sample("image-folder/train/cat/0003.jpg")).expect("the sample");
        for part in ["train", "val"] {
            let class = folder.path().join(part).join("cat");
            fs::create_dir_all(&class).expect("made");
            for image in 0..20 {
                fs::write(class.join(format!("{image:02}.jpg")), &original).expect("written");
            }
        }
        let damaged = folder.path().join("train/cat/17.jpg");
        fs::write(&damaged, &original[..400]).expect("written");
        let images = open_encoded(folder.path()).expect("a data set").train;
        let batching = Batching { batch: 5, side: 24, threads: 2, view: PhotoView::Centre { share: 1.0 } };
        let batches: Vec<_> = in_order(&images, batching).collect();
        assert_eq!(batches.len(), 4);
        assert!(batches[..3].iter().all(Result::is_ok));
        let error = batches[3].as_ref().expect_err("damaged").to_string();
        assert!(error.starts_with(&format!("image `{}`: ", damaged.display())), "{error}");
    }
}
