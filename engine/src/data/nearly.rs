//! Hints about folders that nearly hold a data set.

use std::{fs, path::Path};

/// Other names under which the folder with validation images (`val`) is found.
const NAMES_OF_VAL: [&str; 5] = ["valid", "validation", "dev", "test", "eval"];
/// The endings of archives, and of formats that store images otherwise than as files in folders.
const ARCHIVES: [&str; 6] = [".tar.gz", ".tgz", ".tar", ".zip", ".tar.bz2", ".7z"];
const OTHER_FORMATS: [&str; 6] = [".npz", ".npy", ".parquet", ".tfrecord", ".h5", ".mat"];
const IMAGES: [&str; 3] = [".jpg", ".jpeg", ".png"];
/// The number of files and folders that are examined.
const MOST_ENTRIES: usize = 1000;

/// A sentence about what a folder holds in place of a data set, where that can be told.
pub(super) fn hint(folder: &Path) -> Option<String> {
    let names = names(folder);
    let has_folder = |name: &str| folder.join(name).is_dir();
    if has_folder("train")
        && let Some(other) = NAMES_OF_VAL.into_iter().find(|name| has_folder(name))
    {
        return Some(format!(
            "`train` is there, but no `val` for the validation images: rename `{other}` to `val`"
        ));
    }
    let ends_in = |endings: &[&str]| {
        names.iter().find(|name| endings.iter().any(|end| name.to_ascii_lowercase().ends_with(end)))
    };
    if let Some(archive) = ends_in(&ARCHIVES) {
        return Some(format!("`{archive}` has to be unpacked"));
    }
    if let Some(file) = ends_in(&OTHER_FORMATS) {
        return Some(format!("`{file}` is of a format that is not read: write its images to files"));
    }
    let holds_images = |name: &&String| {
        let is_image = |file: &String| IMAGES.iter().any(|end| file.to_ascii_lowercase().ends_with(end));
        has_folder(name) && self::names(&folder.join(name)).iter().any(is_image)
    };
    let class = names.iter().find(holds_images)?;
    Some(format!(
        "`{class}` holds images, but nothing says which are for training and which for validation: move class \
         folders to `train` and `val`"
    ))
}

/// The names in a folder, in alphabetical order; empty if it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(MOST_ENTRIES);
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entries: &[&str], expected: Option<&str>) {
        let folder = tempfile::tempdir().expect("a folder");
        for entry in entries {
            let path = folder.path().join(entry);
            if let Some(name) = entry.strip_suffix('/') {
                fs::create_dir_all(folder.path().join(name)).expect("made");
            } else {
                fs::create_dir_all(path.parent().expect("the folder")).expect("made");
                fs::write(path, []).expect("written");
            }
        }
        assert_eq!(hint(folder.path()).as_deref(), expected, "{entries:?}");
    }

    #[test]
    fn what_is_nearly_a_data_set_is_told_what_it_lacks() {
        check(&[], None);
        check(&["notes.txt", "train/"], None);
        check(
            &["train/", "validation/"],
            Some("`train` is there, but no `val` for the validation images: rename `validation` to `val`"),
        );
        check(&["cifar-10-python.tar.gz"], Some("`cifar-10-python.tar.gz` has to be unpacked"));
        check(
            &["train-00000-of-00001.parquet"],
            Some("`train-00000-of-00001.parquet` is of a format that is not read: write its images to files"),
        );
        check(
            &["cat/1.JPG", "dog/2.png"],
            Some(
                "`cat` holds images, but nothing says which are for training and which for validation: move class folders \
                 to `train` and `val`",
            ),
        );
    }
}
