//! The Python layout of CIFAR: every file is a pickled dict, written by Python 2 or 3.

use std::path::Path;

use super::{
    DataError, DataSet, Images, cifar,
    cifar::{Cifar, Cifar100Labels},
    numpy,
};
use crate::pickle::{self, Value};

/// Reads `data_batch_1` to `data_batch_5` and `test_batch` of CIFAR-10, `train` and `test` of CIFAR-100.
pub(super) fn read(cifar: Cifar, folder: &Path) -> Result<DataSet, DataError> {
    let (train_files, test_file) = cifar::files(cifar, folder, "")?;
    let mut train = Images::empty(cifar::SIDE);
    for path in &train_files {
        append(cifar, path, &mut train)?;
    }
    let mut test = Images::empty(cifar::SIDE);
    append(cifar, &test_file, &mut test)?;
    Ok(cifar.data_set(read_names(cifar, folder)?, train, test))
}

fn append(cifar: Cifar, path: &Path, images: &mut Images) -> Result<(), DataError> {
    let labels_key = match cifar {
        Cifar::Ten => "labels",
        Cifar::Hundred(Cifar100Labels::Fine) => "fine_labels",
        Cifar::Hundred(Cifar100Labels::Coarse) => "coarse_labels",
    };
    let malformed = |problem: String| DataError::Malformed { path: path.to_owned(), problem };
    let bytes = super::read_file(path)?;
    let pickle = pickle::read(&bytes).map_err(|error| malformed(error.to_string()))?;
    let part = |key| required(pickle.root(), key).map_err(malformed);
    let array =
        numpy::Array::read(part("data")?).map_err(|problem| malformed(format!("`data` {problem}")))?;
    let shape = match array.shape[..] {
        // The same bytes in another shape, as some programs store them.
        [count, 3, cifar::SIDE, cifar::SIDE] => [count, cifar::PIXELS].to_vec(),
        _ => array.shape.clone(),
    };
    let (Some(pixels), &[count, cifar::PIXELS]) = (array.bytes(), &shape[..]) else {
        let shape = &array.shape;
        return Err(malformed(format!("`data` has shape {shape:?}, expected [N, {}] bytes", cifar::PIXELS)));
    };
    let labels = numpy::integers(part(labels_key)?)
        .map_err(|problem| malformed(format!("`{labels_key}` {problem}")))?;
    if labels.len() != count || count == 0 {
        let labelled = labels.len();
        return Err(malformed(format!("it has {count} images and {labelled} labels")));
    }
    for (record, label) in labels.into_iter().enumerate() {
        images.labels.push(cifar.check_label(label, record, path)?);
    }
    images.pixels.extend_from_slice(pixels);
    Ok(())
}

/// Reads class names from `batches.meta` or `meta`; returns the official ones if the file does not exist.
fn read_names(cifar: Cifar, folder: &Path) -> Result<Vec<String>, DataError> {
    let (file, key) = match cifar {
        Cifar::Ten => ("batches.meta", "label_names"),
        Cifar::Hundred(Cifar100Labels::Fine) => ("meta", "fine_label_names"),
        Cifar::Hundred(Cifar100Labels::Coarse) => ("meta", "coarse_label_names"),
    };
    let path = folder.join(file);
    if !path.is_file() {
        return Ok(cifar.official_classes().iter().map(|&name| name.to_owned()).collect());
    }
    let malformed = |problem: String| DataError::Malformed { path: path.clone(), problem };
    let bytes = super::read_file(&path)?;
    let pickle = pickle::read(&bytes).map_err(|error| malformed(error.to_string()))?;
    let names = required(pickle.root(), key).map_err(malformed)?;
    let no_names = || malformed(format!("`{key}` is no list of names"));
    let items = names.items().ok_or_else(no_names)?;
    // The number is checked before the names are copied: a list may hold one long text a million times.
    cifar.check_names(items.len(), &path)?;
    items.map(|name| name.text().map(|text| text.into_owned()).ok_or_else(no_names)).collect()
}

fn required<'p, 'a>(root: Value<'p, 'a>, key: &str) -> Result<Value<'p, 'a>, String> {
    match root.entries() {
        None => Err(format!("it is {}, expected a dict", root.kind())),
        Some(_) => root.get(key).ok_or_else(|| format!("it has no `{key}`")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::data::{Options, open, open_with, samples::sample};

    #[test]
    fn every_layout_holds_the_same_images() {
        let ten = ["cifar-10-batches-bin", "cifar-10-batches-py", "cifar-10-batches-py3"];
        let hundred = ["cifar-100-binary", "cifar-100-python", "cifar-100-python3"];
        for folders in [ten, hundred] {
            for cifar_100 in [Cifar100Labels::Fine, Cifar100Labels::Coarse] {
                let options = Options { cifar_100, ..Options::default() };
                let [first, second, third] =
                    folders.map(|folder| open_with(Some(&sample(folder)), &options).expect("the sample"));
                assert!(first == second && second == third, "{folders:?}");
            }
        }
    }

    #[test]
    fn labels_may_be_scalars_of_numpy() {
        let data = open(Some(&sample("cifar-10-numpy-labels"))).expect("the sample");
        assert_eq!(data.train.labels, (0..10).collect::<Vec<_>>());
        assert_eq!(data.test.labels, [0, 1]);
    }

    #[test]
    fn a_negative_label_is_shown_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        for entry in fs::read_dir(sample("cifar-10-numpy-labels")).expect("the sample") {
            let path = entry.expect("an entry").path();
            fs::copy(&path, folder.path().join(path.file_name().expect("a name"))).expect("copied");
        }
        let path = folder.path().join("data_batch_2");
        let mut bytes = fs::read(&path).expect("a batch");
        // The second label of the batch, 3, is the last eight bytes that end in zeros.
        let label = [3, 0, 0, 0, 0, 0, 0, 0];
        let at = bytes.windows(8).rposition(|window| window == label).expect("it is there");
        bytes[at..at + 8].copy_from_slice(&(-1_i64).to_le_bytes());
        fs::write(&path, bytes).expect("written");
        let error = open(Some(folder.path())).expect_err("no such class").to_string();
        assert_eq!(
            error,
            format!("record 1 of `{}` has label -1; CIFAR-10 has labels 0 to 9", path.display())
        );
    }

    #[test]
    fn damage_is_named_with_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("test");
        let train = fs::read(sample("cifar-100-python/train")).expect("the sample");
        let check = |test: &[u8], expected: &str| {
            fs::write(folder.path().join("train"), &train).expect("written");
            fs::write(&path, test).expect("written");
            let error = open(Some(folder.path())).expect_err("damaged").to_string();
            assert_eq!(error, expected.replace("FILE", &path.display().to_string()));
        };
        check(
            &train[..5000],
            "`FILE` is not what its name promises: the pickle ends in the middle, after 5000 bytes",
        );
        check(b"N.", "`FILE` is not what its name promises: it is None, expected a dict");
        check(b"}.", "`FILE` is not what its name promises: it has no `data`");
    }

    proptest::proptest! {
        #[test]
        fn damage_never_panics(at in 0_usize..12_559, byte: u8) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("batch");
            let mut bytes = fs::read(sample("cifar-10-batches-py/data_batch_1")).expect("the sample");
            // Half of the damage goes where the structure is, not the pixels.
            let at = if at % 2 == 0 { at % 270 } else { at };
            bytes[at] = byte;
            fs::write(&path, bytes).expect("written");
            let _ = append(Cifar::Ten, &path, &mut Images::empty(cifar::SIDE));
        }
    }
}
