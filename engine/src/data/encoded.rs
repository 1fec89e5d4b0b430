//! Photographs that stay encoded until they are needed.

pub(super) mod folder;
pub(super) mod lmdb;

use std::{
    panic,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use fast_image_resize::Resizer;

use super::{
    DataError, DataSet, Images,
    lmdb::Environment,
    picture::{Picture, append_planes},
    record,
};

/// A data set of photographs in two parts.
#[derive(Debug)]
pub struct EncodedDataSet {
    /// The folder's name.
    pub name: String,
    /// Names of the classes, by label.
    pub classes: Vec<String>,
    pub train: Arc<EncodedImages>,
    /// Reported, never used to choose.
    pub valid: Arc<EncodedImages>,
}

/// One part: names of images, and where their bytes are.
#[derive(Debug)]
pub struct EncodedImages {
    /// The part's folder, before the names in messages.
    folder: PathBuf,
    /// `class/file`, in the order of the list.
    names: Vec<String>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Files, and each one's label.
    Files(Vec<u16>),
    /// Records, which hold their labels; class folders of the names, with the labels they have to have.
    Records { environment: Environment, classes: Vec<String>, list: PathBuf },
}

/// The bytes of one image's file, and its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    pub bytes: Vec<u8>,
    pub label: u16,
}

impl EncodedDataSet {
    /// Identifies names and classes, not pixels: to read every photograph may take longer than an
    /// epoch. 64 hexadecimal digits.
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
    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Names of all images, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Name of image `index`, such as `bird/0002.jpg`.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn name(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// Reads image `index`.
    ///
    /// # Errors
    /// If it cannot be read, is not where the list says, or has another label than its class.
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

    /// Reads and decodes image `index`.
    ///
    /// # Errors
    /// As [`Self::read`], and if the bytes are no whole JPEG or PNG.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn decode(&self, index: usize) -> Result<(Picture, u16), DataError> {
        let Encoded { bytes, label } = self.read(index)?;
        // A decoder that panics on an image has met damage that it does not know.
        let picture = panic::catch_unwind(|| Picture::decode(&bytes))
            .unwrap_or_else(|_| Err("the decoder failed on it".into()))
            .map_err(|problem| DataError::Undecodable { name: self.full_name(index), problem })?;
        Ok((picture, label))
    }

    /// The name that messages give.
    pub(super) fn full_name(&self, index: usize) -> String {
        self.folder.join(self.name(index)).display().to_string()
    }

    /// Decodes all images, in as many threads as there are processors.
    fn decode_all(&self, side: usize) -> Result<Images, DataError> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(self.len().max(1));
        let too_large = || DataError::TooLarge { images: self.len(), side };
        let mut images = Images::empty(side);
        let bytes = self.len().checked_mul(images.stride()).ok_or_else(too_large)?;
        images.pixels.try_reserve_exact(bytes).map_err(|_| too_large())?;

        let share = self.len().div_ceil(threads).max(1);
        // The first image that fails stops the others, so that its message comes soon.
        let failed_at = AtomicUsize::new(usize::MAX);
        let decode_part = |start: usize| {
            let (mut part, mut resizer) = (Images::empty(side), Resizer::new());
            for index in start..self.len().min(start + share) {
                if failed_at.load(Ordering::Relaxed) < index {
                    break;
                }
                self.append(index, &mut part, &mut resizer).inspect_err(|_| {
                    failed_at.fetch_min(index, Ordering::Relaxed);
                })?;
            }
            Ok(part)
        };
        let parts: Vec<Result<Images, DataError>> = thread::scope(|scope| {
            let starts = (0..self.len()).step_by(share);
            let workers: Vec<_> = starts.map(|start| scope.spawn(move || decode_part(start))).collect();
            let join = |worker: thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
            };
            workers.into_iter().map(join).collect()
        });
        for part in parts {
            let part = part?;
            images.pixels.extend(part.pixels);
            images.labels.extend(part.labels);
        }
        Ok(images)
    }

    fn append(&self, index: usize, images: &mut Images, resizer: &mut Resizer) -> Result<(), DataError> {
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
    /// Decodes everything into memory, cropped to the central square and resized.
    ///
    /// # Errors
    /// If an image is damaged: its name; nothing is skipped.
    pub fn decode(&self, side: usize) -> Result<DataSet, DataError> {
        let (train, test) = (self.train.decode_all(side)?, self.valid.decode_all(side)?);
        Ok(DataSet::with_own_statistics(self.name.clone(), self.classes.clone(), train, test))
    }
}

/// The class folder of an image's name.
fn class_of(name: &str) -> Option<&str> {
    name.rsplit_once('/').map(|(folder, _)| folder)
}

/// Refuses parts that do not have the same classes.
fn compare_classes(train: &[String], valid: &[String]) -> Result<(), DataError> {
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
