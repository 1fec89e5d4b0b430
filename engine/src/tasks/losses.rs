//! The losses of the transfer tasks.

use relativenas_core::tasks::matching::{NEGATIVES_PER_POSITIVE, hard_negatives};
use tch::{Kind, Reduction, TchError, Tensor, no_grad};

use super::{bisenet::Segmentation, ssd_lite::Predictions};

/// The loss above which a pixel is hard: that of a correct class with probability 0.7.
pub const HARD_LOSS: f64 = 0.356_674_943_938_732_4;

/// The targets of the priors of a batch.
#[derive(Debug)]
pub struct BoxTargets {
    /// The class of each prior, 0 for background, `[N, priors] i64`.
    pub labels: Tensor,
    /// The box of each prior as the four numbers that are regressed, `[N, priors, 4] f32`; for background the values
    /// are not used.
    pub locations: Tensor,
}

/// The two parts of the detector's loss, both scalars, whose sum is minimised.
#[derive(Debug)]
pub struct DetectionLoss {
    pub regression: Tensor,
    pub classification: Tensor,
    /// Indices of the priors that count as background in the loss, for each image.
    pub negatives: Vec<Vec<usize>>,
}

/// Smooth L1 over the positives (priors that match a box), and cross-entropy over positives and the hardest
/// negatives of each image; both divided by the number of positives in the batch, or by 1 if there are none.
///
/// # Errors
/// If the shapes do not fit, or the device fails.
pub fn detection(outputs: &Predictions, targets: &BoxTargets) -> Result<DetectionLoss, TchError> {
    let (device, classes) = (outputs.confidences.device(), outputs.confidences.size3()?.2);
    let (negatives, chosen) = no_grad(|| mine(&outputs.confidences, &targets.labels))?;
    let chosen = Tensor::from_slice(&chosen).f_to_device(device)?;
    let labels = targets.labels.f_reshape([-1])?;
    let positive = labels.f_gt(0)?;
    let count = positive.f_sum(Kind::Float)?.f_clamp_min(1.0)?;
    let rows = outputs.confidences.f_reshape([-1, classes])?.f_index_select(0, &chosen)?;
    let classification = rows.f_cross_entropy_loss(
        &labels.f_index_select(0, &chosen)?,
        None::<&Tensor>,
        Reduction::Sum,
        -100,
        0.0,
    )?;
    let places = positive.f_nonzero()?.f_reshape([-1])?;
    let of_positives = |all: &Tensor| all.f_reshape([-1, 4])?.f_index_select(0, &places);
    let regression = of_positives(&outputs.locations)?.f_smooth_l1_loss(
        &of_positives(&targets.locations)?,
        Reduction::Sum,
        1.0,
    )?;
    Ok(DetectionLoss {
        regression: regression.f_div(&count)?,
        classification: classification.f_div(&count)?,
        negatives,
    })
}

/// The hardest negatives of each image, and the flat indices of all priors whose classes are in the loss.
fn mine(confidences: &Tensor, labels: &Tensor) -> Result<(Vec<Vec<usize>>, Vec<i64>), TchError> {
    let (images, priors, _) = confidences.size3()?;
    let background = confidences.f_log_softmax(-1, None)?.f_select(2, 0)?.f_neg()?;
    let (background, labels) = (numbers::<f32>(&background)?, numbers::<i64>(labels)?);
    let (mut negatives, mut chosen) = (Vec::new(), Vec::new());
    for image in 0..images as usize {
        let rows = image * priors as usize..(image + 1) * priors as usize;
        let positive: Vec<_> = labels[rows.clone()].iter().map(|&label| label > 0).collect();
        let hard = hard_negatives(&background[rows.clone()], &positive, NEGATIVES_PER_POSITIVE);
        let learned = positive.iter().enumerate().filter(|(_, positive)| **positive).map(|(prior, _)| prior);
        chosen.extend(learned.chain(hard.iter().copied()).map(|prior| (rows.start + prior) as i64));
        negatives.push(hard);
    }
    Ok((negatives, chosen))
}

fn numbers<T>(tensor: &Tensor) -> Result<Vec<T>, TchError>
where
    Vec<T>: TryFrom<Tensor, Error = TchError>,
{
    Vec::try_from(tensor.f_contiguous()?.f_reshape([-1])?)
}

/// Cross-entropy of the hardest pixels: those above [`HARD_LOSS`], or the `fewest` hardest where fewer are
/// above it. Pixels with label 255 have no loss.
///
/// # Errors
/// If the shapes do not fit, or the device fails.
pub fn hard_pixels(logits: &Tensor, labels: &Tensor, fewest: usize) -> Result<Tensor, TchError> {
    let losses = logits.f_cross_entropy_loss(labels, None::<&Tensor>, Reduction::None, 255, 0.0)?;
    let (sorted, _) = losses.f_reshape([-1])?.f_sort(0, true)?;
    let pixels = sorted.size1()?;
    // At least one pixel is counted; the loss of the pixel after the `fewest` hardest decides.
    let fewest = (fewest as i64).clamp(1, pixels);
    let decides = sorted.f_detach()?.f_double_value(&[fewest.min(pixels - 1)])?;
    if fewest < pixels && decides > HARD_LOSS {
        let hard = sorted.f_gt(HARD_LOSS)?.f_nonzero()?.f_reshape([-1])?;
        return sorted.f_index_select(0, &hard)?.f_mean(Kind::Float);
    }
    sorted.f_narrow(0, 0, fewest)?.f_mean(Kind::Float)
}

/// The losses of the three outputs, the main one first. Their sum is minimised.
///
/// # Errors
/// As [`hard_pixels`].
pub fn segmentation(outputs: &Segmentation, labels: &Tensor, fewest: usize) -> Result<[Tensor; 3], TchError> {
    let [first, second] = &outputs.auxiliary;
    Ok([
        hard_pixels(&outputs.main, labels, fewest)?,
        hard_pixels(first, labels, fewest)?,
        hard_pixels(second, labels, fewest)?,
    ])
}

/// Half the mean squared error of maps `[N, joints, H, W]`, where each joint has a weight `[N, joints]`.
///
/// # Errors
/// If the shapes do not fit, or the device fails.
pub fn heat_maps(outputs: &Tensor, targets: &Tensor, weights: &Tensor) -> Result<Tensor, TchError> {
    let weights = weights.f_unsqueeze(-1)?.f_unsqueeze(-1)?;
    let error = outputs.f_sub(targets)?.f_mul(&weights)?;
    error.f_square()?.f_mean(Kind::Float)?.f_mul_scalar(0.5)
}
