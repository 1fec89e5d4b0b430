//! What every kind of run begins with: data, split, device, and what the manifest says of them.

use std::path::Path;

use relativenas_core::{
    config::Config,
    event,
    manifest::{BUILD, EngineFacts, Manifest},
    randomness::Streams,
};
use serde::Serialize;
use tch::{Device, Kind, Tensor};

use crate::{
    data::{self, DataError, DataSet, Split},
    device::{self, DeviceChoice},
    images::ImageSet,
};

/// Images of a validation step unless a setting says otherwise: it changes speed and memory only.
pub const VALIDATION_BATCH: usize = 256;

/// The images of a run and the device that it works on.
pub struct Inputs {
    pub data: DataSet,
    pub split: Split,
    pub device: Device,
    /// Of the CPU.
    pub threads: usize,
}

impl Inputs {
    /// Reads the data and finds the device. `split` divides the training images, given how many
    /// there are.
    ///
    /// # Errors
    /// If the data or the device is not what the settings ask for.
    pub fn read(
        config: &Config,
        seed: u64,
        split: impl FnOnce(usize, &Streams) -> Result<Split, DataError>,
    ) -> anyhow::Result<Self> {
        let device = config.device.kind.parse::<DeviceChoice>()?.resolve()?;
        let path = (!config.data.path.is_empty()).then(|| Path::new(&config.data.path));
        let data = data::open(path)?;
        let split = split(data.train.len(), &Streams::new(seed))?;
        Ok(Self { data, split, device, threads: device::threads(config.device.threads) })
    }

    pub fn images(&self) -> event::Images {
        event::Images {
            name: self.data.name.clone(),
            train: self.split.train.len(),
            valid: self.split.valid.len(),
            classes: self.data.classes.len(),
        }
    }

    /// Those images of the split that are trained on.
    ///
    /// # Errors
    /// If memory runs out.
    pub fn train(&self) -> anyhow::Result<ImageSet> {
        image_set(&self.data, &self.data.train, &self.split.train)
    }

    /// Those that are kept apart.
    ///
    /// # Errors
    /// If memory runs out.
    pub fn valid(&self) -> anyhow::Result<ImageSet> {
        image_set(&self.data, &self.data.train, &self.split.valid)
    }

    /// # Errors
    /// If memory runs out.
    pub fn test(&self) -> anyhow::Result<ImageSet> {
        let all: Vec<_> = (0..self.data.test.len()).collect();
        image_set(&self.data, &self.data.test, &all)
    }

    /// What only the engine knows. `protocol`, the data and the split are what two runs must share for
    /// their losses to be comparable.
    ///
    /// # Errors
    /// If the run began with other images than these.
    pub fn facts(
        &self,
        manifest: &Manifest,
        validation_batch: usize,
        protocol: &impl Serialize,
    ) -> anyhow::Result<EngineFacts> {
        let data_fingerprint = self.data.fingerprint();
        let split_fingerprint = self.split.fingerprint();
        let protocol =
            serde_json::to_vec(&(&data_fingerprint, &split_fingerprint, protocol)).unwrap_or_default();
        let facts = EngineFacts {
            build: BUILD.to_owned(),
            libtorch: device::LIBTORCH.to_owned(),
            device: device::name(self.device),
            threads: self.threads,
            validation_batch,
            data: self.data.name.clone(),
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
