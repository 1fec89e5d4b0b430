//! `probe`: whether the comparison of pairs in a finished or stopped search is reliable.
//!
//! Everything is estimated with the weights of the newest checkpoint and nothing is adopted, so the search is
//! unchanged afterwards.

mod meter;
mod printed;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use relativenas_core::{
    cost::Part,
    loss::Loss,
    population::IndividualId,
    probe::{Agreement, ArchitectureSource, DrawnPair, Probe, bootstrap_stream, fast, noise, scratch_seed},
    randomness::Streams,
    search::Slot,
    search::{BatchDone, Candidate, Estimate, Estimation, Estimator as _, Search, Stage},
    searcher::size,
};

use crate::{
    estimator::{EstimateError, NetworkEstimator},
    run::StoppedSearch,
};
use meter::ProbeMeter;
use printed::Printed;

const GOES_ON: &str = "the meter aborts nothing";

#[derive(Clone, Debug, Args)]
pub struct ProbeArguments {
    /// The run's folder.
    run: PathBuf,
    /// Random pairs that are estimated twice.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Epochs that every architecture is trained for from scratch.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,
    /// Which architectures are ranked.
    #[arg(long, value_enum, default_value = "population")]
    from: From,
    /// How many are drawn, with `--from search`; otherwise the population is ranked whole.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    architectures: Option<u32>,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum From {
    /// Those of the population as it is
    Population,
    /// Some, drawn from all that the search has had
    Search,
}

/// Probes a run, writes `probe.json` to its folder, and prints the results.
///
/// # Errors
/// If the run cannot be probed, the device fails, or the disk is full.
pub fn probe(arguments: &ProbeArguments) -> anyhow::Result<()> {
    if arguments.from == From::Population && arguments.architectures.is_some() {
        bail!(
            "--architectures is how many architectures `--from search` draws; a population is always ranked whole"
        );
    }
    let mut run = StoppedSearch::open(&arguments.run, arguments.force)?;
    let ranked = RankedArchitectures::of(&run, arguments)?;
    let mut prober = Prober::new(&run.search, &mut run.estimator, ranked, arguments);
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

/// The architectures that are ranked.
struct RankedArchitectures {
    source: ArchitectureSource,
    positions: Vec<Vec<f64>>,
    /// The losses of the first of them that the run itself has found in its final ranking.
    known_losses: Vec<Loss>,
}

impl RankedArchitectures {
    fn of(run: &StoppedSearch, arguments: &ProbeArguments) -> anyhow::Result<Self> {
        let (settings, state) = (run.search.settings(), run.search.state());
        Ok(match arguments.from {
            From::Population => Self {
                source: ArchitectureSource::Population,
                positions: state.population.iter().map(|individual| individual.position.clone()).collect(),
                known_losses: state.ranking.iter().map(|estimate| estimate.loss).collect(),
            },
            From::Search => {
                let searched = run.searched()?;
                let count = arguments.architectures.map_or(settings.population, |count| count as usize);
                Self {
                    source: ArchitectureSource::Search { distinct: searched.distinct() },
                    positions: searched.draw(&Streams::new(settings.seed), state.generation, count),
                    known_losses: Vec::new(),
                }
            }
        })
    }

    fn candidates(&self, places: impl Iterator<Item = usize>) -> Vec<Candidate> {
        places
            .map(|place| Candidate {
                individual: IndividualId(place),
                position: self.positions[place].clone(),
            })
            .collect()
    }
}

/// The results of a probe, with the lists that τ compares; all lists are by architecture.
struct ProbeResults {
    probe: Probe,
    positions: Vec<Vec<f64>>,
    shared_losses: Vec<Loss>,
    scratch_losses: Vec<Loss>,
    sizes: Vec<Part>,
}

/// A probe in progress.
struct Prober<'a> {
    search: &'a Search,
    estimator: &'a mut NetworkEstimator,
    ranked: RankedArchitectures,
    streams: Streams,
    pairs: u32,
    epochs: u32,
    meter: ProbeMeter,
}

impl<'a> Prober<'a> {
    fn new(
        search: &'a Search,
        estimator: &'a mut NetworkEstimator,
        ranked: RankedArchitectures,
        arguments: &ProbeArguments,
    ) -> Self {
        let ProbeArguments { pairs, epochs, watched, .. } = *arguments;
        let count = ranked.positions.len();
        let unknown = count - ranked.known_losses.len();
        let learners = 4 * pairs as usize + unknown + epochs as usize * count;
        let streams = Streams::new(search.settings().seed);
        Self { search, estimator, ranked, streams, pairs, epochs, meter: ProbeMeter::new(learners, watched) }
    }

    fn run(&mut self) -> Result<ProbeResults, EstimateError> {
        let sizes = self.sizes()?;
        // This comes first, while the estimator still draws with the seed of the run.
        let shared = self.shared_losses()?;
        let (flips, gaps) = self.flips()?;
        let scratch = self.scratch_losses()?;
        self.meter.finish();
        let values = |losses: &[Loss]| -> Vec<f64> { losses.iter().map(|loss| loss.0).collect() };
        let draws = || bootstrap_stream(&self.streams, self.search.state().generation);
        let Agreement { tau, interval } = Agreement::of(&values(&shared), &values(&scratch), draws());
        let by_size = |of: fn(&Part) -> u64| {
            Agreement::of_sizes(&sizes.iter().map(of).collect::<Vec<_>>(), &values(&scratch), draws())
        };
        let probe = Probe {
            pairs: self.pairs as usize,
            flips,
            noise: noise(&gaps),
            individuals: scratch.len(),
            from: self.ranked.source,
            epochs: self.epochs,
            tau,
            tau_interval: interval,
            by_parameters: by_size(|size| size.parameters),
            by_multiply_adds: by_size(|size| size.multiply_adds),
        };
        Ok(ProbeResults {
            probe,
            positions: self.ranked.positions.clone(),
            shared_losses: shared,
            scratch_losses: scratch,
            sizes,
        })
    }

    /// The sizes of the networks that the search trains.
    fn sizes(&self) -> Result<Vec<Part>, EstimateError> {
        let settings = self.search.settings();
        let size = |(place, position): (usize, &Vec<f64>)| {
            let individual = IndividualId(place);
            size(settings.space, &settings.limits, position)
                .map_err(|error| EstimateError::Vector { individual, error })
        };
        self.ranked.positions.iter().enumerate().map(size).collect()
    }

    /// The number of pairs whose verdict changes when they are estimated again with other random draws, and
    /// for each pair the difference between its two losses in both estimations.
    fn flips(&mut self) -> Result<(usize, Vec<[f64; 2]>), EstimateError> {
        let generation = self.search.state().generation;
        let population = self.search.settings().population;
        let (mut flips, mut gaps) = (0, Vec::new());
        for pair in 0..self.pairs as usize {
            let DrawnPair { members, seeds } = DrawnPair::draw(&self.streams, generation, pair, population);
            let (mut verdicts, mut gap) = ([None; 2], [f64::NAN; 2]);
            for ((verdict, gap), seed) in verdicts.iter_mut().zip(&mut gap).zip(seeds) {
                self.estimator.reseed_draws(seed);
                let candidate = |i| Candidate { individual: i, position: self.position(i).to_vec() };
                let estimates = self.estimate(pair, members.map(candidate).to_vec())?;
                *verdict = self.verdict(&estimates, &members);
                *gap = estimates[0].loss - estimates[1].loss;
            }
            flips += usize::from(verdicts[0] != verdicts[1]);
            gaps.push(gap);
        }
        Ok((flips, gaps))
    }

    fn verdict(&self, estimates: &[Estimate], members: &[IndividualId]) -> Option<Slot> {
        let settings = self.search.settings();
        let violation = |&i: &IndividualId| settings.limits.violation(settings.space, self.position(i));
        fast(estimates, &members.iter().map(violation).collect::<Vec<_>>())
    }

    /// The losses from the run's own last ranking, as far as there is one; the other individuals are
    /// estimated now, as the run would do it.
    fn shared_losses(&mut self) -> Result<Vec<Loss>, EstimateError> {
        let mut losses = self.ranked.known_losses.clone();
        let count = self.ranked.positions.len();
        while losses.len() < count {
            let first = losses.len();
            let candidates = self.ranked.candidates(first..count.min(first + 2));
            losses.extend(self.estimate(first / 2, candidates)?.iter().map(|estimate| estimate.loss));
        }
        Ok(losses)
    }

    fn scratch_losses(&mut self) -> Result<Vec<Loss>, EstimateError> {
        self.estimator.reseed_draws(scratch_seed(&self.streams, self.search.state().generation));
        let schedule = self.search.settings().schedule;
        let count = self.ranked.positions.len();
        let mut losses = Vec::new();
        for first in (0..count).step_by(2) {
            let candidates = self.ranked.candidates(first..count.min(first + 2));
            let progress = |_, done: BatchDone| self.meter.note(done);
            let estimates =
                self.estimator.train_from_scratch(&candidates, schedule, self.epochs, &progress)?;
            losses.extend(estimates.expect(GOES_ON).iter().map(|e| e.loss));
        }
        Ok(losses)
    }

    /// Estimates candidates after one epoch with inherited weights; nothing is adopted.
    fn estimate(&mut self, pair: usize, candidates: Vec<Candidate>) -> Result<Vec<Estimate>, EstimateError> {
        let (settings, generation) = (self.search.settings(), self.search.state().generation);
        let estimation = Estimation {
            stage: Stage::Ranking,
            generation,
            pair,
            repeat: 0,
            learning_rate: settings.learning_rate(generation),
            drop_path: settings.drop_path(generation),
            candidates,
        };
        let found = self.estimator.estimate(&estimation, &|_, done| self.meter.note(done))?;
        Ok(found.expect(GOES_ON).estimates)
    }

    /// The architecture vector of an individual of the population, whichever architectures are ranked.
    fn position(&self, individual: IndividualId) -> &[f64] {
        &self.search.state().population[individual].position
    }
}
