//! The key figures of a run.

use relativenas_core::{
    cost::{Cost, cost},
    genotype::Genotype,
    manifest::Job,
    published,
    view::{EpochSummary, SearchView, TrainingView},
};
use serde::Serialize;

use super::{Run, statistics::Spread};

/// The key figures of a run. `None` stands for what is not known, or not known yet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Digest {
    pub run: String,
    pub job: Job,
    /// `None` for a training run, like every other figure that only a search has.
    pub searcher: Option<String>,
    pub seed: u64,
    pub data: Option<String>,
    pub device: Option<String>,
    pub threads: Option<usize>,
    pub phase: String,
    pub generations_done: usize,
    pub generations: u32,
    pub population: usize,
    /// The number of estimations that the search has made, which are its budget.
    pub evaluations: u64,
    /// The number of finished epochs. Down to the test accuracy, the fields are those of a training run.
    pub epochs_done: Option<usize>,
    pub epochs: Option<u32>,
    /// The name that the genotype was published under.
    pub genotype: Option<String>,
    /// The epoch whose weights are kept, with its validation figures; accuracies are in per cent.
    pub best_epoch: Option<u32>,
    pub valid_loss: Option<f64>,
    pub valid_accuracy: Option<f64>,
    pub test_accuracy: Option<f64>,
    /// The lowest loss of all estimates.
    pub best_loss: Option<f64>,
    /// The winner's loss and validation accuracy (in per cent), as found by what decided that it won.
    pub winner_loss: Option<f64>,
    pub winner_accuracy: Option<f64>,
    /// finals, ranking or search.
    pub winner_source: Option<&'static str>,
    /// Epochs that the finals trained from scratch; `None` without finals.
    pub finals_epochs: Option<u64>,
    /// The mean loss of the final ranking.
    pub ranking_loss: Option<f64>,
    /// Parameters of the winner in the search network, or of the full network in a training.
    pub parameters: Option<u64>,
    pub multiply_adds: Option<u64>,
    pub diversity: Option<f64>,
    /// The hit rate over the whole run, in per cent.
    pub hit_rate: Option<f64>,
    /// Seconds from the first event to the last, pauses included.
    pub seconds: f64,
}

impl Digest {
    pub fn of(run: &Run) -> Self {
        let config = &run.manifest.config;
        let engine = run.manifest.engine.as_ref();
        let search = run.view.search.as_ref();
        let winner = search.and_then(SearchView::winner);
        let training = run.view.training.as_ref();
        let best = training.and_then(best_epoch);
        let network = search.and_then(winner_cost).or_else(|| training.and_then(trained_cost));
        let finite = |value: f64| value.is_finite().then_some(value);
        Self {
            run: run.name.clone(),
            job: run.manifest.job,
            searcher: (run.manifest.job == Job::Search).then(|| config.search.searcher.name().to_owned()),
            seed: seed(run),
            data: search
                .map(|s| &s.images)
                .or(training.map(|t| &t.images))
                .map(|images| images.name.clone())
                .or_else(|| engine.map(|e| e.data.clone())),
            device: engine.map(|e| e.device.clone()),
            threads: engine.map(|e| e.threads),
            phase: run.view.phase().name().to_owned(),
            generations_done: search.map_or(0, |s| s.generations.len()),
            generations: config.search.generations,
            population: config.search.population,
            evaluations: search.map_or(0, |s| s.evaluations),
            epochs_done: training.map(|t| t.history.len()),
            epochs: match run.manifest.job {
                Job::Search => None,
                Job::Train => Some(training.map_or(config.retrain.epochs, |t| t.epochs)),
            },
            genotype: trained(run).and_then(published::name_of).map(str::to_owned),
            best_epoch: best.map(|e| e.epoch),
            valid_loss: best.and_then(|e| finite(e.valid_loss.0)),
            valid_accuracy: best.and_then(|e| finite(e.valid_accuracy)),
            test_accuracy: training.and_then(|t| finite(t.test?.top1)),
            best_loss: search.and_then(|s| s.best.as_ref()).map(|b| b.learner.estimate.loss.0),
            winner_loss: winner.as_ref().and_then(|w| finite(w.loss.0)),
            winner_accuracy: winner.as_ref().and_then(|w| finite(w.accuracy)),
            winner_source: winner.map(|w| w.source.name()),
            finals_epochs: search.and_then(|s| s.finals.as_ref()).map(|finals| finals.work().epochs),
            ranking_loss: search
                .and_then(|s| Spread::of(s.ranking.iter().map(|r| r.loss.0)))
                .map(|spread| spread.mean),
            parameters: network.as_ref().map(|n| n.parameters),
            multiply_adds: network.as_ref().map(|n| n.multiply_adds),
            diversity: search.and_then(|s| s.generations.last()).map(|g| g.diversity),
            hit_rate: search.and_then(|s| s.hits.rate()),
            seconds: (run.view.changed_at - run.view.started_at) as f64 / 1000.0,
        }
    }
}

/// The seed from which a run drew its random numbers.
pub fn seed(run: &Run) -> u64 {
    match run.manifest.job {
        Job::Search => run.manifest.config.search.seed,
        Job::Train => run.manifest.config.retrain.seed,
    }
}

/// The genotype that the search ended with.
pub fn winner(search: &SearchView) -> Option<Genotype> {
    Genotype::decode(&search.winner()?.position).ok()
}

/// The genotype of a training run.
pub fn trained(run: &Run) -> Option<&Genotype> {
    run.view.training.as_ref().map(|t| &t.genotype).or(run.manifest.genotype.as_ref())
}

fn best_epoch(training: &TrainingView) -> Option<&EpochSummary> {
    let best = training.best_epoch?;
    training.history.iter().find(|epoch| epoch.epoch == best)
}

fn trained_cost(training: &TrainingView) -> Option<Cost> {
    let network = Some(training.network).filter(|n| n.check().is_ok())?;
    Some(cost(&training.genotype, &network))
}

fn winner_cost(search: &SearchView) -> Option<Cost> {
    let network = search.network.filter(|n| n.check().is_ok())?;
    Some(cost(&winner(search)?, &network))
}
