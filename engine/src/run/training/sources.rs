//! The images of a training: small ones in memory, or photographs that are decoded as they are needed.

use std::path::Path;

use anyhow::ensure;
use relativenas_core::{config::Config, network::NetworkKind};

use crate::{
    augmentation::ImageStore,
    data::{self, DataSet, EncodedDataSet, IMAGENET_STATISTICS, Images},
    images::ImageSet,
    ranks::Place,
    run::setup::{self, About, Inputs},
    training::{Photos, Source},
};

/// The images that a network is trained on, validated on, and tested on.
pub struct Sources {
    pub inputs: Inputs,
    pub normalised: Normalised,
    pub train: Source,
    /// Validation images; empty if none are set apart.
    pub valid: Source,
    pub test: Source,
}

/// The classes and the normalisation that a network is trained with.
pub struct Normalised {
    /// The names of the classes, in the order of their labels.
    pub classes: Vec<String>,
    /// Mean of each channel, where pixels count from 0 to 1; the standard deviation follows.
    pub mean: [f32; 3],
    pub std: [f32; 3],
}

impl Sources {
    /// Opens the data set of the settings for a rank on its device, in the way that the kind of network
    /// needs.
    ///
    /// # Errors
    /// If there is no data set, it does not fit the kind of network, or the device fails.
    pub fn open(config: &Config, place: Place) -> anyhow::Result<Self> {
        let path = Path::new(&config.data.path);
        match config.retrain.kind {
            NetworkKind::Cifar => Self::small(config, place, &setup::open(config)?),
            NetworkKind::Imagenet => {
                ensure!(
                    !config.data.path.is_empty(),
                    "retrain.kind = \"imagenet\" is for photographs, and the embedded images are none; set \
                     data.path to a folder with train and val, or to what `relativenas pack` made of one"
                );
                Self::photos(config, place, &data::open_encoded(path)?)
            }
        }
    }

    fn small(config: &Config, place: Place, data: &DataSet) -> anyhow::Result<Self> {
        ensure!(
            data.train.side == NetworkKind::Cifar.image_side(),
            "{} has images of {} pixels, and retrain.kind = \"cifar\" is for images of 32: resize them to 32 pixels \
             or fewer, which are framed in black",
            data.name,
            data.train.side,
        );
        let inputs = inputs(config, place, About::from(data))?;
        let source = |images: &Images, chosen: &[usize], padding| -> anyhow::Result<Source> {
            let set = ImageSet::of(data, images, chosen)?;
            Ok(Source::Memory(ImageStore::new(&set, padding, inputs.device())?))
        };
        let all: Vec<_> = (0..data.test.len()).collect();
        Ok(Self {
            train: source(&data.train, &inputs.split.train, config.data.crop_padding)?,
            valid: source(&data.train, &inputs.split.valid, 0)?,
            test: source(&data.test, &all, 0)?,
            normalised: Normalised { classes: data.classes.clone(), mean: data.mean, std: data.std },
            inputs,
        })
    }

    fn photos(config: &Config, place: Place, data: &EncodedDataSet) -> anyhow::Result<Self> {
        let inputs = inputs(config, place, About::from(data))?;
        let (mean, std) = IMAGENET_STATISTICS;
        let source = |images, chosen| {
            let side = NetworkKind::Imagenet.image_side();
            let (threads, device) = (inputs.threads, inputs.device());
            Source::Photos(Photos { images, chosen, side, threads, device })
        };
        Ok(Self {
            train: source(data.train.clone(), inputs.split.train.clone()),
            valid: source(data.train.clone(), inputs.split.valid.clone()),
            test: source(data.valid.clone(), (0..data.valid.len()).collect()),
            normalised: Normalised { classes: data.classes.clone(), mean, std },
            inputs,
        })
    }
}

fn inputs(config: &Config, place: Place, about: About) -> anyhow::Result<Inputs> {
    let (train, valid) = (config.data.train_images, config.data.valid_images);
    Inputs::of_rank(about, config, config.retrain.seed, (place, 1), |images, streams| {
        data::hold_out(images, config.retrain.valid_share, train, valid, streams)
    })
}
