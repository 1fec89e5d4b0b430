//! From a manifest to a search that can begin or go on: data, split, device, estimator.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use relativenas_core::{
    config::Config,
    event::{Event, Images},
    manifest::{BUILD, EngineFacts, Manifest},
    randomness::Streams,
    search::Search,
    weight_set::WeightSet,
};
use tch::{Device, Kind, Tensor};

use super::{
    checkpoint::{Progress, State},
    searching,
};
use crate::{
    augmentation::Augmentation,
    data::{self, DataSet, Split},
    device::{self, DeviceChoice},
    estimator::{EstimatorSettings, NetworkEstimator},
    images::ImageSet,
    learner::LearnerSettings,
    optimizer::SgdSettings,
};

/// Images of a validation step unless a setting says otherwise: it changes speed and memory only.
const VALIDATION_BATCH: usize = 256;

/// A search and what estimates for it.
pub struct SearchJob {
    pub search: Search,
    pub estimator: NetworkEstimator,
    /// Events of a beginning that are not in the log yet; empty when a run goes on.
    pub opening: Vec<Event>,
}

/// Reads the data, finds the device, and puts the run where it was.
///
/// # Errors
/// If the data, the device or the checkpoint is not what the manifest asks for.
pub fn prepare(
    manifest: &Manifest,
    checkpoint: Option<(State, BTreeMap<String, Tensor>)>,
) -> anyhow::Result<(SearchJob, EngineFacts)> {
    let config = &manifest.config;
    let streams = Streams::new(config.search.seed);
    let chosen = config.device.kind.parse::<DeviceChoice>()?.resolve()?;
    let path = (!config.data.path.is_empty()).then(|| Path::new(&config.data.path));
    let data = data::open(path)?;
    let split = data::split(data.train.len(), config.data.train_images, config.data.valid_images, &streams)?;
    let settings = estimator_settings(config, data.classes.len(), chosen);
    let facts = facts(config, &data, &split, &settings, chosen);
    if let Some(before) = &manifest.engine {
        same_inputs(before, &facts)?;
    }
    let images = Images {
        name: data.name.clone(),
        train: split.train.len(),
        valid: split.valid.len(),
        classes: data.classes.len(),
    };
    let search_settings = config.search_settings(images.classes);
    let (search, weights, opening) = match checkpoint {
        None => {
            let (search, events) = Search::new(search_settings.clone())?;
            let started = Event::SearchStarted {
                settings: search_settings,
                network: Some(config.search_network(images.classes)),
                images,
                batch: config.training.batch,
            };
            (search, WeightSet::default(), std::iter::once(started).chain(events).collect())
        }
        Some((State { progress: Progress::Search { search, trained }, .. }, tensors)) => {
            let tensors = device::place_all(tensors, chosen)?;
            let weights = searching::restore(&trained, tensors).context("the checkpoint's weights")?;
            (Search::resume(search_settings, search)?, weights, Vec::new())
        }
    };
    let train = image_set(&data, &data.train, &split.train)?;
    let valid = image_set(&data, &data.train, &split.valid)?;
    let estimator = NetworkEstimator::new(settings, &train, &valid, chosen)?.with_weights(weights);
    Ok((SearchJob { search, estimator, opening }, facts))
}

fn estimator_settings(config: &Config, classes: usize, chosen: Device) -> EstimatorSettings {
    let training = Augmentation {
        padding: config.data.crop_padding,
        flip: config.data.flip,
        cutout: config.data.cutout,
    };
    let threads = device::threads(config.device.threads);
    // On the CPU two learners share the cores; a CUDA device wants one thread each to feed it.
    let parallel_learners = config.device.parallel_learners && (threads > 1 || chosen.is_cuda());
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
        parallel_learners,
        threads_per_learner: if parallel_learners { threads.div_ceil(2) } else { threads },
    }
}

/// The chosen images of a data set as tensors.
fn image_set(data: &DataSet, images: &data::Images, chosen: &[usize]) -> anyhow::Result<ImageSet> {
    let mut pixels = Vec::with_capacity(chosen.len() * images.stride());
    for &index in chosen {
        pixels.extend_from_slice(images.image(index));
    }
    let labels: Vec<i64> = chosen.iter().map(|&index| i64::from(images.labels[index])).collect();
    let (count, side) = (chosen.len() as i64, images.side as i64);
    Ok(ImageSet {
        images: Tensor::f_from_data_size(&pixels, &[count, 3, side, side], Kind::Uint8)?,
        labels: Tensor::f_from_slice(&labels)?,
        mean: data.mean,
        std: data.std,
        classes: data.classes.len(),
    })
}

fn facts(
    config: &Config,
    data: &DataSet,
    split: &Split,
    settings: &EstimatorSettings,
    chosen: Device,
) -> EngineFacts {
    let data_fingerprint = data.fingerprint();
    let split_fingerprint = split.fingerprint();
    // What two runs must share for their losses to be comparable. How the work is spread over a
    // device is not among it.
    let protocol = (
        &data_fingerprint,
        &split_fingerprint,
        &config.network,
        &config.training,
        (config.data.crop_padding, config.data.flip, config.data.cutout, config.data.augment_validation),
        config.device.precision,
    );
    let protocol = serde_json::to_vec(&protocol).unwrap_or_default();
    EngineFacts {
        build: BUILD.to_owned(),
        libtorch: device::LIBTORCH.to_owned(),
        device: device::name(chosen),
        threads: device::threads(config.device.threads),
        validation_batch: settings.learner.validation_batch,
        data: data.name.clone(),
        data_fingerprint,
        split_fingerprint,
        protocol_hash: blake3::hash(&protocol).to_hex()[..16].to_owned(),
    }
}

/// A run goes on only with the images that it began with.
fn same_inputs(before: &EngineFacts, now: &EngineFacts) -> anyhow::Result<()> {
    anyhow::ensure!(
        before.data_fingerprint == now.data_fingerprint,
        "the images of {} are not those that the run began with (fingerprint {}, then {}); \
         put the original files back, or start a new run",
        now.data,
        &now.data_fingerprint[..16],
        &before.data_fingerprint[..16.min(before.data_fingerprint.len())],
    );
    anyhow::ensure!(
        before.split_fingerprint == now.split_fingerprint,
        "the split of the images is not the one that the run began with"
    );
    Ok(())
}
