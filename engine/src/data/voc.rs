//! Pascal VOC: photographs with boxes around objects.
//!
//! A devkit of one year is a folder with `Annotations`, `ImageSets/Main` and `JPEGImages`; several years side
//! by side are one data set. The classes are those in `labels.txt`, separated by commas or lines; without
//! that file, those that have lists of their own in `ImageSets/Main`; without such lists, the twenty of the
//! challenge. Objects of other classes are left out.

mod annotation;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use relativenas_core::tasks::boxes::CornerBox;

use super::{
    fault::{self, Fault},
    picture::Picture,
};

/// The classes of the challenge, in its order.
pub const CHALLENGE: [&str; 20] = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

/// The years that are looked for below a folder.
const YEARS: [&str; 2] = ["VOC2007", "VOC2012"];

/// Photographs with the boxes in them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Voc {
    /// The names of the classes. Class 0 of a detector is background, so the first of these is its class 1.
    pub classes: Vec<String>,
    /// Training images: those of `trainval` where there is no `train`.
    pub train: Vec<VocImage>,
    pub valid: Vec<VocImage>,
    pub test: Vec<VocImage>,
}

/// One photograph.
#[derive(Clone, Debug, PartialEq)]
pub struct VocImage {
    /// The name of the image, such as `000001`, which is unique within a year.
    pub id: String,
    pub picture: PathBuf,
    pub width: usize,
    pub height: usize,
    pub objects: Vec<VocObject>,
    /// The number of objects of other classes that were left out.
    pub left_out: usize,
}

/// One object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VocObject {
    /// The class, as an index of [`Voc::classes`].
    pub class: usize,
    /// The corners of the box, in pixels counted from 0: the numbers of the file less 1.
    pub corners: CornerBox,
    /// Whether the object is marked difficult. Such objects are left out of training, and average precision
    /// ignores them.
    pub difficult: bool,
    /// Whether the object is marked truncated: it extends beyond its box.
    pub truncated: bool,
}

impl VocImage {
    /// Boxes and classes of the objects that are not difficult.
    pub fn countable(&self) -> Vec<(CornerBox, usize)> {
        let countable = self.objects.iter().filter(|object| !object.difficult);
        countable.map(|object| (object.corners, object.class)).collect()
    }

    /// Decodes the photograph.
    ///
    /// # Errors
    /// If it cannot be decoded, or has another size than its annotation says.
    pub fn decode(&self) -> Result<Picture, Fault> {
        fault::read_picture(&self.picture, Some([self.width, self.height]))
    }
}

/// The devkits in a folder: the folder itself, or years in it or in its `VOCdevkit`.
pub(super) fn devkits(folder: &Path) -> Vec<PathBuf> {
    let is_devkit = |path: &PathBuf| path.join("ImageSets/Main").is_dir();
    if is_devkit(&folder.to_owned()) {
        return vec![folder.to_owned()];
    }
    let places = [folder.to_owned(), folder.join("VOCdevkit")];
    places.iter().flat_map(|place| YEARS.map(|year| place.join(year))).filter(is_devkit).collect()
}

/// Reads the annotations of all photographs without opening these. What is wrong with an image is added to
/// `faults`, and the image is left out.
pub fn read(folder: &Path, faults: &mut Vec<Fault>) -> Voc {
    let devkits = devkits(folder);
    let mut voc = Voc { classes: classes(folder, &devkits, faults), ..Voc::default() };
    for devkit in &devkits {
        let lists = devkit.join("ImageSets/Main");
        let has = |set: &str| lists.join(format!("{set}.txt")).is_file();
        let first = if has("train") || !has("trainval") { "train" } else { "trainval" };
        let mut found = false;
        for (set, images) in [(first, &mut voc.train), ("val", &mut voc.valid), ("test", &mut voc.test)] {
            if has(set) && !(first == "trainval" && set == "val") {
                found = true;
                images.extend(read_set(devkit, set, &voc.classes, faults));
            }
        }
        if !found {
            faults.push(Fault::new(&lists, "it holds neither train.txt, trainval.txt, val.txt nor test.txt"));
        }
    }
    voc
}

fn read_set(devkit: &Path, set: &str, classes: &[String], faults: &mut Vec<Fault>) -> Vec<VocImage> {
    let list = devkit.join("ImageSets/Main").join(format!("{set}.txt"));
    let text = match fault::read_text(&list) {
        Ok(text) => text,
        Err(fault) => {
            faults.push(fault);
            return Vec::new();
        }
    };
    let (mut images, mut seen) = (Vec::new(), BTreeSet::new());
    for (line, id) in text.lines().map(str::trim).enumerate().filter(|(_, id)| !id.is_empty()) {
        let line = line + 1;
        let problem = if id.contains(char::is_whitespace) {
            Some(format!("line {line}, `{id}`, is more than the name of an image"))
        } else if id.contains(['/', '\\']) || id == ".." {
            Some(format!("line {line}, `{id}`, is no name but a path"))
        } else if !seen.insert(id) {
            Some(format!("line {line} lists `{id}` a second time"))
        } else {
            None
        };
        match problem {
            Some(what) => faults.push(Fault::new(&list, what)),
            None => match read_image(devkit, id, classes) {
                Ok(image) => images.push(image),
                Err(found) => faults.extend(found),
            },
        }
    }
    images
}

fn read_image(devkit: &Path, id: &str, classes: &[String]) -> Result<VocImage, Vec<Fault>> {
    let file = devkit.join("Annotations").join(format!("{id}.xml"));
    let picture = devkit.join("JPEGImages").join(format!("{id}.jpg"));
    let mut faults = Vec::new();
    if !picture.is_file() {
        faults.push(Fault::new(&picture, "it is missing, but a list names it"));
    }
    let text = fault::read_text(&file).map_err(|fault| {
        faults.push(fault);
        std::mem::take(&mut faults)
    })?;
    match annotation::parse(&text, classes) {
        Ok(annotation::Annotation { width, height, objects, left_out }) if faults.is_empty() => {
            Ok(VocImage { id: id.to_owned(), picture, width, height, objects, left_out })
        }
        Ok(_) => Err(faults),
        Err(problems) => {
            faults.extend(problems.into_iter().map(|what| Fault::new(&file, what)));
            Err(faults)
        }
    }
}

fn classes(folder: &Path, devkits: &[PathBuf], faults: &mut Vec<Fault>) -> Vec<String> {
    let named = std::iter::once(folder).chain(devkits.iter().map(PathBuf::as_path));
    if let Some(file) = named.map(|place| place.join("labels.txt")).find(|file| file.is_file()) {
        match fault::read_text(&file) {
            Ok(text) => {
                let names = text.split([',', '\n']).map(str::trim).filter(|name| !name.is_empty());
                // Some lists begin with the background, which is no class of objects.
                let names: Vec<_> = names.filter(|n| !n.eq_ignore_ascii_case("background")).collect();
                if let Some(twice) = names.iter().enumerate().find(|(i, n)| names[..*i].contains(n)) {
                    faults.push(Fault::new(&file, format!("it names the class `{}` twice", twice.1)));
                }
                return names.into_iter().map(str::to_owned).collect();
            }
            Err(fault) => faults.push(fault),
        }
    }
    let mut listed: BTreeMap<String, ()> = BTreeMap::new();
    for file in devkits.iter().flat_map(|devkit| fault::entries(&devkit.join("ImageSets/Main"))) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sets = ["_trainval.txt", "_train.txt", "_val.txt", "_test.txt"];
        if let Some(class) = sets.iter().find_map(|set| name.strip_suffix(set)) {
            listed.insert(class.to_owned(), ());
        }
    }
    if listed.is_empty() { CHALLENGE.map(str::to_owned).to_vec() } else { listed.into_keys().collect() }
}

#[cfg(test)]
mod tests;
