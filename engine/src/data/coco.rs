//! COCO keypoints: pictures of people with seventeen joints.
//!
//! `annotations/person_keypoints_{train,val}2017.json` names the pictures, which lie in `{train,val}2017` or
//! in `images/{train,val}2017`. Crowds and people without joints are kept with the rest, because evaluation
//! needs them; [`CocoPerson::is_used`] tells which people are trained on.

mod file;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use relativenas_core::tasks::{
    joints::{JOINTS, NAMES, Visibility},
    person_crop::{self, PersonCrop},
};

use self::file::{Annotation, Category, File};
use super::{
    fault::{self, Fault},
    picture::Picture,
};

/// The rounding in pixels of the boxes in the files: they are written with two digits, so the last digit may
/// place a border outside of the picture.
const ROUNDING: f64 = 0.02;

/// The pictures of the training and the validation set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coco {
    pub train: Vec<CocoImage>,
    pub valid: Vec<CocoImage>,
}

/// One picture and all people in it.
#[derive(Clone, Debug, PartialEq)]
pub struct CocoImage {
    pub id: u64,
    pub picture: PathBuf,
    pub width: usize,
    pub height: usize,
    pub people: Vec<CocoPerson>,
}

/// One annotated person, or a crowd.
#[derive(Clone, Debug, PartialEq)]
pub struct CocoPerson {
    pub id: u64,
    /// Left, top, width and height in pixels, as the file has them.
    pub corners: [f64; 4],
    /// The area of the person's mask, in square pixels.
    pub area: f64,
    /// The place of each joint in pixels of the picture, and whether it is labelled and visible.
    pub joints: [([f64; 2], Visibility); JOINTS],
    /// Whether the annotation covers a group of people instead of one person (`iscrowd`).
    pub crowd: bool,
    /// The rectangle that the network sees of the person; `None` for a crowd, which is not used.
    pub crop: Option<PersonCrop>,
}

impl CocoPerson {
    /// The number of joints that are labelled.
    pub fn labelled(&self) -> usize {
        self.joints.iter().filter(|(_, visible)| visible.is_labelled()).count()
    }

    /// Whether training and evaluation use this person.
    pub fn is_used(&self) -> bool {
        !self.crowd && self.labelled() > 0
    }
}

impl CocoImage {
    /// Decodes the picture.
    ///
    /// # Errors
    /// If it cannot be decoded, or has another size than the file says.
    pub fn decode(&self) -> Result<Picture, Fault> {
        fault::read_picture(&self.picture, Some([self.width, self.height]))
    }
}

fn annotations(folder: &Path, set: &str) -> PathBuf {
    folder.join(format!("annotations/person_keypoints_{set}2017.json"))
}

/// Whether a folder holds COCO's keypoints.
pub(super) fn lies_in(folder: &Path) -> bool {
    ["train", "val"].iter().any(|set| annotations(folder, set).is_file())
}

/// Reads both files of annotations without opening pictures. What is wrong with an annotation is added to
/// `faults`, and the annotation is left out.
pub fn read(folder: &Path, faults: &mut Vec<Fault>) -> Coco {
    let mut set = |set: &str| {
        let file = annotations(folder, set);
        if file.is_file() { read_set(folder, set, &file, faults) } else { Vec::new() }
    };
    Coco { train: set("train"), valid: set("val") }
}

fn read_set(folder: &Path, set: &str, path: &Path, faults: &mut Vec<Fault>) -> Vec<CocoImage> {
    let read = fault::read(path).and_then(|bytes| {
        serde_json::from_slice::<File>(&bytes).map_err(|error| {
            let cut = if error.is_eof() { "it is cut short" } else { "it is not in COCO's format" };
            Fault::new(path, format!("{cut}: {error}"))
        })
    });
    let File { images, annotations, categories } = match read {
        Ok(file) => file,
        Err(fault) => {
            faults.push(fault);
            return Vec::new();
        }
    };
    let mut add = |what: String| faults.push(Fault::new(path, what));
    let mut found: Vec<CocoImage> = Vec::new();
    let mut places: BTreeMap<u64, usize> = BTreeMap::new();
    for image in images {
        let name = &image.file_name;
        if name.is_empty() || name.contains('\\') || Path::new(name).is_absolute() || name.contains("..") {
            add(format!("image {}: `{name}` is no name of a file", image.id));
            continue;
        }
        let folders = [folder.join(format!("{set}2017")), folder.join(format!("images/{set}2017"))];
        let Some(picture) = folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()) else {
            let wanted = folders[0].join(name);
            add(format!("image {}: `{}` is missing", image.id, wanted.display()));
            continue;
        };
        if places.insert(image.id, found.len()).is_some() {
            add(format!("image {} is listed twice", image.id));
            continue;
        }
        let (id, width, height) = (image.id, image.width, image.height);
        found.push(CocoImage { id, picture, width, height, people: Vec::new() });
    }
    let person = categories.iter().find(|category| category.name == "person");
    if let Err(what) = check_names(person) {
        add(what);
        return found;
    }
    let mut seen = BTreeSet::new();
    for annotation in annotations.iter().filter(|a| person.is_some_and(|p| p.id == a.category_id)) {
        let id = annotation.id;
        let Some(&place) = places.get(&annotation.image_id) else {
            add(format!("annotation {id}: there is no image {}", annotation.image_id));
            continue;
        };
        if !seen.insert(id) {
            add(format!("annotation {id} is there twice"));
            continue;
        }
        let image = &mut found[place];
        match read_person(annotation, [image.width, image.height]) {
            Ok(person) => image.people.push(person),
            Err(what) => add(format!("annotation {id} (a person in image {}): {what}", image.id)),
        }
    }
    found
}

/// Checks that the joints are COCO's in its order: a network distinguishes them by their index.
fn check_names(person: Option<&Category>) -> Result<(), String> {
    let Some(person) = person else { return Err("it has no category `person`".into()) };
    let names = &person.keypoints;
    if names.len() != JOINTS {
        return Err(format!("the category `person` has {} joints; it has to have {JOINTS}", names.len()));
    }
    match names.iter().zip(NAMES).enumerate().find(|(_, (found, expected))| found != expected) {
        Some((joint, (found, expected))) => {
            Err(format!("joint {joint} of the category `person` is `{found}`, not `{expected}`"))
        }
        None => Ok(()),
    }
}

fn read_person(annotation: &Annotation, size: [usize; 2]) -> Result<CocoPerson, String> {
    let Annotation { id, keypoints, bbox, area, .. } = annotation;
    let crowd = match annotation.iscrowd {
        0 => false,
        1 => true,
        other => return Err(format!("`iscrowd` is {other}; it has to be 0 or 1")),
    };
    if keypoints.len() != 3 * JOINTS {
        return Err(format!(
            "`keypoints` holds {} numbers; {JOINTS} joints are {} (x, y and visibility each)",
            keypoints.len(),
            3 * JOINTS
        ));
    }
    let mut joints = [([0.0; 2], Visibility::NotLabelled); JOINTS];
    for (joint, (place, at)) in joints.iter_mut().zip(keypoints.chunks_exact(3)).enumerate() {
        let known = (at[2].fract() == 0.0 && at[2] >= 0.0).then_some(at[2] as u64);
        let visible = known.and_then(Visibility::from_number).ok_or_else(|| {
            format!("the visibility of joint {joint} ({}) is {}; it has to be 0, 1 or 2", NAMES[joint], at[2])
        })?;
        *place = ([at[0], at[1]], visible);
    }
    let labelled = joints.iter().filter(|(_, visible)| visible.is_labelled()).count();
    if annotation.num_keypoints.is_some_and(|said| said != labelled) {
        let said = annotation.num_keypoints.unwrap_or_default();
        return Err(format!("`num_keypoints` is {said}, but {labelled} joints are labelled"));
    }
    check_box(*bbox, size)?;
    if !(area.is_finite() && *area >= 0.0) {
        return Err(format!("its area is {area}"));
    }
    let crop = (!crowd).then(|| person_crop::cut(*bbox, size)).flatten();
    let crop = crop.map(|corners| PersonCrop::around(&corners)).filter(|crop| crop.scale[0] > 0.0);
    if crop.is_none() && !crowd && labelled > 0 {
        return Err(format!("its box {bbox:?} is a pixel wide or high at most, too small to show a person"));
    }
    Ok(CocoPerson { id: *id, corners: *bbox, area: *area, joints, crowd, crop })
}

fn check_box([x, y, width, height]: [f64; 4], [image_width, image_height]: [usize; 2]) -> Result<(), String> {
    let written = format!("its box (x {x}, y {y}, width {width}, height {height})");
    if width < 0.0 || height < 0.0 {
        return Err(format!("{written} is inverted"));
    }
    if width == 0.0 || height == 0.0 {
        return Err(format!("{written} is empty"));
    }
    let ends = [x + width - image_width as f64, y + height - image_height as f64];
    let inside = x >= -ROUNDING && y >= -ROUNDING && ends.iter().all(|&end| end <= ROUNDING);
    if inside {
        Ok(())
    } else {
        Err(format!("{written} lies outside the picture of {image_width}×{image_height} pixels"))
    }
}

#[cfg(test)]
mod tests;
