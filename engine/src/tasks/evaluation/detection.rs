//! Average precision of boxes, as Pascal VOC reports it.

use relativenas_core::{
    loss::Loss,
    tasks::{
        average_precision::{Detection, Object, Rule, by_class, mean},
        boxes::CentreBox,
        matching::decode,
        priors::{IMAGE_SIDE, priors},
        suppression::{ScoredBox, Suppression},
    },
};
use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::{EvaluationError, EvaluationRun, Judged, Mean};
use crate::{
    data::voc::VocImage,
    tasks::{
        losses::{self, BoxTargets},
        pixels::{centred, tensor},
        ssd_lite::Predictions,
        targets::{self, Priors},
    },
};

/// The intersection over union from which on a detection may count as correct.
const OVERLAP: f64 = 0.5;

/// Evaluates boxes; difficult objects are ignored. The metric is the mean over classes of the 11-point
/// average precision; `map_area` is the mean of the areas below the curves of precision over recall.
///
/// # Errors
/// If a picture cannot be read, or the device fails.
pub fn detection(
    place: EvaluationRun<'_>,
    classes: &[String],
    images: &[VocImage],
    run: &mut dyn FnMut(&Tensor) -> Result<Predictions, TchError>,
) -> Result<Judged, EvaluationError> {
    let priors = priors();
    let (mut objects, mut detections, mut loss) = (Vec::new(), Vec::new(), Mean::default());
    for (number, batch) in images.chunks(place.batch.max(1)).enumerate() {
        let first = number * place.batch.max(1);
        let mut pictures = Vec::with_capacity(batch.len());
        for image in batch {
            pictures.push(input(&tensor(&image.decode()?, place.device)?)?);
        }
        let pictures = Tensor::f_cat(&pictures, 0)?;
        let outputs = no_grad(|| run(&pictures))?;
        let targets = targets(batch, &priors, place.device)?;
        let parts = no_grad(|| losses::detection(&outputs, &targets))?;
        loss.add(&parts.regression.f_add(&parts.classification)?, 1)?;
        for (within, (image, reported)) in batch.iter().zip(report(&outputs, &priors)?).enumerate() {
            let index = first + within;
            objects.extend(image.objects.iter().map(|object| Object {
                image: index,
                class: object.class,
                difficult: object.difficult,
                corners: object.corners,
            }));
            let (width, height) = (image.width as f64, image.height as f64);
            detections.extend(reported.into_iter().map(|r| Detection {
                image: index,
                class: r.class - 1,
                score: r.score,
                corners: r.corners.scaled(width, height),
            }));
        }
        place.after(batch.len())?;
    }
    let of = |rule| by_class(&objects, &detections, 0..classes.len(), OVERLAP, rule);
    let points = of(Rule::ElevenPoints);
    Ok(Judged {
        metric: ("map", mean(&points)),
        more: vec![("map_area", mean(&of(Rule::Area)))],
        by_class: classes.iter().cloned().zip(points).collect(),
        loss: Loss(loss.value()),
        images: images.len(),
    })
}

/// A picture `[1, 3, H, W]` as the input of the network `[1, 3, 320, 320]`: resized to a square, whatever its ratio
/// of sides.
///
/// # Errors
/// If the device fails.
pub fn input(picture: &Tensor) -> Result<Tensor, TchError> {
    let side = IMAGE_SIDE as i64;
    centred(&picture.f_upsample_bilinear2d([side, side], false, None, None)?)
}

/// The targets of the priors of images; difficult objects are left out.
pub(super) fn targets(
    images: &[VocImage],
    priors: &[CentreBox],
    device: Device,
) -> Result<BoxTargets, TchError> {
    let all: Vec<_> = images
        .iter()
        .map(|image| {
            let (width, height) = (1.0 / image.width as f64, 1.0 / image.height as f64);
            let boxes = image.countable().into_iter();
            let boxes: Vec<_> =
                boxes.map(|(corners, class)| (corners.scaled(width, height), class)).collect();
            Priors::of(priors, &boxes)
        })
        .collect();
    targets::boxes(&all, device)
}

/// The boxes to report for each image, in shares of its sides.
///
/// # Errors
/// If the device fails.
pub fn report(outputs: &Predictions, priors: &[CentreBox]) -> Result<Vec<Vec<ScoredBox>>, TchError> {
    let classes = outputs.confidences.size3()?.2 as usize;
    let numbers = |tensor: Tensor| -> Result<Vec<f64>, TchError> {
        Vec::try_from(
            tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_contiguous()?.f_reshape([-1])?,
        )
    };
    let probabilities = numbers(outputs.confidences.f_softmax(-1, Kind::Float)?)?;
    let locations = numbers(outputs.locations.shallow_clone())?;
    let images = probabilities.chunks_exact(priors.len() * classes);
    let reported = images.zip(locations.chunks_exact(priors.len() * 4)).map(|(probabilities, locations)| {
        let rows = locations.chunks_exact(4).zip(priors);
        let boxes: Vec<_> =
            rows.map(|(n, prior)| decode([n[0], n[1], n[2], n[3]], prior).corners()).collect();
        Suppression::PUBLISHED.detect(probabilities, classes, &boxes)
    });
    Ok(reported.collect())
}
