//! Image folders: `train` and `val`, each with one folder a class.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{EncodedDataSet, EncodedImages, Source, compare_classes, folder_name};
use crate::data::DataError;

/// Lists the images of both parts. Labels are the positions of the class folders' names in order.
///
/// Names that begin with a dot are left alone; anything else that is no image is an error.
pub(in crate::data) fn list(folder: &Path) -> Result<EncodedDataSet, DataError> {
    let train = folder.join("train");
    let valid = folder.join("val");
    let classes = class_names(&train)?;
    compare_classes(&classes, &class_names(&valid)?)?;
    Ok(EncodedDataSet {
        name: folder_name(folder),
        train: Arc::new(list_part(train, &classes)?),
        valid: Arc::new(list_part(valid, &classes)?),
        classes,
    })
}

fn class_names(part: &Path) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    for (name, path) in entries(part)? {
        if !path.is_dir() {
            let problem = "it lies beside the class folders; move it away".into();
            return Err(DataError::Malformed { path, problem });
        }
        names.push(name);
    }
    if names.is_empty() {
        let problem = "it has no class folders".into();
        return Err(DataError::Malformed { path: part.to_owned(), problem });
    }
    Ok(names)
}

fn list_part(folder: PathBuf, classes: &[String]) -> Result<EncodedImages, DataError> {
    let (mut names, mut labels) = (Vec::new(), Vec::new());
    for (label, class) in classes.iter().enumerate() {
        let label = u16::try_from(label).map_err(|_| DataError::Malformed {
            path: folder.clone(),
            problem: format!("it has {} class folders, at most 65536 have labels", classes.len()),
        })?;
        for (name, path) in entries(&folder.join(class))? {
            if !is_image(&name) {
                let problem = "images end in .jpg, .jpeg or .png; convert it or move it away".into();
                return Err(DataError::Malformed { path, problem });
            }
            names.push(format!("{class}/{name}"));
            labels.push(label);
        }
    }
    if names.is_empty() {
        return Err(DataError::Malformed { path: folder, problem: "it has no images".into() });
    }
    Ok(EncodedImages { folder, names, source: Source::Files(labels) })
}

/// Names and paths in a folder, in order.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    let read = |source| DataError::Read { path: folder.to_owned(), reason: source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let Some(name) = name else {
            return Err(DataError::Malformed { path, problem: "its name is not UTF-8".into() });
        };
        if !name.starts_with('.') {
            entries.push((name, path));
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

fn is_image(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    matches!(ending.as_deref(), Some("jpg" | "jpeg" | "png"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Options, open, open_with, samples::sample};

    /// A copy of the sample that a test may damage.
    fn copy() -> tempfile::TempDir {
        let copy = tempfile::tempdir().expect("a folder");
        for part in ["train", "val"] {
            for (class, path) in entries(&sample("image-folder").join(part)).expect("the sample") {
                let target = copy.path().join(part).join(class);
                fs::create_dir_all(&target).expect("made");
                for (name, path) in entries(&path).expect("the sample") {
                    fs::copy(path, target.join(name)).expect("copied");
                }
            }
        }
        copy
    }

    fn check(folder: &Path, expected: &str) {
        let error = open(Some(folder)).expect_err("damaged").to_string();
        assert_eq!(error, expected.replace("FOLDER", &folder.display().to_string()));
    }

    #[test]
    fn classes_are_the_folders_in_order() {
        let data = open(Some(&sample("image-folder"))).expect("the sample");
        assert_eq!((data.name.as_str(), data.train.len(), data.test.len()), ("image-folder", 24, 16));
        assert_eq!(data.classes[..3], ["airplane", "automobile", "bird"]);
        assert_eq!(data.train.labels[..8], [0, 0, 0, 1, 1, 1, 2, 2]);
        assert_eq!(data.train.pixels.len(), 24 * 3 * 32 * 32);
        let options = Options { side: 16, ..Options::default() };
        let small = open_with(Some(&sample("image-folder")), &options).expect("the sample");
        assert_eq!((small.train.side, small.train.pixels.len()), (16, 24 * 3 * 16 * 16));
    }

    #[test]
    fn a_damaged_image_is_named() {
        let folder = copy();
        let path = folder.path().join("train/dog/0015.jpg");
        let bytes = fs::read(&path).expect("an image");
        fs::write(&path, &bytes[..bytes.len() - 100]).expect("written");
        let error = open(Some(folder.path())).expect_err("damaged").to_string();
        assert!(error.starts_with(&format!("image `{}`: ", path.display())), "{error}");
        assert!(error.ends_with("; repair or remove it"), "{error}");
    }

    #[test]
    fn differing_classes_are_listed() {
        let folder = copy();
        fs::rename(folder.path().join("val/cat"), folder.path().join("val/tiger")).expect("renamed");
        fs::remove_dir_all(folder.path().join("val/dog")).expect("removed");
        check(
            folder.path(),
            "training and validation images have different classes (only in training: cat, dog; \
             only in validation: tiger): give both the same class folders",
        );
    }

    #[test]
    fn what_is_no_image_is_named() {
        let folder = copy();
        fs::write(folder.path().join("train/cat/.DS_Store"), []).expect("written");
        open(Some(folder.path())).expect("dots are left alone");
        fs::write(folder.path().join("train/cat/notes.txt"), []).expect("written");
        check(
            folder.path(),
            "`FOLDER/train/cat/notes.txt` is not what its name promises: images end in .jpg, .jpeg or .png; \
             convert it or move it away",
        );
        fs::rename(folder.path().join("train/cat/notes.txt"), folder.path().join("train/notes.txt"))
            .expect("moved");
        check(
            folder.path(),
            "`FOLDER/train/notes.txt` is not what its name promises: it lies beside the class folders; \
             move it away",
        );
    }
}
