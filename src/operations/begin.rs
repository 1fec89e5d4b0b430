//! Making the folder of a new run: what searches and trainings have in common.

use std::collections::BTreeMap;

use anyhow::Result;
use relativenas_core::{
    config::{Config, Layers, Origin},
    genotype::Genotype,
    manifest::{BUILD, Job, Manifest, RUN_FORMAT},
    randomness::RANDOMNESS_VERSION,
};
use relativenas_run::clock;

use crate::{
    context::Context,
    engine::{launcher::Launcher, program::EngineProgram},
    folder::{Naming, RunFolder, create},
    runs,
};

/// The names by which error messages call the places where a person gave the name and the data of a new run.
pub struct Places {
    name: &'static str,
    pub data: &'static str,
}

/// The names where they were typed on a command line.
pub const TYPED: Places = Places { name: "--name", data: "--data" };
/// The names where they were entered in a form of the screen.
pub const IN_A_FORM: Places = Places { name: "the name", data: "data.path" };

/// The description of a new run.
pub struct NewRun<'a> {
    pub job: Job,
    /// The genotype to train, for a training.
    pub genotype: Option<Genotype>,
    /// The name of the run, as it was typed.
    pub name: Option<&'a str>,
    /// A name for a run that is made at this time.
    pub suggested: &'a dyn Fn(i64) -> String,
    /// How long the run will take, in words; `None` if no earlier run tells.
    pub estimate: Option<String>,
    /// The cost of a part of the run that might be overlooked, in words.
    pub cost: Option<String>,
}

/// A run whose folder exists, and on which the engine can be started.
pub struct Prepared {
    pub program: EngineProgram,
    pub folder: RunFolder,
    pub layers: Layers,
    pub estimate: Option<String>,
    pub cost: Option<String>,
}

/// Finds the engine and what starts its ranks, and makes the run's folder.
///
/// # Errors
/// If the engine or the launcher cannot be used, or the name cannot be given; no folder is made then.
pub fn prepare(
    context: &Context,
    layers: Layers,
    config: &Config,
    what: NewRun,
    places: &Places,
) -> Result<Prepared> {
    if let Some(name) = what.name {
        runs::check_name(places.name, name)?;
    }
    Launcher::check_settings(&config.device)?;
    let program = EngineProgram::find()?;
    let runs = context.runs_of(config)?;
    let manifest = manifest(&layers, config.clone(), what.job, what.genotype);
    let naming = match what.name {
        Some(name) => Naming::Fixed(name.to_owned()),
        None => Naming::Suggested((what.suggested)(manifest.created)),
    };
    let folder = context.called(create(&runs, naming, &manifest)?, &runs);
    Ok(Prepared { program, folder, layers, estimate: what.estimate, cost: what.cost })
}

fn manifest(layers: &Layers, config: Config, job: Job, genotype: Option<Genotype>) -> Manifest {
    let origins: BTreeMap<_, _> = layers
        .settings()
        .filter(|(_, setting)| setting.origin != Origin::BuiltIn)
        .map(|(key, setting)| (key.to_owned(), setting.origin.to_string()))
        .collect();
    Manifest {
        format: RUN_FORMAT,
        randomness: RANDOMNESS_VERSION,
        job,
        build: BUILD.to_owned(),
        created: clock::now(),
        config,
        origins,
        genotype,
        branched_from: None,
        follows: None,
        engine: None,
        latency: None,
    }
}
