//! `data`: what a data set is, and what is wrong with it.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Subcommand;

use crate::data::check::{Checked, Sizes, check};

#[derive(Debug, clap::Args)]
pub struct DataArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read everything in a folder, pictures included; it fails if anything is wrong
    Check {
        /// Pascal VOC, Cityscapes, COCO keypoints, or labelled images
        folder: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Checks a data set and prints what it holds.
///
/// # Errors
/// If no data set is known in the folder, or something is wrong with it.
pub fn data(arguments: &DataArguments) -> anyhow::Result<()> {
    let Action::Check { folder, json } = &arguments.action;
    let checked = check(folder)?;
    if *json {
        super::print_line(&serde_json::to_string(&checked).context("the result cannot be written")?)?;
    } else {
        super::print_line(&in_words(&checked))?;
    }
    match checked.faults.len() + checked.more_faults {
        0 => Ok(()),
        1 => bail!("`{}` has 1 fault", folder.display()),
        faults => bail!("`{}` has {faults} faults", folder.display()),
    }
}

fn in_words(checked: &Checked) -> String {
    let Checked { kind, task, classes, train_images, valid_images, test_images, .. } = checked;
    let mut lines = vec![
        format!("{kind} ({task}), {classes} classes: {}", first_names(&checked.class_names)),
        format!("images: {train_images} for training, {valid_images} for validation, {test_images} for test"),
    ];
    if let Some(Sizes { least, greatest }) = checked.sizes {
        let size = |[width, height]: [usize; 2]| format!("{width}×{height}");
        let all_alike = least == greatest;
        let more = if all_alike { String::new() } else { format!(" to {}", size(greatest)) };
        lines.push(format!("sizes: {}{more} pixels", size(least)));
    }
    lines.extend(checked.counts.iter().map(|(what, number)| format!("  {what}: {number}")));
    lines.extend(checked.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(checked.faults.iter().map(|fault| format!("fault: {fault}")));
    if checked.more_faults > 0 {
        lines.push(format!("and {} more faults", checked.more_faults));
    }
    lines.join("\n")
}

/// A list of names, cut off after the first few.
fn first_names(names: &[String]) -> String {
    match names.len() {
        0..=20 => names.join(", "),
        more => format!("{}, … and {} more", names[..20].join(", "), more - 20),
    }
}
