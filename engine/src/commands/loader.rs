//! `loader`: how fast this machine makes photographs ready for a network.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, value_parser};

use crate::loading::{LoadingRate, LoadingWork, made_photos, measure};

/// The most photographs that are made; they take about 10 GB.
const MOST_MADE: usize = 100_000;

/// What is measured. The Python program beside the benchmarks takes the same names.
#[derive(Args)]
pub struct LoaderArguments {
    /// Folder with photographs or LMDB, of which those to train on are read [default: photographs of
    /// 500x375 that are made for this]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Photographs in a pass; 0 takes all of the folder
    #[arg(long, default_value_t = 256)]
    images: usize,
    /// Height and width in pixels that a network gets
    #[arg(long, default_value_t = 224, value_parser = value_parser!(u16).range(1..=4096))]
    side: u16,
    /// Photographs in a batch
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u16).range(1..))]
    batch: u16,
    /// Threads that decode
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// Passes after the first one, of which the median is printed
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u16).range(1..))]
    passes: u16,
    /// Crop the middle as in validation, instead of a random part that is mirrored and coloured
    #[arg(long)]
    validation: bool,
    /// Write the photographs that are made to this folder, and keep them
    #[arg(long, value_name = "FOLDER", conflicts_with = "data")]
    keep: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Measures the rate and prints one line.
///
/// # Errors
/// If the photographs cannot be made, read or decoded.
pub fn loader(arguments: &LoaderArguments) -> anyhow::Result<()> {
    let work = LoadingWork {
        images: arguments.images,
        batch: arguments.batch.into(),
        side: arguments.side.into(),
        threads: arguments.threads.into(),
        passes: arguments.passes.into(),
        training: !arguments.validation,
    };
    let rate = match (&arguments.data, &arguments.keep) {
        (Some(data), _) => measure(data, &work)?,
        (None, Some(folder)) => {
            check_is_new(folder)?;
            measure_made(folder, &work)?
        }
        (None, None) => {
            let scratch = tempfile::tempdir().context("cannot make a folder for photographs")?;
            measure_made(scratch.path(), &work)?
        }
    };
    super::print_line(&if arguments.json {
        serde_json::to_string(&rate).context("the rate as JSON")?
    } else {
        format!(
            "{:.0} photographs/s with {} of decoding; {:.0}/s in the first pass, which checks every file ({} photographs, \
             {} kB each on average)",
            rate.images_per_second,
            if rate.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", rate.threads) },
            rate.first_pass,
            rate.images,
            rate.bytes / 1000
        )
    })
}

fn check_is_new(folder: &Path) -> anyhow::Result<()> {
    match folder.read_dir() {
        Ok(mut entries) => {
            ensure!(entries.next().is_none(), "`{}` is not empty: name a new folder", folder.display());
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", folder.display())),
    }
}

/// Measures with photographs that are made in this folder.
fn measure_made(folder: &Path, work: &LoadingWork) -> anyhow::Result<LoadingRate> {
    if !(1..=MOST_MADE).contains(&work.images) {
        bail!(
            "--images is from 1 to {MOST_MADE} where photographs are made; name a folder of others with --data"
        );
    }
    made_photos::write(folder, work.images)?;
    measure(folder, work)
}
