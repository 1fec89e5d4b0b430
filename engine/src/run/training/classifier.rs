//! Classification: a full network that is trained on labelled images.

use std::{borrow::Borrow, collections::BTreeSet, sync::Arc};

use anyhow::Context as _;
use relativenas_core::{
    config::{Config, RetrainConfig},
    event::Part,
    manifest::Manifest,
    network::{NetworkKind, NetworkShape},
    search::{BatchDone, Flow},
    trained_network::TrainedNetwork,
};
use tch::Device;

use super::{
    Ready, shared,
    sources::{Normalised, Sources},
    subject::{AfterBatch, AfterStep, Judgement, LeftOut, NamedTensors, Snapshot, Subject, TrainingFigures},
};
use crate::{
    augmentation::Augmentation,
    batches::batch_count,
    data::{Skipped, survey_parts},
    network::{FlatWeights, Plan, from_named, to_named},
    optimizer::SgdSettings,
    ranks::Ranks,
    run::setup::{self, VALIDATION_BATCH},
    training::{
        FrozenNetwork, ImageSource, RetrainSchedule, Stored, Trainer, TrainerSettings, TrainingLoss,
        check_batches, evaluate, least_images,
    },
};

/// The name of the optimizer's tensor.
const VELOCITY: &str = "velocity";

/// A classifier in training, on one of several ranks.
pub struct Classifier {
    ranks: Arc<dyn Ranks>,
    trainer: Trainer,
    train: ImageSource,
    /// Validation images; empty if none are set apart.
    valid: ImageSource,
    test: ImageSource,
    /// Whether all photographs were read.
    surveyed: bool,
    kind: NetworkKind,
    auxiliary: bool,
    /// The number of faulty photographs that may be left out.
    skip_faulty: usize,
    left_out: LeftOut,
    device: Device,
}

/// Reads the data, finds the device, and begins the training or restores it from the snapshot.
///
/// # Errors
/// If the data, the device or the snapshot is not what the manifest asks for.
pub fn prepare(
    manifest: &Manifest,
    snapshot: Option<(Snapshot, Option<&NamedTensors>)>,
    ranks: &Arc<dyn Ranks>,
) -> anyhow::Result<Ready> {
    let (config, retrain) = (&manifest.config, &manifest.config.retrain);
    let genotype = setup::genotype(manifest)?;
    let sources = Sources::open(config, ranks.place())?;
    let inputs = &sources.inputs;
    let images = inputs.images();
    let shape = network_shape(retrain, images.classes)?;
    check_batches(retrain.kind, retrain.auxiliary, images.train, retrain.batch)?;
    let plan = Plan::full(genotype, &shape, retrain.auxiliary);
    check_shares(&plan, retrain.batch, ranks.count())?;
    // How often checkpoints are written does not change a loss.
    let protocol = (
        genotype,
        RetrainConfig { checkpoint_seconds: 0, ..retrain.clone() },
        (config.data.crop_padding, config.data.flip),
        config.device.precision,
    );
    // Several ranks normalise by the statistics of their shares, which changes the losses.
    let facts = match ranks.count() {
        1 => inputs.facts(manifest, VALIDATION_BATCH, &protocol)?,
        count => inputs.facts(manifest, VALIDATION_BATCH, &(protocol, count))?,
    };
    let (settings, device, threads) =
        (trainer_settings(config, inputs.threads), inputs.device(), inputs.threads);
    let trainer = match snapshot {
        None => Trainer::new(plan, settings, device)?,
        Some((snapshot, best)) => {
            restored(plan, settings, snapshot, best, device).context("the checkpoint")?
        }
    };
    let Normalised { classes, mean, std } = sources.normalised;
    let network = TrainedNetwork {
        task: retrain.task,
        genotype: genotype.clone(),
        network: shape,
        auxiliary: retrain.auxiliary,
        classes,
        mean,
        std,
        crop: None,
    };
    let subject = Classifier {
        trainer: trainer.among(Arc::clone(ranks)),
        ranks: Arc::clone(ranks),
        train: sources.train,
        valid: sources.valid,
        test: sources.test,
        surveyed: false,
        kind: retrain.kind,
        auxiliary: retrain.auxiliary,
        skip_faulty: config.data.skip_faulty,
        left_out: LeftOut::default(),
        device,
    };
    Ok(Ready { subject: Box::new(subject), facts, images, network, threads })
}

fn restored(
    plan: Plan,
    settings: TrainerSettings,
    snapshot: Snapshot,
    best: Option<&NamedTensors>,
    device: Device,
) -> anyhow::Result<Trainer> {
    let Snapshot { position, weights, mut optimizer } = snapshot;
    let velocity = optimizer.remove(VELOCITY);
    if let Some(name) = optimizer.keys().next() {
        anyhow::bail!("it has a tensor `{name}`, which no training stores");
    }
    if let Some(best) = best {
        from_named(&plan, shared(best)).context("the best weights")?;
    }
    Ok(Trainer::resume(plan, settings, Stored { position, weights, velocity }, device)?)
}

impl Classifier {
    fn judge<P: Borrow<Plan>, W: Borrow<FlatWeights>>(
        &self,
        network: &FrozenNetwork<P, W>,
        source: &ImageSource,
        after: AfterBatch<'_>,
    ) -> anyhow::Result<Option<Judgement>> {
        let found = evaluate(network, source, VALIDATION_BATCH, usize::MAX, &*self.ranks, after)?;
        Ok(found.map(|found| Judgement {
            loss: found.loss,
            metric: found.top1,
            top5: found.top5,
            images: found.images,
            part: Part::Test,
        }))
    }
}

impl Subject for Classifier {
    fn epochs(&self) -> u32 {
        self.trainer.settings().schedule.epochs
    }

    fn place(&self) -> (u32, usize) {
        (self.trainer.epoch(), self.trainer.batch())
    }

    fn rates(&self, epoch: u32) -> (f64, f64) {
        let schedule = self.trainer.settings().schedule;
        (schedule.learning_rate(epoch), schedule.drop_path(epoch))
    }

    fn images(&self) -> (usize, usize) {
        (self.train.len(), self.valid.len())
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        Ok(self.trainer.take_from_first()?)
    }

    fn train(&mut self, after: AfterStep<'_>) -> anyhow::Result<bool> {
        let batches = batch_count(self.train.len(), self.trainer.settings().batch);
        let (epoch, first) = (self.trainer.epoch(), self.trainer.batch());
        for part in self.train.training(self.trainer.feed(), epoch, first)? {
            let part = part?;
            self.trainer.step(&part)?;
            let done = BatchDone {
                validating: false,
                batch: self.trainer.batch(),
                batches,
                images: part.whole,
                loss: self.trainer.loss_if_free()?,
            };
            if after(self, done)? == Flow::Abort {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn figures(&self) -> anyhow::Result<TrainingFigures> {
        let figures = self.trainer.figures()?;
        Ok(TrainingFigures { loss: figures.loss, accuracy: figures.accuracy })
    }

    fn next_epoch(&mut self) -> anyhow::Result<()> {
        Ok(self.trainer.next_epoch()?)
    }

    fn validate(&self, after: AfterBatch<'_>) -> anyhow::Result<Option<Judgement>> {
        if self.valid.is_empty() {
            return Ok(Some(Judgement::NOTHING));
        }
        self.judge(&self.trainer.frozen()?, &self.valid, after)
    }

    fn test(&self, weights: &NamedTensors, after: AfterBatch<'_>) -> anyhow::Result<Option<Judgement>> {
        let plan = self.trainer.plan();
        let weights = FlatWeights::gather(plan, &from_named(plan, shared(weights))?, self.device)?;
        let TrainerSettings { precision, threads, .. } = *self.trainer.settings();
        self.judge(&FrozenNetwork::new(plan, weights, precision, threads)?, &self.test, after)
    }

    fn weights(&self) -> anyhow::Result<NamedTensors> {
        Ok(to_named(self.trainer.plan(), &self.trainer.weights()?))
    }

    fn snapshot(&self) -> anyhow::Result<Snapshot> {
        let Stored { position, weights, velocity } = self.trainer.store()?;
        let optimizer = velocity.map(|velocity| (VELOCITY.to_owned(), velocity)).into_iter().collect();
        Ok(Snapshot { position, weights, optimizer })
    }

    fn photographs(&self) -> usize {
        let count = |source: &ImageSource| match source {
            ImageSource::Photos(photos) => photos.images.len(),
            ImageSource::Memory(_) => 0,
        };
        count(&self.train) + count(&self.test)
    }

    /// Reads all photographs, so that a damaged one is known before hours are spent, leaves out as many
    /// faulty ones as the settings allow, and says what is odd.
    fn survey(&mut self, leaving: &(dyn Fn() -> bool + Sync)) -> anyhow::Result<bool> {
        if let (false, ImageSource::Photos(train), ImageSource::Photos(test)) =
            (self.surveyed, &self.train, &self.test)
        {
            let Skipped { train: of_train, valid: of_test, notes } =
                survey_parts(&train.images, &test.images, self.skip_faulty, train.threads, leaving)?;
            if leaving() {
                return Ok(false);
            }
            let patched = [&train.images, &test.images].into_iter().filter_map(|images| images.patched());
            patched.chain(notes).for_each(|note| crate::run::log_line(&note));
            self.leave_out([of_train, of_test])?;
        }
        self.surveyed = !leaving();
        Ok(self.surveyed)
    }

    fn left_out(&self) -> LeftOut {
        self.left_out.clone()
    }

    fn leave_out(&mut self, left_out: LeftOut) -> anyhow::Result<()> {
        let [of_train, of_test]: &[BTreeSet<usize>; 2] = &left_out;
        for (source, gone) in
            [(&mut self.train, of_train), (&mut self.valid, of_train), (&mut self.test, of_test)]
        {
            if let ImageSource::Photos(photos) = source {
                photos.chosen.retain(|index| !gone.contains(index));
            }
        }
        if !of_train.is_empty() {
            check_batches(self.kind, self.auxiliary, self.train.len(), self.trainer.settings().batch)?;
        }
        self.left_out = left_out;
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
        schedule: RetrainSchedule::of(retrain),
        loss: TrainingLoss {
            label_smoothing: retrain.label_smoothing,
            auxiliary_weight: retrain.auxiliary_weight,
        },
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

/// The network of the settings, for this many classes.
///
/// # Errors
/// If it cannot be built.
pub fn network_shape(retrain: &RetrainConfig, classes: usize) -> anyhow::Result<NetworkShape> {
    let shape =
        NetworkShape { kind: retrain.kind, channels: retrain.channels, cells: retrain.cells, classes };
    shape.check().context("the network of [retrain]")?;
    Ok(shape)
}

/// Refuses batches of which some ranks would never get an image.
fn check_shares(plan: &Plan, batch: usize, ranks: usize) -> anyhow::Result<()> {
    let least = least_images(plan);
    anyhow::ensure!(
        ranks == 1 || batch >= least * ranks,
        "retrain.batch = {batch} is too small for {ranks} ranks, each of which needs {least} or more images of a \
         batch; take {} or more, or fewer ranks",
        least * ranks
    );
    Ok(())
}
