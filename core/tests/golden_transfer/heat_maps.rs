use relativenas_core::tasks::{
    heat_maps::{INPUT, MAP, Target, centre, correct_joints, peak, refined_peak, target},
    joints::JOINTS,
    person_crop::PersonCrop,
};
use serde::Deserialize;

use super::{Summary, check_all, check_near, filling::Filling, golden};

const PIXELS: usize = MAP[0] * MAP[1];

#[derive(Deserialize)]
struct Targets {
    input_width: usize,
    input_height: usize,
    width: usize,
    height: usize,
    cases: Vec<TargetCase>,
    edge: Edge,
}

#[derive(Deserialize)]
struct TargetCase {
    joints: [[f64; 2]; JOINTS],
    visible: [u8; JOINTS],
    centres: [[i64; 2]; JOINTS],
    weights: [f32; JOINTS],
    sums: Vec<f64>,
    largest: Vec<f64>,
    nonzero: Vec<usize>,
    all: Summary,
}

#[derive(Deserialize)]
struct Edge {
    joint: [f64; 2],
    centre_x: i64,
    weight: f32,
}

impl TargetCase {
    fn target(&self) -> Target {
        target(&self.joints, &self.visible.map(|v| v > 0))
    }
}

#[test]
fn golden_heat_maps() {
    let figures: Targets = golden("keypoints.json", "targets");
    assert_eq!([figures.input_width, figures.input_height], INPUT);
    assert_eq!([figures.width, figures.height], MAP);
    for case in &figures.cases {
        for joint in (0..JOINTS).filter(|&j| case.visible[j] > 0) {
            assert_eq!(centre(case.joints[joint]), case.centres[joint], "joint {joint}");
        }
        let found = case.target();
        assert_eq!(found.weights, case.weights);
        let maps: Vec<_> = found.maps.chunks_exact(PIXELS).collect();
        let sum = |map: &&[f32]| map.iter().map(|&heat| f64::from(heat)).sum::<f64>();
        check_all("sums", &maps.iter().map(sum).collect::<Vec<_>>(), &case.sums, 1e-4);
        let largest = |map: &&[f32]| f64::from(map.iter().copied().fold(0.0, f32::max));
        check_all("largest", &maps.iter().map(largest).collect::<Vec<_>>(), &case.largest, 1e-6);
        let nonzero = |map: &&[f32]| map.iter().filter(|&&heat| heat > 0.0).count();
        assert_eq!(maps.iter().map(nonzero).collect::<Vec<_>>(), case.nonzero);
        case.all.check("all maps", &found.maps.iter().map(|&heat| f64::from(heat)).collect::<Vec<_>>(), 1e-6);
    }
    let edge = &figures.edge;
    assert_eq!(centre(edge.joint)[0], edge.centre_x);
    assert_eq!(target(&[edge.joint; JOINTS], &[true; JOINTS]).weights, [edge.weight; JOINTS]);
}

#[derive(Deserialize)]
struct Decoding {
    maps_name: String,
    special: Vec<Special>,
    poses: Vec<Pose>,
}

#[derive(Deserialize)]
struct Special {
    map: [usize; 2],
    base: f32,
    points: Vec<(usize, usize, f32)>,
}

#[derive(Deserialize)]
struct Pose {
    centre: [f64; 2],
    scale: [f64; 2],
    argmax: [[usize; 2]; JOINTS],
    refined: [[f64; 2]; JOINTS],
    values: [f64; JOINTS],
    mapped: [[f64; 2]; JOINTS],
}

#[test]
fn golden_decoding_of_poses() {
    let figures: Decoding = golden("keypoints.json", "decoding");
    let (filling, name) = (Filling::read(), &figures.maps_name);
    let numbers = figures.poses.len() * JOINTS * PIXELS;
    let other = filling.input(&format!("{name}/b"), numbers);
    let mut maps: Vec<_> = filling.input(name, numbers).iter().zip(other).map(|(a, b)| a * b).collect();
    for special in &figures.special {
        let [image, joint] = special.map;
        let map = &mut maps[(image * JOINTS + joint) * PIXELS..][..PIXELS];
        map.fill(special.base);
        for &(row, column, heat) in &special.points {
            map[row * MAP[0] + column] = heat;
        }
    }
    for (image, pose) in figures.poses.iter().enumerate() {
        let back = PersonCrop { centre: pose.centre, scale: pose.scale }.from_map();
        for joint in 0..JOINTS {
            let what = format!("image {image}, joint {joint}");
            let map = &maps[(image * JOINTS + joint) * PIXELS..][..PIXELS];
            assert_eq!(peak(map).0, pose.argmax[joint], "{what}");
            let (place, heat) = refined_peak(map);
            check_all(&what, &place, &pose.refined[joint], 1e-9);
            check_near(&what, f64::from(heat), pose.values[joint], 1e-5);
            check_all(&what, &back.apply(place), &pose.mapped[joint], 1e-2);
        }
    }
}

#[derive(Deserialize)]
struct Pck {
    targets: Vec<usize>,
    peaks: Vec<[usize; 2]>,
    per_joint: Vec<f64>,
    joints_counted: usize,
    mean: f64,
}

#[test]
fn golden_correct_joints() {
    let figures: Pck = golden("keypoints.json", "pck");
    let targets: Targets = golden("keypoints.json", "targets");
    let peaks = |case: &TargetCase| {
        let target = case.target();
        std::array::from_fn(|joint| peak(&target.maps[joint * PIXELS..][..PIXELS]).0)
    };
    let expected: Vec<_> = figures.targets.iter().map(|&case| peaks(&targets.cases[case])).collect();
    let found: Vec<[_; JOINTS]> =
        figures.peaks.chunks_exact(JOINTS).map(|image| std::array::from_fn(|j| image[j])).collect();
    let shares = correct_joints(&found, &expected);
    let flat: Vec<_> = shares.iter().map(|share| share.unwrap_or(-1.0)).collect();
    check_all("joints", &flat, &figures.per_joint, 1e-9);
    let counted: Vec<_> = shares.iter().flatten().collect();
    assert_eq!(counted.len(), figures.joints_counted);
    check_near("mean", counted.iter().copied().sum::<f64>() / counted.len() as f64, figures.mean, 1e-9);
}
