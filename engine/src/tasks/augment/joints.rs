//! Augmentation for keypoints: another size, a rotation and a mirror image of a person with joints.

use std::f64::consts::PI;

use relativenas_core::{
    randomness::Stream,
    tasks::{
        heat_maps::{INPUT, Target, mirror, target},
        joints::JOINTS,
        person_crop::PersonCrop,
    },
};

use super::half;
use crate::{
    data::{coco::CocoPerson, picture::Picture},
    tasks::pixels::sampled,
};

/// The standard deviation of the factor by which the size of a person changes, and the limits of the factor.
const SIZE: (f64, f64, f64) = (0.3, 0.7, 1.3);
/// The probability of a rotation, and the standard deviation and the limit of its angle in degrees.
const TURN: (f64, f64, f64) = (0.6, 40.0, 80.0);

/// A person in the network's input.
#[derive(Clone, Debug, PartialEq)]
pub struct KeypointInput {
    /// Pixels, `[256, 192, 3] u8`.
    pub rgb: Vec<u8>,
    /// The joints, in pixels of the input.
    pub joints: [[f64; 2]; JOINTS],
    /// Whether each joint is labelled; the others are not trained.
    pub labelled: [bool; JOINTS],
}

impl KeypointInput {
    /// The heat maps that the network is trained to give.
    pub fn target(&self) -> Target {
        target(&self.joints, &self.labelled)
    }
}

/// A person without variations.
pub fn plain(picture: &Picture, person: &CocoPerson, crop: PersonCrop) -> KeypointInput {
    seen(picture, person, crop, 0.0, false)
}

/// A person with random variations.
pub fn varied(
    picture: &Picture,
    person: &CocoPerson,
    crop: PersonCrop,
    stream: &mut Stream,
) -> KeypointInput {
    let size = (1.0 + SIZE.0 * normal(stream)).clamp(SIZE.1, SIZE.2);
    let turned = stream.unit() < TURN.0;
    let turn = (TURN.1 * normal(stream)).clamp(-TURN.2, TURN.2);
    let crop = PersonCrop { scale: crop.scale.map(|side| side * size), ..crop };
    seen(picture, person, crop, if turned { turn } else { 0.0 }, half(stream))
}

fn seen(
    picture: &Picture,
    person: &CocoPerson,
    mut crop: PersonCrop,
    degrees: f64,
    mirrored: bool,
) -> KeypointInput {
    let mut joints = person.joints.map(|(place, _)| place);
    let mut labelled = person.joints.map(|(_, visible)| visible.is_labelled());
    if mirrored {
        mirror(&mut joints, &mut labelled, picture.width);
        crop.centre[0] = picture.width as f64 - 1.0 - crop.centre[0];
    }
    let back = crop.from_output(INPUT, degrees);
    let there = crop.to_output(INPUT, degrees);
    let joints = joints.map(|place| there.map_or(place, |there| there.apply(place)));
    KeypointInput { rgb: sampled(picture, &back, INPUT, mirrored), joints, labelled }
}

/// A normally distributed number (Box and Muller).
fn normal(stream: &mut Stream) -> f64 {
    let (radius, angle) = (1.0 - stream.unit(), stream.unit());
    (-2.0 * radius.ln()).sqrt() * (2.0 * PI * angle).cos()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use relativenas_core::{
        randomness::{Purpose, Streams},
        tasks::{
            boxes::CornerBox,
            heat_maps::exchange,
            joints::{PAIRS, Visibility},
        },
    };

    use super::*;

    /// A dark picture in which one joint is a bright spot.
    fn spot(joint: usize, [x, y]: [f64; 2]) -> (Picture, CocoPerson, PersonCrop) {
        let (width, height) = (120, 140);
        let value = |place: usize| {
            let (dx, dy) = ((place % width) as f64 - x, (place / width) as f64 - y);
            (250.0 * (-(dx * dx + dy * dy) / (2.0 * 2.5 * 2.5)).exp()) as u8
        };
        let rgb = (0..width * height).flat_map(|place| [value(place); 3]).collect();
        let mut joints = [([0.0; 2], Visibility::NotLabelled); JOINTS];
        joints[joint] = ([x, y], Visibility::Visible);
        let corners = [30.0, 30.0, 60.0, 80.0];
        let crop = PersonCrop::around(&CornerBox::from([30.0, 30.0, 89.0, 109.0]));
        let person = CocoPerson { id: 1, corners, area: 4800.0, joints, crowd: false, crop: Some(crop) };
        (Picture { width, height, rgb }, person, crop)
    }

    /// The centre of all bright pixels.
    fn middle(shown: &KeypointInput) -> ([f64; 2], f64) {
        let mut sums = [0.0; 3];
        for (place, pixel) in shown.rgb.as_chunks::<3>().0.iter().enumerate() {
            let weight = f64::from(pixel[0]);
            let (x, y) = ((place % INPUT[0]) as f64, (place / INPUT[0]) as f64);
            sums = [sums[0] + weight * x, sums[1] + weight * y, sums[2] + weight];
        }
        ([sums[0] / sums[2], sums[1] / sums[2]], sums[2])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn joints_stay_where_they_are_seen(joint in 0..JOINTS, x in 48.0..72.0_f64, y in 58.0..82.0_f64, seed: u64) {
            let (picture, person, crop) = spot(joint, [x, y]);
            let mut stream = Streams::new(seed).stream(Purpose::Augmentation, 0, 0);
            let shown = varied(&picture, &person, crop, &mut stream);
            let there: Vec<_> = (0..JOINTS).filter(|&j| shown.labelled[j]).collect();
            prop_assert_eq!(there.len(), 1);
            let partner = PAIRS.iter().find_map(|&(left, right)| match joint {
                j if j == left => Some(right),
                j if j == right => Some(left),
                _ => None,
            });
            prop_assert!(there[0] == joint || Some(there[0]) == partner);
            let (found, bright) = middle(&shown);
            prop_assert!(bright > 0.0);
            let expected = shown.joints[there[0]];
            let apart = (found[0] - expected[0]).hypot(found[1] - expected[1]);
            prop_assert!(apart < 1.0, "{:?} for {:?}", found, expected);
        }
    }

    #[test]
    fn a_mirrored_person_has_the_joints_of_the_other_side() {
        let (picture, person, crop) = spot(5, [50.0, 60.0]);
        let (straight, mirrored) =
            (seen(&picture, &person, crop, 0.0, false), seen(&picture, &person, crop, 0.0, true));
        let mut labelled = straight.labelled;
        exchange(&mut labelled);
        assert_eq!(mirrored.labelled, labelled);
        assert!(mirrored.labelled[6] && !mirrored.labelled[5]);
        let width = INPUT[0] as f64;
        assert!((straight.joints[5][0] + mirrored.joints[6][0] - width).abs() < 2.0);
    }

    #[test]
    fn normal_numbers_are_normal() {
        let mut stream = Streams::new(2).stream(Purpose::Augmentation, 0, 0);
        let numbers: Vec<_> = (0..20_000).map(|_| normal(&mut stream)).collect();
        let mean = numbers.iter().sum::<f64>() / 20_000.0;
        let variance = numbers.iter().map(|n| n * n).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        assert!(numbers.iter().all(|n| n.is_finite()));
    }
}
