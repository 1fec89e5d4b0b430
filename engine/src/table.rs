//! NAS-Bench-201 as an estimator: losses come from a table, with a delay so that the search can be watched.

use std::{thread, time::Duration};

use relativenas_core::{
    search::Slot,
    search::{BatchDone, Estimate, Estimation, Estimator as _, Flow},
    tabular::{self, Dataset, EmbeddedError, Table, TableEstimator},
};

/// The time between checks of whether to continue, while an answer is delayed.
const STEP: Duration = Duration::from_millis(20);

/// Looks losses up, with a delay.
pub struct PacedTable {
    table: Table,
    dataset: Dataset,
    /// The least time that an estimation takes.
    pace: Duration,
}

impl PacedTable {
    /// Opens the table that the program contains.
    ///
    /// # Errors
    /// If the table is damaged.
    pub fn open(dataset: Dataset, pace: Duration) -> Result<Self, EmbeddedError> {
        Ok(Self { table: tabular::embedded()?, dataset, pace })
    }

    /// The name of the table in events and manifests.
    pub fn name(&self) -> String {
        let dataset = match self.dataset {
            Dataset::Cifar10 => "CIFAR-10",
            Dataset::Cifar100 => "CIFAR-100",
            Dataset::Imagenet16 => "ImageNet-16-120",
        };
        format!("NAS-Bench-201, {dataset}")
    }

    pub fn classes(&self) -> usize {
        match self.dataset {
            Dataset::Cifar10 => 10,
            Dataset::Cifar100 => 100,
            Dataset::Imagenet16 => 120,
        }
    }

    /// A fingerprint of the table and of the data set that losses are taken from.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(tabular::COMPRESSED).update(self.dataset.name().as_bytes());
        hasher.finalize().to_hex().to_string()
    }

    /// The losses of all candidates, or `None` if `progress` returned [`Flow::Abort`].
    pub fn estimate(
        &self,
        estimation: &Estimation,
        progress: &(dyn Fn(Slot, BatchDone) -> Flow + Sync),
    ) -> Option<Vec<Estimate>> {
        let steps = (self.pace.as_millis() / STEP.as_millis()) as usize;
        for step in 1..=steps {
            thread::sleep(STEP);
            for slot in (0..estimation.candidates.len()).map(Slot) {
                let waited =
                    BatchDone { validating: true, batch: step, batches: steps, images: 0, loss: None };
                if progress(slot, waited) == Flow::Abort {
                    return None;
                }
            }
        }
        let Ok(found) = TableEstimator::new(&self.table, self.dataset).estimate(estimation, progress);
        found.map(|found| found.estimates)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Instant,
    };

    use relativenas_core::{
        population::IndividualId,
        search::{Candidate, Stage},
        space::Space,
    };

    use super::*;

    fn estimation() -> Estimation {
        // A cell whose output is not connected to its input, and the architecture with 3×3 convolutions only.
        let candidate = |individual, index| Candidate { individual, position: Space::encode(&[index; 6]) };
        Estimation {
            stage: Stage::Search,
            generation: 0,
            pair: 0,
            repeat: 0,
            learning_rate: 0.0,
            drop_path: 0.0,
            candidates: vec![candidate(IndividualId(0), 0), candidate(IndividualId(1), 3)],
        }
    }

    #[test]
    fn the_embedded_table_knows_that_a_cell_without_edges_guesses() {
        let table = PacedTable::open(Dataset::Cifar10, Duration::ZERO).expect("it is in the program");
        let estimates = table.estimate(&estimation(), &|_, _| Flow::Go).expect("it is not aborted");
        assert_eq!(estimates[0].accuracy, 10.0, "one of ten classes");
        assert!(estimates[1].accuracy > 90.0, "{}", estimates[1].accuracy);
        assert!(estimates.iter().all(|e| (e.loss.0 + e.accuracy - 100.0).abs() < 1e-9));
    }

    #[test]
    fn an_answer_is_held_back_and_can_be_aborted_meanwhile() {
        let table =
            PacedTable::open(Dataset::Cifar100, Duration::from_millis(60)).expect("it is in the program");
        let began = Instant::now();
        let reports = AtomicUsize::new(0);
        let count = |_, _| {
            reports.fetch_add(1, Ordering::Relaxed);
            Flow::Go
        };
        assert!(table.estimate(&estimation(), &count).is_some());
        assert!(began.elapsed() >= Duration::from_millis(60));
        assert_eq!(reports.load(Ordering::Relaxed), 2 * 3 + 2, "three waits and an answer for both");
        assert_eq!(table.estimate(&estimation(), &|_, _| Flow::Abort), None);
    }
}
