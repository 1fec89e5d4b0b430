//! The thread that trains: epoch by epoch, each validated on images that were set apart, and in the end the
//! best weights on the test set. What is trained is a [`Subject`].

mod classifier;
mod sources;
mod subject;
mod task;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use relativenas_core::{
    event::{Event, Images},
    manifest::{EngineFacts, Manifest, files},
    protocol::{Activity, BatchProgress},
    search::{BatchDone, Flow},
    tasks::Task,
    trained_network::TrainedNetwork,
};

use super::{
    checkpoint::{BestEpoch, Checkpoint, CheckpointProgress},
    control::{Bounds, Control, Done, Next, Workload},
    outcome::Outcome,
    recorder::{Record, Recorder},
};
use crate::{device, ranks::Ranks};

use subject::{Judgement, LeftOut, NamedTensors, Snapshot, Subject};

/// Up to this many photographs are checked before a training is reported as begun; if there are more, the check
/// follows later, in the thread that trains.
const FEW: usize = 20_000;

/// The reason for which a training ends without a test.
const NO_BEST: &str = "no epoch has a loss that is a number, so no weights are the best and none are tested: the training \
     diverged; train again with a lower retrain.learning_rate, or with a limit in retrain.gradient_clip";

/// Prefixes of the names of a checkpoint's tensors; names without them belong to the optimizer.
const WEIGHTS_PREFIX: &str = "weights.";
const BEST_PREFIX: &str = "best.";

/// A subject that is ready to begin or continue, and what the [`TrainingJob`] needs to know of it.
struct Ready {
    subject: Box<dyn Subject>,
    facts: EngineFacts,
    images: Images,
    network: TrainedNetwork,
    threads: usize,
}

/// A network in training and what it is trained on.
pub struct TrainingJob {
    ranks: Arc<dyn Ranks>,
    subject: Box<dyn Subject>,
    /// The best epoch so far and the weights after it.
    best: Option<(BestEpoch, NamedTensors)>,
    /// Whether the best weights were tested, which is the last that is done.
    finished: bool,
    /// The time between checkpoints within an epoch.
    checkpoint_every: Option<Duration>,
    /// Events of the beginning that are not in the log yet; empty when a run is resumed.
    opening: Vec<Event>,
    network: TrainedNetwork,
    threads: usize,
}

impl TrainingJob {
    /// Reads the data, finds the device, and begins the training or restores it from the checkpoint.
    ///
    /// # Errors
    /// If the data, the device or the checkpoint is not what the manifest asks for.
    pub fn prepare(
        manifest: &Manifest,
        checkpoint: Option<Checkpoint>,
        ranks: Arc<dyn Ranks>,
    ) -> anyhow::Result<(Self, EngineFacts)> {
        let retrain = &manifest.config.retrain;
        let mut restored = checkpoint.map(Restored::of).transpose().context("the checkpoint")?;
        let best = restored.as_mut().and_then(|restored| restored.best.take());
        let snapshot = restored.as_mut().map(|restored| std::mem::take(&mut restored.snapshot));
        let snapshot = snapshot.map(|snapshot| (snapshot, best.as_ref().map(|(_, weights)| weights)));
        let ready = match retrain.task {
            Task::Classification => classifier::prepare(manifest, snapshot, &ranks)?,
            Task::Detection | Task::Segmentation | Task::Keypoints => {
                task::prepare(manifest, snapshot, &ranks)?
            }
        };
        let Ready { subject, facts, images, network, threads } = ready;
        let opening = match (&restored, &manifest.genotype) {
            (None, Some(genotype)) => vec![Event::TrainingStarted {
                task: retrain.task,
                network: network.network,
                genotype: genotype.clone(),
                epochs: retrain.epochs,
                images,
                batch: retrain.batch,
            }],
            _ => Vec::new(),
        };
        let (finished, left_out) = restored.map_or_else(Default::default, |r| (r.finished, r.left_out));
        let mut job = Self {
            ranks,
            subject,
            best,
            finished,
            checkpoint_every: match retrain.checkpoint_seconds {
                0 => None,
                seconds => Some(Duration::from_secs(seconds)),
            },
            opening,
            network,
            threads,
        };
        job.leave_out(left_out)?;
        if job.ranks.is_first() && !job.opening.is_empty() && job.subject.photographs() <= FEW {
            job.survey(&|| false)?;
        }
        Ok((job, facts))
    }

    pub fn bounds(&self) -> Bounds {
        Bounds { population: None, generations: self.subject.epochs() }
    }

    /// Works until the training is done or the run is stopped; returns which of these happened.
    ///
    /// # Errors
    /// If the device fails, or the folder cannot be written any more.
    pub fn go_on(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<Outcome> {
        device::set_threads_of_this_thread(self.threads);
        if !self.opening.is_empty() {
            let surveyed = !self.ranks.is_first() || self.survey(&|| control.leaving())?;
            if !self.ranks.decide(|| surveyed)? {
                return Ok(Outcome::Stopped);
            }
            self.receive_left_out()?;
            recorder.send(Record::Events(std::mem::take(&mut self.opening)))?;
            self.store(recorder)?;
        } else {
            // The engine may have ended between a checkpoint and the files that are made from it.
            self.publish(recorder, self.best.is_some())?;
        }
        loop {
            if self.finished {
                return Ok(Outcome::Done);
            }
            // No other value is possible: `Control` refuses injections, as there is no population.
            if !self.ranks.decide(|| control.next() != Next::Leave)? {
                return Ok(Outcome::Stopped);
            }
            let (epoch, _) = self.subject.place();
            let outcome = if epoch < self.subject.epochs() {
                self.epoch(control, recorder).with_context(|| format!("epoch {epoch}"))?
            } else {
                ensure!(self.best.is_some(), NO_BEST);
                self.test(control, recorder).context("the test set")?
            };
            if outcome == Outcome::Stopped {
                return Ok(Outcome::Stopped);
            }
        }
    }

    /// Reads all photographs; returns false if the run was stopped meanwhile.
    fn survey(&mut self, leaving: &(dyn Fn() -> bool + Sync)) -> anyhow::Result<bool> {
        let surveyed = self.subject.survey(leaving)?;
        self.count_images();
        Ok(surveyed)
    }

    /// Leaves out the photographs that the first rank found faulty.
    fn receive_left_out(&mut self) -> anyhow::Result<()> {
        if self.ranks.count() == 1 {
            return Ok(());
        }
        let mut left_out = serde_json::to_vec(&self.subject.left_out())?;
        self.ranks.broadcast(0, &mut left_out)?;
        if self.ranks.is_first() { Ok(()) } else { self.leave_out(serde_json::from_slice(&left_out)?) }
    }

    /// Leaves out these photographs.
    fn leave_out(&mut self, left_out: LeftOut) -> anyhow::Result<()> {
        self.subject.leave_out(left_out)?;
        self.count_images();
        Ok(())
    }

    /// Writes the numbers of images to the opening events.
    fn count_images(&mut self) {
        let (train, valid) = self.subject.images();
        for event in &mut self.opening {
            if let Event::TrainingStarted { images, .. } = event {
                (images.train, images.valid) = (train, valid);
            }
        }
    }

    /// The remaining steps of the current epoch, and its validation.
    fn epoch(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<Outcome> {
        let (epoch, _) = self.subject.place();
        self.subject.begin()?;
        let left = self.subject.epochs().saturating_sub(epoch + 1);
        let activity = Activity::Training { epoch, progress: BatchProgress::default() };
        control.begin(activity, Workload { now: 1.0, after: f64::from(left) });
        if self.train_epoch(control, recorder)? == Outcome::Stopped {
            return Ok(Outcome::Stopped);
        }
        let figures = self.subject.figures()?;
        let Some(judgement) = self.subject.validate(&|done| flow(control, done))? else {
            // If the run is stopped, the validation is done again later; the steps of the epoch are not.
            self.store(recorder)?;
            return Ok(Outcome::Stopped);
        };
        let apart = self.subject.images().1 > 0;
        let judged = BestEpoch { epoch, valid_loss: judgement.loss, valid_accuracy: judgement.metric };
        let judged_loss = if apart { judgement.loss } else { figures.loss };
        let better = !apart || self.best.as_ref().is_none_or(|(best, _)| beats(&judged, best));
        let best = better && judged_loss.is_finite();
        if best {
            self.best = Some((judged, self.subject.weights()?));
        }
        let (learning_rate, drop_path) = self.subject.rates(epoch);
        let finished = Event::EpochFinished {
            epoch,
            learning_rate,
            drop_path,
            train_loss: figures.loss,
            train_accuracy: figures.accuracy,
            valid_loss: judgement.loss,
            valid_accuracy: judgement.metric,
            best,
        };
        self.subject.next_epoch()?;
        recorder.send(Record::Events(vec![finished]))?;
        self.store(recorder)?;
        self.publish(recorder, best)?;
        control.end(Done::Epoch(epoch), !judged_loss.is_finite());
        Ok(Outcome::Done)
    }

    /// The remaining steps of the current epoch, with a checkpoint from time to time.
    fn train_epoch(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<Outcome> {
        let mut stored = Instant::now();
        let (ranks, best, every) = (&self.ranks, self.best.as_ref(), self.checkpoint_every);
        let mut after = |subject: &dyn Subject, done: BatchDone| -> anyhow::Result<Flow> {
            let staying = ranks.decide(|| flow(control, done) == Flow::Go)?;
            let due = every.is_some_and(|every| stored.elapsed() >= every);
            if ranks.is_first() && (!staying || due) {
                recorder.send(checkpoint(subject, best, false)?)?;
                stored = Instant::now();
            }
            Ok(if staying { Flow::Go } else { Flow::Abort })
        };
        let stayed = self.subject.train(&mut after)?;
        Ok(if stayed { Outcome::Done } else { Outcome::Stopped })
    }

    /// Evaluates the best weights on the test set, once.
    fn test(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<Outcome> {
        control.close("the test set is being evaluated");
        let activity =
            Activity::Testing { progress: BatchProgress { validating: true, ..Default::default() } };
        control.begin(activity, Workload { now: 1.0, after: 0.0 });
        let (best, weights) = self.best.as_ref().context("no epoch was the best")?;
        let judged = self.subject.test(weights, &|done| flow(control, done))?;
        let Some(Judgement { loss, metric, top5, images, part }) = judged else {
            return Ok(Outcome::Stopped); // The checkpoint of the last epoch is the newest.
        };
        let finished = Event::TrainingFinished {
            best_epoch: best.epoch,
            test_loss: loss,
            test_top1: metric,
            test_top5: top5,
            test_images: images,
            part,
        };
        self.finished = true;
        recorder.send(Record::Events(vec![finished]))?;
        self.store(recorder)?;
        Ok(Outcome::Done)
    }

    /// Writes everything that is needed to continue. All ranks hold the same, so only the first one writes.
    fn store(&self, recorder: &Recorder) -> anyhow::Result<()> {
        if self.ranks.is_first() {
            recorder.send(checkpoint(&*self.subject, self.best.as_ref(), self.finished)?)?;
        }
        Ok(())
    }

    /// Writes weights for other programs: those of the last finished epoch, and the best if they are new.
    fn publish(&self, recorder: &Recorder, best: bool) -> anyhow::Result<()> {
        if !self.ranks.is_first() {
            return Ok(());
        }
        let (epoch, batch) = self.subject.place();
        let send = |file, weights| {
            recorder.send(Record::Weights { file, weights, network: Box::new(self.network.clone()) })
        };
        if epoch > 0 && batch == 0 {
            send(files::LAST_WEIGHTS, self.subject.weights()?)?;
        }
        if let (Some((_, weights)), true) = (&self.best, best) {
            send(files::BEST_WEIGHTS, shared(weights))?;
        }
        Ok(())
    }
}

/// Shallow clones of the tensors.
fn shared(named: &NamedTensors) -> NamedTensors {
    named.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
}

/// Whether the work continues after a batch. A training can be resumed at any batch, so it leaves at once.
fn flow(control: &Control, done: BatchDone) -> Flow {
    if control.training_batch_done(done) == Flow::Abort || control.leaving() { Flow::Abort } else { Flow::Go }
}

/// Whether an epoch is better than the best before: a higher metric, or the same at a lower loss. A value
/// that is not a number is worse than all others.
fn beats(new: &BestEpoch, old: &BestEpoch) -> bool {
    let key = |best: &BestEpoch| {
        let number = |value: f64| if value.is_nan() { f64::NEG_INFINITY } else { value };
        (number(best.valid_accuracy), number(-best.valid_loss.0))
    };
    key(new) > key(old)
}

fn checkpoint(
    subject: &dyn Subject,
    best: Option<&(BestEpoch, NamedTensors)>,
    finished: bool,
) -> anyhow::Result<Record> {
    let Snapshot { position, weights, optimizer } = subject.snapshot()?;
    let prefixed = |prefix: &'static str, weights: NamedTensors| {
        weights.into_iter().map(move |(name, tensor)| (format!("{prefix}{name}"), tensor))
    };
    let mut tensors: NamedTensors = prefixed(WEIGHTS_PREFIX, weights).collect();
    tensors.extend(optimizer);
    if let Some((_, weights)) = best {
        tensors.extend(prefixed(BEST_PREFIX, shared(weights)));
    }
    let (best, skipped) = (best.map(|(best, _)| *best), subject.left_out());
    let progress = Box::new(CheckpointProgress::Train { position, best, finished, skipped });
    Ok(Record::Checkpoint { progress, weights: tensors })
}

/// The content of what [`checkpoint`] stored.
struct Restored {
    snapshot: Snapshot,
    best: Option<(BestEpoch, NamedTensors)>,
    finished: bool,
    left_out: LeftOut,
}

impl Restored {
    fn of(checkpoint: Checkpoint) -> anyhow::Result<Self> {
        let CheckpointProgress::Train { position, best, finished, skipped: left_out } =
            checkpoint.state.progress
        else {
            anyhow::bail!("it is not one of a training");
        };
        let mut snapshot = Snapshot { position, ..Snapshot::default() };
        let mut best_weights = NamedTensors::new();
        for (name, tensor) in checkpoint.tensors {
            if let Some(name) = name.strip_prefix(WEIGHTS_PREFIX) {
                snapshot.weights.insert(name.to_owned(), tensor);
            } else if let Some(name) = name.strip_prefix(BEST_PREFIX) {
                best_weights.insert(name.to_owned(), tensor);
            } else {
                snapshot.optimizer.insert(name, tensor);
            }
        }
        Ok(Self { snapshot, best: best.map(|best| (best, best_weights)), finished, left_out })
    }
}

#[cfg(test)]
mod tests {
    use relativenas_core::loss::Loss;

    use super::*;

    #[test]
    fn accuracy_decides_then_loss_and_what_is_no_number_never_wins() {
        let epoch = |valid_loss, valid_accuracy| BestEpoch { epoch: 0, valid_loss, valid_accuracy };
        let nothing = epoch(Loss::NAN, f64::NAN);
        for (better, worse) in [
            (epoch(Loss(0.9), 91.0), epoch(Loss(0.1), 90.0)),
            (epoch(Loss(0.1), 90.0), epoch(Loss(0.2), 90.0)),
            (epoch(Loss(0.1), 90.0), epoch(Loss::NAN, 90.0)),
            (epoch(Loss(9.0), 1.0), nothing),
        ] {
            assert!(beats(&better, &worse) && !beats(&worse, &better), "{better:?} {worse:?}");
            assert!(!beats(&better, &better));
        }
        assert!(!beats(&nothing, &nothing));
    }
}
