//! `predict`: what a trained network predicts for pictures, as JSON and drawn on them.

mod draw;
mod font;
mod found;
mod load;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use relativenas_core::tasks::Task;
use serde_json::Value;

use super::evaluate::chip;
use crate::{
    data::picture::Picture,
    device::{self, DeviceChoice},
};

use draw::Drawing;
use load::Loaded;

#[derive(Debug, clap::Args)]
pub struct PredictArguments {
    /// JPEG or PNG files
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// Safetensors, or a checkpoint that `torch.save` wrote; files that a training of this program wrote describe
    /// their network, all others need --arch
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Task of the network [default: the one that the weights are for]
    #[arg(long, value_name = "TASK")]
    task: Option<Task>,
    /// A published name, a file with a genotype (FILE:NAME for one of several), or a genotype written out
    #[arg(long, value_name = "NAME|FILE")]
    arch: Option<String>,
    /// Names of the classes, by number, separated by commas
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    classes: Vec<String>,
    /// The data set that a classifier of small images was trained on, which says how they are normalised
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// For keypoints: boxes of people, as COCO's detections or annotations [default: one person in the whole picture]
    #[arg(long, value_name = "FILE")]
    boxes: Option<PathBuf>,
    /// Least score of the boxes that are reported, from 0 to 1
    #[arg(long, default_value = "0.3", value_name = "SHARE")]
    score: f64,
    /// Side in pixels of the square chips that segmentation sees, a multiple of 32 [default: as trained, else 1024]
    #[arg(long, value_name = "N", value_parser = chip)]
    chip: Option<u32>,
    /// The weights are the published ones of a task; see `evaluate --help`
    #[arg(long)]
    published: bool,
    /// Write the pictures with boxes, masks, skeletons or class names drawn on them into this folder
    #[arg(long, short = 'o', value_name = "FOLDER")]
    draw: Option<PathBuf>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: String,
}

/// Prints the predictions of a network as one JSON array, and draws them if asked to.
///
/// # Errors
/// If the weights, a picture or the device is not what was asked for, or a drawing cannot be written.
pub fn predict(arguments: &PredictArguments) -> anyhow::Result<()> {
    ensure!((0.0..=1.0).contains(&arguments.score), "--score {} is not between 0 and 1", arguments.score);
    let device = arguments.device.parse::<DeviceChoice>()?.resolve()?;
    device::set_threads_of_this_thread(device::threads(0));
    let loaded = Loaded::load(arguments, device)?;
    let people = arguments.boxes.as_deref().map(found::people_in).transpose()?;
    if let Some(folder) = &arguments.draw {
        fs::create_dir_all(folder).with_context(|| format!("`{}` cannot be made", folder.display()))?;
        refuse_equal_names(&arguments.images)?;
    }
    let mut all_entries = Vec::new();
    for file in &arguments.images {
        let picture = read(file)?;
        let (entries, drawing) = loaded.predict(file, &picture, people.as_ref(), arguments.score)?;
        all_entries.extend(entries);
        if let Some(folder) = &arguments.draw {
            write(folder, file, &picture, &drawing)?;
        }
    }
    super::print_line(&array(&all_entries))
}

/// Writes entries one to a line, so that the array is readable.
fn array(entries: &[Value]) -> String {
    let lines: Vec<_> = entries.iter().map(ToString::to_string).collect();
    if lines.is_empty() { "[]".to_owned() } else { format!("[\n{}\n]", lines.join(",\n")) }
}

fn read(file: &Path) -> anyhow::Result<Picture> {
    let bytes = fs::read(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    Picture::decode(&bytes).map_err(|problem| anyhow::anyhow!("`{}`: {problem}", file.display()))
}

/// Refuses pictures whose drawings would have the same name.
fn refuse_equal_names(images: &[PathBuf]) -> anyhow::Result<()> {
    let names: Vec<_> = images.iter().map(|image| stem(image)).collect();
    for (place, name) in names.iter().enumerate() {
        if let Some(first) = names[..place].iter().position(|other| other == name) {
            anyhow::bail!(
                "`{}` and `{}` would both be drawn to {name}.png; draw them into two folders",
                images[first].display(),
                images[place].display()
            );
        }
    }
    Ok(())
}

fn stem(image: &Path) -> String {
    image.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn write(folder: &Path, file: &Path, picture: &Picture, drawing: &Drawing) -> anyhow::Result<()> {
    let name = stem(file);
    let target = folder.join(format!("{name}.png"));
    let original = fs::canonicalize(file).ok().zip(fs::canonicalize(&target).ok());
    ensure!(
        original.is_none_or(|(from, to)| from != to),
        "`{}` is the picture itself; draw into another folder",
        target.display()
    );
    let drawn = drawing.on(picture);
    save(&target, drawn.width, drawn.height, png::ColorType::Rgb, &drawn.rgb)?;
    if let Some(ids) = &drawing.label_ids {
        let target = folder.join(format!("{name}_labelIds.png"));
        save(&target, picture.width, picture.height, png::ColorType::Grayscale, ids)?;
    }
    Ok(())
}

fn save(path: &Path, width: usize, height: usize, color: png::ColorType, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(color);
    let mut writer = encoder.write_header().context("the drawing cannot be encoded")?;
    writer.write_image_data(bytes).context("the drawing cannot be encoded")?;
    writer.finish().context("the drawing cannot be encoded")?;
    fs::write(path, file).with_context(|| format!("`{}` cannot be written", path.display()))
}

#[cfg(test)]
mod tests;
