//! What a network predicts for a picture, as JSON and as a drawing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use fast_image_resize::Resizer;
use relativenas_core::{
    network::NetworkKind,
    tasks::{
        Task,
        joints::COUNTED_SCORE,
        label_ids,
        person_crop::{PersonCrop, cut},
        priors::priors,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use tch::{Tensor, no_grad};

use super::{
    draw::{Drawing, Mark},
    load::Loaded,
    stem,
};
use crate::{
    data::{PhotoView, picture::Picture},
    network::ForwardMode,
    tasks::{
        bisenet,
        evaluation::{classes, detector_input, heat, poses, report},
        pixels::{normalised, tensor},
        sliding::Sliding,
        ssd_lite,
    },
};

/// The number of most probable classes that are listed for a picture.
const TOP: usize = 5;

/// Boxes of people (x, y, width, height, in pixels) with their scores, by the name or number of the picture.
pub type People = BTreeMap<String, Vec<([f64; 4], f64)>>;

/// An entry of COCO's annotations or detections.
#[derive(Deserialize)]
struct PersonBox {
    image_id: Value,
    #[serde(default)]
    category_id: Option<u64>,
    bbox: [f64; 4],
    #[serde(default)]
    score: Option<f64>,
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum BoxFile {
    Detections(Vec<PersonBox>),
    Annotations { annotations: Vec<PersonBox> },
}

/// Reads boxes of people from COCO's detections or annotations. Crowds, and categories other than 1 (people),
/// are skipped.
///
/// # Errors
/// If the file is neither, or a box is empty.
pub fn people_in(path: &Path) -> anyhow::Result<People> {
    let context = || format!("--boxes `{}`", path.display());
    let bytes = std::fs::read(path).with_context(context)?;
    let file: BoxFile = serde_json::from_slice(&bytes)
        .context("neither a list of COCO's detections nor its annotations")
        .with_context(context)?;
    let (BoxFile::Detections(boxes) | BoxFile::Annotations { annotations: boxes }) = file;
    let mut people = People::new();
    for (number, entry) in boxes.into_iter().enumerate() {
        if entry.category_id.is_some_and(|category| category != 1) || entry.iscrowd != 0 {
            continue;
        }
        let [.., width, height] = entry.bbox;
        anyhow::ensure!(
            width > 0.0 && height > 0.0 && entry.bbox.iter().all(|n| n.is_finite()),
            "{}: the box of entry {number}, {:?}, is empty or inverted",
            context(),
            entry.bbox
        );
        let image = match entry.image_id {
            Value::String(name) => stem(&PathBuf::from(name)),
            other => other.to_string(),
        };
        people.entry(image).or_default().push((entry.bbox, entry.score.unwrap_or(1.0)));
    }
    Ok(people)
}

/// The id of an image, from the name of its file without ending: a number where the name is one, as in COCO, else
/// the name.
fn image_id(file: &Path) -> Value {
    let name = stem(file);
    name.parse::<u64>().map_or_else(|_| json!(name), |number| json!(number))
}

fn people_of<'a>(people: &'a People, file: &Path) -> &'a [([f64; 4], f64)] {
    let number = image_id(file).to_string();
    let found = people.get(&stem(file)).or_else(|| people.get(&number));
    found.map_or(&[], Vec::as_slice)
}

impl Loaded {
    /// The JSON entries for one picture, and what is drawn on it. For keypoints, `people` are the boxes to look in
    /// (`None`: the whole picture); of detections, those with a score of at least `least` are reported.
    ///
    /// # Errors
    /// If the picture cannot be resized, or the device fails.
    pub fn predict(
        &self,
        file: &Path,
        picture: &Picture,
        people: Option<&People>,
        least: f64,
    ) -> anyhow::Result<(Vec<Value>, Drawing)> {
        match self.network.task {
            Task::Classification => self.class_of(file, picture),
            Task::Detection => self.boxes_in(file, picture, least),
            Task::Segmentation => self.classes_in(file, picture),
            Task::Keypoints => {
                let whole = [([0.0, 0.0, picture.width as f64, picture.height as f64], 1.0)];
                let boxes = people.map_or(&whole[..], |people| people_of(people, file));
                self.people_in(file, picture, boxes)
            }
        }
    }

    fn class_name(&self, class: usize) -> &str {
        self.network.classes.get(class).map_or("", String::as_str)
    }

    fn class_of(&self, file: &Path, picture: &Picture) -> anyhow::Result<(Vec<Value>, Drawing)> {
        let kind = self.network.network.kind;
        let share = if kind == NetworkKind::Imagenet { PhotoView::VALIDATED } else { 1.0 };
        let side = kind.image_side();
        let rgb = picture.resize(picture.centre(share), side, &mut Resizer::new());
        let rgb = rgb.map_err(|problem| anyhow::anyhow!("`{}`: {problem}", file.display()))?;
        let image = tensor(&Picture { width: side, height: side, rgb }, self.device)?.f_div_scalar(255.0)?;
        let row = |numbers: [f32; 3]| {
            Tensor::f_from_slice(&numbers)?.f_reshape([1, 3, 1, 1])?.f_to_device(self.device)
        };
        let image = image.f_sub(&row(self.network.mean)?)?.f_div(&row(self.network.std)?)?;
        let shares = self.classify(&image)?;
        let mut order: Vec<_> = (0..shares.len()).collect();
        order.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]));
        let top: Vec<_> = order
            .iter()
            .take(TOP)
            .map(|&class| {
                json!({"class": class, "name": self.class_name(class), "probability": shares[class]})
            })
            .collect();
        let best = order.first().copied().unwrap_or_default();
        let text = format!("{} {:.0} %", self.class_name(best), 100.0 * shares.get(best).unwrap_or(&0.0));
        let drawing = Drawing { marks: vec![Mark::Title { text, color: best }], ..Drawing::default() };
        Ok((vec![json!({"image": file.display().to_string(), "top": top})], drawing))
    }

    /// Boxes in COCO's detection format with class names added; boxes are (x, y, width, height) in pixels
    /// counted from 0.
    fn boxes_in(&self, file: &Path, picture: &Picture, least: f64) -> anyhow::Result<(Vec<Value>, Drawing)> {
        let (network, state) = self.task()?;
        let input = detector_input(&tensor(picture, self.device)?)?;
        let outputs = no_grad(|| ssd_lite::run(network, state, &input, ForwardMode::Evaluation))?;
        let mut found = report(&outputs, &priors())?.pop().unwrap_or_default();
        found.retain(|reported| reported.score >= least);
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        let (width, height) = (picture.width as f64, picture.height as f64);
        let (mut entries, mut marks) = (Vec::new(), Vec::new());
        for reported in found {
            let class = reported.class - 1;
            let corners = reported.corners.scaled(width, height);
            let [x, y] = [corners.left, corners.top];
            let size = [corners.right - x, corners.bottom - y];
            let name = self.class_name(class);
            entries.push(json!({
                "image": file.display().to_string(), "image_id": image_id(file),
                "category_id": reported.class, "category": name,
                "bbox": [x, y, size[0], size[1]], "score": reported.score,
            }));
            let text = format!("{name} {:.0} %", 100.0 * reported.score);
            marks.push(Mark::Box { corners, color: class, text });
        }
        marks.reverse(); // The best is drawn last.
        Ok((entries, Drawing { marks, ..Drawing::default() }))
    }

    /// Every class that occurs, its share of the pixels, and which pixels these are, as run lengths: row by
    /// row, pixels of other classes and pixels of this class alternate.
    fn classes_in(&self, file: &Path, picture: &Picture) -> anyhow::Result<(Vec<Value>, Drawing)> {
        let (network, state) = self.task()?;
        let input = normalised(&tensor(picture, self.device)?)?;
        let sliding = Sliding { chip: self.view.chip, ..Sliding::plain() };
        let mut run = |chip: &Tensor| bisenet::run(network, state, chip, ForwardMode::Evaluation);
        let ids = classes(&input, &sliding, &mut run)?;
        let label_id = |class: u8| label_ids::IDS.iter().position(|(_, train)| *train == class);
        let mut segments = Vec::new();
        for class in 0..label_ids::CLASSES as u8 {
            let pixels = ids.iter().filter(|&&id| id == class).count();
            if pixels > 0 {
                segments.push(json!({
                    "train_id": class, "label_id": label_id(class), "category": self.class_name(class.into()),
                    "share": pixels as f64 / ids.len() as f64, "runs": runs(&ids, class),
                }));
            }
        }
        let entry = json!({
            "image": file.display().to_string(), "width": picture.width, "height": picture.height,
            "segments": segments,
        });
        let label_ids = ids.iter().map(|&id| label_id(id).unwrap_or_default() as u8).collect();
        let drawing = Drawing { mask: Some(ids), label_ids: Some(label_ids), marks: Vec::new() };
        Ok((vec![entry], drawing))
    }

    /// Poses in COCO's keypoint detection format.
    fn people_in(
        &self,
        file: &Path,
        picture: &Picture,
        boxes: &[([f64; 4], f64)],
    ) -> anyhow::Result<(Vec<Value>, Drawing)> {
        let (network, state) = self.task()?;
        let size = [picture.width, picture.height];
        let crop =
            |&(corners, score): &([f64; 4], f64)| Some((PersonCrop::around(&cut(corners, size)?), score));
        let wanted: Vec<_> = boxes.iter().filter_map(crop).filter(|(crop, _)| crop.scale[0] > 0.0).collect();
        if wanted.is_empty() {
            return Ok((Vec::new(), Drawing::default()));
        }
        let crops: Vec<_> = wanted.iter().map(|(crop, _)| *crop).collect();
        let mut run = |inputs: &Tensor| heat(network, state, self.view, inputs);
        let (found, _) = poses(self.device, picture, &crops, &mut run)?;
        let (mut entries, mut marks) = (Vec::new(), Vec::new());
        for (person, ((pose, scores), (_, box_score))) in found.into_iter().zip(wanted).enumerate() {
            let numbers = pose.joints.iter().zip(scores);
            let keypoints: Vec<f64> = numbers.flat_map(|(&[x, y], score)| [x, y, score]).collect();
            entries.push(json!({
                "image": file.display().to_string(), "image_id": image_id(file), "category_id": 1,
                "keypoints": keypoints, "score": pose.score * box_score,
            }));
            let joints =
                std::array::from_fn(|joint| (scores[joint] > COUNTED_SCORE).then_some(pose.joints[joint]));
            marks.push(Mark::Skeleton { joints: Box::new(joints), color: person });
        }
        Ok((entries, Drawing { marks, ..Drawing::default() }))
    }
}

/// Run lengths of other values and of this value alternately, beginning with the other values.
fn runs(values: &[u8], value: u8) -> Vec<usize> {
    let (mut runs, mut inside, mut length) = (Vec::new(), false, 0);
    for &found in values {
        if (found == value) != inside {
            runs.push(std::mem::take(&mut length));
            inside = !inside;
        }
        length += 1;
    }
    runs.push(length);
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_begin_with_what_is_not_there() {
        assert_eq!(runs(&[3, 3, 1, 3], 3), [0, 2, 1, 1]);
        assert_eq!(runs(&[1, 1, 3], 3), [2, 1]);
        assert_eq!(runs(&[1, 1], 3), [2]);
    }
}
