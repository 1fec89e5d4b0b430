//! Detection, segmentation and keypoints: a backbone with a head that is trained on annotated pictures.

use std::{cell::Cell, path::Path, sync::Arc};

use anyhow::{Context as _, ensure};
use relativenas_core::{
    config::{Config, RetrainConfig},
    event::Part,
    genotype::Genotype,
    loss::Loss,
    manifest::Manifest,
    randomness::Streams,
    search::{BatchDone, Flow},
    tasks::Task,
    trained_network::TrainedNetwork,
};
use tch::Device;

use super::{
    Ready,
    classifier::network_shape,
    subject::{AfterBatch, AfterStep, Judgement, NamedTensors, Snapshot, Subject, TrainingFigures},
};
use crate::{
    batches::batch_count,
    data::{self, IMAGENET_STATISTICS, Split},
    ranks::{RankPlace, Ranks},
    run::setup::{self, About, Inputs},
    tasks::{
        Head, NetworkState, TaskNetwork,
        data::{TaskData, TaskImages},
        evaluation::{EvaluationError, EvaluationRun, TaskView, judge},
        training::{Examples, OptimizerSettings, Rates, TaskSettings, TaskTrainer, fresh, with_backbone},
    },
    weights_file::{self, Weights},
};

/// The number of images in a validation step; it changes speed and memory only.
const VALIDATION_BATCH: usize = 32;

/// The network of a task in training.
pub struct TaskSubject {
    trainer: TaskTrainer,
    train: Arc<Examples>,
    /// The number of pictures from which the examples are made.
    train_images: usize,
    /// Validation images; empty if none are set apart.
    valid: TaskImages,
    /// The images on which the best weights are evaluated in the end, and the part of the data that they are.
    test: (TaskImages, Part),
    /// Rows and columns, in pixels, of the chips that segmentation sees.
    chip: usize,
    device: Device,
}

/// Reads the annotations, finds the device, and begins the training or restores it from the snapshot.
///
/// # Errors
/// If the data, the device, the backbone's weights or the snapshot are not what the manifest asks for.
pub fn prepare(
    manifest: &Manifest,
    snapshot: Option<(Snapshot, Option<&NamedTensors>)>,
    ranks: &Arc<dyn Ranks>,
) -> anyhow::Result<Ready> {
    let (config, retrain) = (&manifest.config, &manifest.config.retrain);
    let task = retrain.task;
    ensure!(
        ranks.count() == 1,
        "{} is not shared among ranks; only classification is, so leave out --ranks",
        task.name()
    );
    let genotype = setup::genotype(manifest)?;
    ensure!(!config.data.path.is_empty(), "{} needs data.path, the folder of its data set", task.name());
    let data = TaskData::open(task, Path::new(&config.data.path), config.data.skip_faulty)?;
    data.faults.iter().for_each(|fault| crate::run::log_line(&format!("left out: {fault}")));
    let Parts { inputs, train, valid, test } = divided(config, data)?;
    let (classes, images) = (train.1, inputs.images());
    let shape = network_shape(retrain, images.classes)?;
    let (mean, std) = IMAGENET_STATISTICS;
    let trained = TrainedNetwork {
        task,
        genotype: genotype.clone(),
        network: shape,
        auxiliary: false,
        classes,
        mean,
        std,
        crop: (task == Task::Segmentation).then_some(retrain.crop),
    };
    let network = network(task, genotype, retrain, images.classes)?;
    let protocol = (genotype, RetrainConfig { checkpoint_seconds: 0, ..retrain.clone() });
    let facts = inputs.facts(manifest, VALIDATION_BATCH, &protocol)?;

    let examples = Arc::new(Examples::new(train.0.clone(), retrain.crop, retrain.augmentation));
    ensure!(
        !examples.is_empty(),
        "there is nothing to train on: no person in the training images has labelled joints"
    );
    let least = if task == Task::Keypoints { 1 } else { 2 };
    ensure!(
        examples.len() >= least,
        "there is one picture to train on, but batch norm after a mean over all pixels has no variance over one; \
         take 2 or more (data.train_images)"
    );
    let settings = TaskSettings {
        batch: retrain.batch,
        rates: Rates::of(retrain),
        optimizer: OptimizerSettings {
            kind: retrain.optimizer,
            momentum: retrain.momentum,
            weight_decay: retrain.weight_decay,
            clip: retrain.gradient_clip,
        },
        threads: inputs.threads,
        seed: retrain.seed,
    };
    let batches = batch_count(examples.len(), retrain.batch);
    let trainer = match snapshot {
        None => {
            let weights = first_weights(&network, retrain)?;
            let (at, nothing) = ((Default::default(), batches), NamedTensors::new());
            TaskTrainer::new(network, settings, at, &weights, nothing, inputs.device())?
        }
        Some((snapshot, best)) => {
            let Snapshot { position, weights, optimizer } = snapshot;
            if let Some(best) = best {
                NetworkState::from_named(&network, best, Device::Cpu)
                    .context("the checkpoint: the best weights")?;
            }
            TaskTrainer::new(network, settings, (position, batches), &weights, optimizer, inputs.device())
                .context("the checkpoint")?
        }
    };
    let subject = TaskSubject {
        trainer,
        train: examples,
        train_images: train.0.len(),
        valid,
        test,
        chip: retrain.crop,
        device: inputs.device(),
    };
    Ok(Ready { subject: Box::new(subject), facts, images, network: trained, threads: inputs.threads })
}

/// The network of the settings, for this many classes of objects.
fn network(
    task: Task,
    genotype: &Genotype,
    retrain: &RetrainConfig,
    classes: usize,
) -> anyhow::Result<TaskNetwork> {
    let head = Head::of(task, classes).context("a classifier has no backbone with a head")?;
    TaskNetwork::new(genotype, retrain.channels, retrain.cells, head).context("the network of [retrain]")
}

/// The first weights: fresh ones, with a trained backbone if the settings name one.
fn first_weights(network: &TaskNetwork, retrain: &RetrainConfig) -> anyhow::Result<NamedTensors> {
    let weights = fresh(network, &Streams::new(retrain.seed))?;
    if retrain.backbone.is_empty() {
        return Ok(weights);
    }
    let path = Path::new(&retrain.backbone);
    let Weights { tensors, notes, .. } = weights_file::find(path)?;
    notes.iter().for_each(|note| crate::run::log_line(&format!("{}: {note}", path.display())));
    with_backbone(network, weights, tensors).with_context(|| format!("the backbone `{}`", path.display()))
}

/// The data, divided into the parts that a training needs.
struct Parts {
    inputs: Inputs,
    /// Training images, and the names of the classes.
    train: (TaskImages, Vec<String>),
    valid: TaskImages,
    test: (TaskImages, Part),
}

/// Sets validation images apart: those of the data set if it has some, else a share of the training images. A
/// share of 0 trains on all of them.
fn divided(config: &Config, data: TaskData) -> anyhow::Result<Parts> {
    let (share, asked) = (config.retrain.valid_share, [config.data.train_images, config.data.valid_images]);
    let about = About {
        name: data.name.to_owned(),
        classes: data.classes.len(),
        images: data.train.len(),
        fingerprint: data.fingerprint(),
        notes: Vec::new(),
    };
    let all = data.train.followed_by(&data.valid);
    let (own, apart) = (data.train.len(), data.valid.len());
    let own_part = share > 0.0 && apart > 0;
    let inputs = Inputs::of_rank(about, config, config.retrain.seed, (RankPlace::ALONE, 1), |_, streams| {
        if own_part {
            let limit = |count: usize, asked: usize| if asked == 0 { count } else { asked.min(count) };
            let (train, valid) = (0..limit(own, asked[0]), own..own + limit(apart, asked[1]));
            return Ok(Split { train: train.collect(), valid: valid.collect() });
        }
        data::hold_out(all.len(), share, asked[0], asked[1], streams)
    })?;
    ensure!(!inputs.split.train.is_empty(), "the data has no training images");
    let (train, valid) = (all.chosen(&inputs.split.train), all.chosen(&inputs.split.valid));
    // The labels of Cityscapes' test images are not public, and COCO's test images are not read.
    let test = if matches!(data.test, TaskImages::Boxes { .. }) && !data.test.is_empty() {
        (data.test, Part::Test)
    } else {
        (valid.clone(), Part::Validation)
    };
    Ok(Parts { inputs, train: (train, data.classes), valid, test })
}

impl TaskSubject {
    fn judge(
        &self,
        state: &NetworkState,
        images: &TaskImages,
        part: Part,
        flip: bool,
        after: AfterBatch<'_>,
    ) -> anyhow::Result<Option<Judgement>> {
        if images.is_empty() {
            return Ok(Some(Judgement { part, ..Judgement::NOTHING }));
        }
        let done = Cell::new(0);
        let after = |count: usize| {
            done.set(done.get() + count);
            let (batch, batches) = (done.get(), images.len());
            after(BatchDone { validating: true, batch, batches, images: count, loss: None })
        };
        let place = EvaluationRun { device: self.device, batch: VALIDATION_BATCH, after: &after };
        let view = TaskView { chip: self.chip, flip, blue_first: false };
        match judge(place, view, self.trainer.network(), state, images) {
            Err(EvaluationError::Ended) => Ok(None),
            Err(error) => Err(error.into()),
            Ok(found) => Ok(Some(Judgement {
                loss: found.loss,
                metric: found.metric.1.map_or(f64::NAN, |share| 100.0 * share),
                top5: f64::NAN,
                images: found.images,
                part,
            })),
        }
    }
}

impl Subject for TaskSubject {
    fn epochs(&self) -> u32 {
        self.trainer.settings().rates.epochs()
    }

    fn place(&self) -> (u32, usize) {
        let position = self.trainer.position();
        (position.epoch, position.batch)
    }

    fn rates(&self, epoch: u32) -> (f64, f64) {
        let TaskSettings { rates, batch, .. } = self.trainer.settings();
        (rates.rate(epoch, 0, batch_count(self.train.len(), *batch)), 0.0)
    }

    fn images(&self) -> (usize, usize) {
        (self.train_images, self.valid.len())
    }

    fn train(&mut self, after: AfterStep<'_>) -> anyhow::Result<bool> {
        let batches = batch_count(self.train.len(), self.trainer.settings().batch);
        for batch in self.train.batches(self.trainer.pass()) {
            let batch = batch?;
            self.trainer.step(&batch)?;
            let done = BatchDone {
                validating: false,
                batch: self.trainer.position().batch,
                batches,
                images: batch.count,
                loss: Some(Loss(self.trainer.loss())),
            };
            if after(self, done)? == Flow::Abort {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn figures(&self) -> anyhow::Result<TrainingFigures> {
        Ok(TrainingFigures { loss: Loss(self.trainer.loss()), accuracy: f64::NAN })
    }

    fn next_epoch(&mut self) -> anyhow::Result<()> {
        self.trainer.next_epoch();
        Ok(())
    }

    /// Validates without a mirror, which would take twice the time; the published training leaves it out too.
    fn validate(&self, after: AfterBatch<'_>) -> anyhow::Result<Option<Judgement>> {
        self.judge(self.trainer.state(), &self.valid, Part::Validation, false, after)
    }

    fn test(&self, weights: &NamedTensors, after: AfterBatch<'_>) -> anyhow::Result<Option<Judgement>> {
        let state = NetworkState::from_named(self.trainer.network(), weights, self.device)?;
        let (images, part) = &self.test;
        self.judge(&state, images, *part, true, after)
    }

    fn weights(&self) -> anyhow::Result<NamedTensors> {
        Ok(self.trainer.weights()?)
    }

    fn snapshot(&self) -> anyhow::Result<Snapshot> {
        let position = self.trainer.position();
        Ok(Snapshot { position, weights: self.trainer.weights()?, optimizer: self.trainer.optimizer() })
    }
}

#[cfg(test)]
mod tests;
