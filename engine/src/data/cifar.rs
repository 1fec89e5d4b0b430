//! CIFAR-10 and CIFAR-100: what their two layouts share, and the reader of the binary layout.
//!
//! Binary records are label bytes followed by 3×32×32 pixel bytes. Source of the layouts:
//! <https://www.cs.toronto.edu/~kriz/cifar.html>.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{DataError, DataSet, LabelledImages, cifar_names};

/// Height and width of a CIFAR image in pixels.
pub(super) const SIDE: usize = 32;
/// Size of a CIFAR image in bytes.
pub(super) const PIXELS: usize = 3 * SIDE * SIDE;

/// Which of the two labels of a CIFAR-100 image is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cifar100Labels {
    /// The label among 100 classes.
    #[default]
    Fine,
    /// The label among 20 groups of classes.
    Coarse,
}

/// One of the CIFAR data sets, with the labels that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cifar {
    Ten,
    Hundred(Cifar100Labels),
}

impl Cifar {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ten => "CIFAR-10",
            Self::Hundred(Cifar100Labels::Fine) => "CIFAR-100",
            Self::Hundred(Cifar100Labels::Coarse) => "CIFAR-100 (coarse labels)",
        }
    }

    pub(super) fn official_classes(self) -> &'static [&'static str] {
        match self {
            Self::Ten => &cifar_names::CIFAR_10,
            Self::Hundred(Cifar100Labels::Fine) => &cifar_names::CIFAR_100,
            Self::Hundred(Cifar100Labels::Coarse) => &cifar_names::CIFAR_100_COARSE,
        }
    }

    /// Mean and standard deviation of each channel: the values that are generally used, also by the published search.
    fn statistics(self) -> ([f32; 3], [f32; 3]) {
        match self {
            Self::Ten => ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
            Self::Hundred(_) => ([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]),
        }
    }

    pub(super) fn data_set(
        self,
        classes: Vec<String>,
        train: LabelledImages,
        test: LabelledImages,
    ) -> DataSet {
        let (mean, std) = self.statistics();
        DataSet { name: self.name().into(), classes, train, test, mean, std, notes: Vec::new() }.with_notes()
    }

    /// Checks that a label names a class.
    pub(super) fn check_label(self, label: i128, record: usize, path: &Path) -> Result<u16, DataError> {
        let classes = self.official_classes().len();
        if (0..classes as i128).contains(&label) {
            return Ok(label as u16);
        }
        Err(DataError::LabelOutOfRange { path: path.to_owned(), record, label, name: self.name(), classes })
    }

    /// Checks that a file names as many classes as the data set has.
    pub(super) fn check_names(self, found: usize, path: &Path) -> Result<(), DataError> {
        let expected = self.official_classes().len();
        if found == expected {
            return Ok(());
        }
        let problem = format!("it names {found} classes, expected {expected}");
        Err(DataError::Malformed { path: path.to_owned(), problem })
    }

    /// The number of label bytes in a binary record, and the index of the one that is used.
    fn label_bytes(self) -> (usize, usize) {
        match self {
            Self::Ten => (1, 0),
            Self::Hundred(Cifar100Labels::Coarse) => (2, 0),
            Self::Hundred(Cifar100Labels::Fine) => (2, 1),
        }
    }

    /// Appends the records of a binary file.
    fn append(self, bytes: &[u8], path: &Path, images: &mut LabelledImages) -> Result<(), DataError> {
        let (label_bytes, counts) = self.label_bytes();
        let record_bytes = label_bytes + PIXELS;
        if bytes.is_empty() || !bytes.len().is_multiple_of(record_bytes) {
            return Err(DataError::Truncated {
                path: path.to_owned(),
                found: bytes.len() as u64,
                expected: format!(
                    "whole records of {record_bytes} (a complete one has 10000 of them or, for training \
                     images of CIFAR-100, 50000)"
                ),
            });
        }
        images.pixels.reserve(bytes.len());
        for (record, bytes) in bytes.chunks_exact(record_bytes).enumerate() {
            let (labels, pixels) = bytes.split_at(label_bytes);
            images.labels.push(self.check_label(labels[counts].into(), record, path)?);
            images.pixels.extend_from_slice(pixels);
        }
        Ok(())
    }

    fn read(self, paths: &[PathBuf]) -> Result<LabelledImages, DataError> {
        let mut images = LabelledImages::empty(SIDE);
        for path in paths {
            self.append(&super::read_file(path)?, path, &mut images)?;
        }
        Ok(images)
    }
}

/// Reads the binary layout: `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin` of CIFAR-10,
/// `train.bin` and `test.bin` of CIFAR-100.
pub(super) fn read(cifar: Cifar, folder: &Path) -> Result<DataSet, DataError> {
    let names = match cifar {
        Cifar::Ten => "batches.meta.txt",
        Cifar::Hundred(Cifar100Labels::Fine) => "fine_label_names.txt",
        Cifar::Hundred(Cifar100Labels::Coarse) => "coarse_label_names.txt",
    };
    let (train, test) = files(cifar, folder, ".bin")?;
    let classes = read_names(cifar, &folder.join(names))?;
    Ok(cifar.data_set(classes, cifar.read(&train)?, cifar.read(&[test])?))
}

/// The training files and the test file, all of which must exist.
pub(super) fn files(cifar: Cifar, folder: &Path, ending: &str) -> Result<(Vec<PathBuf>, PathBuf), DataError> {
    let file = |name: String| folder.join(format!("{name}{ending}"));
    let (train, test) = match cifar {
        Cifar::Ten => (
            (1..=5).map(|batch| file(format!("data_batch_{batch}"))).collect::<Vec<_>>(),
            file("test_batch".into()),
        ),
        Cifar::Hundred(_) => (vec![file("train".into())], file("test".into())),
    };
    let missing = train.iter().chain([&test]).find(|path| !path.is_file()).cloned();
    let Some(path) = missing else { return Ok((train, test)) };
    let beside = if path == train[0] { &test } else { &train[0] };
    let beside = beside.file_name().unwrap_or_default().to_string_lossy().into();
    Err(DataError::MissingFile { path, layout: cifar.name(), beside })
}

/// Reads class names, one a line; returns the official ones if the file does not exist.
fn read_names(cifar: Cifar, path: &Path) -> Result<Vec<String>, DataError> {
    let text = match super::read_text(path) {
        Err(DataError::Read { reason, .. }) if reason.kind() == io::ErrorKind::NotFound => {
            cifar.official_classes().join("\n")
        }
        read => read?,
    };
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
    cifar.check_names(names.clone().count(), path)?;
    Ok(names.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::{ReadOptions, open, open_with, samples::sample};

    /// A copy of the CIFAR-10 sample that a test may damage.
    fn copy() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for entry in fs::read_dir(sample("cifar-10-batches-bin")).expect("the sample") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copied");
        }
        folder
    }

    #[test]
    fn the_official_layout_is_read_in_order() {
        let data = open(Some(&sample("cifar-10-batches-bin"))).expect("the sample");
        assert_eq!((data.name.as_str(), data.train.len(), data.test.len()), ("CIFAR-10", 20, 20));
        assert_eq!(data.classes, cifar_names::CIFAR_10);
        assert_eq!((data.mean, data.std), Cifar::Ten.statistics());
        let third = fs::read(sample("cifar-10-batches-bin/data_batch_3.bin")).expect("a batch");
        // Four images a batch: image 8 is the first of the third batch.
        assert_eq!(data.train.labels[8], u16::from(third[0]));
        assert_eq!(data.train.image(8), &third[1..3073]);
    }

    #[test]
    fn both_labels_of_cifar_100_are_read() {
        let folder = sample("cifar-100-binary");
        let fine = open(Some(&folder)).expect("the sample");
        assert_eq!((fine.train.len(), fine.test.len(), fine.classes.len()), (24, 16, 100));
        let options = ReadOptions { cifar_100: Cifar100Labels::Coarse, ..ReadOptions::default() };
        let coarse = open_with(Some(&folder), &options).expect("the sample");
        assert_eq!((coarse.train.len(), coarse.classes.len()), (24, 20));
        let bytes = fs::read(folder.join("train.bin")).expect("the file");
        assert_eq!(
            [coarse.train.labels[1], fine.train.labels[1]],
            [3074, 3075].map(|at| u16::from(bytes[at]))
        );
        assert_eq!(fine.train.image(1), &bytes[3076..6148]);
        assert_eq!(fine.train.pixels, coarse.train.pixels);
    }

    #[test]
    fn the_folder_above_will_do() {
        let above = tempfile::tempdir().expect("a folder");
        let folder = sample("cifar-10-batches-bin");
        std::os::unix::fs::symlink(&folder, above.path().join("cifar-10-batches-bin")).expect("linked");
        let data = open(Some(above.path())).expect("the sample");
        assert_eq!(data.fingerprint(), open(Some(&folder)).expect("the sample").fingerprint());
    }

    #[test]
    fn a_truncated_batch_is_named_with_its_size() {
        let folder = copy();
        let path = folder.path().join("data_batch_3.bin");
        fs::OpenOptions::new().write(true).open(&path).and_then(|f| f.set_len(7000)).expect("cut");
        assert_eq!(
            open(Some(folder.path())).expect_err("truncated").to_string(),
            format!(
                "`{}` is truncated: it has 7000 bytes, expected whole records of 3073 (a complete one has 10000 \
                 of them or, for training images of CIFAR-100, 50000); download or copy it again",
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
        let data = open(Some(&sample("cifar-10-batches-bin"))).expect("the sample");
        let mut brighter = data.clone();
        brighter.test.pixels[5] ^= 1;
        let mut relabelled = data.clone();
        relabelled.train.labels.swap(0, 1);
        assert_ne!(data.train.labels[0], data.train.labels[1]);
        assert_ne!(data.fingerprint(), brighter.fingerprint());
        assert_ne!(data.fingerprint(), relabelled.fingerprint());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_records_or_an_error(
            records in 0_usize..3, rest in 0_usize..3, label: u8, hundred: bool,
        ) {
            let cifar = if hundred { Cifar::Hundred(Cifar100Labels::Fine) } else { Cifar::Ten };
            let length = records * (cifar.label_bytes().0 + PIXELS) + rest;
            let mut images = LabelledImages::empty(SIDE);
            let result = cifar.append(&vec![label; length], Path::new("batch"), &mut images);
            let good = records > 0 && rest == 0 && usize::from(label) < cifar.official_classes().len();
            proptest::prop_assert_eq!(result.is_ok(), good);
            proptest::prop_assert!(!good || images.len() == records);
        }
    }
}
