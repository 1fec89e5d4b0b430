//! The data of a task: annotated pictures, in the parts that a data set has.

use std::path::Path;

use relativenas_core::tasks::{Task, label_ids};

use crate::data::{
    cityscapes::{self, Street},
    coco::{self, CocoImage},
    fault::{Fault, RefusedDataSet},
    voc::{self, VocImage},
};

/// Annotated pictures of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskImages {
    /// Pictures with boxes around objects, for detection.
    Boxes { classes: Vec<String>, images: Vec<VocImage> },
    /// Pictures with a class for every pixel, for segmentation.
    Masks(Vec<Street>),
    /// Pictures of people with joints, for keypoints.
    People(Vec<CocoImage>),
}

/// The data set of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskData {
    pub name: &'static str,
    pub classes: Vec<String>,
    pub train: TaskImages,
    pub valid: TaskImages,
    /// Test images; those without annotations are left out.
    pub test: TaskImages,
    /// What is wrong with the images that were left out.
    pub faults: Vec<Fault>,
}

impl TaskImages {
    pub fn len(&self) -> usize {
        match self {
            Self::Boxes { images, .. } => images.len(),
            Self::Masks(streets) => streets.len(),
            Self::People(images) => images.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The images at these indices.
    pub fn chosen(&self, places: &[usize]) -> Self {
        fn of<T: Clone>(all: &[T], places: &[usize]) -> Vec<T> {
            places.iter().filter_map(|&place| all.get(place).cloned()).collect()
        }
        match self {
            Self::Boxes { classes, images } => {
                Self::Boxes { classes: classes.clone(), images: of(images, places) }
            }
            Self::Masks(streets) => Self::Masks(of(streets, places)),
            Self::People(images) => Self::People(of(images, places)),
        }
    }

    /// The first `count` images.
    pub fn first(&self, count: usize) -> Self {
        self.chosen(&(0..count.min(self.len())).collect::<Vec<_>>())
    }

    /// These images followed by others of the same kind.
    pub fn followed_by(&self, more: &Self) -> Self {
        let mut all = self.clone();
        match (&mut all, more) {
            (Self::Boxes { images, .. }, Self::Boxes { images: more, .. }) => images.extend_from_slice(more),
            (Self::Masks(streets), Self::Masks(more)) => streets.extend_from_slice(more),
            (Self::People(images), Self::People(more)) => images.extend_from_slice(more),
            _ => {}
        }
        all
    }

    /// All annotations as text; two sets that differ have different texts.
    fn described(&self) -> String {
        match self {
            Self::Boxes { classes, images } => {
                let lines =
                    images.iter().map(|i| format!("{} {}×{} {:?}\n", i.id, i.width, i.height, i.objects));
                format!("{classes:?}\n{}", lines.collect::<String>())
            }
            Self::Masks(streets) => {
                let length = |path: &Path| path.metadata().map_or(0, |found| found.len());
                let line = |s: &Street| {
                    let labels = s.labels.as_deref().map_or(0, length);
                    format!("{} {} {labels}\n", s.name, length(&s.picture))
                };
                streets.iter().map(line).collect()
            }
            Self::People(images) => {
                let line = |i: &CocoImage| format!("{} {}×{} {:?}\n", i.id, i.width, i.height, i.people);
                images.iter().map(line).collect()
            }
        }
    }
}

impl TaskData {
    /// Reads the annotations in a folder without opening pictures. Images with faults are left out.
    ///
    /// # Errors
    /// If there are more than `bearable` faults; the error names the first ones.
    pub fn open(task: Task, folder: &Path, bearable: usize) -> Result<Self, RefusedDataSet> {
        let mut faults = Vec::new();
        let data = match task {
            Task::Classification => {
                let what = "classification has labels for whole pictures, and no annotations to read";
                let faults = vec![Fault { file: folder.to_owned(), what: what.to_owned() }];
                return Err(RefusedDataSet { folder: folder.to_owned(), faults });
            }
            Task::Detection => {
                let found = voc::read(folder, &mut faults);
                let of = |images| TaskImages::Boxes { classes: found.classes.clone(), images };
                let [train, valid, test] = [found.train, found.valid, found.test].map(of);
                Self { name: "Pascal VOC", classes: found.classes, train, valid, test, faults: Vec::new() }
            }
            Task::Segmentation => {
                let found = cityscapes::read(folder, &mut faults);
                let labelled = found.test.into_iter().filter(|street| street.labels.is_some()).collect();
                let [train, valid, test] = [found.train, found.valid, labelled].map(TaskImages::Masks);
                let classes = label_ids::class_names().into_iter().map(str::to_owned).collect();
                Self { name: "Cityscapes", classes, train, valid, test, faults: Vec::new() }
            }
            Task::Keypoints => {
                let found = coco::read(folder, &mut faults);
                let [train, valid] = [found.train, found.valid].map(TaskImages::People);
                let (classes, test) = (vec!["person".to_owned()], TaskImages::People(Vec::new()));
                Self { name: "COCO keypoints", classes, train, valid, test, faults: Vec::new() }
            }
        };
        if faults.len() > bearable {
            return Err(RefusedDataSet { folder: folder.to_owned(), faults });
        }
        Ok(Self { faults, ..data })
    }

    /// A fingerprint of images and annotations: 64 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in [&self.train, &self.valid, &self.test] {
            let text = part.described();
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}
