//! Performance estimation by training: how good the networks of architectures are.

mod lanes;
mod learner_thread;
mod parts;
mod settings;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use relativenas_core::{
    finals::{Figures, Judge},
    genotype::Genotype,
    randomness::{Purpose, Streams},
    search::Slot,
    search::{
        BatchDone, Candidate, Estimate, Estimated, Estimation, Estimator, Flow, Schedule, Stage, Verdict,
    },
    weight_set::{WeightKey, WeightSet},
};
use tch::Device;

use self::{
    lanes::in_lanes,
    learner_thread::{CandidateOutcome, DeviceImages, LearnerThread, PreparedCandidate},
};
pub use self::{
    learner_thread::model_on,
    settings::{EstimateError, EstimatorSettings, LearnerWeights, TrainedWeights},
};
use crate::{
    augmentation::ImageStore,
    images::ImageSet,
    learner::Epoch,
    network::{ModuleWeights, Plan},
};

/// Trains and validates candidates with a shared weight set, on one device or several.
pub struct NetworkEstimator {
    settings: EstimatorSettings,
    /// The random streams of fresh weights.
    streams: Streams,
    /// The random streams of shuffles, augmentation and drop path.
    draws: Streams,
    /// The images on each device; the weight set lies on the first.
    device_images: Vec<DeviceImages>,
    weights: WeightSet<ModuleWeights>,
}

impl NetworkEstimator {
    /// An estimator with an empty weight set.
    ///
    /// # Errors
    /// If one of the two sets has no images, the side of the images is not a multiple of 4, or the device
    /// fails.
    pub fn new(
        settings: EstimatorSettings,
        training: &ImageSet,
        validation: &ImageSet,
        device: Device,
    ) -> Result<Self, EstimateError> {
        Self::on(settings, training, validation, &[device])
    }

    /// As [`NetworkEstimator::new`], on these devices, to which candidates are assigned in turn.
    ///
    /// # Errors
    /// If one of the two sets has no images, the side of the images is not a multiple of 4, or a device
    /// fails.
    ///
    /// # Panics
    /// If there are no devices.
    pub fn on(
        settings: EstimatorSettings,
        training: &ImageSet,
        validation: &ImageSet,
        devices: &[Device],
    ) -> Result<Self, EstimateError> {
        assert!(!devices.is_empty(), "at least one device");
        for (half, set) in [("train", training), ("valid", validation)] {
            if set.is_empty() {
                return Err(EstimateError::NoImages { half });
            }
        }
        let side = training.images.size4()?.2 as usize;
        // Reduction cells join maps that were halved in different ways, which round an odd side differently.
        if !side.is_multiple_of(4) {
            return Err(EstimateError::Side { side });
        }
        let learner = settings.learner;
        let mut device_images: Vec<DeviceImages> = Vec::new();
        for &device in devices {
            device_images.push(match device_images.iter().find(|found| found.device == device) {
                Some(found) => found.share(),
                None => DeviceImages {
                    device,
                    training: ImageStore::new(training, learner.training.padding, device)?,
                    validation: ImageStore::new(validation, learner.validation.padding, device)?,
                },
            });
        }
        Ok(Self {
            settings,
            streams: Streams::new(settings.seed),
            draws: Streams::new(settings.seed),
            device_images,
            weights: WeightSet::default(),
        })
    }

    /// Uses a weight set that was stored.
    #[must_use]
    pub fn with_weights(self, weights: WeightSet<ModuleWeights>) -> Self {
        Self { weights, ..self }
    }

    /// The shared weight set. Its tensors are never changed in place, so a shallow clone keeps its values.
    pub fn weights(&self) -> &WeightSet<ModuleWeights> {
        &self.weights
    }

    /// The number of images in the training and in the validation half.
    pub fn images(&self) -> (usize, usize) {
        (self.device_images[0].training.len(), self.device_images[0].validation.len())
    }

    /// The number of training images on which batch norm's statistics are estimated before validation; fewer
    /// if there are not as many.
    pub fn images_for_statistics(&self) -> usize {
        self.settings.statistics.saturating_mul(self.settings.learner.batch)
    }

    /// The number of learners that are trained at the same time; further ones would wait.
    pub fn at_once(&self) -> usize {
        self.settings.sharing.at_once
    }

    /// The device on which the weight set lies.
    pub fn home(&self) -> Device {
        self.device_images[0].device
    }

    /// Draws shuffles, augmentation and drop path with another seed from now on. Fresh weights keep the seed
    /// of the search.
    pub fn reseed_draws(&mut self, seed: u64) {
        self.draws = Streams::new(seed);
    }

    /// Draws fresh weights with another seed from now on.
    pub fn reseed_fresh_weights(&mut self, seed: u64) {
        self.streams = Streams::new(seed);
    }

    /// Trains every candidate from fresh weights for `epochs` epochs, with rates by `schedule`, and validates
    /// it in the end. The weight set is neither read nor written. Returns `None` if `progress` returned
    /// [`Flow::Abort`].
    ///
    /// # Errors
    /// If the device fails. A loss that is not a number is not an error.
    ///
    /// # Panics
    /// If `epochs` is 0.
    pub fn train_from_scratch(
        &self,
        candidates: &[Candidate],
        schedule: Schedule,
        epochs: u32,
        progress: &(dyn Fn(Slot, BatchDone) -> Flow + Sync),
    ) -> Result<Option<Vec<Figures>>, EstimateError> {
        assert!(epochs > 0, "there is an epoch to train for");
        let nothing = WeightSet::default();
        let prepared = candidates
            .iter()
            .enumerate()
            .map(|(index, candidate)| {
                let epoch = |epoch| Epoch {
                    learning_rate: schedule.learning_rate(epoch, epochs),
                    drop_path: schedule.drop_path(epoch, epochs),
                    generation: epoch,
                    individual: candidate.individual,
                };
                let epochs = (0..epochs).map(epoch).collect();
                self.prepare(Slot(index), candidate, (&nothing, true), epochs)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let outcomes = self.train_all(prepared, candidates.len(), self.draws, progress)?;
        let figures = |outcome: CandidateOutcome| {
            let Estimate { loss, accuracy, .. } = outcome.estimate;
            Figures { train_losses: outcome.train_losses, loss, accuracy }
        };
        Ok(outcomes.map(|outcomes| outcomes.into_iter().map(figures).collect()))
    }

    /// A candidate with the weights that it inherits from `weights`, and fresh ones for the modules that are
    /// missing there. `affine` says whether the batch norms in its cells have a factor and an offset.
    fn prepare(
        &self,
        slot: Slot,
        candidate: &Candidate,
        (weights, affine): (&WeightSet<ModuleWeights>, bool),
        epochs: Vec<Epoch>,
    ) -> Result<PreparedCandidate, EstimateError> {
        let individual = candidate.individual;
        let device_index = slot.0 % self.device_images.len();
        let device = self.device_images[device_index].device;
        let genotype = Genotype::decode(&candidate.position)
            .map_err(|error| EstimateError::Vector { individual, error })?;
        let shape = &self.settings.shape;
        let keys = WeightKey::of_genotype(&genotype, shape);
        let plan = Plan::search(&genotype, shape);
        let plan = if affine { plan } else { plan.without_affine() };
        let planned: BTreeMap<_, _> = keys.iter().copied().zip(&plan.modules).collect();
        let mut failure = None;
        let (mut inherited, hits) = weights.inherit(&keys, |key| {
            ModuleWeights::fresh(planned[&key], &self.streams, device).unwrap_or_else(|error| {
                failure = Some(error);
                ModuleWeights::new([])
            })
        });
        if let Some(error) = failure {
            return Err(error.into());
        }
        let inherited = keys.iter().filter_map(|key| inherited.remove(key));
        let inherited = inherited.map(|weights| weights.on(device)).collect::<Result<_, _>>()?;
        Ok(PreparedCandidate {
            plan,
            keys,
            inherited,
            hits,
            epochs,
            slot,
            device_index,
            judged: true,
            trained: true,
            statistics: 0,
        })
    }

    /// What the thread of a learner needs. It shares memory with the estimator, but no handles.
    fn learner_thread(&self, device_index: usize, threads: usize, streams: Streams) -> LearnerThread {
        let (home, images) = (self.home(), self.device_images[device_index].share());
        LearnerThread { threads, settings: self.settings, streams, home, images }
    }

    /// Trains all candidates. Each has the number of threads that it would have among `learners` of them.
    fn train_all(
        &self,
        prepared: Vec<PreparedCandidate>,
        learners: usize,
        draws: Streams,
        progress: &(dyn Fn(Slot, BatchDone) -> Flow + Sync),
    ) -> Result<Option<Vec<CandidateOutcome>>, EstimateError> {
        let count = prepared.len();
        let lanes = self.settings.sharing.lanes(count);
        let threads = self.settings.sharing.threads_of_each(learners.max(count));
        let aborted = AtomicBool::new(false);
        let progress = |slot, done: BatchDone| {
            // An abort ends the training of all candidates.
            if aborted.load(Ordering::Relaxed) || progress(slot, done) == Flow::Abort {
                aborted.store(true, Ordering::Relaxed);
                return Flow::Abort;
            }
            Flow::Go
        };
        let work =
            prepared.into_iter().map(|c| (self.learner_thread(c.device_index, threads, draws), c)).collect();
        let outcomes = in_lanes(work, lanes, |(thread, c): (LearnerThread, _)| thread.train(c, &progress));
        outcomes.into_iter().collect()
    }
}

impl Estimator for NetworkEstimator {
    type Error = EstimateError;
    type Trained = TrainedWeights;

    fn estimate(
        &mut self,
        estimation: &Estimation,
        progress: &(dyn Fn(Slot, BatchDone) -> Flow + Sync),
    ) -> Result<Option<Estimated<TrainedWeights>>, Self::Error> {
        let EstimatorSettings { one_shot, judge, affine, statistics, .. } = self.settings;
        let prepared = estimation
            .candidates
            .iter()
            .enumerate()
            .map(|(index, candidate)| {
                let epoch = Epoch {
                    learning_rate: estimation.learning_rate,
                    drop_path: estimation.drop_path,
                    generation: estimation.generation,
                    individual: candidate.individual,
                };
                let prepared = self.prepare(Slot(index), candidate, (&self.weights, affine), vec![epoch])?;
                let judged = estimation.stage != Stage::WarmUp;
                Ok(PreparedCandidate { judged, trained: !(judged && one_shot), statistics, ..prepared })
            })
            .collect::<Result<Vec<_>, EstimateError>>()?;
        let draws = match estimation.repeat {
            0 => self.draws,
            before => Streams::new(self.draws.stream(Purpose::Repeat, u64::from(before), 0).bits()),
        };
        let together = self.settings.sharing.together;
        let Some(outcomes) = self.train_all(prepared, together, draws, progress)? else {
            return Ok(None);
        };
        let judged = |estimate: Estimate| match judge {
            // A network whose validation loss is not a number is as good as none.
            Judge::TrainingLoss if estimate.loss.is_finite() => {
                Estimate { loss: estimate.train_loss, ..estimate }
            }
            Judge::TrainingLoss | Judge::ValidationLoss => estimate,
        };
        let (estimates, held) =
            outcomes.into_iter().map(|outcome| (judged(outcome.estimate), outcome.held)).unzip();
        Ok(Some(Estimated { estimates, trained: TrainedWeights(held) }))
    }

    fn adopt(
        &mut self,
        estimation: &Estimation,
        trained: &TrainedWeights,
        verdict: &Verdict,
    ) -> Result<(), Self::Error> {
        let giver = |&slot: &Slot| (estimation.candidates[slot].individual, trained.held(slot));
        self.weights.adopt(estimation.generation, verdict.gives.iter().map(giver));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
