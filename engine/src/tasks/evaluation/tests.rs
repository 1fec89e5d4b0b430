//! Networks that return the annotations must be evaluated as nearly perfect, and those that return nothing as
//! worthless; this covers everything between a file and a figure.

use relativenas_core::tasks::{label_ids::CLASSES, mean_iou::IGNORED, priors::priors};
use tch::Kind;

use super::{detection::targets as box_targets, keypoints::targets as joint_targets, *};
use crate::{
    data::{cityscapes, coco, samples::sample, voc},
    tasks::{bisenet::Segmentation, sliding::Sliding, ssd_lite::Predictions},
};

const PLACE: Place<'_> = Place { device: Device::Cpu, batch: 3, after: &|_| Flow::Go };

#[track_caller]
fn check(judged: &Judged, name: &str, least: f64, images: usize) {
    let (metric, value) = judged.metric;
    assert_eq!((metric, judged.images), (name, images));
    let value = value.expect("something is asked for");
    assert!(value >= least && value <= 1.0, "{name} {value}");
}

#[test]
fn boxes_that_are_where_the_annotations_say_are_all_found() {
    let mut faults = Vec::new();
    let voc = voc::read(&sample("transfer/VOCdevkit"), &mut faults);
    let (priors, mut seen) = (priors(), 0);
    let mut perfect = |pictures: &Tensor| {
        let batch = pictures.size()[0] as usize;
        assert_eq!(pictures.size()[1..], [3, 320, 320]);
        let targets = box_targets(&voc.train[seen..seen + batch], &priors, Device::Cpu)?;
        seen += batch;
        let confidences = targets.labels.f_one_hot(voc.classes.len() as i64 + 1)?.f_mul_scalar(20.0)?;
        Ok(Predictions { confidences: confidences.f_to_kind(Kind::Float)?, locations: targets.locations })
    };
    let judged = detection(PLACE, &voc.classes, &voc.train, &mut perfect).unwrap();
    check(&judged, "map", 0.999, 5);
    assert!(judged.loss.0 < 1e-3, "{judged:?}");
    assert_eq!(judged.by_class.len(), 3);
    let mut silent = |pictures: &Tensor| {
        let (batch, rows) = (pictures.size()[0], priors.len() as i64);
        let options = (Kind::Float, Device::Cpu);
        let background = Tensor::f_from_slice(&[20.0_f32, 0.0, 0.0, 0.0])?;
        let confidences = Tensor::f_zeros([batch, rows, 4], options)?.f_add(&background)?;
        Ok(Predictions { confidences, locations: Tensor::f_zeros([batch, rows, 4], options)? })
    };
    let judged = detection(PLACE, &voc.classes, &voc.train, &mut silent).unwrap();
    assert_eq!(judged.metric, ("map", Some(0.0)));
    assert!(judged.loss.0 > 1.0, "{judged:?}");
}

#[test]
fn masks_that_show_the_labels_are_right_everywhere() {
    let found = cityscapes::read(&sample("transfer/cityscapes"), &mut Vec::new());
    let mut labels = found.train.iter().flat_map(|street| {
        let ids = street.decode().unwrap().1.unwrap().ids;
        // Once for the chips, once for the loss on the whole picture.
        [ids.clone(), ids]
    });
    let mut perfect = |pictures: &Tensor| {
        let (_, _, height, width) = pictures.size4()?;
        let ids: Vec<i64> = labels.next().expect("a picture").into_iter().map(i64::from).collect();
        let ids = Tensor::f_from_slice(&ids)?.f_reshape([1, 64, 128])?;
        let ids = ids.f_masked_fill(&ids.f_eq(i64::from(IGNORED))?, 0)?;
        let scores = ids.f_one_hot(CLASSES as i64)?.f_permute([0, 3, 1, 2])?.f_mul_scalar(20.0)?;
        let border = (height - 64) / 2;
        let main = scores.f_to_kind(Kind::Float)?.f_constant_pad_nd([0, width - 128, border, border])?;
        Ok(Segmentation { auxiliary: [main.shallow_clone(), main.shallow_clone()], main })
    };
    let sliding = Sliding { chip: 128, scales: vec![1.0], flip: false };
    let judged = segmentation(PLACE, &found.train, &sliding, &mut perfect).unwrap();
    check(&judged, "miou", 1.0, 4);
    assert!(judged.loss.0 < 1e-3, "{judged:?}");
    // Three of the nineteen classes are in no training picture.
    assert_eq!(judged.by_class.iter().filter(|(_, share)| share.is_none()).count(), 4);
}

#[test]
fn poses_that_are_where_the_annotations_say_are_all_right() {
    let found = coco::read(&sample("transfer/coco"), &mut Vec::new());
    let used: Vec<_> =
        found.train.iter().flat_map(|image| image.people.iter().filter(|p| p.is_used())).collect();
    let mut seen = 0;
    let mut perfect = |inputs: &Tensor| {
        let batch = inputs.size()[0] as usize;
        assert_eq!(inputs.size()[1..], [3, 256, 192]);
        let people: Vec<_> = used[seen..seen + batch].iter().map(|p| (*p, p.crop.unwrap())).collect();
        seen += batch;
        let [heat, _] = joint_targets(&people, Device::Cpu)?;
        Ok(heat)
    };
    let judged = keypoints(PLACE, &found.train, &mut perfect).unwrap();
    check(&judged, "ap", 0.9, 4);
    assert!(judged.loss.0 < 1e-9, "{judged:?}");
    let shape = |inputs: &Tensor| [inputs.size()[0], 17, 64, 48];
    let mut silent = |inputs: &Tensor| Tensor::f_zeros(shape(inputs), (Kind::Float, Device::Cpu));
    let judged = keypoints(PLACE, &found.train, &mut silent).unwrap();
    assert!(judged.metric.1.unwrap() < 0.1, "{judged:?}");
}
