//! Trains a full network on the embedded images, with nothing but the engine's library.
//!
//! ```text
//! cargo run --release -p relativenas-engine --example train -- [GENOTYPE] [EPOCHS]
//! ```
//!
//! GENOTYPE is a published name (default RelativeNAS), EPOCHS a number (default 2). The network is a
//! small one, of five cells and four channels, so that an epoch takes seconds on a CPU.

use anyhow::Context as _;
use relativenas_core::{
    config::Layers,
    network::{NetworkKind, NetworkShape},
    published,
    search::Flow,
};
use relativenas_engine::{
    allocator,
    augmentation::{Augmentation, ImageStore},
    data::{self, LabelledImages},
    device,
    images::ImageSet,
    network::Plan,
    optimizer::SgdSettings,
    ranks::Alone,
    training::{ImageSource, RetrainSchedule, Trainer, TrainerSettings, TrainingLoss, evaluate},
};
use tch::Device;

/// The number of images that the network is trained on, and of those that it is tested on.
const IMAGES: (usize, usize) = (2000, 500);
const PADDING: usize = 4;

fn main() -> anyhow::Result<()> {
    allocator::keep_freed_memory();
    let mut arguments = std::env::args().skip(1);
    let genotype = published::find(arguments.next().as_deref().unwrap_or("RelativeNAS"))?;
    let epochs = arguments.next().map_or(Ok(2), |text| text.parse());
    let epochs = epochs.context("the second argument is a number of epochs")?;

    let data = data::open(None)?;
    let source = |images: &LabelledImages, count: usize, padding| -> anyhow::Result<ImageSource> {
        let chosen: Vec<_> = (0..count.min(images.len())).collect();
        let set = ImageSet::of(&data, images, &chosen)?;
        Ok(ImageSource::Memory(ImageStore::new(&set, padding, Device::Cpu)?))
    };
    let (train, test) = (source(&data.train, IMAGES.0, PADDING)?, source(&data.test, IMAGES.1, 0)?);

    let shape = NetworkShape { kind: NetworkKind::Cifar, channels: 4, cells: 5, classes: data.classes.len() };
    shape.check()?;
    let mut config = Layers::built_in().config()?;
    config.retrain.epochs = epochs;
    let threads = device::threads(0);
    device::set_threads_of_this_thread(threads);
    let settings = TrainerSettings {
        batch: 50,
        augmentation: Augmentation { padding: PADDING, flip: true, cutout: 0 },
        schedule: RetrainSchedule::of(&config.retrain),
        loss: TrainingLoss { label_smoothing: 0.0, auxiliary_weight: 0.0 },
        sgd: SgdSettings {
            momentum: config.retrain.momentum,
            weight_decay: config.retrain.weight_decay,
            clip: config.retrain.gradient_clip,
        },
        precision: config.device.precision,
        threads,
        seed: 0,
    };

    let mut trainer = Trainer::new(Plan::full(&genotype, &shape, false), settings, Device::Cpu)?;
    for epoch in 0..epochs {
        for batch in train.training(trainer.feed(), epoch, 0)? {
            trainer.step(&batch?)?;
        }
        let trained = trainer.figures()?;
        let judged = evaluate(&trainer.frozen()?, &test, 100, usize::MAX, &Alone, &|_| Flow::Go)?;
        let judged = judged.context("the evaluation was cut short")?;
        println!(
            "epoch {epoch}: training loss {:.3}, test loss {:.3}, test accuracy {:.1} %",
            trained.loss, judged.loss, judged.top1
        );
        trainer.next_epoch()?;
    }
    Ok(())
}
