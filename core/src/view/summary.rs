//! Summaries of finished generations and epochs, for curves.

use super::Comparison;
use crate::{
    event::{Event, Images, Part, Trainee},
    genotype::Genotype,
    loss::Loss,
    network::NetworkShape,
    population::IndividualId,
    tasks::Task,
    weight_set::Hits,
};

/// A finished generation. A value that is not known (for example, because no pair had a verdict) is NaN:
/// curves have a gap there. A warm-up has a training loss and hits, and no validation losses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GenerationSummary {
    pub generation: u32,
    /// The mean estimated loss of fast learners.
    pub fast: f64,
    /// The mean estimated loss of slow learners.
    pub slow: f64,
    /// The mean estimated loss of all learners.
    pub mean: f64,
    /// The lowest estimated loss.
    pub best: f64,
    /// The mean accuracy of all learners, in per cent.
    pub accuracy: f64,
    /// The highest accuracy, in per cent.
    pub best_accuracy: f64,
    /// The mean training loss of all learners.
    pub train: f64,
    pub diversity: f64,
    pub hits: Hits,
    pub learning_rate: f64,
    /// The number of learners whose loss was not a number.
    pub not_numbers: usize,
}

impl GenerationSummary {
    pub(super) fn of(
        generation: u32,
        diversity: f64,
        (compared, warmed): (&[Comparison], &[Vec<Trainee>]),
        learning_rate: f64,
    ) -> Self {
        let learners = || compared.iter().flat_map(|c| &c.learners);
        let finite = || learners().filter(|l| l.estimate.loss.is_finite());
        let trained = || warmed.iter().flatten().map(|trainee| trainee.train_loss);
        let mut hits = Hits::default();
        for trained in warmed {
            hits += warmed_hits(trained);
        }
        for comparison in compared {
            hits += comparison.hits();
        }
        let side = |pick: fn(&Comparison) -> Option<IndividualId>| {
            mean(compared.iter().filter_map(|c| c.learner(pick(c))).map(|l| l.estimate.loss.0))
        };
        Self {
            generation,
            fast: side(|c| c.fast),
            slow: side(|c| c.slow),
            mean: mean(finite().map(|l| l.estimate.loss.0)),
            best: finite().map(|l| l.estimate.loss.0).fold(f64::NAN, f64::min),
            accuracy: mean(finite().map(|l| l.estimate.accuracy)),
            best_accuracy: finite().map(|l| l.estimate.accuracy).fold(f64::NAN, f64::max),
            train: mean(finite().map(|l| l.estimate.train_loss).chain(trained()).map(|loss| loss.0)),
            diversity,
            hits,
            learning_rate,
            not_numbers: learners().count() - finite().count()
                + trained().filter(|loss| !loss.is_finite()).count(),
        }
    }
}

/// The mean of the finite values; NaN if there are none.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.filter(|v| v.is_finite()).fold((0.0, 0), |(s, n), v| (s + v, n + 1));
    sum / f64::from(count)
}

/// The hits and misses of networks of a warm-up.
pub(super) fn warmed_hits(trained: &[Trainee]) -> Hits {
    let mut sum = Hits::default();
    for trainee in trained {
        sum += Hits { hits: trainee.hits, misses: trainee.misses };
    }
    sum
}

/// The state of a training run as its events tell it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingView {
    pub task: Task,
    pub network: NetworkShape,
    pub genotype: Genotype,
    /// The number of epochs of the whole training.
    pub epochs: u32,
    pub images: Images,
    pub batch: usize,
    /// The finished epochs.
    pub history: Vec<EpochSummary>,
    /// The epoch with the best weights so far.
    pub best_epoch: Option<u32>,
    pub test: Option<TestSummary>,
}

/// A finished epoch of a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochSummary {
    pub epoch: u32,
    pub learning_rate: f64,
    pub drop_path: f64,
    pub train_loss: Loss,
    /// Training accuracy in per cent; NaN for tasks other than classification.
    pub train_accuracy: f64,
    pub valid_loss: Loss,
    /// The accuracy, or the metric of the task, in per cent.
    pub valid_accuracy: f64,
}

/// The results on the test images (or, if a task has none, on the validation images), which are computed once, at the
/// end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TestSummary {
    pub loss: Loss,
    /// The accuracy, or the metric of the task, in per cent.
    pub top1: f64,
    /// The accuracy among the five highest scores, in per cent; NaN for tasks other than classification.
    pub top5: f64,
    /// The number of images.
    pub images: usize,
    /// Whether these are test or validation images.
    pub part: Part,
}

impl TrainingView {
    pub(super) fn new(
        task: Task,
        network: NetworkShape,
        genotype: Genotype,
        epochs: u32,
        images: Images,
        batch: usize,
    ) -> Self {
        let (history, best_epoch, test) = (Vec::new(), None, None);
        Self { task, network, genotype, epochs, images, batch, history, best_epoch, test }
    }

    /// The summary of the best epoch so far.
    pub fn best(&self) -> Option<&EpochSummary> {
        self.history.iter().find(|epoch| Some(epoch.epoch) == self.best_epoch)
    }

    /// The final result of the best weights, such as `81.50 % of 64 test images`, or `73.10 % mAP on
    /// 4952 test images`; `counted` formats the number of images.
    pub fn result(&self, counted: fn(u64) -> String) -> Option<String> {
        Some(result(self.task, &self.test?, counted))
    }

    /// Whether all epochs are done and none is the best, because no loss is a number.
    pub fn has_no_best(&self) -> bool {
        self.history.len() >= self.epochs as usize && self.best_epoch.is_none()
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match *event {
            Event::EpochFinished {
                epoch,
                learning_rate,
                drop_path,
                train_loss,
                train_accuracy,
                valid_loss,
                valid_accuracy,
                best,
            } => {
                self.history.push(EpochSummary {
                    epoch,
                    learning_rate,
                    drop_path,
                    train_loss,
                    train_accuracy,
                    valid_loss,
                    valid_accuracy,
                });
                if best {
                    self.best_epoch = Some(epoch);
                }
            }
            Event::TrainingFinished { best_epoch, test_loss, test_top1, test_top5, test_images, part } => {
                self.best_epoch = Some(best_epoch);
                self.test = Some(TestSummary {
                    loss: test_loss,
                    top1: test_top1,
                    top5: test_top5,
                    images: test_images,
                    part,
                });
            }
            _ => {}
        }
    }
}

/// The text of [`TrainingView::result`].
pub(super) fn result(task: Task, test: &TestSummary, counted: fn(u64) -> String) -> String {
    let TestSummary { top1, part, .. } = test;
    let (part, images) = (part.name(), counted(test.images as u64));
    match task {
        Task::Classification => format!("{top1:.2} % of {images} {part} images"),
        _ if test.images == 0 => format!("no {part} images"),
        _ => format!("{top1:.2} % {} on {images} {part} images", task.metric_name()),
    }
}
