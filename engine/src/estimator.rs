//! Performance estimation by training: how good the networks of architectures are.

mod lanes;
mod parts;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use relativenas_core::{
    config::Precision,
    finals::Figures,
    genotype::Genotype,
    loss::Loss,
    network::NetworkShape,
    population::IndividualId,
    randomness::{Purpose, Streams},
    search::{
        BatchDone, Candidate, Estimate, Estimated, Estimation, Estimator, Flow, Schedule, Slot, Stage,
        Verdict,
    },
    space::VectorError,
    weight_set::{Hits, WeightKey, WeightSet},
};
use tch::{Device, TchError};

use self::lanes::in_lanes;
use crate::{
    augmentation::ImageStore,
    cpu::CpuModel,
    device::{self, Sharing},
    images::ImageSet,
    learner::{Epoch, Judgement, Learner, LearnerSettings},
    model::{Model, TorchModel},
    network::{ModuleWeights, Plan, WeightsError},
    optimizer::SgdSettings,
};

/// The settings of a [`NetworkEstimator`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EstimatorSettings {
    pub shape: NetworkShape,
    /// Whether the batch norms in the cells of networks with shared weights have a factor and an offset.
    /// Networks that are trained from scratch always have them.
    pub affine: bool,
    pub learner: LearnerSettings,
    /// Whether the candidates of a search and its ranking are validated with the weights that they inherit,
    /// without training. Those of a warm-up are trained.
    pub one_shot: bool,
    /// The number of batches on which batch norm's statistics are estimated anew before a network with shared
    /// weights is validated; 0 keeps the running statistics of training.
    pub statistics: usize,
    pub sgd: SgdSettings,
    pub seed: u64,
    /// The precision of libtorch's kernels; the kernels in [`crate::cpu`] compute in f32 only.
    pub precision: Precision,
    pub sharing: Sharing,
}

/// Why learners cannot be trained.
#[derive(Debug, thiserror::Error)]
pub enum EstimateError {
    #[error("individual {individual}: {error}")]
    Vector { individual: IndividualId, error: VectorError },
    #[error("the stored weight set does not fit: {0}")]
    Weights(#[from] WeightsError),
    #[error("the device failed: {0}")]
    Device(#[from] TchError),
    #[error("there is no {half} image; give the data set more, or `data.{half}_images` less")]
    NoImages { half: &'static str },
    #[error(
        "images of {side} pixels do not fit the search network, which halves them twice: resize them to {below} or \
         {above} pixels (multiples of 4 from 36 on work, and whatever has 32 or fewer, which is framed in black)",
        below = below(*side), above = side.next_multiple_of(4)
    )]
    Side { side: usize },
}

/// The largest side that fits, below one that does not.
fn below(side: usize) -> usize {
    side / 4 * 4
}

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

/// A device, and the images on it.
struct DeviceImages {
    device: Device,
    training: ImageStore,
    validation: ImageStore,
}

impl DeviceImages {
    fn share(&self) -> Self {
        Self { device: self.device, training: self.training.share(), validation: self.validation.share() }
    }
}

/// The weights of one learner, by module.
pub type Held = BTreeMap<WeightKey, ModuleWeights>;

/// The weights of the candidates of an estimation after it.
#[derive(Debug, Default)]
pub struct Trained(Vec<Held>);

impl Trained {
    /// The weights of a candidate, by its index among those that were trained by this estimator.
    ///
    /// # Panics
    /// If there is no such candidate.
    pub fn held(&self, slot: Slot) -> &Held {
        &self.0[slot]
    }
}

/// A candidate about to be trained, with its own copy of the weights.
struct PreparedCandidate {
    plan: Plan,
    keys: Vec<WeightKey>,
    inherited: Vec<ModuleWeights>,
    hits: Hits,
    /// The epochs that it is trained for; at least one.
    epochs: Vec<Epoch>,
    candidate: usize,
    /// The index of the device that it is trained on.
    device_index: usize,
    /// Whether it is validated; otherwise it is trained for its weights alone, and its loss and accuracy are
    /// NaN.
    judged: bool,
    /// Whether it is trained; otherwise it is validated as it is, and its training loss is NaN.
    trained: bool,
    /// As [`EstimatorSettings::statistics`].
    statistics: usize,
}

/// The results of a candidate after validation.
struct Outcome {
    estimate: Estimate,
    /// The training loss of every epoch.
    train_losses: Vec<Loss>,
    held: Held,
}

impl NetworkEstimator {
    /// An estimator with an empty weight set.
    ///
    /// # Errors
    /// If a half has no images, or the device fails.
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
    /// If a half has no images, or a device fails.
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

    /// The number of images on which batch norm's statistics are estimated before validation, if the half has
    /// as many.
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
    pub fn draw_by(&mut self, seed: u64) {
        self.draws = Streams::new(seed);
    }

    /// Draws fresh weights with another seed from now on.
    pub fn fresh_by(&mut self, seed: u64) {
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
        progress: &(dyn Fn(BatchDone) -> Flow + Sync),
    ) -> Result<Option<Vec<Figures>>, EstimateError> {
        assert!(epochs > 0, "somebody is trained");
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
                self.prepare(index, candidate, (&nothing, true), epochs)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let outcomes = self.train_all(prepared, candidates.len(), self.draws, progress)?;
        let figures = |outcome: Outcome| {
            let Estimate { loss, accuracy, .. } = outcome.estimate;
            Figures { train_losses: outcome.train_losses, loss, accuracy }
        };
        Ok(outcomes.map(|outcomes| outcomes.into_iter().map(figures).collect()))
    }

    fn prepare(
        &self,
        index: usize,
        candidate: &Candidate,
        (weights, affine): (&WeightSet<ModuleWeights>, bool),
        epochs: Vec<Epoch>,
    ) -> Result<PreparedCandidate, EstimateError> {
        let individual = candidate.individual;
        let device_index = index % self.device_images.len();
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
            candidate: index,
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
        progress: &(dyn Fn(BatchDone) -> Flow + Sync),
    ) -> Result<Option<Vec<Outcome>>, EstimateError> {
        let count = prepared.len();
        let lanes = self.settings.sharing.lanes(count);
        let threads = self.settings.sharing.threads_of_each(learners.max(count));
        let aborted = AtomicBool::new(false);
        let progress = |done: BatchDone| {
            // An abort ends the training of all candidates.
            if aborted.load(Ordering::Relaxed) || progress(done) == Flow::Abort {
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

struct LearnerThread {
    threads: usize,
    settings: EstimatorSettings,
    streams: Streams,
    /// The device to which the weights are copied in the end.
    home: Device,
    images: DeviceImages,
}

impl LearnerThread {
    fn train(
        self,
        prepared: PreparedCandidate,
        progress: &(dyn Fn(BatchDone) -> Flow + Sync),
    ) -> Result<Option<Outcome>, EstimateError> {
        device::set_threads_of_this_thread(self.threads);
        let plan = prepared.plan;
        let genes = plan.genes();
        let mut learner = Learner {
            model: self.model(plan, &prepared.inherited)?,
            genes,
            settings: self.settings.learner,
            epoch: prepared.epochs[0],
            streams: self.streams,
            candidate: prepared.candidate,
            progress,
        };
        let mut train_losses = Vec::new();
        for epoch in prepared.epochs.into_iter().filter(|_| prepared.trained) {
            learner.epoch = epoch;
            let Some(loss) = learner.train(&self.images.training)? else { return Ok(None) };
            train_losses.push(loss);
        }
        let mut judgement = Judgement { loss: Loss::NAN, accuracy: f64::NAN };
        if prepared.judged {
            if learner.estimate_statistics(&self.images.training, prepared.statistics)?.is_none() {
                return Ok(None);
            }
            let Some(found) = learner.validate(&self.images.validation)? else { return Ok(None) };
            judgement = found;
        }
        let weights = learner.model.weights()?;
        if !prepared.judged && !are_numbers(&weights)? {
            // Without training, an infinite or NaN weight is not noticed until validation, so losses are set
            // here.
            train_losses.fill(Loss::NAN);
        }
        let Judgement { loss, accuracy } = judgement;
        let train_loss = train_losses.last().map_or(f64::NAN, |loss| loss.0);
        let Hits { hits, misses } = prepared.hits;
        let weights = weights.into_iter().map(|weights| weights.on(self.home));
        let weights = weights.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Outcome {
            estimate: Estimate { loss, accuracy, train_loss: Loss(train_loss), hits, misses },
            train_losses,
            held: prepared.keys.into_iter().zip(weights).collect(),
        }))
    }

    fn model(&self, plan: Plan, weights: &[ModuleWeights]) -> Result<Box<dyn Model>, WeightsError> {
        let EstimatorSettings { shape, sgd, precision, .. } = self.settings;
        let side = shape.image_side();
        let own_kernels = (self.images.training.side() == side).then_some(side);
        model_on(plan, weights, sgd, precision, (self.images.device, self.threads), own_kernels)
    }
}

/// A model of a search network. On a CPU that computes in f32 it uses the kernels of [`crate::cpu`] if images
/// have the side `own_kernels`, and libtorch's otherwise.
///
/// If the weights belong to another plan, or the device fails.
pub fn model_on(
    plan: Plan,
    weights: &[ModuleWeights],
    sgd: SgdSettings,
    precision: Precision,
    (device, threads): (Device, usize),
    own_kernels: Option<usize>,
) -> Result<Box<dyn Model>, WeightsError> {
    if device == Device::Cpu
        && precision == Precision::F32
        && let Some(side) = own_kernels
        && let Some(model) = CpuModel::new(&plan, weights, sgd, side, threads)?
    {
        return Ok(Box::new(model));
    }
    Ok(Box::new(TorchModel::new(plan, weights, sgd, precision, device)?))
}

/// Whether all weights are finite.
fn are_numbers(weights: &[ModuleWeights]) -> Result<bool, TchError> {
    for (_, tensor) in weights.iter().flat_map(ModuleWeights::tensors) {
        if tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Estimator for NetworkEstimator {
    type Error = EstimateError;
    type Trained = Trained;

    fn estimate(
        &mut self,
        estimation: &Estimation,
        progress: &(dyn Fn(BatchDone) -> Flow + Sync),
    ) -> Result<Option<Estimated<Trained>>, Self::Error> {
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
                let prepared =
                    self.prepare(index, candidate, (&self.weights, self.settings.affine), vec![epoch])?;
                let judged = estimation.stage != Stage::WarmUp;
                let EstimatorSettings { one_shot, statistics, .. } = self.settings;
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
        let (estimates, held) = outcomes.into_iter().map(|outcome| (outcome.estimate, outcome.held)).unzip();
        Ok(Some(Estimated { estimates, trained: Trained(held) }))
    }

    fn adopt(
        &mut self,
        estimation: &Estimation,
        trained: &Trained,
        verdict: &Verdict,
    ) -> Result<(), Self::Error> {
        let giver = |&slot: &Slot| (estimation.candidates[slot].individual, trained.held(slot));
        self.weights.adopt(estimation.generation, verdict.gives.iter().map(giver));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
