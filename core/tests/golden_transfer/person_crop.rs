use relativenas_core::tasks::{
    heat_maps::mirror,
    person_crop::{PersonCrop, cut},
};
use serde::Deserialize;

use super::{check_all, check_near, golden};

#[derive(Deserialize)]
struct Box {
    image: [usize; 2],
    #[serde(rename = "box")]
    corners: [f64; 4],
    clean: [f64; 4],
    centre: [f64; 2],
    scale: [f64; 2],
}

#[test]
fn golden_crops_of_people() {
    let cases: Vec<Box> = golden("keypoints.json", "boxes");
    assert!(!cases.is_empty());
    for case in cases {
        let found = cut(case.corners, case.image).expect("a box in the picture");
        let clean = [found.left, found.top, found.right - found.left, found.bottom - found.top];
        check_all("box", &clean, &case.clean, 1e-9);
        let crop = PersonCrop::around(&found);
        check_all("centre", &crop.centre, &case.centre, 1e-9);
        check_all("scale", &crop.scale, &case.scale, 1e-9);
    }
}

#[derive(Deserialize)]
struct Turned {
    centre: [f64; 2],
    scale: [f64; 2],
    rotation: f64,
    output: [usize; 2],
    inverse: bool,
    matrix: [[f64; 3]; 2],
    points: Vec<[f64; 2]>,
    mapped: Vec<[f64; 2]>,
}

#[test]
fn golden_affine_transforms() {
    let cases: Vec<Turned> = golden("keypoints.json", "affine");
    assert!(cases.iter().any(|case| case.inverse) && cases.iter().any(|case| !case.inverse));
    for case in cases {
        let crop = PersonCrop { centre: case.centre, scale: case.scale };
        let found = if case.inverse {
            crop.from_output(case.output, case.rotation)
        } else {
            crop.to_output(case.output, case.rotation).expect("a crop with width")
        };
        for (found, expected) in found.0.iter().zip(&case.matrix) {
            check_all("row", found, expected, 1e-9 * 500.0);
        }
        for (point, expected) in case.points.iter().zip(&case.mapped) {
            check_all("point", &found.apply(*point), expected, 1e-2);
        }
    }
}

#[derive(Deserialize)]
struct Mirrored {
    width: usize,
    joints: [[f64; 2]; 17],
    visible: [u8; 17],
    flipped: [[f64; 2]; 17],
    flipped_visible: [u8; 17],
    centre_x: f64,
    flipped_centre_x: f64,
}

#[test]
fn golden_mirrored_joints() {
    let case: Mirrored = golden("keypoints.json", "flip_joints");
    let mut joints = case.joints;
    let mut labelled = case.visible.map(|v| v > 0);
    mirror(&mut joints, &mut labelled, case.width);
    check_all("joints", joints.as_flattened(), case.flipped.as_flattened(), 1e-9);
    assert_eq!(labelled, case.flipped_visible.map(|v| v > 0));
    check_near("centre", case.width as f64 - 1.0 - case.centre_x, case.flipped_centre_x, 1e-9);
}
