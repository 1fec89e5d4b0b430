//! CIFAR-10 in its binary layout: records of a label byte and 3×32×32 pixel bytes.
//!
//! Layout: <https://www.cs.toronto.edu/~kriz/cifar.html>.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{DataError, DataSet, Images};

/// Height and width of a CIFAR image.
pub(super) const SIDE: usize = 32;
const PIXELS: usize = 3 * SIDE * SIDE;

/// Mean and standard deviation that the field uses for CIFAR-10, the published search too.
pub(super) const STATISTICS_10: ([f32; 3], [f32; 3]) = ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]);

pub(super) const NAME_10: &str = "CIFAR-10";
pub(super) const CLASSES_10: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// One kind of binary record: label bytes, the last of which counts, then pixels.
struct Records {
    name: &'static str,
    label_bytes: usize,
    classes: usize,
    /// Records of a file in the official archive.
    official: usize,
}

impl Records {
    fn bytes(&self) -> usize {
        self.label_bytes + PIXELS
    }

    /// Appends the records of a file.
    fn read(&self, path: &Path, images: &mut Images) -> Result<(), DataError> {
        let bytes = fs::read(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
        self.append(&bytes, path, images)
    }

    fn append(&self, bytes: &[u8], path: &Path, images: &mut Images) -> Result<(), DataError> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(self.bytes()) {
            return Err(DataError::Truncated {
                path: path.to_owned(),
                found: bytes.len() as u64,
                expected: format!(
                    "whole records of {} (a complete file of {} has {})",
                    self.bytes(),
                    self.name,
                    self.official * self.bytes()
                ),
            });
        }
        images.pixels.reserve(bytes.len());
        for (record, bytes) in bytes.chunks_exact(self.bytes()).enumerate() {
            let (labels, pixels) = bytes.split_at(self.label_bytes);
            let label = labels[self.label_bytes - 1];
            if usize::from(label) >= self.classes {
                return Err(DataError::LabelOutOfRange {
                    path: path.to_owned(),
                    record,
                    label: label.into(),
                    name: self.name,
                    classes: self.classes,
                });
            }
            images.labels.push(label.into());
            images.pixels.extend_from_slice(pixels);
        }
        Ok(())
    }
}

/// Reads the binary layout of CIFAR-10: `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`.
pub(super) fn read_10(folder: &Path) -> Result<DataSet, DataError> {
    let records = Records { name: NAME_10, label_bytes: 1, classes: 10, official: 10_000 };
    let mut train = Images::empty(SIDE);
    for path in batches(folder, ".bin")? {
        records.read(&path, &mut train)?;
    }
    let mut test = Images::empty(SIDE);
    records.read(&folder.join("test_batch.bin"), &mut test)?;
    let (mean, std) = STATISTICS_10;
    let classes = names(&folder.join("batches.meta.txt"), &CLASSES_10)?;
    Ok(DataSet { name: NAME_10.into(), classes, train, test, mean, std })
}

/// The five training batches of CIFAR-10; all of them, and the test batch, have to be there.
pub(super) fn batches(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, DataError> {
    let test = folder.join(format!("test_batch{ending}"));
    let train: Vec<_> = (1..=5).map(|batch| folder.join(format!("data_batch_{batch}{ending}"))).collect();
    for path in train.iter().chain([&test]) {
        if !path.is_file() {
            let beside = if path == &train[0] { "test_batch" } else { "data_batch_1" };
            return Err(DataError::MissingFile {
                path: path.clone(),
                layout: NAME_10,
                beside: format!("{beside}{ending}"),
            });
        }
    }
    Ok(train)
}

/// Class names, one a line; the official ones if the file is not there.
fn names(path: &Path, official: &[&str]) -> Result<Vec<String>, DataError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => official.join("\n"),
        Err(source) => return Err(DataError::Read { path: path.to_owned(), source }),
    };
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
    if names.len() == official.len() {
        return Ok(names);
    }
    Err(DataError::Malformed {
        path: path.to_owned(),
        problem: format!("it names {} classes, expected {}", names.len(), official.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::open;

    fn sample() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/samples/cifar-10-batches-bin")
    }

    /// A copy of the sample that a test may damage.
    fn copy() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for entry in fs::read_dir(sample()).expect("the sample") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copied");
        }
        folder
    }

    #[test]
    fn the_official_layout_is_read_in_order() {
        let data = open(Some(&sample())).expect("the sample");
        assert_eq!((data.name.as_str(), data.train.len(), data.test.len()), ("CIFAR-10", 20, 20));
        assert_eq!(data.classes, CLASSES_10);
        assert_eq!((data.mean, data.std), STATISTICS_10);
        let third = fs::read(sample().join("data_batch_3.bin")).expect("a batch");
        // Four images a batch: image 8 is the first of the third batch.
        assert_eq!(data.train.labels[8], u16::from(third[0]));
        assert_eq!(data.train.image(8), &third[1..3073]);
    }

    #[test]
    fn the_folder_above_will_do() {
        let above = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(sample(), above.path().join("cifar-10-batches-bin")).expect("linked");
        let data = open(Some(above.path())).expect("the sample");
        assert_eq!(data.fingerprint(), open(Some(&sample())).expect("the sample").fingerprint());
    }

    #[test]
    fn a_truncated_batch_is_named_with_its_size() {
        let folder = copy();
        let path = folder.path().join("data_batch_3.bin");
        fs::OpenOptions::new().write(true).open(&path).and_then(|f| f.set_len(7000)).expect("cut");
        assert_eq!(
            open(Some(folder.path())).expect_err("truncated").to_string(),
            format!(
                "`{}` is truncated: it has 7000 bytes, expected whole records of 3073 (a complete file of CIFAR-10 \
                 has 30730000); download or copy it again",
                path.display()
            )
        );
    }

    #[test]
    fn a_label_out_of_range_is_named_with_file_and_record() {
        let folder = copy();
        let path = folder.path().join("test_batch.bin");
        let mut bytes = fs::read(&path).expect("a batch");
        bytes[2 * 3073] = 10;
        fs::write(&path, bytes).expect("written");
        assert_eq!(
            open(Some(folder.path())).expect_err("wrong label").to_string(),
            format!("record 2 of `{}` has label 10; CIFAR-10 has labels 0 to 9", path.display())
        );
    }

    #[test]
    fn a_missing_batch_is_named() {
        let folder = copy();
        let path = folder.path().join("data_batch_4.bin");
        fs::remove_file(&path).expect("removed");
        assert_eq!(
            open(Some(folder.path())).expect_err("a batch is missing").to_string(),
            format!(
                "`{}` is missing: CIFAR-10 needs it beside `data_batch_1.bin`; unpack the archive again",
                path.display()
            )
        );
    }

    #[test]
    fn other_pixels_or_labels_give_another_fingerprint() {
        let data = open(Some(&sample())).expect("the sample");
        let mut brighter = data.clone();
        brighter.test.pixels[5] ^= 1;
        let mut relabelled = data.clone();
        relabelled.train.labels.swap(0, 1);
        assert_ne!(data.train.labels[0], data.train.labels[1]);
        assert_ne!(data.fingerprint(), brighter.fingerprint());
        assert_ne!(data.fingerprint(), relabelled.fingerprint());
    }
}
