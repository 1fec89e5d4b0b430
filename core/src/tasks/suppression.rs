//! Non-maximum suppression: selects the boxes to report by the scores of all priors.

use super::boxes::CornerBox;

/// Limits on the boxes that are reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suppression {
    /// Only boxes with a score above this are reported.
    pub score: f64,
    /// A box is dropped if it overlaps a better one of its class by more than this.
    pub overlap: f64,
    /// Only this many boxes with the best scores are considered in each class.
    pub candidates: usize,
    /// At most this many are reported in each class.
    pub most: usize,
}

impl Suppression {
    /// The limits with which the published detector is evaluated.
    pub const PUBLISHED: Self = Self { score: 0.01, overlap: 0.45, candidates: 200, most: usize::MAX };

    /// The boxes to keep, as indices, the best first. Of equal scores the later box counts as better, as in a
    /// list that is sorted in ascending order and read from its end.
    pub fn keep(&self, boxes: &[CornerBox], scores: &[f64]) -> Vec<usize> {
        let mut order: Vec<_> = (0..boxes.len()).filter(|&i| scores[i] > self.score).collect();
        order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        let mut kept: Vec<usize> = Vec::new();
        for index in order.into_iter().rev().take(self.candidates) {
            if kept.len() == self.most {
                break;
            }
            if kept.iter().all(|&better| boxes[better].overlap(&boxes[index]) <= self.overlap) {
                kept.push(index);
            }
        }
        kept
    }

    /// The boxes to report for one image, class by class, best first.
    ///
    /// `probabilities` are `[priors, classes]`, row by row, where class 0 is background; `boxes` has one box
    /// for each prior.
    pub fn detect(&self, probabilities: &[f64], classes: usize, boxes: &[CornerBox]) -> Vec<ScoredBox> {
        let mut reported = Vec::new();
        for class in 1..classes {
            let scores: Vec<_> = probabilities.iter().skip(class).step_by(classes).copied().collect();
            let found = self.keep(boxes, &scores).into_iter();
            reported.extend(found.map(|prior| {
                let (score, corners) = (scores[prior], boxes[prior]);
                ScoredBox { class, score, prior, corners }
            }));
        }
        reported
    }
}

/// A reported box with its class and score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredBox {
    pub class: usize,
    pub score: f64,
    /// The index of the prior that the box was predicted for.
    pub prior: usize,
    pub corners: CornerBox,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_different_classes_do_not_suppress_each_other() {
        let boxes = [CornerBox::from([0.0, 0.0, 1.0, 1.0]); 3];
        let probabilities = [0.2, 0.7, 0.1, 0.3, 0.6, 0.1, 0.2, 0.005, 0.795];
        let found = Suppression::PUBLISHED.detect(&probabilities, 3, &boxes);
        let found: Vec<_> = found.iter().map(|r| (r.class, r.prior)).collect();
        assert_eq!(found, [(1, 0), (2, 2)]);
    }
}
