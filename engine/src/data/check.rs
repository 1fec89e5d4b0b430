//! Checking what data set a folder holds, and finding everything that is wrong with it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use relativenas_core::tasks::{joints, label_ids, mean_iou::IGNORED};
use serde::Serialize;

use super::{
    DataError, ReadOptions, cityscapes, coco,
    fault::Fault,
    layout::FoundLayout,
    picture::Picture,
    voc::{self, VocImage},
};

/// What a check found in a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// `voc`, `cityscapes`, `coco`, `images` for labelled photographs, the name of another set of labelled images
    /// (such as `CIFAR-10`), or `unreadable` for one that could not be read.
    pub kind: String,
    /// What the data set can be used for: detection, segmentation, keypoints or classification.
    pub task: &'static str,
    pub classes: usize,
    pub class_names: Vec<String>,
    pub train_images: usize,
    pub valid_images: usize,
    pub test_images: usize,
    /// The number of objects, people or pixels by class or kind, over all parts.
    pub counts: BTreeMap<String, u64>,
    /// The smallest and the greatest width and height of the pictures that could be read.
    pub sizes: Option<Sizes>,
    pub faults: Vec<Fault>,
    /// The number of faults beyond those that are listed: of very many, only the first are.
    pub more_faults: usize,
    /// Sentences about what is unusual but no fault.
    pub notes: Vec<String>,
}

/// The least and the greatest width and the least and the greatest height of pictures, as `[width, height]` in
/// pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    pub least: [usize; 2],
    pub greatest: [usize; 2],
}

impl Checked {
    fn new(kind: &str, task: &'static str, class_names: Vec<String>, images: [usize; 3]) -> Self {
        let [train_images, valid_images, test_images] = images;
        let classes = class_names.len();
        let kind = kind.to_owned();
        Self { kind, task, classes, class_names, train_images, valid_images, test_images, ..Self::default() }
    }

    fn seen(&mut self, size: [usize; 2]) {
        let sizes = self.sizes.get_or_insert(Sizes { least: size, greatest: size });
        for ((least, greatest), side) in sizes.least.iter_mut().zip(&mut sizes.greatest).zip(size) {
            *least = side.min(*least);
            *greatest = side.max(*greatest);
        }
    }

    fn count(&mut self, what: impl Into<String>, number: u64) {
        *self.counts.entry(what.into()).or_default() += number;
    }

    /// Counts a picture that was decoded, or records why it could not be.
    fn decoded(&mut self, picture: Result<Picture, Fault>) {
        match picture {
            Ok(picture) => self.seen([picture.width, picture.height]),
            Err(fault) => self.faults.push(fault),
        }
    }
}

/// Reads everything in a folder, pictures included.
///
/// # Errors
/// If the folder holds no known data set. What is wrong with a known one is listed in [`Checked::faults`].
pub fn check(folder: &Path) -> Result<Checked, DataError> {
    let metadata = fs::metadata(folder);
    if metadata.is_ok_and(|found| found.is_dir()) {
        if !voc::devkits(folder).is_empty() {
            return Ok(check_voc(folder));
        }
        if cityscapes::lies_in(folder) {
            return Ok(check_cityscapes(folder));
        }
        if coco::lies_in(folder) {
            return Ok(check_coco(folder));
        }
    }
    check_labelled(folder)
}

fn check_voc(folder: &Path) -> Checked {
    let mut faults = Vec::new();
    let found = voc::read(folder, &mut faults);
    let images = [found.train.len(), found.valid.len(), found.test.len()];
    let mut checked = Checked { faults, ..Checked::new("voc", "detection", found.classes.clone(), images) };
    for image in found.train.iter().chain(&found.valid).chain(&found.test) {
        let VocImage { objects, left_out, .. } = image;
        for object in objects {
            let class = found.classes.get(object.class).map_or("", String::as_str);
            checked
                .count(if object.difficult { format!("{class} (difficult)") } else { class.to_owned() }, 1);
        }
        if *left_out > 0 {
            checked.count("objects of other classes, left out", *left_out as u64);
        }
        checked.decoded(image.decode());
    }
    checked
}

fn check_cityscapes(folder: &Path) -> Checked {
    let mut faults = Vec::new();
    let found = cityscapes::read(folder, &mut faults);
    let images = [found.train.len(), found.valid.len(), found.test.len()];
    let names: Vec<_> = label_ids::class_names().into_iter().map(str::to_owned).collect();
    let mut checked = Checked { faults, ..Checked::new("cityscapes", "segmentation", names, images) };
    let mut pixels = [0_u64; 256];
    for street in found.train.iter().chain(&found.valid).chain(&found.test) {
        match street.decode() {
            Err(fault) => checked.faults.push(fault),
            Ok((picture, labels)) => {
                checked.seen([picture.width, picture.height]);
                for id in labels.into_iter().flat_map(|labels| labels.ids) {
                    pixels[usize::from(id)] += 1;
                }
            }
        }
    }
    for (id, &number) in pixels.iter().enumerate().filter(|(_, number)| **number > 0) {
        let name = checked.class_names.get(id).cloned();
        debug_assert!(name.is_some() || id == usize::from(IGNORED), "labels are training ids");
        checked.count(format!("pixels of {}", name.as_deref().unwrap_or("what is ignored")), number);
    }
    checked
}

fn check_coco(folder: &Path) -> Checked {
    let mut faults = Vec::new();
    let found = coco::read(folder, &mut faults);
    let images = [found.train.len(), found.valid.len(), 0];
    let names = vec!["person".to_owned()];
    let mut checked = Checked { faults, ..Checked::new("coco", "keypoints", names, images) };
    for image in found.train.iter().chain(&found.valid) {
        for person in &image.people {
            let kind = match (person.crowd, person.labelled()) {
                (true, _) => "crowds, not used",
                (false, 0) => "people without joints, not used",
                (false, _) => "people",
            };
            checked.count(kind, 1);
            for (_, visible) in person.joints.iter().filter(|_| person.is_used()) {
                match visible {
                    joints::Visibility::NotLabelled => {}
                    joints::Visibility::Hidden => checked.count("joints labelled, hidden", 1),
                    joints::Visibility::Visible => checked.count("joints visible", 1),
                }
            }
        }
        checked.decoded(image.decode());
    }
    checked
}

/// Checks a set of labelled images. Its readers report everything that is wrong in one error, whose parts
/// become faults.
fn check_labelled(folder: &Path) -> Result<Checked, DataError> {
    let found = FoundLayout::below(folder)?;
    let failed = |error: DataError| {
        let one = |what: String| Fault { file: PathBuf::from(folder), what };
        let mut more_faults = 0;
        let faults = match error {
            DataError::Several { total, faults, .. } => {
                more_faults = total - faults.len();
                faults.iter().map(|fault| one(fault.to_string())).collect()
            }
            error => vec![one(error.to_string())],
        };
        Checked { faults, more_faults, ..Checked::new("unreadable", "classification", Vec::new(), [0; 3]) }
    };
    match found.encoded() {
        Ok(encoded) => {
            let images = [encoded.train.len(), encoded.valid.len(), 0];
            let mut checked = Checked::new("images", "classification", encoded.classes.clone(), images);
            for part in [&encoded.train, &encoded.valid] {
                for index in 0..part.len() {
                    let decoded = part.decode(index).map(|(picture, _)| picture);
                    let name = || PathBuf::from(part.full_name(index));
                    checked.decoded(decoded.map_err(|e| Fault { file: name(), what: e.to_string() }));
                }
            }
            checked.notes = encoded.notes.iter().cloned().chain(encoded.patched()).collect();
            Ok(checked)
        }
        Err(DataError::NotPhotographs { .. }) => Ok(match found.read(&ReadOptions::default()) {
            Err(error) => failed(error),
            Ok(data) => {
                let images = [data.train.len(), 0, data.test.len()];
                let mut checked = Checked::new(&data.name, "classification", data.classes, images);
                checked.seen([data.train.side; 2]);
                checked.notes = data.notes;
                checked
            }
        }),
        Err(error) => Ok(failed(error)),
    }
}

#[cfg(test)]
mod tests;
