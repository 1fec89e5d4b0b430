//! Making the folder of a new training.

use anyhow::Result;
use relativenas_core::{config::Layers, genotype::Genotype, manifest::Job, tasks::Task};

use super::begin::{self, NewRun, Places, Prepared};
use crate::{context::Context, failure::misuse, pace, runs, settings};

/// Checks settings and engine, and makes the run's folder. Without a name, the run is called after its data,
/// its task, the time, and what the architecture is `called`.
///
/// # Errors
/// If a setting or the engine is wrong; no folder is made then.
pub fn prepare(
    context: &Context,
    layers: Layers,
    genotype: Genotype,
    called: &str,
    name: Option<&str>,
    places: &Places,
) -> Result<Prepared> {
    let config = settings::checked(&layers)?;
    if !config.retrain.task.is_classification() && config.data.path.is_empty() {
        return Err(misuse(format!(
            "{} needs {}, a folder with {}",
            config.retrain.task.name(),
            places.data,
            data_of(config.retrain.task)
        )));
    }
    let estimate = pace::estimate_training(&config, &genotype, &context.all()?);
    let what = NewRun {
        job: Job::Train,
        genotype: Some(genotype),
        name,
        suggested: &|now| runs::suggested_training_name(&config, called, now),
        estimate,
        cost: None,
    };
    begin::prepare(context, layers, &config, what, places)
}

/// What the data of a task are.
fn data_of(task: Task) -> &'static str {
    match task {
        Task::Classification => "labelled images",
        Task::Detection => "Pascal VOC (VOC2007 or VOC2012 in it, or both)",
        Task::Segmentation => "Cityscapes (leftImg8bit and gtFine in it)",
        Task::Keypoints => "COCO (annotations, train2017 and val2017 in it)",
    }
}
