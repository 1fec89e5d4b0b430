//! The seventeen joints of a person in COCO: names, similarity of poses, and suppression of similar poses.

use super::boxes::CornerBox;

/// The number of joints of a person.
pub const JOINTS: usize = 17;

/// The names of the joints, in COCO's order.
pub const NAMES: [&str; JOINTS] = [
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
];

/// Pairs of left and right joints, which are exchanged in a mirror image.
pub const PAIRS: [(usize, usize); 8] =
    [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)];

/// For each joint, the deviation between two annotators, relative to the square root of the person's area.
pub const SIGMAS: [f64; JOINTS] = [
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087,
    0.089, 0.089,
];

/// Only joints with scores above this count in the score of their pose.
pub const COUNTED_SCORE: f64 = 0.2;

/// What the annotations say about a joint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// The joint has no position.
    #[default]
    NotLabelled,
    /// The position is known, but the joint is hidden in the picture.
    Hidden,
    Visible,
}

impl Visibility {
    /// The visibility for COCO's numbers 0, 1 and 2.
    pub fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::NotLabelled),
            1 => Some(Self::Hidden),
            2 => Some(Self::Visible),
            _ => None,
        }
    }

    pub fn is_labelled(self) -> bool {
        self != Self::NotLabelled
    }
}

/// An annotated person; positions are in pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    pub joints: [([f64; 2], Visibility); JOINTS],
    pub corners: CornerBox,
    /// The area of the person's mask, in square pixels.
    pub area: f64,
}

/// The object keypoint similarity of a found pose to an annotated person, between 0 and 1.
///
/// Only labelled joints count. For a person without any, the distance of each joint is that to the person's box,
/// enlarged to three times its width and height; it is 0 within the enlarged box.
pub fn similarity(person: &Person, pose: &[[f64; 2]; JOINTS]) -> f64 {
    let labelled = person.joints.iter().filter(|(_, visible)| visible.is_labelled()).count();
    let CornerBox { left, top, right, bottom } = person.corners;
    let (width, height) = (right - left, bottom - top);
    let beyond = |at: f64, least: f64, most: f64| (least - at).max(0.0) + (at - most).max(0.0);
    let mut sum = 0.0;
    for (joint, (annotated, found)) in person.joints.iter().zip(pose).enumerate() {
        let (([x, y], visible), [found_x, found_y]) = (*annotated, *found);
        let (dx, dy) = if labelled > 0 {
            if !visible.is_labelled() {
                continue;
            }
            (found_x - x, found_y - y)
        } else {
            (
                beyond(found_x, left - width, left + 2.0 * width),
                beyond(found_y, top - height, top + 2.0 * height),
            )
        };
        sum += closeness(joint, dx, dy, person.area);
    }
    sum / if labelled > 0 { labelled } else { JOINTS } as f64
}

/// The object keypoint similarity of two found poses over all joints; the area is the mean of both.
pub fn similarity_of_poses(one: &[[f64; 2]; JOINTS], other: &[[f64; 2]; JOINTS], area: f64) -> f64 {
    let one_joint = |j: usize| closeness(j, one[j][0] - other[j][0], one[j][1] - other[j][1], area);
    (0..JOINTS).map(one_joint).sum::<f64>() / JOINTS as f64
}

fn closeness(joint: usize, dx: f64, dy: f64, area: f64) -> f64 {
    let variance = (2.0 * SIGMAS[joint]).powi(2);
    (-(dx * dx + dy * dy) / variance / (area + f64::EPSILON) / 2.0).exp()
}

/// The area that COCO's program assigns to a found pose: that of the box around its joints.
pub fn area_of_pose(pose: &[[f64; 2]; JOINTS]) -> f64 {
    let extent = |axis: usize| {
        let values = pose.iter().map(|joint| joint[axis]);
        values.clone().fold(f64::NEG_INFINITY, f64::max) - values.fold(f64::INFINITY, f64::min)
    };
    extent(0) * extent(1)
}

/// The score of a pose: that of its box times the mean of the joints' scores above [`COUNTED_SCORE`].
pub fn score(box_score: f64, joint_scores: &[f64; JOINTS]) -> f64 {
    let counted: Vec<f64> = joint_scores.iter().copied().filter(|&s| s > COUNTED_SCORE).collect();
    if counted.is_empty() { 0.0 } else { box_score * counted.iter().sum::<f64>() / counted.len() as f64 }
}

/// A found pose with the values that suppression needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Pose {
    pub joints: [[f64; 2]; JOINTS],
    pub score: f64,
    /// The area in pixels of the box in which the pose was looked for, grown as in the published program.
    pub area: f64,
}

/// The poses of one image to keep, as indices in order of their scores: those whose similarity to every better pose
/// that was kept is at most `threshold` (0.9 in the protocol).
pub fn suppress(poses: &[Pose], threshold: f64) -> Vec<usize> {
    let mut order: Vec<_> = (0..poses.len()).collect();
    order.sort_by(|&a, &b| poses[b].score.total_cmp(&poses[a].score));
    let mut kept: Vec<usize> = Vec::new();
    for pose in order {
        let alike = |&better: &usize| {
            let (one, other) = (&poses[better], &poses[pose]);
            similarity_of_poses(&one.joints, &other.joints, (one.area + other.area) / 2.0) > threshold
        };
        if !kept.iter().any(alike) {
            kept.push(pose);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(visible: Visibility) -> Person {
        let joints = std::array::from_fn(|joint| ([joint as f64, 5.0], visible));
        Person { joints, corners: CornerBox::from([0.0, 0.0, 10.0, 10.0]), area: 100.0 }
    }

    #[test]
    fn a_person_without_joints_is_its_box_grown_threefold() {
        let unlabelled = person(Visibility::NotLabelled);
        assert_eq!(similarity(&unlabelled, &[[-9.9, 19.9]; JOINTS]), 1.0);
        assert!(similarity(&unlabelled, &[[-12.0, 5.0]; JOINTS]) < 1.0);
    }

    #[test]
    fn joints_without_label_do_not_count() {
        let mut half = person(Visibility::Hidden);
        half.joints[3].1 = Visibility::NotLabelled;
        let mut pose = half.joints.map(|(place, _)| place);
        assert_eq!(similarity(&half, &pose), 1.0);
        pose[3] = [1e6, 1e6];
        assert_eq!(similarity(&half, &pose), 1.0);
        pose[4] = [1e6, 1e6];
        assert!((similarity(&half, &pose) - 15.0 / 16.0).abs() < 1e-12);
    }

    #[test]
    fn a_pose_without_a_certain_joint_scores_nothing() {
        assert_eq!(score(0.9, &[0.2; JOINTS]), 0.0);
        let mut scores = [0.0; JOINTS];
        (scores[0], scores[1]) = (0.5, 1.0);
        assert_eq!(score(0.5, &scores), 0.375);
    }
}
