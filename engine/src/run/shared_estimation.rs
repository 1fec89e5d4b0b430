//! Performance estimation on several ranks: each trains a part of the learners, and all hold the whole weight
//! set.
//!
//! The first rank holds the search and sends commands; the others carry them out. Candidates are assigned to
//! ranks in turn, so with as many ranks as candidates each has one. After each batch of a learner all ranks
//! exchange their progress, and the first rank decides whether they continue, which makes them all wait while
//! the run is paused. Of the weights, only what changed is sent: after a comparison, the modules that enter
//! the weight set, from the rank that trained them to all others.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use relativenas_core::{
    loss::Loss,
    search::Slot,
    search::{BatchDone, Estimate, Estimated, Estimation, Estimator as _, Flow, Verdict},
    weight_set::entering,
};
use serde::{Deserialize, Serialize};

use super::{named_weights, tensors};
use crate::{
    device,
    estimator::{LearnerWeights, NetworkEstimator, TrainedWeights},
    ranks::{Ranks, RanksError},
};

/// A command that the first rank sends to all others, and carries out itself.
#[derive(Debug, Serialize, Deserialize)]
enum RankCommand {
    Estimate(Estimation),
    /// Adopt the weights that the verdict on a pair names.
    Adopt(Verdict),
    End,
}

/// One rank's part of an estimator whose work is shared among all ranks.
pub struct SharedEstimator {
    /// The estimator of this rank's part.
    own: NetworkEstimator,
    ranks: Arc<dyn Ranks>,
    /// Whether the other ranks were told, or found out, that no command follows.
    ended: bool,
}

impl SharedEstimator {
    pub fn new(own: NetworkEstimator, ranks: Arc<dyn Ranks>) -> Self {
        Self { own, ranks, ended: false }
    }

    pub fn own(&self) -> &NetworkEstimator {
        &self.own
    }

    pub fn own_mut(&mut self) -> &mut NetworkEstimator {
        &mut self.own
    }

    pub fn into_own(self) -> NetworkEstimator {
        self.own
    }

    pub fn is_first(&self) -> bool {
        self.ranks.is_first()
    }

    /// The losses of all candidates, or `None` if `progress` returned [`Flow::Abort`]; then the other ranks
    /// have ended.
    ///
    /// # Errors
    /// If a device fails, or a rank has ended.
    pub fn estimate(
        &mut self,
        estimation: &Estimation,
        progress: &(dyn Fn(Slot, BatchDone) -> Flow + Sync),
    ) -> anyhow::Result<Option<Estimated<TrainedWeights>>> {
        if self.ranks.count() == 1 {
            return Ok(self.own.estimate(estimation, progress)?);
        }
        self.send(&RankCommand::Estimate(estimation.clone()))?;
        let found = self.estimate_part(estimation, progress)?;
        self.ended = found.is_none();
        Ok(found)
    }

    /// Has all ranks adopt the weights that the verdict on a pair names.
    ///
    /// # Errors
    /// If a device fails, or a rank has ended.
    pub fn adopt(
        &mut self,
        estimation: &Estimation,
        trained: &TrainedWeights,
        verdict: &Verdict,
    ) -> anyhow::Result<()> {
        if self.ranks.count() == 1 {
            return Ok(self.own.adopt(estimation, trained, verdict)?);
        }
        self.send(&RankCommand::Adopt(verdict.clone()))?;
        self.exchange(estimation, trained, verdict)
    }

    /// Tells the other ranks that no command follows.
    ///
    /// # Errors
    /// If a rank has ended.
    pub fn end(&mut self) -> anyhow::Result<()> {
        if self.ranks.count() > 1 && !self.ended {
            self.ended = true;
            self.send(&RankCommand::End)?;
        }
        Ok(())
    }

    /// Carries out the commands of the first rank until no command follows.
    ///
    /// # Errors
    /// If a device fails, or a rank has ended.
    pub fn follow(&mut self) -> anyhow::Result<()> {
        let mut last = None;
        loop {
            let mut order = Vec::new();
            self.ranks.broadcast(0, &mut order)?;
            match serde_json::from_slice(&order).context("what the first rank sent")? {
                RankCommand::Estimate(estimation) => {
                    let Some(found) = self.estimate_part(&estimation, &|_, _| Flow::Go)? else {
                        return Ok(());
                    };
                    last = Some((estimation, found.trained));
                }
                RankCommand::Adopt(verdict) => {
                    let (estimation, trained) = last
                        .as_ref()
                        .context("the first rank asked to adopt weights before any were estimated")?;
                    self.exchange(estimation, trained, &verdict)?;
                }
                RankCommand::End => return Ok(()),
            }
        }
    }

    fn send(&self, order: &RankCommand) -> anyhow::Result<()> {
        Ok(self.ranks.broadcast(0, &mut serde_json::to_vec(order)?)?)
    }

    /// Trains this rank's part of the candidates, and returns the estimates of all ranks; the weights are
    /// those of this part alone. Returns `None` if the first rank ended the work.
    fn estimate_part(
        &mut self,
        estimation: &Estimation,
        progress: &(dyn Fn(Slot, BatchDone) -> Flow + Sync),
    ) -> anyhow::Result<Option<Estimated<TrainedWeights>>> {
        let (ranks, count) = (&*self.ranks, self.ranks.count());
        let all = &estimation.candidates;
        let candidates = all.iter().skip(ranks.rank()).step_by(count).cloned().collect();
        let part = Estimation { candidates, ..*estimation };
        let exchange = BatchExchange::new(ranks, all.len(), progress);
        let report = |slot: Slot, done| {
            let among_all = Slot(slot.0 * count + ranks.rank());
            exchange.report(among_all, done)
        };
        let found = self.own.estimate(&part, &report)?;
        if !exchange.until_all_are_done()? {
            return Ok(None);
        }
        let Estimated { estimates, trained } =
            found.context("a learner ended early, but the run was not stopped")?;
        let found = ranks.gather(&serde_json::to_vec(&estimates)?)?;
        let mut found = found
            .iter()
            .map(|bytes| Ok(serde_json::from_slice::<Vec<Estimate>>(bytes)?.into_iter()))
            .collect::<anyhow::Result<Vec<_>>>()
            .context("the estimates of a rank")?;
        let estimates: Vec<_> = (0..all.len()).filter_map(|place| found[place % count].next()).collect();
        anyhow::ensure!(estimates.len() == all.len(), "a rank has sent too few estimates");
        Ok(Some(Estimated { estimates, trained }))
    }

    /// Adopts the weights of a pair's givers into this rank's weight set, which the ranks that trained them
    /// send.
    fn exchange(
        &mut self,
        estimation: &Estimation,
        trained: &TrainedWeights,
        verdict: &Verdict,
    ) -> anyhow::Result<()> {
        let (ranks, count) = (&*self.ranks, self.ranks.count());
        ranks.barrier()?; // A rank that hangs is found here: unlike a broadcast, a barrier has a time-out.
        let candidate = |slot: Slot| &estimation.candidates[slot];
        let held = verdict.gives.iter().map(|&slot| self.own.keys(candidate(slot)));
        let held = held.collect::<Result<Vec<_>, _>>()?;
        let mut givers = Vec::new();
        for (&slot, keys) in verdict.gives.iter().zip(entering(&held)) {
            let (owner, mut bytes) = (slot.0 % count, Vec::new());
            let mine: Option<LearnerWeights> = if owner == ranks.rank() {
                let held = trained.held(Slot(slot.0 / count));
                Some(keys.iter().filter_map(|key| Some((*key, held.get(key)?.clone()))).collect())
            } else {
                None
            };
            if let Some(mine) = &mine {
                bytes = tensors::to_safetensors(&named_weights::named(mine.iter().map(|(k, w)| (*k, w))))?;
            }
            ranks.broadcast(owner, &mut bytes)?;
            let held = match mine {
                Some(mine) => mine,
                None => {
                    let name = format!("weights of {}", ranks.name(owner));
                    let sent = tensors::from_safetensors(Path::new(&name), &bytes)?;
                    let sent = device::place_all(sent, self.own.home())?;
                    let keys: BTreeSet<_> = keys.iter().map(ToString::to_string).collect();
                    named_weights::modules(&keys, sent).context(name)?
                }
            };
            givers.push((candidate(slot).individual, held));
        }
        self.own.adopt_weights(estimation.generation, &givers);
        Ok(())
    }
}

/// The numbers that describe the progress of a candidate: whether it is trained (1) or validated (2), the
/// batch, the number of batches, its images, whether the loss is known, and the loss.
const NUMBERS: usize = 6;

/// The exchanges of all ranks during an estimation, one after each batch of each learner. A rank whose
/// learners are all done takes part without reports until no rank has a learner left.
struct BatchExchange<'a> {
    ranks: &'a dyn Ranks,
    candidates: usize,
    /// Called on the first rank only.
    progress: &'a (dyn Fn(Slot, BatchDone) -> Flow + Sync),
    /// Why there are no more exchanges. Learners of one rank report one at a time.
    over: Mutex<Option<Ended>>,
}

#[derive(Clone, Debug)]
enum Ended {
    AllAreDone,
    /// The first rank ended the work.
    Aborted,
    Failed(RanksError),
}

impl<'a> BatchExchange<'a> {
    fn new(
        ranks: &'a dyn Ranks,
        candidates: usize,
        progress: &'a (dyn Fn(Slot, BatchDone) -> Flow + Sync),
    ) -> Self {
        Self { ranks, candidates, progress, over: Mutex::new(None) }
    }

    /// Reports the progress of a learner; returns whether it continues.
    fn report(&self, slot: Slot, done: BatchDone) -> Flow {
        if self.exchange_batch(Some((slot, done))).is_none() { Flow::Go } else { Flow::Abort }
    }

    /// Takes part until no rank has a learner left; returns whether the work was not aborted.
    ///
    /// # Errors
    /// If a rank has ended, or does not answer in time.
    fn until_all_are_done(&self) -> Result<bool, RanksError> {
        loop {
            match self.exchange_batch(None) {
                None => {}
                Some(Ended::AllAreDone) => return Ok(true),
                Some(Ended::Aborted) => return Ok(false),
                Some(Ended::Failed(error)) => return Err(error),
            }
        }
    }

    fn exchange_batch(&self, mine: Option<(Slot, BatchDone)>) -> Option<Ended> {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        if over.is_none() {
            *over = self.next(mine).unwrap_or_else(|error| Some(Ended::Failed(error)));
        }
        over.clone()
    }

    fn next(&self, mine: Option<(Slot, BatchDone)>) -> Result<Option<Ended>, RanksError> {
        let mut words = vec![0.0_f32; self.candidates * NUMBERS];
        if let Some((slot, done)) = mine {
            let stage = if done.validating { 2.0 } else { 1.0 };
            // The numbers are only shown as progress, so single precision is enough.
            let count = |number: usize| number as f32;
            let (known, loss) = done.loss.map_or((0.0, 0.0), |loss| (1.0, loss.0 as f32));
            let sent = [stage, count(done.batch), count(done.batches), count(done.images), known, loss];
            if let Some(place) = words.chunks_exact_mut(NUMBERS).nth(slot.0) {
                place.copy_from_slice(&sent);
            }
        }
        // No two ranks report on the same candidate, so the sums are the reported numbers.
        self.ranks.all_reduce(&mut words)?;
        let sent = |(place, words): (usize, &[f32])| {
            let [stage, batch, batches, images, known, loss] = *words else { return None };
            let loss = (known > 0.0).then_some(Loss(f64::from(loss)));
            let (validating, [batch, batches, images]) =
                (stage > 1.0, [batch, batches, images].map(|n| n as usize));
            let done = BatchDone { validating, batch, batches, images, loss };
            (stage > 0.0).then_some((Slot(place), done))
        };
        let reports: Vec<_> = words.chunks_exact(NUMBERS).enumerate().filter_map(sent).collect();
        if reports.is_empty() {
            return Ok(Some(Ended::AllAreDone));
        }
        let goes_on = self.ranks.decide(|| {
            // All reports are passed on, even after one has asked to abort.
            let flows: Vec<_> = reports.into_iter().map(|(slot, done)| (self.progress)(slot, done)).collect();
            !flows.contains(&Flow::Abort)
        })?;
        Ok((!goes_on).then_some(Ended::Aborted))
    }
}
