//! Making the folder of a new search.

use anyhow::Result;
use relativenas_core::{config::Layers, manifest::Job};

use super::begin::{self, NewRun, Places, Prepared};
use crate::{context::Context, failure::misuse, pace, runs, settings};

/// Checks settings and engine, and makes the run's folder. Without a name, the run is called after its
/// data, its preset and the time.
///
/// # Errors
/// If a setting or the engine is wrong; no folder is made then.
pub fn prepare(
    context: &Context,
    layers: Layers,
    preset: Option<&str>,
    name: Option<&str>,
    places: &Places,
) -> Result<Prepared> {
    let config = settings::checked(&layers)?;
    config.check_ranks_of_search(config.device.ranks).map_err(|error| misuse(error.to_string()))?;
    let what = NewRun {
        job: Job::Search,
        genotype: None,
        name,
        suggested: &|now| runs::suggested_name(&config, preset, now),
        estimate: pace::estimate(&config, &context.all()?),
        cost: pace::costs(&config),
    };
    begin::prepare(context, layers, &config, what, places)
}
