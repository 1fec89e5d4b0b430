//! Average precision and recall as COCO's own program computes them, for boxes and for people.
//!
//! Only the similarity differs between the two (overlap of boxes, or of joints: [`super::joints`]). In each
//! image, detections choose their objects in order of their scores, at ten thresholds of similarity.
//! Precision is read at 101 recalls. Crowds and other ignored objects may be matched with detections, but
//! need not be found.

use super::boxes::CornerBox;

/// An annotated object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// The area of the object's mask, in pixels, which decides whether it is medium or large.
    pub area: f64,
    /// Whether the object is not counted, such as a crowd or a person without joints.
    pub ignored: bool,
    /// Whether the object is a crowd, which may be matched with any number of detections.
    pub crowd: bool,
}

/// A detection, which is a box or a pose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    pub score: f64,
    /// The area in pixels. A detection that matches no object and whose area is outside of the evaluated
    /// range does not count as wrong.
    pub area: f64,
}

/// The objects and detections of one class in one image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageResult {
    pub truths: Vec<Truth>,
    pub found: Vec<Found>,
    /// The similarity of each detection to each object, `[found, truths]`, between 0 and 1.
    pub similarity: Vec<Vec<f64>>,
}

/// A range of areas in pixels, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Areas {
    pub least: f64,
    pub most: f64,
}

impl Areas {
    pub const ALL: Self = Self { least: 0.0, most: 1e10 };
    /// Small objects: below 32 × 32. Keypoints are not reported for them.
    pub const SMALL: Self = Self { least: 0.0, most: 1024.0 };
    /// Medium objects: from 32 × 32 to 96 × 96.
    pub const MEDIUM: Self = Self { least: 1024.0, most: 9216.0 };
    /// Large objects: above 96 × 96.
    pub const LARGE: Self = Self { least: 9216.0, most: 1e10 };

    fn holds(self, area: f64) -> bool {
        area >= self.least && area <= self.most
    }
}

/// Thresholds of similarity: 0.50, 0.55, … 0.95, with the last bits that COCO's program has.
pub fn thresholds() -> [f64; 10] {
    let step = (0.95 - 0.5) / 9.0;
    std::array::from_fn(|index| if index == 9 { 0.95 } else { 0.5 + index as f64 * step })
}

/// The evaluation of one class at each of the [`thresholds`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curves {
    /// The mean of the precisions at recalls 0, 0.01, … 1.
    pub average_precision: [f64; 10],
    /// The recall after all detections.
    pub recall: [f64; 10],
}

impl Curves {
    /// The mean average precision over the thresholds, which COCO calls AP.
    pub fn precision(&self) -> f64 {
        self.average_precision.iter().sum::<f64>() / 10.0
    }

    /// The mean recall over the thresholds, which COCO calls AR.
    pub fn mean_recall(&self) -> f64 {
        self.recall.iter().sum::<f64>() / 10.0
    }
}

/// The evaluation of one class over all images, with the `most` best detections of each image (20 for people, 100 for
/// boxes). `None` if no object that counts has such an area.
pub fn curves(images: &[ImageResult], areas: Areas, most: usize) -> Option<Curves> {
    let asked_of = |truth: &&Truth| !truth.ignored && areas.holds(truth.area);
    let asked = images.iter().flat_map(|image| &image.truths).filter(asked_of).count();
    if asked == 0 {
        return None;
    }
    let mut curves = Curves { average_precision: [0.0; 10], recall: [0.0; 10] };
    for (index, threshold) in thresholds().into_iter().enumerate() {
        let mut judged: Vec<_> =
            images.iter().flat_map(|image| image.judge(areas, most, threshold)).collect();
        judged.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let (mut right, mut wrong) = (0_u32, 0_u32);
        let (mut precision, mut recall) = (Vec::new(), Vec::new());
        for (_, verdict) in judged {
            match verdict {
                Some(true) => right += 1,
                Some(false) => wrong += 1,
                None => {}
            }
            precision.push(f64::from(right) / (f64::from(right + wrong) + f64::EPSILON));
            recall.push(f64::from(right) / asked as f64);
        }
        curves.recall[index] = recall.last().copied().unwrap_or(0.0);
        for place in (1..precision.len()).rev() {
            precision[place - 1] = precision[place - 1].max(precision[place]);
        }
        let at = |hundredth: u32| {
            let wanted = f64::from(hundredth) * 0.01;
            precision.get(recall.partition_point(|&r| r < wanted)).copied().unwrap_or(0.0)
        };
        curves.average_precision[index] = (0..=100).map(at).sum::<f64>() / 101.0;
    }
    Some(curves)
}

impl ImageResult {
    /// The best detections with their scores; `Some` says whether a detection is correct, `None` that it is
    /// not counted.
    fn judge(&self, areas: Areas, most: usize, threshold: f64) -> Vec<(f64, Option<bool>)> {
        let ignored = |truth: usize| self.truths[truth].ignored || !areas.holds(self.truths[truth].area);
        // Objects to be found come first, so that a detection prefers them.
        let mut truths: Vec<_> = (0..self.truths.len()).collect();
        truths.sort_by_key(|&truth| ignored(truth));
        let mut taken = vec![false; truths.len()];
        let mut order: Vec<_> = (0..self.found.len()).collect();
        order.sort_by(|&a, &b| self.found[b].score.total_cmp(&self.found[a].score));
        order.truncate(most);
        let mut judged = Vec::with_capacity(order.len());
        for found in order {
            let (mut largest, mut chosen) = (threshold, None);
            for &truth in &truths {
                if taken[truth] && !self.truths[truth].crowd {
                    continue;
                }
                if chosen.is_some_and(|c| !ignored(c)) && ignored(truth) {
                    break;
                }
                let similarity = self.similarity[found][truth];
                if similarity >= largest {
                    (largest, chosen) = (similarity, Some(truth));
                }
            }
            let verdict = match chosen {
                Some(truth) => {
                    taken[truth] = true;
                    (!ignored(truth)).then_some(true)
                }
                None => areas.holds(self.found[found].area).then_some(false),
            };
            judged.push((self.found[found].score, verdict));
        }
        judged
    }
}

/// The similarity of boxes: intersection over union, or, if `truth` is a crowd, intersection over the area of
/// `found`.
pub fn box_similarity(found: &CornerBox, truth: &CornerBox, crowd: bool) -> f64 {
    let shared = found.intersection(truth).area();
    let whole = if crowd { found.area() } else { found.area() + truth.area() - shared };
    if shared > 0.0 { shared / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAN: Truth = Truth { area: 2000.0, ignored: false, crowd: false };
    const CROWD: Truth = Truth { area: 2000.0, ignored: true, crowd: true };

    fn image(truths: &[Truth], similarity: &[&[f64]]) -> ImageResult {
        let found = (0..similarity.len()).map(|i| Found { score: 1.0 - 0.1 * i as f64, area: 2000.0 });
        let rows = similarity.iter().map(|row| row.to_vec()).collect();
        ImageResult { truths: truths.to_vec(), found: found.collect(), similarity: rows }
    }

    #[test]
    fn crowds_absorb_detections_and_are_not_asked_for() {
        let found =
            curves(&[image(&[CROWD, MAN], &[&[0.99, 0.0], &[0.99, 0.0], &[0.6, 0.8]])], Areas::ALL, 20)
                .expect("an object to find");
        assert_eq!(found.recall, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
        assert!((found.average_precision[0] - 1.0).abs() < 1e-12);
        assert_eq!(curves(&[image(&[CROWD], &[&[0.9]])], Areas::ALL, 20), None);
    }

    #[test]
    fn a_second_detection_of_one_person_is_wrong() {
        let found = curves(&[image(&[MAN, MAN], &[&[0.9, 0.0], &[0.9, 0.0], &[0.0, 0.9]])], Areas::ALL, 20)
            .expect("an object to find");
        // Precision 1 up to recall 0.5 (51 of 101 points), then 2/3.
        assert!((found.average_precision[0] - (51.0 + 50.0 * 2.0 / 3.0) / 101.0).abs() < 1e-12);
        let two = curves(&[image(&[MAN, MAN], &[&[0.9, 0.0], &[0.9, 0.0], &[0.0, 0.9]])], Areas::ALL, 2);
        assert_eq!(two.expect("an object to find").recall[0], 0.5);
    }

    #[test]
    fn only_objects_of_the_asked_size_count() {
        let mut large = MAN;
        large.area = 10_000.0;
        let images = [image(&[MAN, large], &[&[0.9, 0.0]])];
        assert_eq!(curves(&images, Areas::MEDIUM, 20).expect("one").recall[0], 1.0);
        assert_eq!(curves(&images, Areas::LARGE, 20).expect("one").recall[0], 0.0);
        assert_eq!(curves(&images, Areas::SMALL, 20), None);
    }

    #[test]
    fn a_box_in_a_crowd_is_similar_by_its_own_area() {
        let (small, wide) = (CornerBox::from([0.0, 0.0, 1.0, 1.0]), CornerBox::from([0.0, 0.0, 4.0, 1.0]));
        assert_eq!(box_similarity(&small, &wide, false), 0.25);
        assert_eq!(box_similarity(&small, &wide, true), 1.0);
        assert_eq!(box_similarity(&CornerBox::default(), &CornerBox::default(), false), 0.0);
    }
}
