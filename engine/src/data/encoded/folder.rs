//! Image folders: `train` and `val`, each with one folder for each class.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{EncodedDataSet, EncodedImages, Source, compare_classes, folder_name};
use crate::data::{DataError, faults::FaultList, junk::Junk};

/// Lists the images of both parts. A label is the index of the class folder's name in alphabetical order.
///
/// Files that other programs leave behind are skipped and counted; anything else that is not an image is an
/// error.
pub(in crate::data) fn list(folder: &Path) -> Result<EncodedDataSet, DataError> {
    let (train, valid) = (folder.join("train"), folder.join("val"));
    let mut listing = Listing::default();
    let classes = listing.class_names(&train)?;
    let valid_classes = listing.class_names(&valid)?;
    if let Err(fault) = compare_classes(&classes, &valid_classes) {
        listing.faults.add(fault);
    }
    let present: Vec<_> = classes.iter().filter(|class| valid_classes.contains(class)).cloned().collect();
    let train = listing.part(train, &classes, &classes)?;
    let valid = listing.part(valid, &classes, &present)?;
    let Listing { junk, faults } = listing;
    faults.into_result(folder)?;
    let (name, train, valid) = (folder_name(folder), Arc::new(train), Arc::new(valid));
    let notes = junk.note(&name).into_iter().collect();
    Ok(EncodedDataSet { name, train, valid, classes, notes }.noted())
}

/// What was found so far while a folder is read.
#[derive(Default)]
struct Listing {
    junk: Junk,
    faults: FaultList,
}

/// A file or folder in a folder.
struct DirectoryEntry {
    name: String,
    path: PathBuf,
    is_folder: bool,
}

impl Listing {
    fn class_names(&mut self, part: &Path) -> Result<Vec<String>, DataError> {
        let mut names = Vec::new();
        for DirectoryEntry { name, path, is_folder } in self.entries(part)? {
            if is_folder {
                names.push(name);
            } else {
                let problem = "it lies beside the class folders; move it away".into();
                self.faults.add(DataError::Malformed { path, problem });
            }
        }
        if names.is_empty() {
            let problem = "it has no class folders".into();
            return Err(DataError::Malformed { path: part.to_owned(), problem });
        }
        Ok(names)
    }

    /// Lists the images of the classes in `present`.
    fn part(
        &mut self,
        folder: PathBuf,
        classes: &[String],
        present: &[String],
    ) -> Result<EncodedImages, DataError> {
        let (mut names, mut labels) = (Vec::new(), Vec::new());
        for (label, class) in classes.iter().enumerate().filter(|(_, class)| present.contains(class)) {
            let label = u16::try_from(label).map_err(|_| DataError::Malformed {
                path: folder.clone(),
                problem: format!("it has {} class folders, at most 65536 have labels", classes.len()),
            })?;
            for DirectoryEntry { name, path, is_folder } in self.entries(&folder.join(class))? {
                let problem = match (is_folder, is_image(&name)) {
                    (true, _) => "it is a folder within a class folder; move its images up, or it away",
                    (false, false) => "images end in .jpg, .jpeg or .png; convert it or move it away",
                    (false, true) => {
                        names.push(format!("{class}/{name}"));
                        labels.push(label);
                        continue;
                    }
                };
                self.faults.add(DataError::Malformed { path, problem: problem.into() });
            }
        }
        if names.is_empty() && self.faults.is_empty() {
            return Err(DataError::Malformed { path: folder, problem: "it has no images".into() });
        }
        Ok(EncodedImages::new(folder, names, Source::Files(labels)))
    }

    /// The files and folders in a folder, in alphabetical order.
    fn entries(&mut self, folder: &Path) -> Result<Vec<DirectoryEntry>, DataError> {
        let read = |source| DataError::Read { path: folder.to_owned(), reason: source };
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(read)? {
            let entry = entry.map_err(read)?;
            let path = entry.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
                self.faults.add(DataError::Malformed { path, problem: "its name is not UTF-8".into() });
                continue;
            };
            if self.junk.skips(&name) {
                continue;
            }
            let kind = entry.file_type().map_err(read)?;
            // A link counts as what it leads to.
            let is_folder = kind.is_dir() || (kind.is_symlink() && path.is_dir());
            entries.push(DirectoryEntry { name, path, is_folder });
        }
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }
}

fn is_image(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    matches!(ending.as_deref(), Some("jpg" | "jpeg" | "png"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::data::{ReadOptions, open, open_with, samples::sample};

    /// A copy of the sample that a test may damage.
    fn copy() -> tempfile::TempDir {
        let copy = tempfile::tempdir().expect("a folder");
        let entries = |path: &Path| Listing::default().entries(path).expect("the sample");
        for part in ["train", "val"] {
            for class in entries(&sample("image-folder").join(part)) {
                let target = copy.path().join(part).join(class.name);
                fs::create_dir_all(&target).expect("made");
                for image in entries(&class.path) {
                    fs::copy(image.path, target.join(image.name)).expect("copied");
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
        let options = ReadOptions { side: 16, ..ReadOptions::default() };
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
    fn a_file_that_is_cut_after_it_was_found_whole_is_no_picture_with_a_grey_end() {
        let folder = copy();
        let images = list(folder.path()).expect("a data set").train;
        let (whole, _) = images.decode(0).expect("whole");
        assert_eq!(images.decode(0).expect("not checked again").0, whole);
        let path = folder.path().join("train").join(images.name(0));
        let bytes = fs::read(&path).expect("read");
        // The end-of-image marker is still there.
        let cut = [&bytes[..bytes.len() / 2], &bytes[bytes.len() - 2..]].concat();
        fs::write(&path, cut).expect("written");
        assert!(images.decode(0).is_err());
        fs::write(&path, bytes).expect("written");
        assert_eq!(images.decode(0).expect("whole again").0, whole);
    }

    #[test]
    fn a_survey_remembers_what_it_found_whole() {
        let folder = copy();
        let images = list(folder.path()).expect("a data set").train;
        let sizes = || [0, 1].map(|index| images.whole[index].load(Ordering::Relaxed));
        assert_eq!(sizes(), [0, 0]);
        let first = images.check(0).expect("whole").bytes.len() as u32;
        assert_eq!(sizes(), [first, 0]);
        let damaged = folder.path().join("train").join(images.name(1));
        let bytes = fs::read(&damaged).expect("read");
        fs::write(&damaged, &bytes[..bytes.len() - 100]).expect("written");
        assert!(images.check(1).is_err());
        assert_eq!(sizes(), [first, 0]);
    }

    #[test]
    fn what_other_programs_left_is_passed_over_and_counted() {
        let folder = copy();
        let whole = open(Some(folder.path())).expect("the sample").fingerprint();
        for file in ["train/Thumbs.db", "train/cat/.DS_Store", "train/cat/desktop.ini", "val/dog/._0031.jpg"]
        {
            fs::write(folder.path().join(file), b"anything").expect("written");
        }
        for below in
            ["train/@eaDir", "train/cat/@eaDir/0003.jpg", "val/__MACOSX/dog", "train/.ipynb_checkpoints"]
        {
            fs::create_dir_all(folder.path().join(below)).expect("made");
        }
        let data = open(Some(folder.path())).expect("nothing of it counts");
        assert_eq!(data.fingerprint(), whole);
        assert_eq!(data.classes.len(), 10);
        let [note] = &data.notes[..] else { panic!("{:?}", data.notes) };
        assert!(
            note.ends_with(
                "passed over 8 files and folders of other programs (1 × .DS_Store, 1 × ._…, 1 × .…, 2 × @eaDir, \
                 1 × Thumbs.db, 1 × __MACOSX, 1 × desktop.ini)"
            ),
            "{note}"
        );
    }

    #[test]
    fn all_faults_of_a_folder_are_listed_at_once() {
        let folder = copy();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("train/notes.txt"), []).expect("written");
        fs::write(at("train/cat/label.csv"), []).expect("written");
        fs::create_dir(at("val/dog/more.jpg")).expect("made");
        fs::remove_dir_all(at("val/ship")).expect("removed");
        let error = open(Some(folder.path())).expect_err("four faults").to_string();
        let lines: Vec<_> = error.lines().collect();
        assert_eq!(lines[0], format!("`{}` has 4 faults:", folder.path().display()));
        for (line, expected) in lines[1..].iter().zip([
            "/train/notes.txt` is not what its name promises: it lies beside the class folders; move it away",
            "training and validation images have different classes (only in training: ship)",
            "/train/cat/label.csv` is not",
            "/val/dog/more.jpg` is not what its name promises: it is a folder within a class folder",
        ]) {
            assert!(line.starts_with("- ") && line.contains(expected), "{line}");
        }
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn all_damaged_images_are_counted_and_the_first_named() {
        let folder = copy();
        for class in fs::read_dir(folder.path().join("train")).expect("classes") {
            for image in fs::read_dir(class.expect("a class").path()).expect("images").take(2) {
                fs::write(image.expect("an image").path(), b"nothing").expect("written");
            }
        }
        let decoded = open(Some(folder.path())).expect_err("damaged").to_string();
        let listed = crate::data::open_encoded(folder.path()).expect("names are whole");
        let surveyed = listed.train.survey(3, &|| false).expect_err("damaged").to_string();
        assert_eq!(decoded, surveyed);
        let lines: Vec<_> = decoded.lines().collect();
        assert_eq!(lines[0], format!("`{}/train` has 20 faults:", folder.path().display()));
        assert!(lines[1].ends_with("it is neither JPEG nor PNG; repair or remove it"), "{}", lines[1]);
        assert!(lines[1].contains("/airplane/") && lines[10].contains("/deer/"), "{decoded}");
        assert_eq!((lines.len(), lines[11]), (12, "- and 10 more; `relativenas data check` lists them"));
        assert!(listed.valid.survey(3, &|| false).is_ok());
    }

    #[test]
    fn stray_bytes_are_left_out_and_counted() {
        let folder = copy();
        let whole = open(Some(folder.path())).expect("the sample");
        let path = folder.path().join("train/cat/0003.jpg");
        let mut bytes = fs::read(&path).expect("an image");
        bytes.splice(20..20, [1, 2, 3]); // Behind the first header.
        fs::write(&path, bytes).expect("written");
        let data = open(Some(folder.path())).expect("libjpeg reads it");
        assert_eq!(data.fingerprint(), whole.fingerprint());
        let expected = format!(
            "{}/train: 1 of 24 images have stray bytes between their segments, which were left out, as libjpeg does; \
             the first is `cat/0003.jpg`",
            folder.path().display()
        );
        assert_eq!(data.notes, [expected]);
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
