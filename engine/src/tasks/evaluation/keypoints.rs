//! Average precision of people's joints, as COCO reports it, with the boxes of the annotations.

use relativenas_core::{
    loss::Loss,
    tasks::{
        boxes::CornerBox,
        coco::{Areas, Found, Image, Truth, curves},
        heat_maps::{INPUT, MAP, refined_peak, target},
        joints::{self, JOINTS, Person, Pose, suppress},
        person_crop::PersonCrop,
    },
};
use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::{EvaluationError, Judged, Mean, Place};
use crate::{
    data::{
        coco::{CocoImage, CocoPerson},
        picture::Picture,
    },
    tasks::{
        losses,
        pixels::{normalised, sampled, tensor},
        targets,
    },
};

/// The greatest number of detections that count in an image.
const MOST: usize = 20;
/// The similarity above which two poses count as the same.
const ALIKE: f64 = 0.9;

/// Evaluates poses; crowds and people without joints are left out.
///
/// # Errors
/// If a picture cannot be read, or the device fails.
pub fn keypoints(
    place: Place<'_>,
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
        place.after(1)?;
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
        loss: Loss(loss.value()),
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
    let crops: Vec<_> = people.iter().map(|(_, crop)| *crop).collect();
    let (found, maps) = poses(device, picture, &crops, run)?;
    let [heat, weights] = targets(&people, device)?;
    loss.add(&losses::heat_maps(&maps, &heat, &weights)?, people.len())?;
    Ok(found.into_iter().map(|(pose, _)| pose).collect())
}

/// A pose, and the score of each of its joints.
pub type ScoredPose = (Pose, [f64; JOINTS]);

/// The poses of the people in these crops of a picture, each with the scores of its joints; and the heat maps
/// of all of them.
///
/// # Errors
/// If the device fails.
pub fn poses(
    device: Device,
    picture: &Picture,
    crops: &[PersonCrop],
    run: &mut dyn FnMut(&Tensor) -> Result<Tensor, TchError>,
) -> Result<(Vec<ScoredPose>, Tensor), TchError> {
    let [width, height] = INPUT;
    let mut inputs = Vec::new();
    for crop in crops {
        let rgb = sampled(picture, &crop.from_output(INPUT, 0.0), INPUT, false);
        inputs.push(normalised(&tensor(&Picture { width, height, rgb }, device)?)?);
    }
    let maps = no_grad(|| run(&Tensor::f_cat(&inputs, 0)?))?;
    let numbers = maps.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_reshape([-1])?;
    let numbers: Vec<f32> = numbers.try_into()?;
    let pixels = MAP[0] * MAP[1];
    let poses = numbers.chunks_exact(JOINTS * pixels).zip(crops).map(|(maps, crop)| {
        let back = crop.from_map();
        let found: [_; JOINTS] = std::array::from_fn(|joint| refined_peak(&maps[joint * pixels..][..pixels]));
        let scores = found.map(|(_, heat)| f64::from(heat));
        let joints = found.map(|(place, _)| back.apply(place));
        (Pose { joints, score: joints::score(1.0, &scores), area: crop.area() }, scores)
    });
    Ok((poses.collect(), maps))
}

/// The heat maps that the network should give for people, and the weights of their joints.
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
    targets::heat_maps(&heat, &weights, device)
}

/// An image with the poses that count: of poses that are the same, only the best is kept.
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
