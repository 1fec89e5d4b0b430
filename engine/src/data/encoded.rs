//! Photographs that stay encoded until they are needed.

pub(super) mod folder;
pub(super) mod lmdb;
mod survey;

use std::{
    collections::{BTreeMap, BTreeSet},
    panic,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use fast_image_resize::Resizer;

use self::survey::FaultyPhoto;
pub use self::survey::{Skipped, survey_parts};
use super::{
    DataError, DataSet, LabelledImages, labels,
    lmdb::Environment,
    picture::{Picture, append_planes},
    record,
};

/// A data set of photographs, divided into training and validation images.
#[derive(Debug)]
pub struct EncodedDataSet {
    /// The name of the folder.
    pub name: String,
    /// The names of the classes, in the order of their labels.
    pub classes: Vec<String>,
    pub train: Arc<EncodedImages>,
    /// Images that results are reported on, and that no choice depends on.
    pub valid: Arc<EncodedImages>,
    /// Sentences about what is unusual but no error.
    pub notes: Vec<String>,
}

/// One part of a data set: the names of its images, and where their bytes are.
#[derive(Debug)]
pub struct EncodedImages {
    /// The folder of the part, which precedes the names in messages.
    folder: PathBuf,
    /// The name of each image, `class/file`, in the order of the list.
    names: Vec<String>,
    source: Source,
    /// Indices of the images in which stray bytes were left out.
    patched: Mutex<BTreeSet<usize>>,
    /// For each image, the size in bytes of the file that was found whole and without stray bytes; 0 if none was.
    whole: Vec<AtomicU32>,
}

#[derive(Debug)]
enum Source {
    /// Image files, with the label of each.
    Files(Vec<u16>),
    /// LMDB records, which hold their labels; and the class folders in the names, in the order of their
    /// labels.
    Records { environment: Environment, classes: Vec<String>, list: PathBuf },
}

/// The bytes of one image file, and its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    pub bytes: Vec<u8>,
    pub label: u16,
}

impl EncodedDataSet {
    /// A fingerprint of names and classes, 64 hexadecimal digits. It does not cover pixels: reading every
    /// photograph may take longer than an epoch.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for names in [&self.classes, &self.train.names, &self.valid.names] {
            hasher.update(&(names.len() as u64).to_le_bytes());
            for name in names {
                hasher.update(&(name.len() as u64).to_le_bytes());
                hasher.update(name.as_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

impl EncodedImages {
    fn new(folder: PathBuf, names: Vec<String>, source: Source) -> Self {
        let whole = none_checked(names.len());
        Self { folder, names, source, patched: Mutex::default(), whole }
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The class folders that have images, in order.
    pub(super) fn class_folders(&self) -> Vec<String> {
        let folders: BTreeSet<&str> = self.names.iter().filter_map(|name| class_of(name)).collect();
        folders.into_iter().map(str::to_owned).collect()
    }

    /// The names of all images, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of image `index`, such as `bird/0002.jpg`.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn name(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// Reads image `index`.
    ///
    /// # Errors
    /// If it cannot be read, is missing from where the list says, or has a label other than that of its
    /// class.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn read(&self, index: usize) -> Result<Encoded, DataError> {
        match &self.source {
            Source::Files(labels) => {
                let path = self.folder.join(self.name(index));
                Ok(Encoded { bytes: super::read_file(&path)?, label: labels[index] })
            }
            Source::Records { environment, classes, list } => {
                let encoded = self.read_record(index, environment, list)?;
                self.check_label(index, encoded.label, classes)?;
                Ok(encoded)
            }
        }
    }

    fn read_record(
        &self,
        index: usize,
        environment: &Environment,
        list: &Path,
    ) -> Result<Encoded, DataError> {
        let key = self.name(index);
        let Some(value) = environment.get(key.as_bytes())? else {
            let (list, environment) = (list.to_owned(), self.folder.join("data.mdb"));
            return Err(DataError::MissingKey { key: key.into(), list, environment });
        };
        match record::parse(&value) {
            Ok((bytes, label)) => Ok(Encoded { bytes: bytes.to_vec(), label }),
            Err(problem) => Err(DataError::Undecodable {
                name: self.full_name(index),
                problem: format!("its record {problem}"),
            }),
        }
    }

    fn check_label(&self, index: usize, found: u16, classes: &[String]) -> Result<(), DataError> {
        let expected = class_of(self.name(index)).and_then(|c| classes.iter().position(|name| name == c));
        match (expected, classes.get(usize::from(found))) {
            (Some(label), _) if label == usize::from(found) => Ok(()),
            (Some(label), _) => Err(DataError::DifferingLabel {
                name: self.full_name(index),
                class: classes[label].clone(),
                found,
                expected: label as u16,
            }),
            (None, Some(_)) => Ok(()),
            (None, None) => {
                let problem = format!("it has label {found}, there are {} classes", classes.len());
                Err(DataError::Undecodable { name: self.full_name(index), problem })
            }
        }
    }

    /// Reads and decodes image `index`. Whether its file is whole is checked when it is decoded for the first time, and
    /// whenever it has another size than then.
    ///
    /// # Errors
    /// Fails for the same reasons as [`Self::read`], and if the bytes are not a whole JPEG or PNG file.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn decode(&self, index: usize) -> Result<(Picture, u16), DataError> {
        let Encoded { bytes, label } = self.read(index)?;
        let before = self.whole[index].load(Ordering::Relaxed);
        let checked = before > 0 && before == size_of_file(bytes.len());
        let decode = if checked { Picture::decode_checked } else { Picture::decode_and_count };
        // A decoder that panics on an image has met damage that it does not recognise.
        let (picture, stray) = panic::catch_unwind(|| decode(&bytes))
            .unwrap_or_else(|_| Err("the decoder failed on it".into()))
            .map_err(|problem| DataError::Undecodable { name: self.full_name(index), problem })?;
        self.found(index, bytes.len(), stray);
        Ok((picture, label))
    }

    /// Checks that image `index` can be decoded, as far as this can be told without computing pixels.
    ///
    /// # Errors
    /// Fails for the same reasons as [`Self::decode`].
    ///
    /// # Panics
    /// If there is no such image.
    pub(super) fn check(&self, index: usize) -> Result<Encoded, DataError> {
        let encoded = self.read(index)?;
        let stray = panic::catch_unwind(|| Picture::check(&encoded.bytes))
            .unwrap_or_else(|_| Err("the decoder failed on it".into()))
            .map_err(|problem| DataError::Undecodable { name: self.full_name(index), problem })?;
        self.found(index, encoded.bytes.len(), stray);
        Ok(encoded)
    }

    /// Notes that an image's file was found whole, with so many stray bytes in it.
    fn found(&self, index: usize, bytes: usize, stray: usize) {
        if stray == 0 {
            self.whole[index].store(size_of_file(bytes), Ordering::Relaxed);
        } else {
            self.patched.lock().unwrap_or_else(PoisonError::into_inner).insert(index);
        }
    }

    /// A sentence about the images in which stray bytes were left out, if there were any so far.
    pub fn patched(&self) -> Option<String> {
        let patched = self.patched.lock().unwrap_or_else(PoisonError::into_inner);
        let first = self.name(*patched.first()?);
        Some(format!(
            "{}: {} of {} images have stray bytes between their segments, which were left out, as libjpeg does; the \
             first is `{first}`",
            self.folder.display(),
            patched.len(),
            self.len()
        ))
    }

    /// All labels; `None` if only the records hold them, because reading all records for this would take too
    /// long.
    fn labels(&self, classes: &[String]) -> Option<Vec<u16>> {
        if let Source::Files(labels) = &self.source {
            return Some(labels.clone());
        }
        let by_name: BTreeMap<_, _> =
            classes.iter().zip(0..).map(|(class, label): (_, u16)| (class.as_str(), label)).collect();
        self.names.iter().map(|name| by_name.get(class_of(name)?).copied()).collect()
    }

    /// The name of image `index` in messages.
    pub(super) fn full_name(&self, index: usize) -> String {
        self.folder.join(self.name(index)).display().to_string()
    }

    /// Keeps only the images for which `wanted`, given index and name, returns true.
    pub(super) fn retain(&mut self, wanted: impl Fn(usize, &str) -> bool) {
        let kept: Vec<bool> =
            self.names.iter().enumerate().map(|(index, name)| wanted(index, name)).collect();
        let mut of_name = kept.iter();
        self.names.retain(|_| of_name.next().is_some_and(|kept| *kept));
        if let Source::Files(labels) = &mut self.source {
            let mut of_label = kept.iter();
            labels.retain(|_| of_label.next().is_some_and(|kept| *kept));
        }
        self.patched = Mutex::default();
        self.whole = none_checked(self.names.len());
    }

    /// Decodes all images, in as many threads as there are processors; returns those that cannot be decoded
    /// beside the others.
    fn decode_all(&self, side: usize) -> Result<(Vec<FaultyPhoto>, LabelledImages), DataError> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(self.len().max(1));
        let too_large = || DataError::TooLarge { images: self.len(), side };
        let mut images = LabelledImages::empty(side);
        let bytes = self.len().checked_mul(images.stride()).ok_or_else(too_large)?;
        images.pixels.try_reserve_exact(bytes).map_err(|_| too_large())?;

        let share = self.len().div_ceil(threads).max(1);
        let decode_part = |start: usize| {
            let (mut part, mut resizer) = (LabelledImages::empty(side), Resizer::new());
            // A faulty image does not end the work, so that all of them can be reported together.
            let mut faults = Vec::new();
            for index in start..self.len().min(start + share) {
                if let Err(fault) = self.append(index, &mut part, &mut resizer) {
                    faults.push((index, fault));
                }
            }
            (part, faults)
        };
        let parts: Vec<(LabelledImages, Vec<FaultyPhoto>)> = thread::scope(|scope| {
            let starts = (0..self.len()).step_by(share);
            let workers: Vec<_> = starts.map(|start| scope.spawn(move || decode_part(start))).collect();
            let join = |worker: thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
            };
            workers.into_iter().map(join).collect()
        });
        let mut faults = Vec::new();
        for (part, of_part) in parts {
            faults.extend(of_part);
            images.pixels.extend(part.pixels);
            images.labels.extend(part.labels);
        }
        Ok((faults, images))
    }

    fn append(
        &self,
        index: usize,
        images: &mut LabelledImages,
        resizer: &mut Resizer,
    ) -> Result<(), DataError> {
        let (picture, label) = self.decode(index)?;
        let rgb = picture
            .resize(picture.centre(1.0), images.side, resizer)
            .map_err(|problem| DataError::Undecodable { name: self.full_name(index), problem })?;
        append_planes(&rgb, &mut images.pixels);
        images.labels.push(label);
        Ok(())
    }
}

impl EncodedDataSet {
    /// Decodes everything into memory, cropped to the central square and resized to `side` pixels. Up to
    /// `skip_faulty` images that cannot be decoded are left out and named in the notes.
    ///
    /// # Errors
    /// If more images than that are damaged; the message names them.
    pub fn decode(&self, side: usize, skip_faulty: usize) -> Result<DataSet, DataError> {
        let (skipped, [train, test]) =
            survey::skip([&self.train, &self.valid], skip_faulty, |part| part.decode_all(side))?;
        let mut data = DataSet::with_own_statistics(self.name.clone(), self.classes.clone(), train, test);
        // The notes about labels are there already, and are of the same labels.
        data.notes.clone_from(&self.notes);
        data.notes.extend(self.patched());
        data.notes.extend(skipped.notes);
        Ok(data)
    }

    /// Sentences about stray bytes in the images that were read so far.
    pub fn patched(&self) -> impl Iterator<Item = String> {
        [self.train.patched(), self.valid.patched()].into_iter().flatten()
    }

    /// Adds the notes about labels.
    fn noted(mut self) -> Self {
        if let Some(labels) = self.train.labels(&self.classes) {
            self.notes.extend(labels::note(&self.name, &self.classes, labels));
        }
        self
    }
}

/// The size of a file as it is remembered; 0 for one that is too large to be.
fn size_of_file(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(0)
}

/// No image that was found whole, of `count`.
fn none_checked(count: usize) -> Vec<AtomicU32> {
    (0..count).map(|_| AtomicU32::new(0)).collect()
}

/// The class folder of an image's name.
fn class_of(name: &str) -> Option<&str> {
    name.rsplit_once('/').map(|(folder, _)| folder)
}

/// Checks that both parts have the same classes.
pub(super) fn compare_classes(train: &[String], valid: &[String]) -> Result<(), DataError> {
    let missing_from = |these: &[String], others: &[String]| {
        others.iter().filter(|name| !these.contains(name)).cloned().collect::<Vec<_>>()
    };
    let (only_train, only_valid) = (missing_from(valid, train), missing_from(train, valid));
    if only_train.is_empty() && only_valid.is_empty() {
        return Ok(());
    }
    Err(DataError::DifferingClasses { only_train, only_valid })
}

fn folder_name(folder: &Path) -> String {
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    absolute.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
