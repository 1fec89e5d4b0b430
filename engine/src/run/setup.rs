//! The beginning that all kinds of runs have in common: a split of the images, a device, and a description of
//! both for the manifest.

use std::path::Path;

use anyhow::Context as _;
use relativenas_core::{
    config::Config,
    event,
    genotype::Genotype,
    manifest::{BUILD, EngineFacts, Manifest},
    randomness::Streams,
};
use serde::Serialize;
use tch::Device;

use crate::{
    data::{self, DataError, DataSet, EncodedDataSet, Split},
    device,
    ranks::RankPlace,
    table::PacedTable,
};

/// The number of images in a validation step unless a setting says otherwise: it changes speed and memory
/// only.
pub const VALIDATION_BATCH: usize = 256;

/// The genotype whose full network a training trains.
///
/// # Errors
/// If the manifest has none.
pub fn genotype(manifest: &Manifest) -> anyhow::Result<&Genotype> {
    manifest.genotype.as_ref().context("run.toml has no genotype to train; begin a new training")
}

/// The description of a data set, without its images.
pub struct About {
    pub name: String,
    pub classes: usize,
    /// The number of images in the training part.
    pub images: usize,
    pub fingerprint: String,
    /// Sentences about what is unusual; see [`DataSet::notes`].
    pub notes: Vec<String>,
}

impl From<&DataSet> for About {
    fn from(data: &DataSet) -> Self {
        Self {
            name: data.name.clone(),
            classes: data.classes.len(),
            images: data.train.len(),
            fingerprint: data.fingerprint(),
            notes: data.notes.clone(),
        }
    }
}

impl From<&EncodedDataSet> for About {
    fn from(data: &EncodedDataSet) -> Self {
        Self {
            name: data.name.clone(),
            classes: data.classes.len(),
            images: data.train.len(),
            fingerprint: data.fingerprint(),
            notes: data.notes.clone(),
        }
    }
}

/// Reads the data set of the settings into memory. Faulty photographs are left out as far as the settings
/// allow.
///
/// # Errors
/// If there is no data set, or something is wrong with it.
pub fn open(config: &Config) -> Result<DataSet, DataError> {
    let options = data::ReadOptions { skip_faulty: config.data.skip_faulty, ..data::ReadOptions::default() };
    data::open_with(Some(Path::new(&config.data.path)), &options)
}

/// The images of a run and the devices that it works on.
pub struct Inputs {
    pub about: About,
    pub split: Split,
    /// The devices; at least one.
    pub devices: Vec<Device>,
    /// The number of CPU threads.
    pub threads: usize,
}

impl Inputs {
    /// Finds the devices of a rank that estimates `learners` at once, and divides the training images with
    /// `split`, which receives their number.
    ///
    /// # Errors
    /// If a device or the split is not what the settings ask for.
    pub fn of_rank(
        about: About,
        config: &Config,
        seed: u64,
        (place, learners): (RankPlace, usize),
        split: impl FnOnce(usize, &Streams) -> Result<Split, DataError>,
    ) -> anyhow::Result<Self> {
        for note in about.notes.iter().filter(|_| place.on_host == 0) {
            super::log_line(note);
        }
        let devices = device::all_of_rank(&config.device.kind, place, learners)?;
        let split = split(about.images, &Streams::new(seed))?;
        Ok(Self { about, split, devices, threads: device::threads_of_rank(config.device.threads, place) })
    }

    /// The first device.
    pub fn device(&self) -> Device {
        self.devices[0]
    }

    /// The numbers of images, for the first event.
    pub fn images(&self) -> event::Images {
        event::Images {
            name: self.about.name.clone(),
            train: self.split.train.len(),
            valid: self.split.valid.len(),
            classes: self.about.classes,
        }
    }

    /// The facts about a run that only the engine can determine. `protocol`, the data and the sizes of the
    /// split are what two runs must have in common for their losses to be comparable.
    ///
    /// # Errors
    /// If the run began with other images than these.
    pub fn facts(
        &self,
        manifest: &Manifest,
        validation_batch: usize,
        protocol: &impl Serialize,
    ) -> anyhow::Result<EngineFacts> {
        let data_fingerprint = self.about.fingerprint.clone();
        let split_fingerprint = self.split.fingerprint();
        let sizes = (self.split.train.len(), self.split.valid.len());
        let protocol = serde_json::to_vec(&(&data_fingerprint, sizes, protocol)).unwrap_or_default();
        let facts = EngineFacts {
            build: BUILD.to_owned(),
            libtorch: device::LIBTORCH.to_owned(),
            device: device::names(&self.devices),
            threads: self.threads,
            validation_batch,
            data: self.about.name.clone(),
            data_fingerprint,
            split_fingerprint,
            protocol_hash: blake3::hash(&protocol).to_hex()[..16].to_owned(),
        };
        if let Some(before) = &manifest.engine {
            same_inputs(before, &facts)?;
        }
        Ok(facts)
    }
}

/// The facts about a search that uses a table.
///
/// # Errors
/// If the run began with another table.
pub fn table_facts(manifest: &Manifest, table: &PacedTable) -> anyhow::Result<EngineFacts> {
    let fingerprint = table.fingerprint();
    let facts = EngineFacts {
        build: BUILD.to_owned(),
        libtorch: device::LIBTORCH.to_owned(),
        device: "a table".to_owned(),
        // A table needs no threads.
        threads: 0,
        validation_batch: 0,
        data: table.name(),
        // A table has no images to split.
        split_fingerprint: String::new(),
        protocol_hash: fingerprint[..16].to_owned(),
        data_fingerprint: fingerprint,
    };
    if let Some(before) = &manifest.engine {
        same_inputs(before, &facts)?;
    }
    Ok(facts)
}

/// Checks that a run continues with the images that it began with.
fn same_inputs(before: &EngineFacts, now: &EngineFacts) -> anyhow::Result<()> {
    anyhow::ensure!(
        before.data_fingerprint == now.data_fingerprint,
        "the images of {} are not those that the run began with (their fingerprint is {}, and was {}); \
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
