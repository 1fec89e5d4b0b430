//! Mean intersection over union, as Cityscapes reports it.

use relativenas_core::{
    loss::Loss,
    tasks::{
        average_precision::mean,
        label_ids,
        mean_iou::{Confusion, IGNORED},
    },
};
use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::{EvaluationError, EvaluationRun, Judged, Mean};
use crate::{
    data::{
        cityscapes::{Labels, Street},
        fault::Fault,
    },
    tasks::{
        bisenet::Segmentation,
        losses,
        pixels::{normalised, tensor},
        sliding::Sliding,
    },
};

/// The sides of the network's input are multiples of this number of pixels.
const MULTIPLE: i64 = 32;
/// The loss covers at least one pixel in this many.
const HARD_SHARE: usize = 16;

/// Evaluates masks of whole pictures, which the network sees in chips; pictures without labels are left out.
///
/// # Errors
/// If a picture cannot be read or labels do not fit it, or the device fails.
pub fn segmentation(
    place: EvaluationRun<'_>,
    streets: &[Street],
    sliding: &Sliding,
    run: &mut dyn FnMut(&Tensor) -> Result<Segmentation, TchError>,
) -> Result<Judged, EvaluationError> {
    let mut confusion = Confusion::new(label_ids::CLASSES);
    let mut loss = Mean::default();
    for street in streets.iter().filter(|street| street.labels.is_some()) {
        let (picture, Some(labels)) = street.decode()? else { continue };
        let picture = normalised(&tensor(&picture, place.device)?)?;
        let shown = classes(&picture, sliding, run)?;
        confusion
            .add(&shown, &labels.ids)
            .map_err(|error| Fault { file: street.picture.clone(), what: error.to_string() })?;
        loss.add(&loss_of(&picture, &labels, run)?, 1)?;
        place.after(1)?;
    }
    let by_class = confusion.by_class();
    let names = label_ids::class_names().into_iter().map(str::to_owned);
    Ok(Judged {
        metric: ("miou", mean(&by_class)),
        more: vec![("pixel_accuracy", confusion.accuracy())],
        by_class: names.zip(by_class).collect(),
        loss: Loss(loss.value()),
        images: loss.count,
    })
}

/// The class of every pixel of a normalised picture `[1, 3, H, W] f32`, row by row.
///
/// # Errors
/// If the device fails.
pub fn classes(
    picture: &Tensor,
    sliding: &Sliding,
    run: &mut dyn FnMut(&Tensor) -> Result<Segmentation, TchError>,
) -> Result<Vec<u8>, TchError> {
    let mut main = |chip: &Tensor| no_grad(|| run(chip)).map(|outputs| outputs.main);
    let shown = sliding.run(picture, &mut main)?.f_argmax(1, false)?;
    shown.f_to_device(Device::Cpu)?.f_to_kind(Kind::Uint8)?.f_contiguous()?.f_reshape([-1])?.try_into()
}

/// The loss of the three outputs on a whole picture, padded to sides that the network accepts.
fn loss_of(
    picture: &Tensor,
    labels: &Labels,
    run: &mut dyn FnMut(&Tensor) -> Result<Segmentation, TchError>,
) -> Result<Tensor, TchError> {
    let (height, width) = (labels.height as i64, labels.width as i64);
    let more = |side: i64| (MULTIPLE - side % MULTIPLE) % MULTIPLE;
    let border = [0, more(width), 0, more(height)];
    let padded = picture.f_constant_pad_nd(border)?;
    let ids: Vec<i64> = labels.ids.iter().map(|&id| i64::from(id)).collect();
    let ids = Tensor::f_from_slice(&ids)?.f_reshape([1, height, width])?;
    // Padding has no label.
    let ids = ids.f_sub_scalar(i64::from(IGNORED))?.f_constant_pad_nd(border)?;
    let ids = ids.f_add_scalar(i64::from(IGNORED))?.f_to_device(picture.device())?;
    no_grad(|| {
        let outputs = run(&padded)?;
        let [main, first, second] = losses::segmentation(&outputs, &ids, labels.ids.len() / HARD_SHARE)?;
        main.f_add(&first)?.f_add(&second)
    })
}
