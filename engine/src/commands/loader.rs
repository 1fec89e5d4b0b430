//! `loader`: how fast this machine makes photographs ready for a network.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, value_parser};

use crate::loading::{LoadingWork, made_photos, measure};

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
    #[arg(long, default_value_t = 224, value_parser = value_parser!(u16).range(1..))]
    side: u16,
    /// Photographs in a batch
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u16).range(1..))]
    batch: u16,
    /// Threads that decode
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u16).range(1..))]
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
            let is_new =
                !folder.exists() || folder.read_dir().is_ok_and(|mut entries| entries.next().is_none());
            anyhow::ensure!(is_new, "`{}` is not empty: name a new folder", folder.display());
            made_photos::write(folder, work.images)?;
            measure(folder, &work)?
        }
        (None, None) => {
            let scratch = tempfile::tempdir().context("cannot make a folder for photographs")?;
            made_photos::write(scratch.path(), work.images)?;
            measure(scratch.path(), &work)?
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
