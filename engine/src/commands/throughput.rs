//! `throughput`: how fast this machine carries out a search's estimations.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use relativenas_core::config::Precision;

use crate::{
    data,
    device::DeviceChoice,
    throughput::{Measurement, measure, random_genotypes, read_genotypes},
};

/// What is measured, with the argument names of the PyTorch program that it is compared with.
#[derive(Args)]
pub struct ThroughputArguments {
    /// Folder of a data set [default: the embedded Fashion-MNIST]
    #[arg(long)]
    data: Option<PathBuf>,
    /// File with a JSON list of {normal: [[operation, input] × 8], reduce: …} [default: four random genotypes]
    #[arg(long)]
    genotypes: Option<PathBuf>,
    /// Training images of each learner
    #[arg(long, default_value_t = 1024)]
    train_images: usize,
    /// Validation images of each learner
    #[arg(long, default_value_t = 1024)]
    valid_images: usize,
    /// Images in a training step
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Channels of a node in the first cells
    #[arg(long, default_value_t = 16)]
    channels: usize,
    /// Cells of the network
    #[arg(long, default_value_t = 8)]
    layers: usize,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Precision of feature maps and convolutions, f32 or bf16
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// Threads of the CPU; 0 takes as many as there are cores
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Print one JSON object, with the keys of the PyTorch program
    #[arg(long)]
    json: bool,
}

/// Measures the throughput and prints one line.
///
/// # Errors
/// If the data or the genotypes cannot be read, or the device fails.
pub fn throughput(arguments: &ThroughputArguments) -> anyhow::Result<()> {
    let measurement = Measurement {
        genotypes: arguments.genotypes.as_deref().map_or_else(|| Ok(random_genotypes()), read_genotypes)?,
        train_images: arguments.train_images,
        valid_images: arguments.valid_images,
        batch: arguments.batch,
        channels: arguments.channels,
        cells: arguments.layers,
        device: arguments.device.parse::<DeviceChoice>()?,
        precision: arguments.precision,
        threads: arguments.threads,
    };
    let data = data::open(arguments.data.as_deref())?;
    let measured = measure(&measurement, &data)?;
    if arguments.json {
        println!("{}", serde_json::to_string(&measured).context("the measurement as JSON")?);
        return Ok(());
    }
    println!(
        "{} learners in {} s: {} images/s trained, {} images/s validated, {} images/s in all",
        measured.learners,
        measured.seconds,
        measured.train_images_per_second,
        measured.valid_images_per_second,
        measured.images_per_second
    );
    Ok(())
}
