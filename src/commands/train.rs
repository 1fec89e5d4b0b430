//! `train`: full networks, from scratch.

use std::{io::Write, process::ExitCode};

use anyhow::Result;
use relativenas_core::config::Layers;

use super::{
    begin::{announce, start_shown},
    screen::need_terminal,
};
use crate::{
    arguments::TrainArguments,
    context::Context,
    operations::{begin::TYPED, reading, train},
};

/// Starts the training of a full network.
pub fn train(context: &Context, arguments: &TrainArguments, out: &mut dyn Write) -> Result<ExitCode> {
    need_terminal("train", arguments.printing.headless)?;
    let genotype = reading::read(&arguments.arch)?;
    let layers = layers(context, arguments)?;
    let name = if arguments.arch.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
        arguments.arch.as_str()
    } else {
        "cell" // A file, or a genotype that was written out.
    };
    let prepared = train::prepare(context, layers, genotype, name, arguments.name.as_deref(), &TYPED)?;
    announce(&prepared, "the time it takes is known after the first epoch")?;
    start_shown(prepared, context, arguments.paused, arguments.printing, out)
}

/// The settings, with this command's flags over them.
fn layers(context: &Context, arguments: &TrainArguments) -> Result<Layers> {
    let mut choices = arguments.settings.choices();
    let task = arguments.task.map(|task| task.name().to_owned());
    if let Some(task) = arguments.task.filter(|task| !task.is_classification()) {
        choices.preset.get_or_insert(task.name());
    }
    let mut layers = context.layers_under(choices)?;
    let channels = &arguments.channels.map(|n| n.to_string());
    let cells = &arguments.cells.map(|n| n.to_string());
    let ranks = &arguments.ranks.map(|n| n.to_string());
    let epochs = &arguments.epochs.map(|n| n.to_string());
    let auxiliary = match (arguments.auxiliary, arguments.no_auxiliary) {
        (true, _) => Some(("--auxiliary", "true")),
        (_, true) => Some(("--no-auxiliary", "false")),
        _ => None,
    };
    let kind = arguments.kind.map(|kind| kind.name().to_owned());
    let flags = [
        ("--data", "data.path", &arguments.data),
        ("--skip-faulty", "data.skip_faulty", &arguments.skip_faulty),
        ("--seed", "retrain.seed", &arguments.seed),
        ("--device", "device.kind", &arguments.device),
        ("--kind", "retrain.kind", &kind),
        ("--task", "retrain.task", &task),
        ("--backbone", "retrain.backbone", &arguments.backbone),
        ("--channels", "retrain.channels", channels),
        ("--cells", "retrain.cells", cells),
        ("--epochs", "retrain.epochs", epochs),
        ("--ranks", "device.ranks", ranks),
    ];
    layers.add_flags(flags)?;
    if let Some((flag, value)) = auxiliary {
        layers.add_flag(flag, "retrain.auxiliary", value)?;
    }
    Ok(layers)
}
