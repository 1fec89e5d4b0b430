//! Matching of priors with annotated boxes, and the numbers by which a box is described relative to its prior.

use super::boxes::{CentreBox, CornerBox};

/// The least overlap at which a prior is matched with a box.
pub const THRESHOLD: f64 = 0.5;

/// The number of negatives in the loss for each positive of an image.
pub const NEGATIVES_PER_POSITIVE: usize = 3;

/// The number by which differences of centres, in shares of the prior's size, are divided.
pub const CENTRE_VARIANCE: f64 = 0.1;
/// The number by which the logarithms of ratios of sizes are divided.
pub const SIZE_VARIANCE: f64 = 0.2;

/// For every prior the index of its box, or `None` for background.
///
/// A prior is matched with the box that it overlaps most, if the overlap is at least [`THRESHOLD`]. In
/// addition every box is matched with the prior that overlaps it most, however small the overlap is; if this
/// is the same prior for two boxes, the later box gets it. Without boxes, every prior is background.
pub fn match_boxes(priors: &[CentreBox], boxes: &[CornerBox]) -> Vec<Option<usize>> {
    let mut claims: Vec<(usize, f64)> = vec![(0, f64::NEG_INFINITY); boxes.len()];
    let mut matched = Vec::with_capacity(priors.len());
    for (index, prior) in priors.iter().enumerate() {
        let corners = prior.corners();
        let mut best = (None, f64::NEG_INFINITY);
        for (number, (object, claim)) in boxes.iter().zip(&mut claims).enumerate() {
            let overlap = object.overlap(&corners);
            if overlap > best.1 {
                best = (Some(number), overlap);
            }
            if overlap > claim.1 {
                *claim = (index, overlap);
            }
        }
        matched.push(best.0.filter(|_| best.1 >= THRESHOLD));
    }
    for (number, (prior, _)) in claims.into_iter().enumerate() {
        if let Some(place) = matched.get_mut(prior) {
            *place = Some(number);
        }
    }
    matched
}

/// A box relative to a prior, as the four numbers that the network is trained to output: centre x and y, width and
/// height. Box and prior have widths and heights above 0.
pub fn encode(object: &CornerBox, prior: &CentreBox) -> [f64; 4] {
    let object = object.centred();
    [
        (object.x - prior.x) / prior.width / CENTRE_VARIANCE,
        (object.y - prior.y) / prior.height / CENTRE_VARIANCE,
        (object.width / prior.width).ln() / SIZE_VARIANCE,
        (object.height / prior.height).ln() / SIZE_VARIANCE,
    ]
}

/// The inverse of [`encode`]: the box for the four numbers that a network outputs for a prior.
pub fn decode(said: [f64; 4], prior: &CentreBox) -> CentreBox {
    CentreBox {
        x: said[0] * CENTRE_VARIANCE * prior.width + prior.x,
        y: said[1] * CENTRE_VARIANCE * prior.height + prior.y,
        width: (said[2] * SIZE_VARIANCE).exp() * prior.width,
        height: (said[3] * SIZE_VARIANCE).exp() * prior.height,
    }
}

/// The priors of one image that are in the loss as background: those with the highest loss, `per_positive`
/// for each positive, in the order of their indices. Of equal losses the first is taken.
pub fn hard_negatives(background_loss: &[f32], positive: &[bool], per_positive: usize) -> Vec<usize> {
    let wanted = per_positive * positive.iter().filter(|&&positive| positive).count();
    let mut negatives: Vec<_> = (0..positive.len()).filter(|&prior| !positive[prior]).collect();
    negatives.sort_by(|&a, &b| background_loss[b].total_cmp(&background_loss[a]));
    negatives.truncate(wanted);
    negatives.sort_unstable();
    negatives
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::priors::priors;

    #[test]
    fn every_box_has_a_prior_however_small_it_is() {
        let tiny = CornerBox::from([0.5, 0.5, 0.501, 0.501]);
        let matched = match_boxes(&priors(), &[tiny]);
        assert_eq!(matched.iter().flatten().count(), 1);
    }

    #[test]
    fn an_encoded_box_is_decoded_to_itself() {
        let object = CornerBox::from([0.1, 0.2, 0.35, 0.9]);
        for prior in priors().iter().step_by(97) {
            let found = decode(encode(&object, prior), prior).corners();
            let sides = |b: CornerBox| <[f64; 4]>::from(b);
            for (found, expected) in sides(found).into_iter().zip(sides(object)) {
                assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
            }
        }
    }

    #[test]
    fn negatives_are_the_hardest_and_never_a_positive() {
        let positive = [false, true, false, false, false];
        assert_eq!(hard_negatives(&[0.1, 9.0, 0.3, 0.2, 0.3], &positive, 3), [2, 3, 4]);
        assert_eq!(hard_negatives(&[0.5, 9.0, 0.5, 0.5, 0.5], &positive, 1), [0]);
        assert!(hard_negatives(&[0.1; 5], &[false; 5], 3).is_empty());
    }
}
