//! LMDB environments in the layout of the published packer.
//!
//! `train_datalist.txt` and `val_datalist.txt` list the keys, one a line, as `class/file`. The environments
//! `train` and `val`, or `train_256` and `val_256` if the packer resized the images, hold a record for each
//! key. `classes.txt`, if there is one beside them, names the classes in the order of their labels.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{EncodedDataSet, EncodedImages, Source, class_of, compare_classes, folder_name};
use crate::data::{DataError, lmdb::Environment, read_text};

/// The file with the class names, one a line, in the order of their labels.
pub(in crate::data) const CLASSES_FILE: &str = "classes.txt";

/// The file that lists the keys of a part.
pub(in crate::data) fn list_file(folder: &Path, part: &str) -> PathBuf {
    folder.join(format!("{part}_datalist.txt"))
}

/// Opens both parts. One record of each class is read, to learn its label or to check it.
pub(in crate::data) fn list(folder: &Path) -> Result<EncodedDataSet, DataError> {
    let [train, valid] = parts(folder)?;
    let mut train = open_part(folder, "train", &train)?;
    let mut valid = open_part(folder, "val", &valid)?;
    let classes = match stored_classes(&folder.join(CLASSES_FILE))? {
        Some(classes) => classes,
        None => classes_of(&train, folder)?,
    };
    let (train_firsts, valid_firsts) = (first_of_each_class(&train), first_of_each_class(&valid));
    if !valid_firsts.is_empty() {
        compare_classes(&names(&train_firsts), &names(&valid_firsts))?;
    }
    for (part, firsts) in [(&mut train, train_firsts), (&mut valid, valid_firsts)] {
        if let Source::Records { classes: expected, .. } = &mut part.source {
            expected.clone_from(&classes);
        }
        for index in firsts.into_values() {
            part.read(index)?;
        }
    }
    let (train, valid) = (Arc::new(train), Arc::new(valid));
    Ok(EncodedDataSet { name: folder_name(folder), classes, train, valid, notes: Vec::new() }.noted())
}

/// Whether a folder holds the environment of training images, under its plain name or one with a size.
pub(in crate::data) fn lies_in(folder: &Path) -> bool {
    !sizes(folder, "train").is_empty()
}

/// The size suffixes of the environments of a part (`train` or `val`) that lie in a folder: empty, or what
/// the published packer appends for the length of the shorter side, such as `_256`.
fn sizes(folder: &Path, part: &str) -> Vec<String> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let size = |name: std::ffi::OsString| {
        let size = name.to_str()?.strip_prefix(part)?.to_owned();
        let digits = size.strip_prefix('_').unwrap_or("");
        let is_size = size.is_empty() || (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
        (is_size && folder.join(&name).join("data.mdb").is_file()).then_some(size)
    };
    let mut sizes: Vec<_> = names.filter_map(size).collect();
    sizes.sort_unstable();
    sizes
}

/// The names of the environments of training and validation images. An environment without a size takes
/// precedence; one of another size is used where there is no other.
fn parts(folder: &Path) -> Result<[String; 2], DataError> {
    let (train, valid) = (sizes(folder, "train"), sizes(folder, "val"));
    let pair = |train: &str, valid: &str| Ok([format!("train{train}"), format!("val{valid}")]);
    let both: Vec<_> = train.iter().filter(|size| valid.contains(size)).collect();
    match (&both[..], &train[..], &valid[..]) {
        ([first, ..], ..) if first.is_empty() => pair("", ""),
        ([size], ..) => pair(size, size),
        ([], [train], [valid]) => pair(train, valid),
        ([], [train], []) => pair(train, train), // The message names what is missing.
        _ => {
            let name = |part: &str, sizes: &[String]| {
                sizes.iter().map(|size| format!("`{part}{size}`")).collect::<Vec<_>>()
            };
            let found = [name("train", &train), name("val", &valid)].concat();
            Err(DataError::SeveralPacked { path: folder.to_owned(), found })
        }
    }
}

/// Opens the environment with this name.
fn open_part(folder: &Path, part: &str, name: &str) -> Result<EncodedImages, DataError> {
    // The packer names its list after the folder it reads, which is `train` or a folder of images that were
    // resized before.
    let list = list_file(folder, part);
    let list = if list.is_file() { list } else { list_file(folder, name) };
    let list = if list.is_file() { list } else { list_file(folder, part) };
    let text = read_text(&list)?;
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if names.is_empty() {
        return Err(DataError::Malformed { path: list, problem: "it lists no images".into() });
    }
    let folder = folder.join(name);
    let environment = Environment::open(&folder)?;
    if names.len() as u64 > environment.entries {
        // This is checked when the data set is opened, rather than found in the middle of an epoch.
        let problem =
            format!("it lists {} images, `{}` holds {}", names.len(), folder.display(), environment.entries);
        return Err(DataError::Malformed { path: list, problem });
    }
    Ok(EncodedImages::new(folder, names, Source::Records { environment, classes: Vec::new(), list }))
}

fn stored_classes(path: &Path) -> Result<Option<Vec<String>>, DataError> {
    match read_text(path) {
        Ok(text) => Ok(Some(text.lines().map(str::to_owned).collect())),
        Err(DataError::Read { reason, .. }) if reason.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The first image of each class folder.
fn first_of_each_class(images: &EncodedImages) -> BTreeMap<String, usize> {
    let mut firsts = BTreeMap::new();
    for (index, name) in images.names.iter().enumerate() {
        if let Some(class) = class_of(name).filter(|&class| !firsts.contains_key(class)) {
            firsts.insert(class.to_owned(), index);
        }
    }
    firsts
}

fn names(firsts: &BTreeMap<String, usize>) -> Vec<String> {
    firsts.keys().cloned().collect()
}

/// Class names in the order of their labels, from the folders in the keys and the labels in their records.
fn classes_of(train: &EncodedImages, folder: &Path) -> Result<Vec<String>, DataError> {
    let Source::Records { environment, list, .. } = &train.source else { return Ok(Vec::new()) };
    let firsts = first_of_each_class(train);
    let mut classes = vec![None; firsts.len()];
    for (class, index) in firsts {
        let label = train.read_record(index, environment, list)?.label;
        match classes.get_mut(usize::from(label)) {
            Some(slot @ None) => *slot = Some(class),
            _ => {
                let count = classes.len();
                let problem = format!(
                    "it has label {label}, which is another class's or beyond the {count} classes of `{}`",
                    list.display()
                );
                return Err(DataError::Undecodable { name: train.full_name(index), problem });
            }
        }
    }
    let classes: Vec<String> = classes.into_iter().flatten().collect();
    if classes.is_empty() {
        let problem =
            "the keys have no class folders; write the class names here, one a line, by label".into();
        return Err(DataError::Malformed { path: folder.join(CLASSES_FILE), problem });
    }
    Ok(classes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{open, open_encoded, samples::sample};

    /// A copy of the sample that a test may damage.
    fn copy() -> tempfile::TempDir {
        let copy = tempfile::tempdir().expect("a folder");
        for part in ["train", "val"] {
            fs::create_dir(copy.path().join(part)).expect("made");
            for file in [format!("{part}/data.mdb"), format!("{part}_datalist.txt")] {
                fs::copy(sample("lmdb").join(&file), copy.path().join(&file)).expect("copied");
            }
        }
        copy
    }

    fn check(folder: &Path, expected: &str) {
        let error = open(Some(folder)).expect_err("damaged").to_string();
        assert_eq!(error, expected.replace("FOLDER", &folder.display().to_string()));
    }

    #[test]
    fn packed_images_are_those_of_the_folder() {
        let packed = open(Some(&sample("lmdb"))).expect("the sample");
        let folder = open(Some(&sample("image-folder"))).expect("the sample");
        assert_eq!(packed.classes, folder.classes);
        // The lists are in another order than the folders.
        let sorted = |data: &crate::data::DataSet| {
            let mut images: Vec<_> =
                (0..24).map(|i| (data.train.labels[i], data.train.image(i).to_vec())).collect();
            images.sort_unstable();
            images
        };
        assert_eq!(sorted(&packed), sorted(&folder));
    }

    #[test]
    fn environments_are_found_under_the_names_that_the_packer_gives_them() {
        let whole = open_encoded(&sample("lmdb")).expect("the sample").fingerprint();
        let check = |names: &[(&str, &str)]| {
            let folder = copy();
            for (from, to) in names {
                fs::rename(folder.path().join(from), folder.path().join(to)).expect("renamed");
            }
            let opened = open_encoded(folder.path());
            opened
                .map(|data| data.fingerprint() == whole)
                .map_err(|error| error.to_string().replace(&folder.path().display().to_string(), "FOLDER"))
        };
        let sized = [("train", "train_256"), ("val", "val_256")];
        let lists =
            [("train_datalist.txt", "train_256_datalist.txt"), ("val_datalist.txt", "val_256_datalist.txt")];
        assert_eq!(check(&sized), Ok(true));
        assert_eq!(check(&[sized, lists].concat()), Ok(true));
        assert_eq!(check(&[("train", "train_160")]), Ok(true));
        let error = check(&[("train", "train_256"), ("val", "unpacked")]).expect_err("no validation images");
        assert!(error.contains("FOLDER/val_256/data.mdb"), "{error}");
        assert!(check(&[("train", "train_copy")]).is_err(), "that is no size");
    }

    #[test]
    fn environments_of_several_sizes_are_a_question() {
        let folder = copy();
        for name in ["train", "val"] {
            for size in [160, 256] {
                let target = folder.path().join(format!("{name}_{size}"));
                fs::create_dir(&target).expect("made");
                fs::copy(folder.path().join(name).join("data.mdb"), target.join("data.mdb")).expect("copied");
            }
        }
        assert!(open_encoded(folder.path()).is_ok(), "those without a size");
        fs::remove_dir_all(folder.path().join("val")).expect("removed");
        let error = open_encoded(folder.path()).expect_err("two sizes").to_string();
        let expected =
            "(`train`, `train_160`, `train_256`, `val_160`, `val_256`): move all but one size away";
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_folder_that_nobody_may_write_will_do() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = copy();
        let part = folder.path().join("train");
        fs::set_permissions(&part, fs::Permissions::from_mode(0o555)).expect("set");
        let entries = || fs::read_dir(&part).expect("readable").count();
        open(Some(folder.path())).expect("the sample");
        assert_eq!(entries(), 1, "no lock file");
    }

    #[test]
    fn a_key_that_is_not_there_is_named() {
        let folder = copy();
        let list = list_file(folder.path(), "train");
        let text = fs::read_to_string(&list).expect("the list");
        fs::write(&list, text.replace("bird/0012.jpg", "bird/9999.jpg")).expect("written");
        check(
            folder.path(),
            "`bird/9999.jpg` is listed in `FOLDER/train_datalist.txt` but not in `FOLDER/train/data.mdb`: \
             pack the images again, or correct the list",
        );
    }

    #[test]
    fn a_list_that_is_too_long_is_noticed_at_once() {
        let folder = copy();
        let list = list_file(folder.path(), "val");
        let text = fs::read_to_string(&list).expect("the list");
        fs::write(&list, text + "bird/9999.jpg\n").expect("written");
        let error = open_encoded(folder.path()).expect_err("too long").to_string();
        let at = folder.path().display();
        assert_eq!(
            error,
            format!(
                "`{at}/val_datalist.txt` is not what its name promises: it lists 17 images, `{at}/val` holds 16"
            )
        );
    }

    #[test]
    fn a_label_of_another_class_is_named() {
        let folder = copy();
        let path = folder.path().join("val/data.mdb");
        let mut bytes = fs::read(&path).expect("the sample");
        let image = fs::read(sample("image-folder/val/bird/0032.jpg")).expect("the sample");
        let at = bytes.windows(image.len()).position(|window| window == image).expect("it is there");
        bytes[at + image.len()] = 3;
        fs::write(&path, bytes).expect("written");
        check(
            folder.path(),
            "image `FOLDER/val/bird/0032.jpg` has label 3, but class `bird` has label 2: pack both splits with \
             the same class names",
        );
        assert!(open_encoded(folder.path()).is_err(), "already when it is opened");
    }

    #[test]
    fn a_damaged_record_is_named() {
        let folder = copy();
        let path = folder.path().join("train/data.mdb");
        let mut bytes = fs::read(&path).expect("the sample");
        let image = fs::read(sample("image-folder/train/cat/0013.jpg")).expect("the sample");
        let at = bytes.windows(image.len()).position(|window| window == image).expect("it is there");
        bytes[at - 3] = 0x93;
        fs::write(&path, bytes).expect("written");
        check(
            folder.path(),
            "image `FOLDER/train/cat/0013.jpg`: its record is no msgpack binary; repair or remove it",
        );
    }
}
