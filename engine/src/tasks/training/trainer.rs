//! Training the network of a task, one step for each batch.

use std::collections::BTreeMap;

use relativenas_core::randomness::Streams;
use tch::{Device, TchError, Tensor};

use super::{EpochBatches, OptimizerSettings, Rates, Targets, TaskBatch, TaskError, TaskOptimizer};
use crate::{
    network::ForwardMode,
    tasks::{NetworkState, TaskNetwork, bisenet, losses, simple_baseline, ssd_lite},
    training::Position,
};

/// The loss covers at least one pixel in this many.
const HARD_SHARE: usize = 16;

/// The settings of a training, which do not change while it lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSettings {
    pub batch: usize,
    pub rates: Rates,
    pub optimizer: OptimizerSettings,
    /// The number of CPU threads, which the last bits of the results on a CPU depend on.
    pub threads: usize,
    /// The seed of the first weights, the order of the images and their variations.
    pub seed: u64,
}

/// A network of a task in training.
#[derive(Debug)]
pub struct TaskTrainer {
    network: TaskNetwork,
    state: NetworkState,
    optimizer: TaskOptimizer,
    settings: TaskSettings,
    position: Position,
    /// The number of batches in an epoch.
    batches: usize,
    device: Device,
}

impl TaskTrainer {
    /// Continues a training at `position` with these weights; `optimizer` holds the tensors that were stored
    /// of the optimizer, and an epoch has `batches` batches.
    ///
    /// # Errors
    /// If the tensors are not those of the network, or the device fails.
    pub fn new(
        network: TaskNetwork,
        settings: TaskSettings,
        (position, batches): (Position, usize),
        weights: &BTreeMap<String, Tensor>,
        optimizer: BTreeMap<String, Tensor>,
        device: Device,
    ) -> Result<Self, TaskError> {
        let state = NetworkState::from_named(&network, weights, device)?;
        let optimizer = optimizer.into_iter().map(|(name, tensor)| Ok((name, tensor.f_to_device(device)?)));
        let optimizer = optimizer.collect::<Result<_, TchError>>()?;
        let steps = u64::from(position.epoch) * batches as u64 + position.batch as u64;
        let optimizer = TaskOptimizer::new(settings.optimizer, network.head, &state, steps, optimizer)?;
        Ok(Self { network, state, optimizer, settings, position, batches, device })
    }

    pub fn network(&self) -> &TaskNetwork {
        &self.network
    }

    pub fn state(&self) -> &NetworkState {
        &self.state
    }

    pub fn settings(&self) -> &TaskSettings {
        &self.settings
    }

    pub fn position(&self) -> Position {
        self.position
    }

    /// The mean loss of the epoch so far.
    pub fn loss(&self) -> f64 {
        self.position.loss / self.position.images as f64
    }

    /// How the remaining batches of the current epoch are made.
    pub fn pass(&self) -> EpochBatches {
        let TaskSettings { batch, threads, seed, .. } = self.settings;
        let Position { epoch, batch: first, .. } = self.position;
        EpochBatches { batch, epoch, first, streams: Streams::new(seed), threads, device: self.device }
    }

    /// Takes a training step with the next batch of the epoch.
    ///
    /// # Errors
    /// If the device fails.
    pub fn step(&mut self, batch: &TaskBatch) -> Result<(), TaskError> {
        let Position { epoch, batch: number, .. } = self.position;
        let rate = self.settings.rates.rate(epoch, number, self.batches);
        let loss = if batch.has_targets()? {
            let loss = self.loss_of(batch)?;
            let gradient = self.state.gradient(&loss)?;
            self.optimizer.step(self.state.parameters(), gradient, rate)?;
            loss.f_double_value(&[])?
        } else {
            0.0
        };
        self.position.batch += 1;
        self.position.images += batch.count;
        self.position.loss += loss * batch.count as f64;
        Ok(())
    }

    fn loss_of(&self, batch: &TaskBatch) -> Result<Tensor, TchError> {
        let (network, state, images) = (&self.network, &self.state, &batch.images);
        match &batch.targets {
            Targets::Boxes(targets) => {
                let outputs = ssd_lite::run(network, state, images, ForwardMode::Training)?;
                let parts = losses::detection(&outputs, targets)?;
                parts.regression.f_add(&parts.classification)
            }
            Targets::Masks(ids) => {
                let outputs = bisenet::run(network, state, images, ForwardMode::Training)?;
                let [main, first, second] = losses::segmentation(&outputs, ids, batch.pixels() / HARD_SHARE)?;
                main.f_add(&first)?.f_add(&second)
            }
            Targets::Heat([maps, weights]) => {
                let outputs = simple_baseline::run(network, state, images, ForwardMode::Training)?;
                losses::heat_maps(&outputs, maps, weights)
            }
        }
    }

    /// Ends the current epoch and begins the next one.
    pub fn next_epoch(&mut self) {
        self.position = Position { epoch: self.position.epoch + 1, ..Position::default() };
    }

    /// Copies of the weights by name.
    ///
    /// # Errors
    /// If the device fails.
    pub fn weights(&self) -> Result<BTreeMap<String, Tensor>, TchError> {
        self.state.copies()
    }

    /// The tensors that the optimizer needs to continue.
    pub fn optimizer(&self) -> BTreeMap<String, Tensor> {
        self.optimizer.stored()
    }
}
