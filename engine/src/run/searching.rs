//! The thread that searches: it asks the search for an estimation, estimates, tells the search, adopts
//! weights, and records.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use relativenas_core::{
    config::{Config, Precision},
    event::{Event, Images},
    finals::{Finals, FinalsSettings, TrainingWork},
    latency::LatencyTable,
    manifest::{EngineFacts, Manifest, files},
    network::NetworkShape,
    protocol::{Activity, BatchProgress, MemberProgress},
    search::{
        Ask, Candidate, Estimate, Estimated, Estimation, Estimator, Search, SearchSettings, SearchState,
        Stage,
    },
    space::Space,
    weight_set::{Trained, WeightEntry, WeightSet},
};
use tch::Tensor;

use super::{
    checkpoint::{Checkpoint, CheckpointProgress},
    comparable::ComparableSettings,
    control::{Bounds, Control, Done, Injection, Next, Workload},
    finals::{self, SearchFinals},
    named_weights,
    outcome::Outcome,
    recorder::{Record, Recorder},
    scale::Scale,
    search_estimator::SearchEstimator,
    setup::{self, About, Inputs, VALIDATION_BATCH},
    shared_estimation::SharedEstimator,
};
use crate::{
    augmentation::Augmentation,
    data,
    device::{self, Sharing},
    estimator::{EstimatorSettings, NetworkEstimator},
    images::ImageSet,
    latency::LatencyMeasurement,
    learner::LearnerSettings,
    network::ModuleWeights,
    optimizer::SgdSettings,
    ranks::Ranks,
    table::PacedTable,
};

/// A search with its estimator.
pub struct SearchJob {
    search: Search,
    estimator: SearchEstimator,
    finals_of_search: SearchFinals,
    /// Events of the beginning that are not in the log yet; empty when a run is resumed.
    opening: Vec<Event>,
}

impl SearchJob {
    /// Reads the data, finds the device, and begins the search or restores it from the checkpoint.
    ///
    /// # Errors
    /// If the data, the device or the checkpoint is not what the manifest asks for.
    pub fn prepare(
        manifest: &Manifest,
        checkpoint: Option<Checkpoint>,
        ranks: &Arc<dyn Ranks>,
    ) -> anyhow::Result<(Self, EngineFacts)> {
        manifest.config.check_ranks_of_search(ranks.count())?;
        match manifest.config.search.space {
            Space::Cells => Self::prepare_network(manifest, checkpoint, ranks),
            Space::NasBench201 => Self::prepare_table(manifest, checkpoint),
        }
    }

    fn prepare_network(
        manifest: &Manifest,
        checkpoint: Option<Checkpoint>,
        ranks: &Arc<dyn Ranks>,
    ) -> anyhow::Result<(Self, EngineFacts)> {
        let config = &manifest.config;
        let data = setup::open(config)?;
        // The number of learners of this rank in a generation, and in the ranking.
        let [together, most] =
            [config.search.searcher.together(), 2].map(|n| n * config.search.pairs_at_once / ranks.count());
        let about = About::from(&data);
        let inputs =
            Inputs::of_rank(about, config, config.search.seed, (ranks.place(), most), |images, streams| {
                data::split(images, config.data.train_images, config.data.valid_images, streams)
            })?;
        let images = inputs.images();
        let sharing =
            Sharing::of(&inputs.devices, inputs.threads, config.device.parallel_learners, (together, most));
        // The estimator below refuses images that do not fit the network.
        let fits = data.train.side.is_multiple_of(4);
        // Kernels of our own compute in f32.
        let of_our_own = config.device.precision == Precision::F32 && fits;
        if let Some(idle) = device::idle_threads(&inputs.devices, sharing, config.training.batch)
            && of_our_own
            && ranks.is_first()
        {
            super::log_line(&idle);
        }
        let settings = estimator_settings(config, images.classes, sharing);
        let comparable = ComparableSettings::of(config);
        let facts = inputs.facts(manifest, settings.learner.validation_batch, &comparable)?;
        let network = config.search_network(images.classes);
        let mut search = manifest.search_settings(images.classes);
        if search.limits.max_latency > 0.0 && ranks.is_first() && fits {
            let meter = LatencyMeasurement {
                shape: network,
                image_side: data.train.side,
                batch: config.training.batch,
                device: inputs.device(),
                threads: inputs.threads,
                precision: config.device.precision,
                seed: config.search.seed,
            };
            search.limits.latencies = Some(latencies(manifest.latency.as_ref(), &meter)?);
        }
        let first = (Some(network), images, config.training.batch);
        let start = begin_or_go_on((search, config.finals), first, checkpoint)?;
        let StartingState { search, finals_of_search, opening, trained, tensors } = start;
        let tensors = device::place_all(tensors, inputs.device())?;
        let weights = restore(&trained, tensors).context("the checkpoint's weights")?;
        let images = |chosen: &[usize]| ImageSet::of(&data, &data.train, chosen);
        let (train, valid) = (images(&inputs.split.train)?, images(&inputs.split.valid)?);
        let estimator =
            NetworkEstimator::on(settings, &train, &valid, &inputs.devices)?.with_weights(weights);
        let estimator = SharedEstimator::new(estimator, Arc::clone(ranks));
        let estimator = SearchEstimator::Network(Box::new(estimator));
        Ok((Self { search, estimator, finals_of_search, opening }, facts))
    }

    /// A search that uses a table, without images, device or weights.
    fn prepare_table(
        manifest: &Manifest,
        checkpoint: Option<Checkpoint>,
    ) -> anyhow::Result<(Self, EngineFacts)> {
        let config = &manifest.config;
        let table = PacedTable::open(config.table.dataset, Duration::from_millis(config.table.milliseconds))?;
        let facts = setup::table_facts(manifest, &table)?;
        let images = Images { name: table.name(), train: 0, valid: 0, classes: table.classes() };
        let settings = (manifest.search_settings(images.classes), config.finals);
        let StartingState { search, finals_of_search, opening, .. } =
            begin_or_go_on(settings, (None, images, 0), checkpoint)?;
        Ok((Self { search, estimator: SearchEstimator::Table(table), finals_of_search, opening }, facts))
    }

    /// The latency table, if latencies have a limit.
    pub fn latencies(&self) -> Option<Arc<LatencyTable>> {
        self.search.settings().limits.latencies.clone()
    }

    /// The search and its estimator, for a caller that does not continue the search.
    pub fn into_parts(self) -> (Search, SearchEstimator) {
        (self.search, self.estimator)
    }

    pub fn bounds(&self) -> Bounds {
        let settings = self.search.settings();
        Bounds { population: Some((settings.space, settings.population)), generations: settings.generations }
    }

    /// Works until the search and its finals are done or the run is stopped; returns which of these happened.
    ///
    /// # Errors
    /// If the device fails, or the folder cannot be written any more.
    pub fn go_on(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<Outcome> {
        if let SearchEstimator::Network(network) = &mut self.estimator
            && !network.is_first()
        {
            network.follow()?;
            return Ok(Outcome::Stopped); // Only the first rank knows how the run ends.
        }
        let outcome = self.lead(control, recorder)?;
        if let SearchEstimator::Network(network) = &mut self.estimator {
            network.end()?;
        }
        Ok(outcome)
    }

    fn lead(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<Outcome> {
        if !self.opening.is_empty() {
            let opening = std::mem::take(&mut self.opening);
            self.record(opening, recorder)?;
        }
        match self.estimate_all(control, recorder)? {
            Outcome::Done => self.run_finals(control, recorder),
            Outcome::Stopped => Ok(Outcome::Stopped),
        }
    }

    fn estimate_all(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<Outcome> {
        loop {
            if !self.may_go_on(control, recorder)? {
                return Ok(Outcome::Stopped);
            }
            let Ask::Estimate(estimation) = self.search.ask() else {
                return Ok(Outcome::Done);
            };
            if let Some(why) = closed(&self.search) {
                control.close(why);
            }
            let work = self.work(&estimation);
            let activity = Activity::Estimating {
                stage: estimation.stage,
                generation: estimation.generation,
                pair: estimation.pair,
                members: members(&estimation.candidates),
            };
            control.begin(activity, work);
            let found = self
                .estimator
                .estimate(&estimation, &|slot, done| control.member_batch_done(slot, done))
                .with_context(|| failed(&estimation))?;
            let Some(Estimated { estimates, trained }) = found else {
                return Ok(Outcome::Stopped);
            };
            let lost = is_lost(estimation.stage, &estimates);
            let (verdicts, mut events) = self.search.tell(&estimates);
            if events.is_empty() {
                // The pair will be estimated again; a run that is resumed continues here.
                recorder.send(self.checkpoint())?;
                control.end(Done::Estimation, lost);
                continue;
            }
            for verdict in &verdicts {
                self.estimator.adopt(&estimation, &trained, verdict).with_context(|| failed(&estimation))?;
            }
            self.finals_of_search.follow(&mut events, &self.search);
            let pairs = self.pairs(&estimation);
            let done = events.iter().find_map(|event| match *event {
                Event::GenerationFinished { generation, .. } => Some(Done::Generation { generation, pairs }),
                _ => None,
            });
            self.record(events, recorder)?;
            control.end(done.unwrap_or(Done::Pairs(pairs)), lost);
        }
    }

    /// Waits while the run is paused and applies injections meanwhile; returns whether to continue.
    fn may_go_on(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<bool> {
        loop {
            match control.next() {
                Next::Leave => return Ok(false),
                Next::Inject(injections) => self.inject(injections, recorder)?,
                Next::Estimate => return Ok(true),
            }
        }
    }

    fn inject(&mut self, injections: Vec<Injection>, recorder: &Recorder) -> anyhow::Result<()> {
        if !self.search.accepts_injections() {
            // The injection was accepted just before the search ended.
            super::log_line("an injection came after the last generation; no individual was replaced");
            return Ok(());
        }
        let events = injections.into_iter().map(|i| self.search.inject(i.individual, i.position)).collect();
        self.record(events, recorder)
    }

    /// Trains the entrants of the finals from scratch until the winner is found. Without finals it does
    /// nothing.
    fn run_finals(&mut self, control: &Control, recorder: &Recorder) -> anyhow::Result<Outcome> {
        while let Some(mut trainings) = self.finals_of_search.finals().and_then(Finals::ask) {
            control.close("the finals are under way");
            if !self.may_go_on(control, recorder)? {
                return Ok(Outcome::Stopped);
            }
            let (Some(finals), SearchEstimator::Network(estimator)) =
                (self.finals_of_search.finals_mut(), &mut self.estimator)
            else {
                anyhow::bail!("finals train networks, but the losses of this search are from a table");
            };
            // The first rank trains them alone.
            let estimator = estimator.own_mut();
            trainings.entrants.truncate(estimator.at_once());
            let candidates = finals::candidates(finals, &trainings);
            let count = candidates.len();
            let scale = Scale::of(estimator.images());
            let now = scale.finals(TrainingWork {
                trainings: count as u64,
                epochs: count as u64 * u64::from(trainings.epochs),
            });
            let work = Workload { now, after: scale.finals(finals.left_after(count)) };
            let trainings_before = finals.state().told.len();
            let activity = Activity::Finals {
                round: trainings.round,
                trainings: trainings_before,
                members: members(&candidates),
            };
            control.begin(activity, work);
            let Some(figures) = finals::train(estimator, &self.search, &candidates, &trainings, control)?
            else {
                return Ok(Outcome::Stopped);
            };
            let not_a_number = figures.iter().any(|f| !f.loss.is_finite());
            let mut events = finals.tell(figures);
            let round_done = events.iter().any(|e| matches!(e, Event::FinalsRoundEnded { .. }));
            if finals.state().ended {
                events.extend(self.search.conclusion());
            }
            self.record(events, recorder)?;
            control.end(if round_done { Done::Round } else { Done::Trainings }, not_a_number);
        }
        Ok(Outcome::Done)
    }

    /// Writes events to the log, and a checkpoint.
    fn record(&self, events: Vec<Event>, recorder: &Recorder) -> anyhow::Result<()> {
        recorder.send(Record::Events(events))?;
        Ok(recorder.send(self.checkpoint())?)
    }

    fn checkpoint(&self) -> Record {
        let entries = match &self.estimator {
            SearchEstimator::Network(network) => network.own().weights().entries().collect(),
            SearchEstimator::Table(_) => Vec::new(),
        };
        let trained = entries.iter().map(|(key, entry)| (key.to_string(), entry.trained)).collect();
        let weights = named_weights::named(entries.iter().map(|(key, entry)| (*key, &entry.value)));
        let progress = Box::new(CheckpointProgress::Search {
            search: self.search.state().clone(),
            trained,
            history: self.finals_of_search.history().clone(),
            finals: self.finals_of_search.finals().map(|finals| finals.state().clone()),
        });
        Record::Checkpoint { progress, weights }
    }

    /// The number of pairs that an estimation covers.
    fn pairs(&self, estimation: &Estimation) -> usize {
        let together = match estimation.stage {
            Stage::Search => self.search.settings().searcher.together(),
            Stage::WarmUp | Stage::Ranking => 2,
        };
        estimation.candidates.len().div_ceil(together)
    }

    /// The work of an estimation, and the work after it up to the end of the finals.
    fn work(&self, estimation: &Estimation) -> Workload {
        let scale = match &self.estimator {
            SearchEstimator::Network(network) => {
                let network = network.own();
                let (train, _) = network.images();
                Scale::of(network.images())
                    .with_statistics(network.images_for_statistics(), train)
                    .one_shot(self.search.settings().one_shot)
            }
            SearchEstimator::Table(_) => Scale::default(),
        };
        let now = scale.learners(estimation.stage, estimation.candidates.len());
        let settings = self.finals_of_search.settings();
        let finals = scale.finals(settings.work(settings.architectures));
        Workload { now, after: scale.left(&self.search) - now + finals }
    }
}

/// The progress of candidates that begin.
fn members(candidates: &[Candidate]) -> Vec<MemberProgress> {
    let begins =
        |c: &Candidate| MemberProgress { individual: c.individual, progress: BatchProgress::default() };
    candidates.iter().map(begins).collect()
}

/// The latency table of a search: the one that it began with, or one that is measured now.
///
/// # Errors
/// If the known table is for another network, or the device fails.
fn latencies(
    known: Option<&Arc<LatencyTable>>,
    meter: &LatencyMeasurement,
) -> anyhow::Result<Arc<LatencyTable>> {
    if let Some(table) = known {
        table.check(&meter.shape).context(files::MANIFEST)?;
        return Ok(Arc::clone(table));
    }
    super::log_line("measuring the latencies of operations, once for the whole run");
    let table = meter.measure().context("measuring latencies")?;
    super::log_line(&format!("latencies: {}", table.words()));
    Ok(Arc::new(table))
}

/// What a checkpoint, or a new run, provides: the search, events that are not in the log yet, and the weight
/// set by name.
struct StartingState {
    search: Search,
    finals_of_search: SearchFinals,
    opening: Vec<Event>,
    trained: BTreeMap<String, Trained>,
    tensors: BTreeMap<String, Tensor>,
}

/// Begins a search, with network, images and batch size in its first event, or restores it from a checkpoint.
fn begin_or_go_on(
    (settings, finals): (SearchSettings, FinalsSettings),
    (network, images, batch): (Option<NetworkShape>, Images, usize),
    checkpoint: Option<Checkpoint>,
) -> anyhow::Result<StartingState> {
    let Some(Checkpoint { state, tensors, .. }) = checkpoint else {
        let (search, events) = Search::new(settings.clone())?;
        let started = Event::SearchStarted { settings, network, images, batch };
        let opening = std::iter::once(started).chain(events).collect();
        let (trained, tensors) = (BTreeMap::new(), BTreeMap::new());
        return Ok(StartingState {
            search,
            finals_of_search: SearchFinals::new(finals),
            opening,
            trained,
            tensors,
        });
    };
    let CheckpointProgress::Search { search, trained, history, finals: played } = state.progress else {
        anyhow::bail!("the checkpoint is not one of a search");
    };
    let search = Search::resume(settings, search)?;
    let finals_of_search = SearchFinals::resume(finals, history, played)?;
    Ok(StartingState { search, finals_of_search, opening: Vec::new(), trained, tensors })
}

fn estimator_settings(config: &Config, classes: usize, sharing: Sharing) -> EstimatorSettings {
    let training = Augmentation {
        padding: config.data.crop_padding,
        flip: config.data.flip,
        cutout: config.data.cutout,
    };
    EstimatorSettings {
        shape: config.search_network(classes),
        affine: config.network.affine,
        learner: LearnerSettings {
            batch: config.training.batch,
            validation_batch: match config.training.validation_batch {
                0 => VALIDATION_BATCH,
                asked => asked,
            },
            training,
            validation: if config.data.augment_validation { training } else { Augmentation::NONE },
        },
        one_shot: config.search.one_shot,
        judge: config.search.judge,
        statistics: config.training.statistics,
        sgd: SgdSettings {
            momentum: config.training.momentum,
            weight_decay: config.training.weight_decay,
            clip: config.training.gradient_clip,
        },
        seed: config.search.seed,
        precision: config.device.precision,
        sharing,
    }
}

/// The weight set in a checkpoint.
///
/// # Errors
/// If a tensor belongs to no module in the list.
fn restore(
    trained: &BTreeMap<String, Trained>,
    weights: BTreeMap<String, Tensor>,
) -> anyhow::Result<WeightSet<ModuleWeights>> {
    let mut set = WeightSet::default();
    for (key, value) in named_weights::modules(&trained.keys().cloned().collect(), weights)? {
        set.restore(key, WeightEntry { value, trained: trained[&key.to_string()] });
    }
    Ok(set)
}

/// Why individuals can no longer be replaced once this estimation has begun; `None` while pairs are still to
/// be compared.
fn closed(search: &Search) -> Option<&'static str> {
    let SearchState { generation, done, ref pairs, .. } = *search.state();
    let SearchSettings { generations, pairs_at_once, .. } = *search.settings();
    if generation >= generations {
        return Some("the last population is being ranked");
    }
    let last = generation + 1 == generations && done + pairs_at_once >= pairs.len();
    last.then_some("the last pair of the search is being estimated")
}

/// Whether the loss of a candidate is infinite or not a number. In a warm-up only training losses exist.
fn is_lost(stage: Stage, estimates: &[Estimate]) -> bool {
    let loss = |e: &Estimate| if stage == Stage::WarmUp { e.train_loss } else { e.loss };
    estimates.iter().any(|estimate| !loss(estimate).is_finite())
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

#[cfg(test)]
mod tests;
