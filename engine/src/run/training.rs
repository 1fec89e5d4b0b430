//! The thread that trains: epoch by epoch, each judged on images that were kept apart, and in the
//! end the best weights on the test set.

mod sources;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use relativenas_core::{
    config::{Config, RetrainConfig},
    event::Event,
    manifest::{EngineFacts, Manifest},
    network::{NetworkKind, NetworkShape},
    protocol::Activity,
    search::{BatchDone, Candidate, Flow},
};
use tch::{Device, Tensor};

use super::{
    checkpoint::{Best, Checkpoint, Progress},
    control::{Bounds, Control, Done, Next, Work},
    outcome::Outcome,
    recorder::{Record, Recorder},
    setup::VALIDATION_BATCH,
};
use crate::{
    augmentation::Augmentation,
    batches::batch_count,
    data::{Skipped, survey_parts},
    device,
    network::{FlatWeights, ModuleWeights, Pass, Plan, from_named, to_named},
    optimizer::SgdSettings,
    ranks::Ranks,
    training::{
        Evaluation, Loss, Schedule, Source, Stored, Trainer, TrainerSettings, check_batches, evaluate,
        least_images,
    },
};

use sources::Sources;

/// In the run's folder `weights`.
const BEST: &str = "best.safetensors";
const LAST: &str = "last.safetensors";

/// So many photographs are looked at before a run begins, of more a run that has begun.
const FEW: usize = 20_000;

/// Why a training ends without a test.
const NO_BEST: &str = "no epoch has a loss that is a number, so no weights are the best and none are tested: the training \
     diverged; train again with a lower retrain.learning_rate, or with a limit in retrain.gradient_clip";

/// Names of a checkpoint's tensors: these before the published ones, and the optimizer's velocity.
const WEIGHTS_PREFIX: &str = "weights.";
const BEST_PREFIX: &str = "best.";
const VELOCITY: &str = "velocity";

/// A network in training and what it is trained on.
pub struct TrainingJob {
    ranks: Arc<dyn Ranks>,
    trainer: Trainer,
    train: Source,
    /// Empty if no images are kept apart; then the last epoch counts as the best.
    valid: Source,
    test: Source,
    best: Option<(Best, Vec<ModuleWeights>)>,
    finished: bool,
    /// Between checkpoints within an epoch.
    checkpoint_every: Option<Duration>,
    /// Events of a beginning that are not in the log yet; empty when a run goes on.
    opening: Vec<Event>,
    /// All photographs were looked at.
    surveyed: bool,
    kind: NetworkKind,
    auxiliary: bool,
    /// Photographs that may be gone on without.
    skip_faulty: usize,
    /// Those that it goes on without, by their places: training images, then test images.
    skipped: [BTreeSet<usize>; 2],
    device: Device,
    threads: usize,
}

impl TrainingJob {
    /// Reads the data, finds the device, and puts the training where it was.
    ///
    /// # Errors
    /// If the data, the device or the checkpoint is not what the manifest asks for.
    pub fn prepare(
        manifest: &Manifest,
        checkpoint: Option<Checkpoint>,
        ranks: Arc<dyn Ranks>,
    ) -> anyhow::Result<(Self, EngineFacts)> {
        let (config, retrain) = (&manifest.config, &manifest.config.retrain);
        let genotype = manifest.genotype.as_ref();
        let genotype = genotype.context("run.toml names no genotype to train; make the run again")?;
        let sources = Sources::open(config, ranks.place())?;
        let inputs = &sources.inputs;
        let images = inputs.images();
        let shape = network_shape(retrain, images.classes)?;
        check_batches(retrain.kind, retrain.auxiliary, images.train, retrain.batch)?;
        let plan = Plan::full(genotype, &shape, retrain.auxiliary);
        check_shares(&plan, retrain.batch, ranks.count())?;
        // How often it is stored changes no loss.
        let protocol = (
            genotype,
            RetrainConfig { checkpoint_seconds: 0, ..retrain.clone() },
            (config.data.crop_padding, config.data.flip),
            config.device.precision,
        );
        // Several ranks normalise by the statistics of their shares, which is another training.
        let facts = match ranks.count() {
            1 => inputs.facts(manifest, VALIDATION_BATCH, &protocol)?,
            count => inputs.facts(manifest, VALIDATION_BATCH, &(protocol, count))?,
        };
        let settings = trainer_settings(config, inputs.threads);
        let (trainer, best, finished, skipped, opening) = match checkpoint {
            None => {
                let started = Event::TrainingStarted {
                    network: shape,
                    genotype: genotype.clone(),
                    epochs: retrain.epochs,
                    images,
                    batch: retrain.batch,
                };
                (
                    Trainer::new(plan, settings, inputs.device())?,
                    None,
                    false,
                    Default::default(),
                    vec![started],
                )
            }
            Some(checkpoint) => {
                let (trainer, best, finished, skipped) =
                    restore(plan, settings, checkpoint, inputs.device()).context("the checkpoint")?;
                (trainer, best, finished, skipped, Vec::new())
            }
        };
        let mut job = Self {
            trainer: trainer.among(Arc::clone(&ranks)),
            ranks,
            train: sources.train,
            valid: sources.valid,
            test: sources.test,
            best,
            finished,
            checkpoint_every: match retrain.checkpoint_seconds {
                0 => None,
                seconds => Some(Duration::from_secs(seconds)),
            },
            opening,
            surveyed: false,
            kind: retrain.kind,
            auxiliary: retrain.auxiliary,
            skip_faulty: config.data.skip_faulty,
            skipped: Default::default(),
            device: sources.inputs.device(),
            threads: sources.inputs.threads,
        };
        job.leave_out(skipped)?;
        if job.ranks.is_first() && !job.opening.is_empty() && job.photographs() <= FEW {
            job.survey(&|| false)?;
        }
        Ok((job, facts))
    }

    pub fn bounds(&self) -> Bounds {
        Bounds { population: None, generations: self.epochs() }
    }

    fn epochs(&self) -> u32 {
        self.trainer.settings().schedule.epochs
    }

    /// Goes on until the training is done or somebody ends it; says which.
    ///
    /// # Errors
    /// If the device fails, or the folder cannot be written any more.
    pub fn go_on(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<Outcome> {
        device::set_threads_of_this_thread(self.threads);
        if !self.opening.is_empty() {
            let surveyed = !self.ranks.is_first() || self.survey(&|| control.leaving())?;
            if !self.ranks.decide(|| surveyed)? {
                return Ok(Outcome::Left);
            }
            self.hear_what_is_left_out()?;
            recorder.send(Record::Events(std::mem::take(&mut self.opening)))?;
            self.store(recorder)?;
        } else {
            // The engine may have ended between a checkpoint and the files made from it.
            self.publish(recorder, self.best.is_some())?;
        }
        loop {
            if self.finished {
                return Ok(Outcome::Done);
            }
            // There is nothing else: `Control` refuses injections, as there is no population.
            if !self.ranks.decide(|| control.next() != Next::Leave)? {
                return Ok(Outcome::Left);
            }
            let epoch = self.trainer.epoch();
            let outcome = if epoch < self.epochs() {
                self.epoch(control, recorder).with_context(|| format!("epoch {epoch}"))?
            } else {
                ensure!(self.best.is_some(), NO_BEST);
                self.test(control, recorder).context("the test set")?
            };
            if outcome == Outcome::Left {
                return Ok(Outcome::Left);
            }
        }
    }

    /// Looks at all photographs, so that a damaged one is known before hours are spent, leaves out as many faulty
    /// ones as the settings allow, and says what is odd. Says whether nobody ended it.
    fn survey(&mut self, leaving: &(dyn Fn() -> bool + Sync)) -> anyhow::Result<bool> {
        if let (false, Source::Photos(train), Source::Photos(test)) = (self.surveyed, &self.train, &self.test)
        {
            let Skipped { train: of_train, valid: of_test, notes } =
                survey_parts(&train.images, &test.images, self.skip_faulty, train.threads, leaving)?;
            if leaving() {
                return Ok(false);
            }
            let patched = [&train.images, &test.images].into_iter().filter_map(|images| images.patched());
            patched.chain(notes).for_each(|note| super::say(&note));
            self.leave_out([of_train, of_test])?;
        }
        self.surveyed = !leaving();
        Ok(self.surveyed)
    }

    /// Goes on without what the first rank found faulty when it looked at all photographs.
    fn hear_what_is_left_out(&mut self) -> anyhow::Result<()> {
        if self.ranks.count() == 1 {
            return Ok(());
        }
        let mut skipped = serde_json::to_vec(&self.skipped)?;
        self.ranks.broadcast(0, &mut skipped)?;
        if self.ranks.is_first() { Ok(()) } else { self.leave_out(serde_json::from_slice(&skipped)?) }
    }

    /// Goes on without these photographs.
    fn leave_out(&mut self, skipped: [BTreeSet<usize>; 2]) -> anyhow::Result<()> {
        let [of_train, of_test] = &skipped;
        for (source, gone) in
            [(&mut self.train, of_train), (&mut self.valid, of_train), (&mut self.test, of_test)]
        {
            if let Source::Photos(photos) = source {
                photos.chosen.retain(|index| !gone.contains(index));
            }
        }
        if !of_train.is_empty() {
            check_batches(self.kind, self.auxiliary, self.train.len(), self.trainer.settings().batch)?;
        }
        for event in &mut self.opening {
            if let Event::TrainingStarted { images, .. } = event {
                (images.train, images.valid) = (self.train.len(), self.valid.len());
            }
        }
        self.skipped = skipped;
        Ok(())
    }

    /// How many there are, of all parts.
    fn photographs(&self) -> usize {
        let count = |source: &Source| match source {
            Source::Photos(photos) => photos.images.len(),
            Source::Memory(_) => 0,
        };
        count(&self.train) + count(&self.test)
    }

    /// What is left of the epoch in hand, and its validation.
    fn epoch(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<Outcome> {
        let epoch = self.trainer.epoch();
        self.trainer.take_from_first()?;
        self.begin(control, Activity::Training);
        if self.train_epoch(control, recorder)? == Outcome::Left {
            return Ok(Outcome::Left);
        }
        let figures = self.trainer.figures()?;
        let Some(judgement) = self.validate(control)? else {
            // The validation is done again; the steps of the epoch are not.
            self.store(recorder)?;
            return Ok(Outcome::Left);
        };
        let judged = Best { epoch, valid_loss: judgement.loss, valid_accuracy: judgement.top1 };
        let judged_loss = if self.valid.is_empty() { figures.loss } else { judgement.loss };
        let better = self.valid.is_empty() || self.best.as_ref().is_none_or(|(best, _)| beats(&judged, best));
        let best = better && judged_loss.is_finite();
        if best {
            self.best = Some((judged, self.trainer.weights()?));
        }
        let schedule = self.trainer.settings().schedule;
        let finished = Event::EpochFinished {
            epoch,
            learning_rate: schedule.learning_rate(epoch),
            drop_path: schedule.drop_path(epoch),
            train_loss: figures.loss,
            train_accuracy: figures.accuracy,
            valid_loss: judgement.loss,
            valid_accuracy: judgement.top1,
            best,
        };
        self.trainer.next_epoch()?;
        recorder.send(Record::Events(vec![finished]))?;
        self.store(recorder)?;
        self.publish(recorder, best)?;
        control.end(Done::Epoch(epoch), !judged_loss.is_finite());
        Ok(Outcome::Done)
    }

    /// The steps of the epoch that are left, with a checkpoint now and then.
    fn train_epoch(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<Outcome> {
        let batches = batch_count(self.train.len(), self.trainer.settings().batch);
        let mut stored = Instant::now();
        let (epoch, first) = (self.trainer.epoch(), self.trainer.batch());
        for part in self.train.training(self.trainer.feed(), epoch, first)? {
            let part = part?;
            self.trainer.step(&part)?;
            let done = BatchDone {
                candidate: 0,
                validating: false,
                batch: self.trainer.batch(),
                batches,
                images: part.whole,
                loss: self.trainer.loss_if_free()?,
            };
            let staying = self.ranks.decide(|| flow(control, done) == Flow::Go)?;
            let due = self.checkpoint_every.is_some_and(|every| stored.elapsed() >= every);
            if self.ranks.is_first() && (!staying || due) {
                recorder.send(checkpoint(
                    &self.trainer,
                    self.best.as_ref(),
                    self.finished,
                    &self.skipped,
                )?)?;
                stored = Instant::now();
            }
            if !staying {
                return Ok(Outcome::Left);
            }
        }
        Ok(Outcome::Done)
    }

    /// `None` if somebody ended it. Without images to judge on, nothing is known.
    fn validate(&self, control: &Control) -> anyhow::Result<Option<Evaluation>> {
        if self.valid.is_empty() {
            let unknown = f64::NAN;
            return Ok(Some(Evaluation { loss: unknown, top1: unknown, top5: unknown, images: 0 }));
        }
        judge(&self.trainer.evaluation(), &self.valid, &*self.ranks, control)
    }

    /// Looks at the test set, once, with the best weights.
    fn test(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<Outcome> {
        let (best, weights) = self.best.as_ref().context("no epoch was the best")?;
        let weights = FlatWeights::gather(self.trainer.plan(), weights, self.device)?;
        self.begin(control, Activity::Validating);
        let precision = self.trainer.settings().precision;
        let pass = Pass::evaluation(self.trainer.plan(), weights.modules(), precision);
        let judged = judge(&pass, &self.test, &*self.ranks, control)?;
        let Some(judged) = judged else {
            return Ok(Outcome::Left); // The checkpoint of the last epoch is the newest.
        };
        let finished = Event::TrainingFinished {
            best_epoch: best.epoch,
            test_loss: judged.loss,
            test_top1: judged.top1,
            test_top5: judged.top5,
            test_images: judged.images,
        };
        self.finished = true;
        recorder.send(Record::Events(vec![finished]))?;
        self.store(recorder)?;
        Ok(Outcome::Done)
    }

    fn begin(&self, control: &Control, activity: Activity) {
        let epoch = self.trainer.epoch();
        let member = Candidate { individual: 0, position: Vec::new() };
        let left = self.epochs().saturating_sub(epoch + 1) as usize;
        let work = Work { now: 1.0, after: left as f64 };
        control.begin(activity, epoch.min(self.epochs() - 1), 0..1, &[member], work);
    }

    /// Writes everything that is needed to go on from here. All ranks have the same, so one of them does.
    fn store(&self, recorder: &Recorder) -> anyhow::Result<()> {
        if self.ranks.is_first() {
            recorder.send(checkpoint(&self.trainer, self.best.as_ref(), self.finished, &self.skipped)?)?;
        }
        Ok(())
    }

    /// Writes weights for other programs: those of the last finished epoch, and the best if they are new.
    fn publish(&self, recorder: &Recorder, best: bool) -> anyhow::Result<()> {
        if !self.ranks.is_first() {
            return Ok(());
        }
        let plan = self.trainer.plan();
        if self.trainer.epoch() > 0 && self.trainer.batch() == 0 {
            let weights = to_named(plan, &self.trainer.weights()?);
            recorder.send(Record::Weights { file: LAST, weights })?;
        }
        if let (Some((_, weights)), true) = (&self.best, best) {
            recorder.send(Record::Weights { file: BEST, weights: to_named(plan, weights) })?;
        }
        Ok(())
    }
}

fn trainer_settings(config: &Config, threads: usize) -> TrainerSettings {
    let retrain = &config.retrain;
    TrainerSettings {
        batch: retrain.batch,
        augmentation: Augmentation {
            padding: config.data.crop_padding,
            flip: config.data.flip,
            cutout: retrain.cutout,
        },
        schedule: Schedule::of(retrain),
        loss: Loss { label_smoothing: retrain.label_smoothing, auxiliary_weight: retrain.auxiliary_weight },
        sgd: SgdSettings {
            momentum: retrain.momentum,
            weight_decay: retrain.weight_decay,
            clip: retrain.gradient_clip,
        },
        precision: config.device.precision,
        threads,
        seed: retrain.seed,
    }
}

fn network_shape(retrain: &RetrainConfig, classes: usize) -> anyhow::Result<NetworkShape> {
    let shape =
        NetworkShape { kind: retrain.kind, channels: retrain.channels, cells: retrain.cells, classes };
    shape.check().context("the network of [retrain]")?;
    Ok(shape)
}

/// Refuses batches of which some ranks would never get an image.
fn check_shares(plan: &Plan, batch: usize, ranks: usize) -> anyhow::Result<()> {
    let least = least_images(plan);
    ensure!(
        ranks == 1 || batch >= least * ranks,
        "retrain.batch = {batch} is too small for {ranks} ranks, each of which needs {least} or more images of a \
         batch; take {} or more, or fewer ranks",
        least * ranks
    );
    Ok(())
}

/// Whether the work goes on after a batch. A training can be resumed at any, so it leaves at once.
fn flow(control: &Control, done: BatchDone) -> Flow {
    if control.batch_done(done) == Flow::Abort || control.leaving() { Flow::Abort } else { Flow::Go }
}

fn judge(
    pass: &Pass<'_>,
    source: &Source,
    ranks: &dyn Ranks,
    control: &Control,
) -> anyhow::Result<Option<Evaluation>> {
    Ok(evaluate(pass, source, VALIDATION_BATCH, usize::MAX, ranks, &|done| flow(control, done))?)
}

/// Whether an epoch is better than the best before: more images right, or as many at a lower loss.
/// What is not a number is worse than anything else.
fn beats(new: &Best, old: &Best) -> bool {
    let key = |best: &Best| {
        let number = |value: f64| if value.is_nan() { f64::NEG_INFINITY } else { value };
        (number(best.valid_accuracy), number(-best.valid_loss))
    };
    key(new) > key(old)
}

fn checkpoint(
    trainer: &Trainer,
    best: Option<&(Best, Vec<ModuleWeights>)>,
    finished: bool,
    skipped: &[BTreeSet<usize>; 2],
) -> anyhow::Result<Record> {
    let Stored { position, weights, velocity } = trainer.store()?;
    let prefixed = |prefix: &'static str, weights: BTreeMap<String, Tensor>| {
        weights.into_iter().map(move |(name, tensor)| (format!("{prefix}{name}"), tensor))
    };
    let mut tensors: BTreeMap<_, _> = prefixed(WEIGHTS_PREFIX, weights).collect();
    tensors.extend(velocity.map(|velocity| (VELOCITY.to_owned(), velocity)));
    if let Some((_, weights)) = best {
        tensors.extend(prefixed(BEST_PREFIX, to_named(trainer.plan(), weights)));
    }
    let (best, skipped) = (best.map(|(best, _)| *best), skipped.clone());
    let progress = Box::new(Progress::Train { position, best, finished, skipped });
    Ok(Record::Checkpoint { progress, weights: tensors })
}

/// The training that [`checkpoint`] stored, its best epoch, whether it was finished, and which photographs it goes
/// on without.
#[allow(clippy::type_complexity)] // Named parts would be used once.
fn restore(
    plan: Plan,
    settings: TrainerSettings,
    checkpoint: Checkpoint,
    device: Device,
) -> anyhow::Result<(Trainer, Option<(Best, Vec<ModuleWeights>)>, bool, [BTreeSet<usize>; 2])> {
    let Progress::Train { position, best, finished, skipped } = checkpoint.state.progress else {
        anyhow::bail!("it is not one of a training");
    };
    let (mut weights, mut best_weights, mut velocity) = (BTreeMap::new(), BTreeMap::new(), None);
    for (name, tensor) in device::place_all(checkpoint.tensors, device)? {
        if let Some(name) = name.strip_prefix(WEIGHTS_PREFIX) {
            weights.insert(name.to_owned(), tensor);
        } else if let Some(name) = name.strip_prefix(BEST_PREFIX) {
            best_weights.insert(name.to_owned(), tensor);
        } else {
            ensure!(name == VELOCITY, "`{name}` is nothing that a training stores");
            velocity = Some(tensor);
        }
    }
    let best = match best {
        Some(best) => Some((best, from_named(&plan, best_weights).context("the best weights")?)),
        None => None,
    };
    let trainer = Trainer::resume(plan, settings, Stored { position, weights, velocity }, device)?;
    Ok((trainer, best, finished, skipped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_decides_then_loss_and_what_is_no_number_never_wins() {
        let epoch = |valid_loss, valid_accuracy| Best { epoch: 0, valid_loss, valid_accuracy };
        let nothing = epoch(f64::NAN, f64::NAN);
        for (better, worse) in [
            (epoch(0.9, 91.0), epoch(0.1, 90.0)),
            (epoch(0.1, 90.0), epoch(0.2, 90.0)),
            (epoch(0.1, 90.0), epoch(f64::NAN, 90.0)),
            (epoch(9.0, 1.0), nothing),
        ] {
            assert!(beats(&better, &worse) && !beats(&worse, &better), "{better:?} {worse:?}");
            assert!(!beats(&better, &better));
        }
        assert!(!beats(&nothing, &nothing));
    }
}
