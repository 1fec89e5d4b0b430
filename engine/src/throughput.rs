//! How many images a second this machine trains and validates, as the estimations of a search do.
//!
//! The work and the report are those of a plain PyTorch program, so that the two can be compared: every
//! genotype inherits, trains one epoch on one half and is validated on the other.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use relativenas_core::{
    config::Precision,
    finals::Judge,
    genotype::Genotype,
    network::{NetworkKind, NetworkShape},
    population::IndividualId,
    population::sample_position,
    randomness::Streams,
    search::Slot,
    search::{BatchDone, Candidate, Estimate, Estimated, Estimation, Estimator as _, Flow, Stage, Verdict},
    space::Space,
};
use relativenas_run::limited::read_text;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::{
    augmentation::Augmentation,
    data::DataSet,
    device::{self, DeviceChoice, Sharing},
    estimator::{EstimatorSettings, NetworkEstimator},
    images::ImageSet,
    learner::LearnerSettings,
    optimizer::SgdSettings,
};

/// The work to be measured.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// The genotypes, taken two by two: both of a pair inherit the same weights, as in a search.
    pub genotypes: Vec<Genotype>,
    pub train_images: usize,
    pub valid_images: usize,
    pub batch: usize,
    pub channels: usize,
    pub cells: usize,
    pub device: DeviceChoice,
    pub precision: Precision,
    /// The number of CPU threads of all learners together; 0 takes as many as there are cores.
    pub threads: usize,
}

/// The results of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// The number of genotypes that were trained and validated.
    pub learners: usize,
    /// The time of everything, inheriting and adopting included.
    pub seconds: f64,
    pub train_images_per_second: f64,
    pub valid_images_per_second: f64,
    /// Training and validation images together, divided by the time of everything.
    pub images_per_second: f64,
    /// The validation loss of each genotype.
    pub losses: Vec<f64>,
    pub threads: usize,
    /// The version of libtorch.
    pub torch: String,
}

/// The number of images in a validation step; as in a search, it changes only the speed.
const VALIDATION_BATCH: usize = 256;

/// Reads a JSON list of genotypes. A genotype that does not say which nodes it concatenates has all four.
///
/// # Errors
/// If the file cannot be read, or holds anything else.
pub fn read_genotypes(path: &Path) -> anyhow::Result<Vec<Genotype>> {
    let text = read_text(path).with_context(|| format!("cannot read {}", path.display()))?;
    let parse = || -> anyhow::Result<Vec<Genotype>> {
        let mut list: Vec<serde_json::Map<String, Value>> = serde_json::from_str(&text)?;
        for genotype in &mut list {
            for key in ["normal_concat", "reduce_concat"] {
                genotype.entry(key).or_insert_with(|| serde_json::json!([2, 3, 4, 5]));
            }
        }
        let genotypes = list.into_iter().enumerate().map(|(index, genotype)| {
            serde_json::from_value(Value::Object(genotype)).with_context(|| format!("genotype {}", index + 1))
        });
        genotypes.collect()
    };
    parse().with_context(|| format!("{} is no list of genotypes in JSON", path.display()))
}

/// Four architectures, drawn like the first ones of a search.
///
/// # Panics
/// Never: the vectors are drawn from the space that decodes them.
pub fn random_genotypes() -> Vec<Genotype> {
    let draw = |individual| sample_position(Space::Cells, &Streams::new(0), 0, individual);
    (0..4)
        .map(|individual| Genotype::decode(&draw(IndividualId(individual))).expect("of the space"))
        .collect()
}

/// Trains and validates every genotype.
///
/// # Errors
/// If the data set has too few images, a genotype lies outside the searched space, or the device fails.
pub fn measure(measurement: &Measurement, data: &DataSet) -> anyhow::Result<Throughput> {
    let device = measurement.device.resolve()?;
    let sharing = Sharing::of(&[device], device::threads(measurement.threads), true, (2, 2));
    if device.is_cuda() {
        // Libraries are loaded, and algorithms chosen, before the time is taken, as they are in a search after its
        // first pairs.
        let mut rehearsal = estimator(measurement, data, device, sharing)?;
        for (pair, genotypes) in measurement.genotypes.chunks(2).enumerate() {
            rehearsal.estimate(&estimation(pair, genotypes)?, &|_, _| Flow::Go)?;
        }
    }
    let mut estimator = estimator(measurement, data, device, sharing)?;
    let mut spent = Spent::default();
    let mut losses = Vec::new();
    let start = Instant::now();
    for (pair, genotypes) in measurement.genotypes.chunks(2).enumerate() {
        let estimation = estimation(pair, genotypes)?;
        let clock = CandidateTimes::start(genotypes.len(), device);
        let progress = |slot, done: BatchDone| clock.note(slot, done);
        let Some(found) = estimator.estimate(&estimation, &progress)? else { continue };
        let Estimated { estimates, trained } = found;
        spent.add(&clock.ends(), sharing.at_once > 1);
        estimator.adopt(&estimation, &trained, &verdict(&estimates))?;
        losses.extend(estimates.iter().map(|e| e.loss));
    }
    let whole = start.elapsed().as_secs_f64();
    let learners = measurement.genotypes.len();
    let rate = |images: usize, seconds: f64| round((learners * images) as f64 / seconds, 1);
    Ok(Throughput {
        learners,
        seconds: round(whole, 2),
        train_images_per_second: rate(measurement.train_images, spent.training.as_secs_f64()),
        valid_images_per_second: rate(measurement.valid_images, spent.validation.as_secs_f64()),
        images_per_second: rate(measurement.train_images + measurement.valid_images, whole),
        losses: losses.into_iter().map(|l| round(l.0, 4)).collect(),
        threads: device::threads(measurement.threads),
        torch: device::LIBTORCH.to_owned(),
    })
}

fn round(value: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    (value * factor).round() / factor
}

fn estimator(
    measurement: &Measurement,
    data: &DataSet,
    device: Device,
    sharing: Sharing,
) -> anyhow::Result<NetworkEstimator> {
    let settings = EstimatorSettings {
        shape: NetworkShape {
            kind: NetworkKind::Cifar,
            channels: measurement.channels,
            cells: measurement.cells,
            classes: data.classes.len(),
        },
        affine: true,
        learner: LearnerSettings {
            batch: measurement.batch,
            validation_batch: VALIDATION_BATCH,
            training: Augmentation { padding: 4, flip: true, cutout: 16 },
            validation: Augmentation::NONE,
        },
        one_shot: false,
        judge: Judge::ValidationLoss,
        statistics: 0,
        sgd: SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0 },
        seed: 0,
        precision: measurement.precision,
        sharing,
    };
    let half = data.train.len() / 2;
    let train = images(data, 0, measurement.train_images).context("the training half")?;
    let valid = images(data, half, measurement.valid_images).context("the validation half")?;
    Ok(NetworkEstimator::new(settings, &train, &valid, device)?)
}

/// Consecutive training images of a data set.
fn images(data: &DataSet, start: usize, count: usize) -> anyhow::Result<ImageSet> {
    let (half, stride) = (data.train.len() / 2, data.train.stride());
    anyhow::ensure!(count <= half, "{} has {half} images in each half; {count} are too many", data.name);
    let side = data.train.side as i64;
    let labels: Vec<i64> = data.train.labels[start..start + count].iter().map(|&l| i64::from(l)).collect();
    Ok(ImageSet {
        images: Tensor::f_from_data_size(
            &data.train.pixels[start * stride..(start + count) * stride],
            &[count as i64, 3, side, side],
            Kind::Uint8,
        )?,
        labels: Tensor::f_from_slice(&labels)?,
        mean: data.mean,
        std: data.std,
        classes: data.classes.len(),
    })
}

fn estimation(pair: usize, genotypes: &[Genotype]) -> anyhow::Result<Estimation> {
    let candidate = |(slot, genotype): (usize, &Genotype)| {
        let number = 2 * pair + slot;
        let position = genotype.encode().with_context(|| format!("genotype {}", number + 1))?;
        Ok(Candidate { individual: IndividualId(number), position })
    };
    Ok(Estimation {
        stage: Stage::Search,
        generation: 0,
        pair,
        repeat: 0,
        learning_rate: 0.1,
        drop_path: 0.1,
        candidates: genotypes.iter().enumerate().map(candidate).collect::<anyhow::Result<_>>()?,
    })
}

/// A verdict by which the better genotype gives all its modules, the other only those that it alone has.
fn verdict(estimates: &[Estimate]) -> Verdict {
    let mut gives: Vec<_> =
        (0..estimates.len()).map(Slot).filter(|&i| estimates[i].loss.is_finite()).collect();
    gives.sort_by(|&a, &b| estimates[a].loss.order(estimates[b].loss));
    Verdict { fast: gives.first().copied(), slow: gives.get(1).copied(), gives }
}

/// The times at which each candidate of an estimation ended its training and its validation.
struct CandidateTimes {
    start: Instant,
    device: Device,
    ends: Mutex<Vec<[Duration; 2]>>,
}

impl CandidateTimes {
    fn start(candidates: usize, device: Device) -> Self {
        Self { start: Instant::now(), device, ends: Mutex::new(vec![[Duration::ZERO; 2]; candidates]) }
    }

    fn note(&self, slot: Slot, done: BatchDone) -> Flow {
        if done.batch == done.batches {
            device::wait(self.device); // Its last batches may still be queued on the device.
        }
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends[slot.0][usize::from(done.validating)] = self.start.elapsed();
        Flow::Go
    }

    fn ends(&self) -> Vec<[Duration; 2]> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The time that was spent on each kind of work.
#[derive(Default)]
struct Spent {
    training: Duration,
    validation: Duration,
}

impl Spent {
    /// Adds the time that each candidate took, given when it ended its training and its validation.
    /// Candidates that are estimated at once count with a part of the time each; otherwise each begins when
    /// the one before has ended.
    fn add(&mut self, ends: &[[Duration; 2]], at_once: bool) {
        let parts = if at_once { ends.len().max(1) as u32 } else { 1 };
        let mut begin = Duration::ZERO;
        for &[trained, validated] in ends {
            self.training += trained.saturating_sub(begin) / parts;
            self.validation += validated.saturating_sub(trained) / parts;
            if !at_once {
                begin = validated;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn measurement(train_images: usize) -> Measurement {
        let genotype = |i| Genotype::decode(&sample_position(Space::Cells, &Streams::new(3), 0, i)).unwrap();
        Measurement {
            genotypes: IndividualId::all(3).map(genotype).collect(),
            train_images,
            valid_images: 5,
            batch: 4,
            channels: 4,
            cells: 3,
            device: DeviceChoice::Cpu,
            precision: Precision::F32,
            threads: 2,
        }
    }

    #[test]
    fn time_is_spent_once_whether_at_once_or_in_turns() {
        let spent = |ends: [[u64; 2]; 2], at_once| {
            let mut spent = Spent::default();
            spent.add(&ends.map(|candidate| candidate.map(Duration::from_secs)), at_once);
            (spent.training.as_secs(), spent.validation.as_secs())
        };
        assert_eq!(spent([[10, 12], [10, 12]], true), (10, 2));
        assert_eq!(spent([[10, 12], [22, 24]], false), (20, 4));
    }

    #[test]
    fn the_report_has_the_keys_of_the_yardstick() {
        let data = crate::data::open(None).unwrap();
        let report = measure(&measurement(8), &data).unwrap();
        assert_eq!((report.learners, report.losses.len(), report.threads), (3, 3, 2));
        let rates = [report.train_images_per_second, report.valid_images_per_second];
        assert!(rates.iter().all(|&rate| rate > report.images_per_second / 10.0), "{report:?}");
        let json = serde_json::to_value(&report).unwrap();
        let keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        let expected = [
            "images_per_second",
            "learners",
            "losses",
            "seconds",
            "threads",
            "torch",
            "train_images_per_second",
            "valid_images_per_second",
        ];
        let mut sorted = keys.clone();
        sorted.sort();
        assert_eq!(sorted, expected);
    }

    #[test]
    fn genotypes_concatenate_all_nodes_unless_they_say_otherwise() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let cell = r#"[["skip_connect",0],["skip_connect",1],["skip_connect",0],["skip_connect",1],
            ["skip_connect",0],["skip_connect",1],["sep_conv_3x3",0],["skip_connect",1]]"#;
        write!(file, r#"[{{"normal": {cell}, "reduce": {cell}, "reduce_concat": [3, 5]}}]"#).unwrap();
        let genotypes = read_genotypes(file.path()).unwrap();
        assert_eq!(genotypes[0].normal.concat, [2, 3, 4, 5]);
        assert_eq!(genotypes[0].reduction.concat, [3, 5]);
        write!(file, "]").unwrap();
        let error = format!("{:#}", read_genotypes(file.path()).unwrap_err());
        assert!(error.contains("is no list of genotypes") && error.contains("line 3"), "{error}");
    }

    #[test]
    fn more_images_than_there_are_is_an_error() {
        let data = crate::data::open(None).unwrap();
        let error = format!("{:#}", measure(&measurement(1_000_000), &data).unwrap_err());
        assert!(error.contains("1000000 are too many"), "{error}");
    }
}
