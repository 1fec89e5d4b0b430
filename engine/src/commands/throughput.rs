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
    /// Folder of a data set; the embedded one without it.
    #[arg(long)]
    data: Option<PathBuf>,
    /// JSON list of {normal: [[operation, input] × 8], reduce: …}; four random ones without it.
    #[arg(long)]
    genotypes: Option<PathBuf>,
    #[arg(long, default_value_t = 1024)]
    train_images: usize,
    #[arg(long, default_value_t = 1024)]
    valid_images: usize,
    #[arg(long, default_value_t = 64)]
    batch: usize,
    #[arg(long, default_value_t = 16)]
    channels: usize,
    /// Cells of the network.
    #[arg(long, default_value_t = 8)]
    layers: usize,
    /// auto, cpu or cuda:N.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// f32 or bf16.
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// Of the CPU; 0: as many as there are cores.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// One JSON line with the yardstick's keys.
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
