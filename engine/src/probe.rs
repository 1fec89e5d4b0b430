//! `probe`: whether the comparison of a finished or stopped search is any good.
//!
//! Everything is estimated with the weights of the newest checkpoint and nothing is adopted, so the
//! search is afterwards what it was before.

mod meter;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use relativenas_core::{
    probe::{DrawnPair, Probe, bootstrap_stream, fast, noise, scratch_seed, tau_b, tau_interval},
    randomness::Streams,
    search::{BatchDone, Candidate, Estimate, Estimation, Estimator as _, Loss, Search, Stage},
};
use serde::Serialize;

use crate::{
    estimator::{EstimateError, NetworkEstimator},
    run::StoppedSearch,
};
use meter::Meter;

const GOES_ON: &str = "the meter aborts nothing";

#[derive(Clone, Debug, Args)]
pub struct ProbeArguments {
    /// The run's folder.
    run: PathBuf,
    /// Random pairs that are estimated twice.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Epochs that every individual is trained for from scratch.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
    /// Say twice a second how far it is, a line each time.
    #[arg(long, hide = true)]
    watched: bool,
    /// End when this process, which started this one, ends.
    #[arg(long, value_name = "PID", hide = true)]
    pub die_with_parent: Option<i32>,
    /// Do without the lock, where a file system has none.
    #[arg(long)]
    force: bool,
}

/// Probes a run, writes `probe.json` to its folder, and prints what was found.
///
/// # Errors
/// If the run cannot be probed, the device fails, or the disk is full.
pub fn probe(arguments: &ProbeArguments) -> anyhow::Result<()> {
    let mut run = StoppedSearch::open(&arguments.run, arguments.force)?;
    let mut prober = Prober::new(&run.search, &mut run.estimator, arguments);
    let found = prober.run().context("the device failed while probing; nothing was written")?;
    let path = run.keep(&found.probe)?;
    let printed = Printed::new(run.name(), run.search.state().generation, &found);
    if arguments.json {
        println!("{}", serde_json::to_string(&printed)?);
    } else {
        print!("{}", printed.in_words());
        eprintln!("{}: written", path.display());
    }
    Ok(())
}

/// What a probe found, with the losses that τ compares; both by individual.
struct Found {
    probe: Probe,
    shared_losses: Vec<Loss>,
    scratch_losses: Vec<Loss>,
}

/// A probe in progress.
struct Prober<'a> {
    search: &'a Search,
    estimator: &'a mut NetworkEstimator,
    streams: Streams,
    pairs: u32,
    epochs: u32,
    meter: Meter,
}

impl<'a> Prober<'a> {
    fn new(search: &'a Search, estimator: &'a mut NetworkEstimator, arguments: &ProbeArguments) -> Self {
        let ProbeArguments { pairs, epochs, watched, .. } = *arguments;
        let population = search.settings().population;
        let unranked = population - search.state().ranking.len();
        let learners = 4 * pairs as usize + unranked + epochs as usize * population;
        let streams = Streams::new(search.settings().seed);
        Self { search, estimator, streams, pairs, epochs, meter: Meter::new(learners, watched) }
    }

    fn run(&mut self) -> Result<Found, EstimateError> {
        // First, while the estimator still draws by the run's seed.
        let shared = self.shared_losses()?;
        let (flips, gaps) = self.flips()?;
        let scratch = self.scratch_losses()?;
        self.meter.finish();
        let mut draws = bootstrap_stream(&self.streams, self.search.state().generation);
        let probe = Probe {
            pairs: self.pairs as usize,
            flips,
            noise: noise(&gaps),
            individuals: scratch.len(),
            epochs: self.epochs,
            tau: tau_b(&shared, &scratch),
            tau_interval: tau_interval(&shared, &scratch, &mut draws),
        };
        let losses = |losses: Vec<f64>| losses.into_iter().map(Loss).collect();
        Ok(Found { probe, shared_losses: losses(shared), scratch_losses: losses(scratch) })
    }

    /// How many verdicts change when only the draws do, and how far losses were apart, each time.
    fn flips(&mut self) -> Result<(usize, Vec<[f64; 2]>), EstimateError> {
        let generation = self.search.state().generation;
        let population = self.search.settings().population;
        let (mut flips, mut gaps) = (0, Vec::new());
        for pair in 0..self.pairs as usize {
            let DrawnPair { members, seeds } = DrawnPair::draw(&self.streams, generation, pair, population);
            let (mut verdicts, mut gap) = ([None; 2], [f64::NAN; 2]);
            for ((verdict, gap), seed) in verdicts.iter_mut().zip(&mut gap).zip(seeds) {
                self.estimator.draw_by(seed);
                let estimates = self.estimate(pair, &members)?;
                *verdict = self.verdict(&estimates, &members);
                *gap = estimates[0].loss - estimates[1].loss;
            }
            flips += usize::from(verdicts[0] != verdicts[1]);
            gaps.push(gap);
        }
        Ok((flips, gaps))
    }

    fn verdict(&self, estimates: &[Estimate], members: &[usize]) -> Option<usize> {
        let settings = self.search.settings();
        let violation = |&i: &usize| settings.limits.violation(settings.space, self.position(i));
        fast(estimates, &members.iter().map(violation).collect::<Vec<_>>())
    }

    /// Losses of the run's own last ranking, as far as it has one; who is not in it is estimated as
    /// the run would do it now.
    fn shared_losses(&mut self) -> Result<Vec<f64>, EstimateError> {
        let mut ranking = self.search.state().ranking.clone();
        let population = self.search.settings().population;
        while ranking.len() < population {
            let first = ranking.len();
            let members: Vec<_> = (first..population.min(first + 2)).collect();
            ranking.extend(self.estimate(first / 2, &members)?);
        }
        Ok(ranking.iter().map(|estimate| estimate.loss).collect())
    }

    fn scratch_losses(&mut self) -> Result<Vec<f64>, EstimateError> {
        self.estimator.draw_by(scratch_seed(&self.streams, self.search.state().generation));
        let schedule = self.search.settings().schedule;
        let everybody: Vec<_> = (0..self.search.settings().population).collect();
        let mut losses = Vec::new();
        for members in everybody.chunks(2) {
            let candidates = self.candidates(members);
            let progress = |done: BatchDone| self.meter.note(done);
            let estimates =
                self.estimator.train_from_scratch(&candidates, schedule, self.epochs, &progress)?;
            losses.extend(estimates.expect(GOES_ON).iter().map(|e| e.loss));
        }
        Ok(losses)
    }

    /// One epoch with inherited weights; nothing is adopted.
    fn estimate(&mut self, pair: usize, members: &[usize]) -> Result<Vec<Estimate>, EstimateError> {
        let (settings, generation) = (self.search.settings(), self.search.state().generation);
        let last = generation.min(settings.generations - 1);
        let estimation = Estimation {
            stage: Stage::Ranking,
            generation,
            pair,
            repeat: 0,
            learning_rate: settings.schedule.learning_rate(last, settings.generations),
            drop_path: settings.schedule.drop_path(last, settings.generations),
            candidates: self.candidates(members),
        };
        let estimates = self.estimator.estimate(&estimation, &|done| self.meter.note(done))?;
        Ok(estimates.expect(GOES_ON))
    }

    fn candidates(&self, members: &[usize]) -> Vec<Candidate> {
        let candidate = |&i: &usize| Candidate { individual: i, position: self.position(i).to_vec() };
        members.iter().map(candidate).collect()
    }

    fn position(&self, individual: usize) -> &[f64] {
        &self.search.state().population[individual].position
    }
}

/// What is printed: more than `probe.json` keeps.
#[derive(Serialize)]
struct Printed<'a> {
    run: String,
    /// After so many generations.
    generation: u32,
    #[serde(flatten)]
    probe: &'a Probe,
    flip_rate: Option<f64>,
    flip_interval: Option<(f64, f64)>,
    shared_losses: &'a [Loss],
    scratch_losses: &'a [Loss],
}

impl<'a> Printed<'a> {
    fn new(run: String, generation: u32, found: &'a Found) -> Self {
        let Found { probe, shared_losses, scratch_losses } = found;
        let (flip_rate, flip_interval) = (probe.flip_rate(), probe.flip_interval());
        Self { run, generation, probe, flip_rate, flip_interval, shared_losses, scratch_losses }
    }

    fn in_words(&self) -> String {
        let Probe { pairs, flips, noise, individuals, epochs, tau, tau_interval } = *self.probe;
        let noise = noise.map_or("unknown".to_owned(), |noise| format!("{noise:.4}"));
        let unit = if epochs == 1 { "epoch" } else { "epochs" };
        let rate = self.flip_rate.map_or("unknown".to_owned(), |r| format!("{:.1} %", 100.0 * r));
        let rate_interval = self.flip_interval.map_or("unknown".to_owned(), |(low, high)| {
            format!("{:.1} % to {:.1} %", 100.0 * low, 100.0 * high)
        });
        let tau = tau.map_or("unknown".to_owned(), signed);
        let tau_interval = tau_interval.map_or("cannot be told from these".to_owned(), |(low, high)| {
            format!("{} to {}, bootstrap over individuals", signed(low), signed(high))
        });
        format!(
            "{}, after {} generations:\n\
             flip rate      {rate} (95 %: {rate_interval})\n\
             \u{20}              {flips} of {pairs} random pairs changed their verdict when estimated again with another\n\
             \u{20}              seed and the same weights; a verdict drawn by lot changes in 50 %\n\
             noise          {noise}\n\
             \u{20}              standard deviation, over seeds, of how far the losses of a pair are apart (search.noise)\n\
             Kendall's τ-b  {tau} (95 %: {tau_interval})\n\
             \u{20}              between the rankings of {individuals} individuals by shared weights and by training from\n\
             \u{20}              scratch for {epochs} {unit}; 1 is the same order, 0 none in common\n",
            self.run, self.generation,
        )
    }
}

/// With a minus sign instead of a hyphen.
fn signed(value: f64) -> String {
    format!("{value:.2}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(tau: Option<f64>, tau_interval: Option<(f64, f64)>) -> Found {
        let probe =
            Probe { pairs: 8, flips: 3, noise: Some(0.0125), individuals: 2, epochs: 4, tau, tau_interval };
        Found { probe, shared_losses: vec![Loss(1.0), Loss(f64::NAN)], scratch_losses: vec![Loss(2.0); 2] }
    }

    #[test]
    fn people_read_rates_with_their_intervals() {
        let words = |found| Printed::new("a".to_owned(), 6, &found).in_words();
        let said = words(found(Some(-0.25), Some((-0.5, 0.1))));
        assert!(said.starts_with("a, after 6 generations:\n"), "{said}");
        assert!(said.contains("noise          0.0125\n"), "{said}");
        assert!(said.contains("flip rate      37.5 % (95 %: 13.7 % to 69.4 %)"), "{said}");
        assert!(said.contains("τ-b  −0.25 (95 %: −0.50 to 0.10, bootstrap over individuals)"), "{said}");
        let said = words(found(None, None));
        assert!(said.contains("τ-b  unknown (95 %: cannot be told from these)"), "{said}");
    }

    #[test]
    fn programs_read_every_loss() {
        let found = found(Some(1.0), None);
        let json = serde_json::to_value(Printed::new("a".to_owned(), 6, &found)).expect("plain data");
        assert_eq!(json["shared_losses"], serde_json::json!([1.0, "NaN"]));
        assert_eq!((&json["flip_rate"], &json["flips"]), (&0.375.into(), &3.into()));
        assert!(json["tau_interval"].is_null());
    }
}
