//! Mean intersection over union of a segmentation, from one confusion matrix over all pixels.

/// The label of pixels that are not counted.
pub const IGNORED: u8 = 255;

/// A confusion matrix: the number of pixels for each label and each predicted class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// `[predicted class, label]`, row by row.
    counts: Vec<u64>,
}

/// Why pixels cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PixelError {
    #[error("there are {predictions} predictions, but {labels} labels; they must be of the same picture")]
    Sizes { predictions: usize, labels: usize },
    #[error(
        "pixel {pixel} has label {label}; labels must be below {classes}, or 255 for pixels that are ignored"
    )]
    Label { pixel: usize, label: u8, classes: usize },
    #[error("the predicted class of pixel {pixel} is {class}; classes must be below {classes}")]
    Class { pixel: usize, class: u8, classes: usize },
}

impl Confusion {
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// A matrix from counts `[predicted class, label]`; `None` if these are not square.
    pub fn from_rows(rows: &[Vec<u64>]) -> Option<Self> {
        let classes = rows.len();
        rows.iter().all(|row| row.len() == classes).then(|| Self { classes, counts: rows.concat() })
    }

    /// Counts the pixels of one picture; those with label [`IGNORED`] are left out.
    ///
    /// # Errors
    /// If the two are not of the same picture, or a number is no class. In that case nothing is counted.
    pub fn add(&mut self, predictions: &[u8], labels: &[u8]) -> Result<(), PixelError> {
        let classes = self.classes;
        if predictions.len() != labels.len() {
            return Err(PixelError::Sizes { predictions: predictions.len(), labels: labels.len() });
        }
        for (pixel, (&class, &label)) in predictions.iter().zip(labels).enumerate() {
            if label != IGNORED && usize::from(label) >= classes {
                return Err(PixelError::Label { pixel, label, classes });
            }
            if label != IGNORED && usize::from(class) >= classes {
                return Err(PixelError::Class { pixel, class, classes });
            }
        }
        for (&class, &label) in predictions.iter().zip(labels).filter(|(_, label)| **label != IGNORED) {
            self.counts[usize::from(class) * classes + usize::from(label)] += 1;
        }
        Ok(())
    }

    /// Intersection over union of each class, between 0 and 1; `None` for a class that neither labels nor
    /// predictions have.
    pub fn by_class(&self) -> Vec<Option<f64>> {
        let n = self.classes;
        let one = |class: usize| {
            let shared = self.counts[class * n + class];
            let predicted: u64 = self.counts[class * n..][..n].iter().sum();
            let labelled: u64 = self.counts.iter().skip(class).step_by(n).sum();
            let union = predicted + labelled - shared;
            (union > 0).then(|| shared as f64 / union as f64)
        };
        (0..n).map(one).collect()
    }

    /// The share of counted pixels whose predicted class is their label; `None` if no pixel was counted.
    pub fn accuracy(&self) -> Option<f64> {
        let all: u64 = self.counts.iter().sum();
        let right: u64 = self.counts.iter().step_by(self.classes + 1).sum();
        (all > 0).then(|| right as f64 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::average_precision::mean;

    #[test]
    fn ignored_pixels_and_absent_classes_count_for_nothing() {
        let mut confusion = Confusion::new(3);
        confusion.add(&[0, 0, 1, 2, 0], &[0, 1, 1, IGNORED, 0]).expect("good pixels");
        assert_eq!(confusion.by_class(), [Some(2.0 / 3.0), Some(0.5), None]);
        assert_eq!(mean(&confusion.by_class()), Some((2.0 / 3.0 + 0.5) / 2.0));
        assert_eq!(confusion.accuracy(), Some(0.75));
        assert_eq!(Confusion::new(3).accuracy(), None);
    }

    #[test]
    fn a_label_that_is_no_class_is_named_and_nothing_is_counted() {
        let mut confusion = Confusion::new(2);
        let error = confusion.add(&[0, 0, 0], &[0, 1, 7]).expect_err("7 is no class");
        assert_eq!(
            error.to_string(),
            "pixel 2 has label 7; labels must be below 2, or 255 for pixels that are ignored"
        );
        assert_eq!(confusion.add(&[0], &[]), Err(PixelError::Sizes { predictions: 1, labels: 0 }));
        assert!(confusion.add(&[2], &[0]).is_err());
        assert_eq!(confusion, Confusion::new(2));
    }
}
