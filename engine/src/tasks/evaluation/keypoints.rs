//! Average precision of people's joints, as COCO reports it, with the boxes of the annotations.

use relativenas_core::tasks::{
    boxes::CornerBox,
    coco::{Areas, Found, Image, Truth, curves},
    heat_maps::{INPUT, MAP, refined_peak, target},
    joints::{self, JOINTS, Person, Pose, suppress},
    person_crop::PersonCrop,
};
use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::{EvaluationError, Judged, Mean, Place, normalised, tensor};
use crate::{
    data::{
        coco::{CocoImage, CocoPerson},
        picture::Picture,
    },
    tasks::losses,
};

/// Detections that count in an image.
const MOST: usize = 20;
/// Similarity above which two poses say the same.
const ALIKE: f64 = 0.9;

/// Judges poses; neither crowds nor people without joints are looked at.
///
/// # Errors
/// If a picture cannot be read, or the device fails.
pub fn keypoints(
    place: Place,
    images: &[CocoImage],
    run: &mut dyn FnMut(&Tensor) -> Result<Tensor, TchError>,
) -> Result<Judged, EvaluationError> {
    let (mut judged, mut loss) = (Vec::new(), Mean::default());
    for image in images {
        let picture = image.decode()?;
        let people: Vec<_> = image.people.iter().filter(|person| person.is_used()).collect();
        let mut poses = Vec::new();
        for batch in people.chunks(place.batch.max(1)) {
            poses.extend(poses_of(place.device, &picture, batch, run, &mut loss)?);
        }
        judged.push(compared(image, &poses));
    }
    let all = curves(&judged, Areas::ALL, MOST);
    let of = |areas| curves(&judged, areas, MOST).map(|curves| curves.precision());
    Ok(Judged {
        metric: ("ap", all.map(|curves| curves.precision())),
        more: vec![
            ("ap50", all.map(|curves| curves.average_precision[0])),
            ("ap75", all.map(|curves| curves.average_precision[5])),
            ("ap_medium", of(Areas::MEDIUM)),
            ("ap_large", of(Areas::LARGE)),
            ("ar", all.map(|curves| curves.mean_recall())),
        ],
        by_class: Vec::new(),
        loss: loss.value(),
        images: images.len(),
    })
}

fn poses_of(
    device: Device,
    picture: &Picture,
    people: &[&CocoPerson],
    run: &mut dyn FnMut(&Tensor) -> Result<Tensor, TchError>,
    loss: &mut Mean,
) -> Result<Vec<Pose>, TchError> {
    let people: Vec<_> = people.iter().filter_map(|person| Some((*person, person.crop?))).collect();
    let mut inputs = Vec::new();
    for (_, crop) in &people {
        let part = Picture { width: INPUT[0], height: INPUT[1], rgb: sampled(picture, crop) };
        inputs.push(normalised(&tensor(&part, device)?)?);
    }
    let maps = no_grad(|| run(&Tensor::f_cat(&inputs, 0)?))?;
    let [heat, weights] = targets(&people, device)?;
    loss.add(&losses::heat_maps(&maps, &heat, &weights)?, people.len())?;
    let maps = maps.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_reshape([-1])?;
    let maps: Vec<f32> = maps.try_into()?;
    let pixels = MAP[0] * MAP[1];
    let poses = maps.chunks_exact(JOINTS * pixels).zip(&people).map(|(maps, (_, crop))| {
        let back = crop.from_map();
        let found: [_; JOINTS] = std::array::from_fn(|joint| refined_peak(&maps[joint * pixels..][..pixels]));
        let scores = found.map(|(_, heat)| f64::from(heat));
        Pose {
            joints: found.map(|(place, _)| back.apply(place)),
            score: joints::score(1.0, &scores),
            area: crop.area(),
        }
    });
    Ok(poses.collect())
}

/// What the maps of people have to show, and the weights of their joints.
pub(super) fn targets(people: &[(&CocoPerson, PersonCrop)], device: Device) -> Result<[Tensor; 2], TchError> {
    let (mut heat, mut weights) = (Vec::new(), Vec::new());
    for (person, crop) in people {
        let labelled = person.joints.map(|(_, visible)| visible.is_labelled());
        let there = crop.to_output(INPUT, 0.0);
        let joints = person.joints.map(|(place, _)| there.map_or(place, |there| there.apply(place)));
        let target = target(&joints, &labelled);
        heat.extend(target.maps);
        weights.extend(target.weights);
    }
    let shape = [people.len() as i64, JOINTS as i64, MAP[1] as i64, MAP[0] as i64];
    let heat = Tensor::f_from_slice(&heat)?.f_reshape(shape)?.f_to_device(device)?;
    let weights = Tensor::f_from_slice(&weights)?.f_reshape([-1, JOINTS as i64])?.f_to_device(device)?;
    Ok([heat, weights])
}

/// The pixels of a crop, sampled bilinearly; black beside the picture.
fn sampled(picture: &Picture, crop: &PersonCrop) -> Vec<u8> {
    let back = crop.from_output(INPUT, 0.0);
    let at = |x: i64, y: i64, channel: usize| {
        let inside = x >= 0 && y >= 0 && x < picture.width as i64 && y < picture.height as i64;
        if inside {
            f64::from(picture.rgb[3 * (y as usize * picture.width + x as usize) + channel])
        } else {
            0.0
        }
    };
    let mut rgb = Vec::with_capacity(3 * INPUT[0] * INPUT[1]);
    for row in 0..INPUT[1] {
        for column in 0..INPUT[0] {
            let [x, y] = back.apply([column as f64, row as f64]);
            let (left, top) = (x.floor(), y.floor());
            let (right_share, lower_share) = (x - left, y - top);
            let (left, top) = (left as i64, top as i64);
            for channel in 0..3 {
                let line = |y: i64| {
                    at(left, y, channel) * (1.0 - right_share) + at(left + 1, y, channel) * right_share
                };
                let value = line(top) * (1.0 - lower_share) + line(top + 1) * lower_share;
                rgb.push(value.round() as u8);
            }
        }
    }
    rgb
}

/// An image as it is judged: poses that say the same are suppressed first.
fn compared(image: &CocoImage, poses: &[Pose]) -> Image {
    let kept: Vec<_> = suppress(poses, ALIKE).into_iter().map(|index| &poses[index]).collect();
    let people: Vec<_> = image.people.iter().map(person).collect();
    let truth = |(person, annotated): (&CocoPerson, &Person)| Truth {
        area: annotated.area,
        ignored: person.crowd || person.labelled() == 0,
        crowd: person.crowd,
    };
    Image {
        truths: image.people.iter().zip(&people).map(truth).collect(),
        found: kept
            .iter()
            .map(|pose| Found { score: pose.score, area: joints::area_of_pose(&pose.joints) })
            .collect(),
        similarity: kept
            .iter()
            .map(|pose| people.iter().map(|person| joints::similarity(person, &pose.joints)).collect())
            .collect(),
    }
}

fn person(person: &CocoPerson) -> Person {
    let [x, y, width, height] = person.corners;
    let corners = CornerBox { left: x, top: y, right: x + width, bottom: y + height };
    Person { joints: person.joints, corners, area: person.area }
}
