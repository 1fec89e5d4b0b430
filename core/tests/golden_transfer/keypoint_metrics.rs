use std::{array, collections::BTreeMap};

use relativenas_core::tasks::{
    boxes::CornerBox,
    coco::{Areas, Curves, Found, ImageResult, Truth, curves, thresholds},
    joints::{
        JOINTS, NAMES, PAIRS, Person, Pose, SIGMAS, Visibility, area_of_pose, score, similarity,
        similarity_of_poses, suppress,
    },
};
use serde::Deserialize;

use super::{check_all, check_near, golden};

#[derive(Deserialize)]
struct Oks {
    ground_truth: GroundTruth,
    detections: Vec<Detection>,
    thresholds: Vec<f64>,
    max_detections: usize,
    similarity: BTreeMap<u64, Vec<Vec<f64>>>,
    average_precision_by_threshold: Vec<f64>,
    recall_by_threshold: Vec<f64>,
    statistics: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct GroundTruth {
    images: Vec<Named>,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Named {
    id: u64,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    iscrowd: u8,
    bbox: [f64; 4],
    area: f64,
    keypoints: Vec<f64>,
    num_keypoints: usize,
}

#[derive(Deserialize)]
struct Detection {
    image_id: u64,
    keypoints: Vec<f64>,
    score: f64,
}

impl Annotation {
    fn person(&self) -> Person {
        let [x, y, width, height] = self.bbox;
        let joint = |j: usize| {
            let at = &self.keypoints[3 * j..][..3];
            ([at[0], at[1]], Visibility::from_number(at[2] as u64).expect("0, 1 or 2"))
        };
        let corners = CornerBox::from([x, y, x + width, y + height]);
        Person { joints: array::from_fn(joint), corners, area: self.area }
    }

    fn truth(&self) -> Truth {
        let crowd = self.iscrowd == 1;
        Truth { area: self.area, ignored: crowd || self.num_keypoints == 0, crowd }
    }
}

impl Detection {
    fn pose(&self) -> [[f64; 2]; JOINTS] {
        array::from_fn(|j| [self.keypoints[3 * j], self.keypoints[3 * j + 1]])
    }
}

#[test]
fn golden_object_keypoint_similarity_and_average_precision() {
    let figures: Oks = golden("keypoints.json", "oks");
    assert_eq!(figures.thresholds, thresholds());
    let mut images = Vec::new();
    for Named { id } in &figures.ground_truth.images {
        let people: Vec<_> = figures.ground_truth.annotations.iter().filter(|a| a.image_id == *id).collect();
        let mut found: Vec<_> = figures.detections.iter().filter(|d| d.image_id == *id).collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        let row = |d: &&Detection| -> Vec<f64> {
            people.iter().map(|person| similarity(&person.person(), &d.pose())).collect()
        };
        let rows: Vec<_> = found.iter().map(row).collect();
        assert_eq!(rows.len(), figures.similarity[id].len(), "image {id}");
        for (row, expected) in rows.iter().zip(&figures.similarity[id]) {
            check_all(&format!("similarity in image {id}"), row, expected, 1e-12);
        }
        images.push(ImageResult {
            truths: people.iter().map(|person| person.truth()).collect(),
            found: found.iter().map(|d| Found { score: d.score, area: area_of_pose(&d.pose()) }).collect(),
            similarity: rows,
        });
    }
    let judged = |areas| curves(&images, areas, figures.max_detections).expect("people");
    let all = judged(Areas::ALL);
    check_all("AP", &all.average_precision, &figures.average_precision_by_threshold, 1e-12);
    check_all("AR", &all.recall, &figures.recall_by_threshold, 1e-12);
    let (medium, large): (Curves, Curves) = (judged(Areas::MEDIUM), judged(Areas::LARGE));
    let found = [
        ("AP", all.precision()),
        ("AP50", all.average_precision[0]),
        ("AP75", all.average_precision[5]),
        ("AP_medium", medium.precision()),
        ("AP_large", large.precision()),
        ("AR", all.mean_recall()),
        ("AR50", all.recall[0]),
        ("AR75", all.recall[5]),
        ("AR_medium", medium.mean_recall()),
        ("AR_large", large.mean_recall()),
    ];
    assert_eq!(found.len(), figures.statistics.len());
    for (name, found) in found {
        check_near(name, found, figures.statistics[name], 1e-12);
    }
}

#[derive(Deserialize)]
struct Suppression {
    threshold: f64,
    poses: Vec<Proposed>,
    similarity: Vec<Vec<f64>>,
    kept: Vec<usize>,
}

#[derive(Deserialize)]
struct Proposed {
    keypoints: Vec<[f64; 3]>,
    area: f64,
    box_score: f64,
    score: f64,
}

#[test]
fn golden_suppression_of_poses() {
    let figures: Suppression = golden("keypoints.json", "oks_nms");
    let mut poses = Vec::new();
    for (number, proposed) in figures.poses.iter().enumerate() {
        let found = score(proposed.box_score, &array::from_fn(|j| proposed.keypoints[j][2]));
        check_near(&format!("score of pose {number}"), found, proposed.score, 1e-12);
        let joints = array::from_fn(|j| [proposed.keypoints[j][0], proposed.keypoints[j][1]]);
        poses.push(Pose { joints, score: found, area: proposed.area });
    }
    for (i, one) in poses.iter().enumerate() {
        for (j, other) in poses.iter().enumerate() {
            let found = similarity_of_poses(&one.joints, &other.joints, (one.area + other.area) / 2.0);
            check_near(&format!("pose {j} to pose {i}"), found, figures.similarity[i][j], 1e-6);
        }
    }
    assert_eq!(suppress(&poses, figures.threshold), figures.kept);
}

#[test]
fn golden_joints() {
    assert_eq!(golden::<Vec<String>>("keypoints.json", "joint_names"), NAMES);
    assert_eq!(golden::<Vec<(usize, usize)>>("keypoints.json", "flip_pairs"), PAIRS);
    assert_eq!(golden::<Vec<f64>>("keypoints.json", "oks_sigmas"), SIGMAS);
}
