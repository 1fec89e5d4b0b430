//! The thread that searches: asks, estimates, tells, adopts, records.

use std::collections::BTreeMap;

use anyhow::Context as _;
use relativenas_core::{
    event::Event,
    protocol::Activity,
    search::{Ask, Estimation, Estimator, Search, SearchState, Stage},
    weight_set::{Entry, Trained, WeightSet},
};
use tch::Tensor;

use super::{
    checkpoint::Progress,
    control::{Control, Next},
    recorder::{Record, Recorder},
};
use crate::{estimator::NetworkEstimator, network::ModuleWeights};

/// Goes on until the search is done or somebody ends it; says which.
///
/// # Errors
/// If the device fails, or the folder cannot be written any more.
pub fn search(
    search: &mut Search,
    estimator: &mut NetworkEstimator,
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

/// How the thread that searches came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Somebody ended it; it can be resumed.
    Left,
}

/// Everything that is needed to go on from here.
pub fn checkpoint(search: &Search, estimator: &NetworkEstimator) -> Record {
    let mut trained = BTreeMap::new();
    let mut weights = BTreeMap::new();
    for (key, entry) in estimator.weights().entries() {
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
pub fn restore(
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
