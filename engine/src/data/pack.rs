//! Packs an image folder into LMDB environments, which a slow or shared disk reads much faster.
//!
//! The result appears whole or not at all: everything is written to a folder beside the target, whose journal
//! lets an interrupted packing continue, and which is renamed in the end.

mod journal;

use std::{
    fmt, fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use fast_image_resize::Resizer;

use self::journal::Journal;
use super::{
    DataError, EncodedDataSet, EncodedImages, Skipped,
    encoded::{compare_classes, folder, lmdb},
    faults::FaultList,
    lmdb::writer::{LONGEST_KEY, Writer},
    picture::Picture,
    record, survey_parts,
};

/// The number of images between two entries in the journal.
const STEP: usize = 256;
/// JPEG quality of resized images, at which compression changes nothing visible.
const JPEG_QUALITY: u8 = 95;

/// Why a folder was not packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("`{}` is already there: remove it, or pack to another folder", .0.display())]
    TargetExists(PathBuf),
    #[error("another `pack` is writing `{}`: wait for it, or stop it", .0.display())]
    Busy(PathBuf),
    #[error("cannot write `{}`: {reason}", path.display())]
    Write { path: PathBuf, reason: io::Error },
    #[error("the name of image `{name}` has {} bytes; LMDB stores names up to {LONGEST_KEY}", name.len())]
    LongName { name: String },
    #[error("image `{name}` was packed, but reads back differently ({problem}): pack again to another disk")]
    NotVerified { name: String, problem: String },
    #[error("interrupted after {done} of {total} images: the same command continues there")]
    Interrupted { done: usize, total: usize },
}

/// Options of packing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackOptions {
    /// Images whose shorter side in pixels is longer than this are shrunk to it; with `None` files are kept
    /// byte for byte.
    pub shorter_side: Option<usize>,
    /// The greatest number of images that are left out because they cannot be read, each named.
    pub skip_faulty: usize,
}

/// The progress of packing or verifying.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PackProgress {
    /// The number of images of both parts that are done.
    pub done: usize,
    pub total: usize,
    /// The rate since this process started.
    pub images_per_second: f64,
    /// The time until the end at this rate.
    pub left: Option<Duration>,
}

impl fmt::Display for PackProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} images, {:.0} a second", self.done, self.total, self.images_per_second)?;
        match self.left.map(|left| left.as_secs()) {
            None => Ok(()),
            Some(seconds @ 0..60) => write!(f, ", {seconds} s left"),
            Some(seconds) => write!(f, ", {} min left", seconds.div_ceil(60)),
        }
    }
}

/// Called from time to time with the progress. It may end the work; packing the same folder with the same options
/// then continues there.
pub type Report<'a> = &'a mut dyn FnMut(PackProgress) -> ControlFlow<()>;

/// Packs `train` and `val` of an image folder into a new folder, beside the lists of their keys and the names
/// of the classes.
///
/// Returns sentences about what is unusual but no error.
///
/// # Errors
/// If the source is no image folder, images in it cannot be decoded (all are read, and the same packing
/// continues once they are repaired), the target exists or cannot be written, or `report` ended the work.
pub fn pack(
    source: &Path,
    target: &Path,
    options: PackOptions,
    report: Report<'_>,
) -> Result<Vec<String>, PackError> {
    if target.exists() {
        return Err(PackError::TargetExists(target.to_owned()));
    }
    let mut images = folder::list(source)?;
    let skipped = leave_out_faulty(&mut images, options)?;
    let partial = partial_folder(target);
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| PackError::Write { path, reason: source }
    };
    fs::create_dir_all(&partial).map_err(at(&partial))?;
    let lock = fs::File::open(&partial).map_err(at(&partial))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| PackError::Busy(partial.clone()))?;

    let mut clock = PackingClock::start(images.train.len() + images.valid.len());
    let mut faults = FaultList::default();
    for (part, images) in [("train", &images.train), ("val", &images.valid)] {
        pack_part(images, &partial, part, options, &mut faults, &mut clock, report)?;
        let list = lmdb::list_file(&partial, part);
        fs::write(&list, lines(images.names())).map_err(at(&list))?;
    }
    faults.into_result(source)?;
    let classes = partial.join(lmdb::CLASSES_FILE);
    fs::write(&classes, lines(&images.classes)).map_err(at(&classes))?;
    for part in ["train", "val"] {
        Journal::remove(&partial, part).map_err(at(&partial))?;
    }
    fs::rename(&partial, target).map_err(at(target))?;
    let patched = images.patched();
    Ok(images.notes.iter().cloned().chain(patched).chain(skipped).collect())
}

/// Leaves out faulty images as far as the options allow; returns a sentence for each.
fn leave_out_faulty(images: &mut EncodedDataSet, options: PackOptions) -> Result<Vec<String>, DataError> {
    if options.skip_faulty == 0 {
        return Ok(Vec::new()); // What is faulty is found as it is packed.
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let Skipped { train, valid, notes } =
        survey_parts(&images.train, &images.valid, options.skip_faulty, threads, &|| false)?;
    for (part, faulty) in [(&mut images.train, train), (&mut images.valid, valid)] {
        if let Some(part) = Arc::get_mut(part) {
            part.retain(|index, _| !faulty.contains(&index));
        }
    }
    // If a class lost all its images, the packed parts could not be opened.
    compare_classes(&images.train.class_folders(), &images.valid.class_folders())?;
    Ok(notes)
}

/// Reads everything back: each record exists, has the label of its class, is a whole image, and, unless
/// images were shrunk, has the bytes of its file.
///
/// # Errors
/// If an image differs; the error names the first one.
pub fn verify(
    source: &Path,
    target: &Path,
    options: PackOptions,
    report: Report<'_>,
) -> Result<(), PackError> {
    let (mut original, packed) = (folder::list(source)?, lmdb::list(target)?);
    leave_out_faulty(&mut original, options)?;
    let mut clock = PackingClock::start(original.train.len() + original.valid.len());
    let EncodedDataSet { train, valid, .. } = &original;
    for (original, packed) in [(train, &packed.train), (valid, &packed.valid)] {
        if original.names() != packed.names() {
            let name = packed.full_name(0);
            return Err(PackError::NotVerified { name, problem: "the lists differ".into() });
        }
        for start in (0..original.len()).step_by(STEP) {
            let indices: Vec<_> = (start..original.len().min(start + STEP)).collect();
            in_parallel(&indices, |index| verify_image(original, packed, index, options))?;
            clock.advance(indices.len(), report)?;
        }
    }
    Ok(())
}

fn verify_image(
    original: &EncodedImages,
    packed: &EncodedImages,
    index: usize,
    options: PackOptions,
) -> Result<(), PackError> {
    let (file, record) = (original.read(index)?, packed.read(index)?);
    let differs =
        |problem: &str| PackError::NotVerified { name: packed.full_name(index), problem: problem.into() };
    if file.label != record.label {
        return Err(differs("another label"));
    }
    if options.shorter_side.is_none() && file.bytes != record.bytes {
        return Err(differs("other bytes"));
    }
    packed.decode(index)?;
    Ok(())
}

/// The folder in which the packing is stored until it is complete.
fn partial_folder(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    target.with_file_name(name)
}

fn lines(names: &[String]) -> String {
    names.iter().flat_map(|name| [name, "\n"]).collect()
}

fn pack_part(
    images: &EncodedImages,
    partial: &Path,
    part: &str,
    options: PackOptions,
    faults: &mut FaultList,
    clock: &mut PackingClock,
    report: Report<'_>,
) -> Result<(), PackError> {
    if let Some(name) = images.names().iter().find(|name| name.len() > LONGEST_KEY) {
        return Err(PackError::LongName { name: name.clone() });
    }
    let path = partial.join(part).join("data.mdb");
    let failed = |source| PackError::Write { path: path.clone(), reason: source };
    fs::create_dir_all(partial.join(part)).map_err(failed)?;
    let (mut journal, entries) = Journal::open(partial, part, images, options).map_err(failed)?;
    let (mut writer, held) = Writer::open(&path, entries).map_err(failed)?;
    journal.keep(held).map_err(failed)?;
    clock.skip(held);
    for start in (held..images.len()).step_by(STEP) {
        let indices: Vec<_> = (start..images.len().min(start + STEP)).collect();
        let records = records_of(images, &indices, options, faults)?;
        if !faults.is_empty() {
            // Nothing is written any more, but all faults are still found.
            clock.advance(indices.len(), report)?;
            continue;
        }
        let mut written = Vec::with_capacity(records.len());
        for (&index, record) in indices.iter().zip(&records) {
            written.push(writer.append(images.name(index), record).map_err(failed)?.clone());
        }
        // The values that the journal lists have to be on the disk first.
        writer.sync().map_err(failed)?;
        journal.add(&written).map_err(failed)?;
        clock.advance(indices.len(), report)?;
    }
    if faults.is_empty() { writer.finish().map_err(failed) } else { Ok(()) }
}

/// The records of the images that can be decoded.
fn records_of(
    images: &EncodedImages,
    indices: &[usize],
    options: PackOptions,
    faults: &mut FaultList,
) -> Result<Vec<Vec<u8>>, PackError> {
    let results = in_parallel(indices, |index| Ok(record_of(images, index, options)))?;
    let mut records = Vec::with_capacity(results.len());
    for result in results {
        match result {
            Ok(record) => records.push(record),
            Err(PackError::Data(fault)) => faults.add(fault),
            Err(other) => return Err(other),
        }
    }
    Ok(records)
}

fn record_of(images: &EncodedImages, index: usize, options: PackOptions) -> Result<Vec<u8>, PackError> {
    let file = images.check(index)?;
    let Some(shorter) = options.shorter_side else { return Ok(record::encode(&file.bytes, file.label)) };
    let (picture, label) = images.decode(index)?;
    if picture.width.min(picture.height) <= shorter {
        return Ok(record::encode(&file.bytes, label));
    }
    let undecodable = |problem| DataError::Undecodable { name: images.full_name(index), problem };
    let small = shrink(&picture, shorter).map_err(undecodable)?;
    Ok(record::encode(&small, label))
}

/// A JPEG file whose shorter side has this length in pixels.
fn shrink(picture: &Picture, shorter: usize) -> Result<Vec<u8>, String> {
    let scale = shorter as f64 / picture.width.min(picture.height) as f64;
    let scaled = |side: usize| ((side as f64 * scale).round() as usize).max(shorter);
    let (width, height) = (scaled(picture.width), scaled(picture.height));
    let rgb = picture.resize_to(picture.whole(), width, height, &mut Resizer::new())?;
    let too_large = |_| format!("{width}×{height} is more than JPEG holds");
    let (width, height) =
        (u16::try_from(width).map_err(too_large)?, u16::try_from(height).map_err(too_large)?);
    let mut bytes = Vec::new();
    jpeg_encoder::Encoder::new(&mut bytes, JPEG_QUALITY)
        .encode(&rgb, width, height, jpeg_encoder::ColorType::Rgb)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Applies `work` to each index, in as many threads as there are processors; returns the results in order.
fn in_parallel<T: Send>(
    indices: &[usize],
    work: impl Fn(usize) -> Result<T, PackError> + Sync,
) -> Result<Vec<T>, PackError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = indices.len().div_ceil(threads).max(1);
    let work = &work;
    let run = |part: &[usize]| part.iter().map(|&index| work(index)).collect::<Result<Vec<T>, _>>();
    thread::scope(|scope| {
        let workers: Vec<_> = indices.chunks(share).map(|part| scope.spawn(move || run(part))).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| {
            worker.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
        };
        let parts: Vec<Result<Vec<T>, PackError>> = workers.into_iter().map(join).collect();
        parts.into_iter().collect::<Result<Vec<_>, _>>().map(|parts| parts.into_iter().flatten().collect())
    })
}

/// Counts images, and estimates how long the remaining ones will take.
struct PackingClock {
    started: Instant,
    total: usize,
    done: usize,
    /// The number of images that an earlier process packed.
    skipped: usize,
}

impl PackingClock {
    fn start(total: usize) -> Self {
        Self { started: Instant::now(), total, done: 0, skipped: 0 }
    }

    fn skip(&mut self, images: usize) {
        self.done += images;
        self.skipped += images;
    }

    fn advance(&mut self, images: usize, report: Report<'_>) -> Result<(), PackError> {
        self.done += images;
        let elapsed = self.started.elapsed().as_secs_f64().max(1e-9);
        let images_per_second = (self.done - self.skipped) as f64 / elapsed;
        let seconds = (self.total - self.done) as f64 / images_per_second;
        let left = Duration::try_from_secs_f64(seconds).ok();
        let progress = PackProgress { done: self.done, total: self.total, images_per_second, left };
        match report(progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(PackError::Interrupted { done: self.done, total: self.total }),
        }
    }
}

#[cfg(test)]
mod tests;
