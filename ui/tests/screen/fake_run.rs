//! A search without a network: real pairs, moves and weight bookkeeping, made-up losses.

use std::collections::BTreeMap;

use relativenas_core::{
    cost::Limits,
    event::{Event, Images, Line},
    finals::{EntrantHistory, Figures, Finals, FinalsSettings, Trainings},
    genotype::Genotype,
    latency::{Calibration, LatencyTable, OperationLatency, Spot},
    loss::Loss,
    network::{NetworkKind, NetworkShape},
    operation::Operation,
    population::IndividualId,
    protocol::{Activity, BatchProgress, MemberProgress, Mode, Progress},
    randomness::{Purpose, Streams},
    search::{Ask, Estimate, Estimation, Schedule, Search, SearchSettings, Stage},
    searcher::SearcherKind,
    space::Space,
    weight_set::{WeightKey, WeightSet},
};

/// A search that gives the same events each time.
pub struct FakeRun {
    search: Search,
    /// What the finals are like, if there are any.
    pub finals: FinalsSettings,
    history: EntrantHistory,
    playing: Option<Finals>,
    weights: WeightSet<()>,
    next_event: u64,
    time: i64,
    /// The generation in whose first pair the loss of the first learner is NaN, if there is to be one.
    pub lost_in: Option<u32>,
}

/// The time at which a run begins: 12:00 UTC of some day, in milliseconds since 1970.
const START: i64 = 1_780_056_000_000;
pub const BATCHES: usize = 98;

impl FakeRun {
    /// A run at its beginning, and its first events.
    pub fn new(population: usize, generations: u32) -> (Self, Vec<Line>) {
        Self::with(population, generations, SearcherKind::SlowFast)
    }

    pub fn with(population: usize, generations: u32, searcher: SearcherKind) -> (Self, Vec<Line>) {
        Self::of_seed(population, generations, searcher, 1)
    }

    pub fn of_seed(
        population: usize,
        generations: u32,
        searcher: SearcherKind,
        seed: u64,
    ) -> (Self, Vec<Line>) {
        Self::of(Self::settings(population, generations, searcher, seed))
    }

    /// A search that estimates so many pairs at once.
    pub fn at_once(population: usize, generations: u32, pairs_at_once: usize) -> (Self, Vec<Line>) {
        let settings = Self::settings(population, generations, SearcherKind::SlowFast, 1);
        Self::of(SearchSettings { pairs_at_once, ..settings })
    }

    fn settings(population: usize, generations: u32, searcher: SearcherKind, seed: u64) -> SearchSettings {
        SearchSettings {
            space: Space::Cells,
            searcher,
            population,
            pairs_at_once: 1,
            generations,
            seed,
            mutation: 0.0,
            warm_up: 0,
            one_shot: false,
            inherit: true,
            repeat: Default::default(),
            schedule: Schedule { learning_rate: 0.1, learning_rate_end: 0.001, drop_path: 0.3 },
            limits: Limits::default(),
        }
    }

    /// A search whose first generations only train the weight set.
    pub fn warming_up(population: usize, generations: u32, warm_up: u32) -> (Self, Vec<Line>) {
        let (fake, _) = Self::new(population, generations);
        Self::of(SearchSettings { warm_up, ..fake.search.settings().clone() })
    }

    /// A search that limits the latency of a batch to 40 ms; by its table, every convolution takes 1 ms.
    pub fn with_latencies(population: usize, generations: u32) -> (Self, Vec<Line>) {
        let entry = |spot| {
            Operation::SEARCHED.map(|operation| {
                let slow = operation.name().contains("conv");
                OperationLatency { operation, spot, nanoseconds: if slow { 1_000_000 } else { 0 } }
            })
        };
        let table = LatencyTable {
            device: "cuda:0".to_owned(),
            batch: 256,
            remainder: 1_250_000,
            calibration: vec![Calibration { summed: 38_000_000, measured: 40_000_000 }],
            operations: Spot::all(&shape()).into_iter().flat_map(entry).collect(),
        };
        let limits = Limits {
            max_latency: 40.0,
            latencies: Some(table.into()),
            shape: Some(shape()),
            ..Limits::default()
        };
        let settings = Self::settings(population, generations, SearcherKind::SlowFast, 1);
        Self::of(SearchSettings { limits, ..settings })
    }

    /// A search that reads its losses from the table of NAS-Bench-201.
    pub fn in_table(population: usize, generations: u32) -> (Self, Vec<Line>) {
        Self::of(SearchSettings {
            space: Space::NasBench201,
            searcher: SearcherKind::SlowFast,
            population,
            pairs_at_once: 1,
            generations,
            seed: 1,
            mutation: 0.0,
            warm_up: 0,
            one_shot: false,
            inherit: true,
            repeat: Default::default(),
            schedule: Schedule::default(),
            limits: Limits::default(),
        })
    }

    fn of(settings: SearchSettings) -> (Self, Vec<Line>) {
        let (search, events) = Search::new(settings.clone()).expect("valid settings");
        let weights = WeightSet::default();
        let mut run = Self {
            search,
            finals: FinalsSettings::default(),
            history: EntrantHistory::default(),
            playing: None,
            weights,
            next_event: 0,
            time: START,
            lost_in: None,
        };
        let (name, images, network) = match settings.space {
            Space::Cells => ("Fashion-MNIST", 25_000, Some(shape())),
            Space::NasBench201 => ("NAS-Bench-201, CIFAR-10", 0, None),
        };
        let images = Images { name: name.to_owned(), train: images, valid: images, classes: 10 };
        let started = Event::SearchStarted { settings, network, images, batch: 256 };
        let lines = [started].into_iter().chain(events).map(|event| run.line(event)).collect();
        (run, lines)
    }

    /// Events so far: the number that the next one has.
    pub fn events(&self) -> u64 {
        self.next_event
    }

    /// What is estimated next; `None` at the end.
    pub fn estimation(&self) -> Option<Estimation> {
        match self.search.ask() {
            Ask::Estimate(estimation) => Some(estimation),
            Ask::Done => None,
        }
    }

    /// Estimates the next pair; empty at the end.
    pub fn next_pair(&mut self) -> Vec<Line> {
        let Some(estimation) = self.estimation() else { return self.next_trainings() };
        if self.search.settings().space == Space::NasBench201 {
            let answers: Vec<_> = estimation.candidates.iter().map(|c| answer(&c.position)).collect();
            self.time += 200;
            return self.search.tell(&answers).1.into_iter().map(|event| self.line(event)).collect();
        }
        let held: Vec<_> = estimation
            .candidates
            .iter()
            .map(|candidate| {
                let genotype = Genotype::decode(&candidate.position).expect("a vector of this space");
                let keys = WeightKey::of_genotype(&genotype, &shape());
                let (held, hits) = self.weights.inherit(&keys, |_| ());
                (candidate.individual, genotype, held, hits)
            })
            .collect();
        let estimates: Vec<_> = held
            .iter()
            .map(|(individual, genotype, _, hits)| {
                let lost = self.lost_in == Some(estimation.generation)
                    && estimation.pair == 0
                    && *individual == estimation.candidates[0].individual;
                let loss = if lost { f64::NAN } else { loss(genotype, estimation.generation, individual.0) };
                Estimate {
                    loss: Loss(loss),
                    accuracy: 100.0 * (-0.62 * loss).exp(),
                    train_loss: Loss(loss * 0.94),
                    hits: hits.hits,
                    misses: hits.misses,
                }
            })
            .collect();
        let (verdicts, mut events) = self.search.tell(&estimates);
        if self.finals.architectures > 0 {
            self.follow(&mut events);
        }
        for verdict in verdicts {
            let givers: Vec<(IndividualId, &BTreeMap<_, _>)> =
                verdict.gives.iter().map(|&slot| (held[slot].0, &held[slot].2)).collect();
            self.weights.adopt(estimation.generation, givers);
        }
        self.time += 26_000;
        events.into_iter().map(|event| self.line(event)).collect()
    }

    /// Lets finals begin where the search ends.
    fn follow(&mut self, events: &mut Vec<Event>) {
        for event in events.iter() {
            self.history.note(event, self.finals.architectures, self.search.settings().generations);
        }
        let Some(Event::SearchFinished { ranking, .. }) = events.last() else { return };
        if let Some((finals, began)) = Finals::begin(self.finals, &self.search, ranking, &self.history) {
            events.pop();
            events.push(began);
            self.playing = Some(finals);
        }
    }

    /// The next trainings of the finals; empty at their end. Later entrants are better.
    fn next_trainings(&mut self) -> Vec<Line> {
        let Some(finals) = &mut self.playing else { return Vec::new() };
        let Some(Trainings { seed, epochs, entrants, .. }) = finals.ask() else { return Vec::new() };
        let figures = |&entrant: &usize| {
            let loss = |epoch: u32| {
                0.5 + 1.4 / f64::from(epoch + 1) - 0.02 * entrant as f64 + 0.01 * f64::from(seed)
            };
            Figures {
                train_losses: (0..epochs).map(|epoch| Loss(loss(epoch))).collect(),
                loss: Loss(loss(epochs) + 0.1),
                accuracy: 100.0 * (-0.62 * loss(epochs)).exp(),
            }
        };
        let mut events = finals.tell(entrants.iter().map(figures).collect());
        if finals.state().ended {
            events.extend(self.search.conclusion());
        }
        self.time += 60_000;
        events.into_iter().map(|event| self.line(event)).collect()
    }

    /// The engine in the middle of the trainings of the finals that are in hand.
    pub fn training_progress(&self) -> Progress {
        let Some((finals, Trainings { round, epochs, entrants, .. })) =
            self.playing.as_ref().and_then(|finals| Some((finals, finals.ask()?)))
        else {
            return Progress { activity: Activity::Finished, ..Progress::default() };
        };
        let batches = BATCHES * epochs as usize;
        let member = |&entrant: &usize| MemberProgress {
            individual: finals.state().entrants[entrant].individual,
            progress: BatchProgress { validating: false, batch: batches / 3, batches, loss: Some(Loss(0.9)) },
        };
        Progress {
            activity: Activity::Finals {
                round,
                trainings: finals.state().told.len(),
                members: entrants.iter().map(member).collect(),
            },
            images_per_second: 12_410.0,
            seconds_left: Some(754.0),
            ..Progress::default()
        }
    }

    /// The engine at some batch of the pair in hand.
    pub fn progress(&self, batch: usize, mode: Mode) -> Progress {
        let Some(estimation) = self.estimation() else {
            return Progress { activity: Activity::Finished, ..Progress::default() };
        };
        let member = |(slot, candidate): (usize, &relativenas_core::search::Candidate)| MemberProgress {
            individual: candidate.individual,
            progress: BatchProgress {
                validating: batch > BATCHES / 2 && estimation.stage != Stage::WarmUp,
                batch: batch.saturating_sub(2 * slot),
                batches: BATCHES,
                loss: Some(Loss(1.042 + 0.138 * slot as f64 + 0.3 / (batch + 1) as f64)),
            },
        };
        let pairs = self.search.settings().population / 2;
        let left = pairs * (self.search.settings().generations - estimation.generation.min(49)) as usize;
        Progress {
            mode,
            activity: Activity::Estimating {
                stage: estimation.stage,
                generation: estimation.generation,
                pair: estimation.pair,
                members: estimation.candidates.iter().enumerate().map(member).collect(),
            },
            images_per_second: 12_410.0 + (batch % 7) as f64,
            seconds_left: Some((left - estimation.pair.min(left)) as f64 * 3.25 - batch as f64 / 30.0),
            notice: None,
            pause_at: None,
            pause_on_nan: false,
        }
    }

    fn line(&mut self, event: Event) -> Line {
        let line = Line { seq: self.next_event, time: self.time, event };
        self.next_event += 1;
        self.time += 40;
        line
    }
}

pub fn shape() -> NetworkShape {
    NetworkShape { kind: NetworkKind::Cifar, channels: 16, cells: 8, classes: 10 }
}

/// The loss of an architecture of NAS-Bench-201: the more 3x3 convolutions, the lower.
fn answer(position: &[f64]) -> Estimate {
    let indices = Space::NasBench201.decode(position).expect("a vector of this space");
    let convolutions = indices.iter().filter(|&&index| index == 3).count();
    let loss = 12.5 - convolutions as f64;
    Estimate { loss: Loss(loss), accuracy: 100.0 - loss, train_loss: Loss::NAN, hits: 0, misses: 0 }
}

/// The loss of an estimate: it falls with the generations and with the number of convolutions; the rest is random.
fn loss(genotype: &Genotype, generation: u32, individual: usize) -> f64 {
    let penalty = |operation: Operation| match operation {
        Operation::MaxPool3x3 | Operation::AvgPool3x3 => 0.03,
        Operation::SkipConnect => 0.015,
        Operation::SepConv3x3 | Operation::SepConv5x5 => 0.0,
        _ => 0.006,
    };
    let genes = genotype.normal.genes.iter().chain(&genotype.reduction.genes);
    let quality: f64 = genes.map(|gene| penalty(gene.operation)).sum();
    let luck = Streams::new(7).stream(Purpose::Probe, u64::from(generation), individual as u64).unit();
    0.72 + 1.2 * (-f64::from(generation) / 9.0).exp() + quality + 0.12 * (luck - 0.5)
}

/// The events of a training run of 600 epochs, of which so many are done.
pub fn training(epochs: u32) -> Vec<Line> {
    let genotype = relativenas_core::published::genotype("RelativeNAS").expect("published");
    let images = Images { name: "CIFAR-10".to_owned(), train: 45_000, valid: 5000, classes: 10 };
    let network = NetworkShape { kind: NetworkKind::Cifar, channels: 36, cells: 20, classes: 10 };
    let task = Default::default();
    let started = Event::TrainingStarted { task, network, genotype, epochs: 600, images, batch: 128 };
    let finished = (0..epochs).map(|epoch| {
        let luck = Streams::new(7).stream(Purpose::Probe, 0, u64::from(epoch)).unit();
        let loss = 0.3 + 1.5 * (-f64::from(epoch) / 12.0).exp();
        Event::EpochFinished {
            epoch,
            learning_rate: 0.025,
            drop_path: 0.3 * f64::from(epoch) / 600.0,
            train_loss: Loss(loss),
            train_accuracy: 100.0 * (-0.4 * loss).exp(),
            valid_loss: Loss(loss + 0.1 * luck),
            valid_accuracy: 100.0 * (-0.45 * (loss + 0.1 * luck)).exp(),
            best: epoch == 0 || luck < 0.4,
        }
    });
    let events = [started].into_iter().chain(finished).enumerate();
    events.map(|(seq, event)| Line { seq: seq as u64, time: START + 95_000 * seq as i64, event }).collect()
}

/// The last event of the same training, as if it ended after so many epochs.
pub fn training_end(epochs: u32) -> Vec<Line> {
    let event = Event::TrainingFinished {
        best_epoch: epochs.saturating_sub(1),
        test_loss: Loss(0.401),
        test_top1: 93.31,
        test_top5: 99.52,
        test_images: 10_000,
        part: Default::default(),
    };
    let seq = u64::from(epochs) + 1;
    vec![Line { seq, time: START + 95_000 * seq as i64, event }]
}
