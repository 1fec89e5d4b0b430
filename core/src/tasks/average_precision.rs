//! Average precision of detections, as Pascal VOC defines it.
//!
//! For each class, detections are taken in order of their scores. A detection belongs to that object of its
//! image which it overlaps most. It is true if the overlap is above one half and the object was not found
//! before. If the object is marked difficult, the detection is ignored. A class without an object that counts
//! has no average precision and is left out of the mean; a class whose objects were not found has 0.

use serde::{Deserialize, Serialize};

use super::boxes::CornerBox;

/// An annotated object, in pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Index of its image.
    pub image: usize,
    pub class: usize,
    pub difficult: bool,
    pub corners: CornerBox,
}

/// A box that a detector reports, in pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    pub image: usize,
    pub class: usize,
    pub score: f64,
    pub corners: CornerBox,
}

/// The result of comparing a detection with the annotated objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectionVerdict {
    /// The detection found an object.
    True,
    /// It overlaps no object by more than the threshold.
    False,
    /// A detection with a higher score found this object before; it counts as false.
    Duplicate,
    /// The detection found an object that is marked difficult, and is not counted.
    Ignored,
}

/// How the area below the curve of precision over recall is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The mean over recalls 0, 0.1, … 1 of the best precision at this recall or a higher one, as until 2009.
    ElevenPoints,
    /// The area under the curve after it was made monotonically decreasing.
    Area,
}

/// The curve of precision over recall for one class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// The number of objects that count, without difficult ones.
    pub objects: usize,
    /// The verdict on each detection, in order of decreasing score.
    pub verdicts: Vec<DetectionVerdict>,
    /// The precision after each of those detections; 0 as long as nothing has been counted.
    pub precision: Vec<f64>,
    /// The recall after each of those detections.
    pub recall: Vec<f64>,
}

/// The curve of the detections of one class. A detection is true if its overlap with an object is greater than
/// `overlap`, which is 0.5 in the protocol.
///
/// Detections with equal scores keep their order; of objects that are overlapped equally, the first is taken.
pub fn curve(objects: &[Object], detections: &[Detection], class: usize, overlap: f64) -> Curve {
    let objects: Vec<_> = objects.iter().filter(|object| object.class == class).collect();
    let mut detections: Vec<_> = detections.iter().filter(|found| found.class == class).collect();
    detections.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut taken = vec![false; objects.len()];
    let mut verdict = |detection: &Detection| {
        let mut best: Option<(usize, f64)> = None;
        for (index, object) in objects.iter().enumerate().filter(|(_, o)| o.image == detection.image) {
            let found = object.corners.overlap(&detection.corners);
            if best.is_none_or(|(_, largest)| found > largest) {
                best = Some((index, found));
            }
        }
        match best {
            Some((index, found)) if found > overlap => {
                if objects[index].difficult {
                    DetectionVerdict::Ignored
                } else if std::mem::replace(&mut taken[index], true) {
                    DetectionVerdict::Duplicate
                } else {
                    DetectionVerdict::True
                }
            }
            _ => DetectionVerdict::False,
        }
    };
    let verdicts: Vec<_> = detections.into_iter().map(&mut verdict).collect();
    let counted = objects.iter().filter(|object| !object.difficult).count();
    let (mut right, mut wrong) = (0_u32, 0_u32);
    let (mut precision, mut recall) = (Vec::new(), Vec::new());
    for verdict in &verdicts {
        match verdict {
            DetectionVerdict::True => right += 1,
            DetectionVerdict::False | DetectionVerdict::Duplicate => wrong += 1,
            DetectionVerdict::Ignored => {}
        }
        precision.push(f64::from(right) / f64::from((right + wrong).max(1)));
        recall.push(f64::from(right) / counted.max(1) as f64);
    }
    Curve { objects: counted, verdicts, precision, recall }
}

impl Curve {
    /// The average precision, between 0 and 1; `None` for a class without an object that counts.
    pub fn average_precision(&self, rule: Rule) -> Option<f64> {
        if self.objects == 0 {
            return None;
        }
        // The best precision at this recall or a higher one.
        let mut envelope = self.precision.clone();
        for place in (1..envelope.len()).rev() {
            envelope[place - 1] = envelope[place - 1].max(envelope[place]);
        }
        Some(match rule {
            Rule::ElevenPoints => {
                let at = |recall: f64| {
                    let place = self.recall.partition_point(|&found| found < recall);
                    envelope.get(place).copied().unwrap_or(0.0)
                };
                (0..=10).map(|tenth| at(f64::from(tenth) / 10.0)).sum::<f64>() / 11.0
            }
            Rule::Area => {
                let before = std::iter::once(&0.0).chain(&self.recall);
                let gains = self.recall.iter().zip(before).map(|(after, before)| after - before);
                gains.zip(&envelope).map(|(gain, precision)| gain * precision).sum()
            }
        })
    }
}

/// The average precision of each class; `None` for a class without one.
pub fn by_class(
    objects: &[Object],
    detections: &[Detection],
    classes: impl IntoIterator<Item = usize>,
    overlap: f64,
    rule: Rule,
) -> Vec<Option<f64>> {
    let one = |class| curve(objects, detections, class, overlap).average_precision(rule);
    classes.into_iter().map(one).collect()
}

/// The mean of the defined values; `None` if there are none.
pub fn mean(values: &[Option<f64>]) -> Option<f64> {
    let defined: Vec<f64> = values.iter().copied().flatten().collect();
    (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(difficult: bool) -> Object {
        Object { image: 0, class: 1, difficult, corners: CornerBox::from([0.0, 0.0, 10.0, 10.0]) }
    }

    fn detection(image: usize, score: f64) -> Detection {
        Detection { image, class: 1, score, corners: CornerBox::from([0.0, 0.0, 10.0, 9.0]) }
    }

    #[test]
    fn an_overlap_of_exactly_one_half_is_not_enough() {
        let half = Detection { corners: CornerBox::from([0.0, 0.0, 10.0, 5.0]), ..detection(0, 0.9) };
        let found = curve(&[object(false)], &[half], 1, 0.5);
        assert_eq!(found.verdicts, [DetectionVerdict::False]);
        assert_eq!(found.average_precision(Rule::Area), Some(0.0));
    }

    #[test]
    fn the_best_detection_on_a_difficult_object_leaves_the_class_a_number() {
        let mut objects = vec![object(true), object(false)];
        objects[1].image = 1;
        let found = curve(&objects, &[detection(0, 0.9), detection(1, 0.8)], 1, 0.5);
        assert_eq!(found.verdicts, [DetectionVerdict::Ignored, DetectionVerdict::True]);
        assert_eq!(found.precision, [0.0, 1.0]);
        for rule in [Rule::ElevenPoints, Rule::Area] {
            assert_eq!(found.average_precision(rule), Some(1.0));
        }
    }

    #[test]
    fn classes_without_objects_are_left_out_and_those_that_nobody_found_are_not() {
        let mut objects = vec![object(false), object(false)];
        objects[1].class = 2;
        let found = by_class(&objects, &[detection(0, 0.5)], [1, 2, 3], 0.5, Rule::Area);
        assert_eq!(found, [Some(1.0), Some(0.0), None]);
        assert_eq!(mean(&found), Some(0.5));
        assert_eq!(mean(&[None]), None);
    }
}
