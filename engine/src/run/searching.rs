//! The thread that searches: asks, estimates, tells, adopts, records.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use relativenas_core::{
    config::Config,
    event::{Event, Images},
    manifest::{EngineFacts, Manifest},
    network::NetworkShape,
    protocol::Activity,
    search::{Ask, Estimation, Estimator, Search, SearchState, Stage},
    space::Space,
    weight_set::{Entry, Trained, WeightSet},
};
use tch::{Device, Tensor};

use super::{
    checkpoint::{Checkpoint, Progress},
    control::{Bounds, Control, Next},
    recorder::{Record, Recorder},
    search_estimator::SearchEstimator,
    setup::{self, About, Inputs, VALIDATION_BATCH},
    work::Outcome,
};
use crate::{
    augmentation::Augmentation,
    data,
    device::{self, Sharing},
    estimator::{EstimatorSettings, NetworkEstimator},
    images::ImageSet,
    learner::LearnerSettings,
    network::ModuleWeights,
    optimizer::SgdSettings,
    table::PacedTable,
};

/// A search and what estimates for it.
pub struct SearchJob {
    search: Search,
    estimator: SearchEstimator,
    /// Events of a beginning that are not in the log yet; empty when a run goes on.
    opening: Vec<Event>,
}

impl SearchJob {
    /// Reads the data, finds the device, and puts the search where it was.
    ///
    /// # Errors
    /// If the data, the device or the checkpoint is not what the manifest asks for.
    pub fn prepare(
        manifest: &Manifest,
        checkpoint: Option<Checkpoint>,
    ) -> anyhow::Result<(Self, EngineFacts)> {
        match manifest.config.search.space {
            Space::Cells => Self::prepare_network(manifest, checkpoint),
            Space::NasBench201 => Self::prepare_table(manifest, checkpoint),
        }
    }

    fn prepare_network(
        manifest: &Manifest,
        checkpoint: Option<Checkpoint>,
    ) -> anyhow::Result<(Self, EngineFacts)> {
        let config = &manifest.config;
        let data = setup::open(config)?;
        let inputs = Inputs::new(About::from(&data), config, config.search.seed, |images, streams| {
            data::split(images, config.data.train_images, config.data.valid_images, streams)
        })?;
        let images = inputs.images();
        let settings = estimator_settings(config, images.classes, inputs.device, inputs.threads);
        // How the work is spread over a device changes no loss.
        let protocol = (
            &config.network,
            &config.training,
            (config.data.crop_padding, config.data.flip, config.data.cutout, config.data.augment_validation),
            config.device.precision,
        );
        let facts = inputs.facts(manifest, settings.learner.validation_batch, &protocol)?;
        let network = config.search_network(images.classes);
        let (search, opening, trained, tensors) =
            begin_or_go_on(config, (Some(network), images, config.training.batch), checkpoint)?;
        let tensors = device::place_all(tensors, inputs.device)?;
        let weights = restore(&trained, tensors).context("the checkpoint's weights")?;
        let images = |chosen: &[usize]| ImageSet::of(&data, &data.train, chosen);
        let (train, valid) = (images(&inputs.split.train)?, images(&inputs.split.valid)?);
        let estimator = NetworkEstimator::new(settings, &train, &valid, inputs.device)?.with_weights(weights);
        Ok((Self { search, estimator: SearchEstimator::Network(Box::new(estimator)), opening }, facts))
    }

    /// A search that a table answers: no images, no device, no weights.
    fn prepare_table(
        manifest: &Manifest,
        checkpoint: Option<Checkpoint>,
    ) -> anyhow::Result<(Self, EngineFacts)> {
        let config = &manifest.config;
        let table = PacedTable::open(config.table.dataset, Duration::from_millis(config.table.milliseconds))?;
        let facts = setup::table_facts(manifest, &table)?;
        let images = Images { name: table.name(), train: 0, valid: 0, classes: table.classes() };
        let (search, opening, ..) = begin_or_go_on(config, (None, images, 0), checkpoint)?;
        Ok((Self { search, estimator: SearchEstimator::Table(table), opening }, facts))
    }

    /// What the job consists of, for somebody who does not want it done.
    pub fn into_parts(self) -> (Search, SearchEstimator) {
        (self.search, self.estimator)
    }

    pub fn bounds(&self) -> Bounds {
        let settings = self.search.settings();
        Bounds { population: Some((settings.space, settings.population)), generations: settings.generations }
    }

    /// Goes on until the search is done or somebody ends it; says which.
    ///
    /// # Errors
    /// If the device fails, or the folder cannot be written any more.
    pub fn go_on(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<Outcome> {
        if !self.opening.is_empty() {
            recorder.send(Record::Events(std::mem::take(&mut self.opening)))?;
            recorder.send(checkpoint(&self.search, &self.estimator))?;
        }
        search(&mut self.search, &mut self.estimator, control, recorder)
    }
}

/// What a checkpoint, or the beginning, says: the search, events that are not in the log yet, and
/// the weight set by name.
type Stand = (Search, Vec<Event>, BTreeMap<String, Trained>, BTreeMap<String, Tensor>);

/// A search at its beginning, with network, images and batch as its first event tells them; or where
/// a checkpoint left it.
fn begin_or_go_on(
    config: &Config,
    (network, images, batch): (Option<NetworkShape>, Images, usize),
    checkpoint: Option<Checkpoint>,
) -> anyhow::Result<Stand> {
    let settings = config.search_settings(images.classes);
    let Some(Checkpoint { state, tensors, .. }) = checkpoint else {
        let (search, events) = Search::new(settings.clone())?;
        let started = Event::SearchStarted { settings, network, images, batch };
        let opening = std::iter::once(started).chain(events).collect();
        return Ok((search, opening, BTreeMap::new(), BTreeMap::new()));
    };
    let Progress::Search { search, trained } = state.progress else {
        anyhow::bail!("the checkpoint is not one of a search");
    };
    Ok((Search::resume(settings, search)?, Vec::new(), trained, tensors))
}

fn search(
    search: &mut Search,
    estimator: &mut SearchEstimator,
    control: &Control,
    recorder: &Recorder,
) -> anyhow::Result<Outcome> {
    loop {
        match control.next() {
            Next::Leave => return Ok(Outcome::Left),
            Next::Inject(injections) => {
                let events =
                    injections.into_iter().map(|i| search.inject(i.individual, i.position)).collect();
                recorder.send(Record::Events(events))?;
                recorder.send(checkpoint(search, estimator))?;
                continue;
            }
            Next::Estimate => {}
        }
        let Ask::Estimate(estimation) = search.ask() else {
            return Ok(Outcome::Done);
        };
        let activity = match estimation.stage {
            Stage::Search => Activity::Training,
            Stage::Ranking => Activity::Ranking,
        };
        let left = estimations_left(search);
        control.begin(activity, estimation.generation, estimation.pair, &estimation.candidates, left);
        let estimates = estimator
            .estimate(&estimation, &|done| control.batch_done(done))
            .with_context(|| failed(&estimation))?;
        let Some(estimates) = estimates else {
            return Ok(Outcome::Left);
        };
        let (verdict, events) = search.tell(&estimates);
        if estimation.stage == Stage::Search {
            estimator.adopt(&estimation, &verdict).with_context(|| failed(&estimation))?;
        }
        let generation_done = events.iter().find_map(|event| match event {
            Event::GenerationFinished { generation, .. } => Some(*generation),
            _ => None,
        });
        recorder.send(Record::Events(events))?;
        recorder.send(checkpoint(search, estimator))?;
        control.end(generation_done, estimates.iter().any(|e| !e.loss.is_finite()));
    }
}

fn estimator_settings(config: &Config, classes: usize, device: Device, threads: usize) -> EstimatorSettings {
    let training = Augmentation {
        padding: config.data.crop_padding,
        flip: config.data.flip,
        cutout: config.data.cutout,
    };
    EstimatorSettings {
        shape: config.search_network(classes),
        learner: LearnerSettings {
            batch: config.training.batch,
            validation_batch: match config.training.validation_batch {
                0 => VALIDATION_BATCH,
                asked => asked,
            },
            training,
            validation: if config.data.augment_validation { training } else { Augmentation::NONE },
        },
        sgd: SgdSettings {
            momentum: config.training.momentum,
            weight_decay: config.training.weight_decay,
            clip: config.training.gradient_clip,
        },
        seed: config.search.seed,
        precision: config.device.precision,
        sharing: Sharing::of(device, threads, config.device.parallel_learners),
    }
}

/// Everything that is needed to go on from here.
fn checkpoint(search: &Search, estimator: &SearchEstimator) -> Record {
    let mut trained = BTreeMap::new();
    let mut weights = BTreeMap::new();
    let entries = match estimator {
        SearchEstimator::Network(network) => Some(network.weights().entries()),
        SearchEstimator::Table(_) => None,
    };
    for (key, entry) in entries.into_iter().flatten() {
        trained.insert(key.to_string(), entry.trained);
        for (name, tensor) in entry.value.tensors() {
            weights.insert(format!("{key}.{name}"), tensor.shallow_clone());
        }
    }
    let progress = Box::new(Progress::Search { search: search.state().clone(), trained });
    Record::Checkpoint { progress, weights }
}

/// The weight set of a checkpoint.
///
/// # Errors
/// If a tensor belongs to no module of its list.
fn restore(
    trained: &BTreeMap<String, Trained>,
    weights: BTreeMap<String, Tensor>,
) -> anyhow::Result<WeightSet<ModuleWeights>> {
    let mut modules: BTreeMap<&str, Vec<(String, Tensor)>> = BTreeMap::new();
    for (name, tensor) in weights {
        // A module's name may be the beginning of another's only up to a dot.
        let module =
            trained.keys().find(|k| name.strip_prefix(k.as_str()).is_some_and(|r| r.starts_with('.')));
        let module = module.with_context(|| format!("`{name}` belongs to no module of the checkpoint"))?;
        modules.entry(module).or_default().push((name[module.len() + 1..].to_owned(), tensor));
    }
    let mut set = WeightSet::default();
    for (name, tensors) in modules {
        let entry = Entry { value: ModuleWeights::new(tensors), trained: trained[name] };
        set.restore(name.parse()?, entry);
    }
    Ok(set)
}

/// Estimations after the one that is asked for now, the ranking included.
fn estimations_left(search: &Search) -> usize {
    let settings = search.settings();
    let SearchState { generation, done, ref pairs, ref ranking, .. } = *search.state();
    let ranking_steps = settings.population.div_ceil(2);
    if generation >= settings.generations {
        return ranking_steps.saturating_sub(ranking.len().div_ceil(2) + 1);
    }
    let generations_after = (settings.generations - generation - 1) as usize;
    pairs.len().saturating_sub(done + 1) + generations_after * pairs.len() + ranking_steps
}

fn failed(estimation: &Estimation) -> String {
    let who: Vec<_> = estimation.candidates.iter().map(|c| format!("{:02}", c.individual)).collect();
    format!(
        "generation {}, pair {}: estimating {}",
        estimation.generation,
        estimation.pair,
        who.join(" and ")
    )
}
