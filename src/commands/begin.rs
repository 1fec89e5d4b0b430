//! Making a run's folder and starting an engine on it: what searches and trainings have in common.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    process::ExitCode,
    thread,
};

use anyhow::Result;
use relativenas_core::{
    config::{Config, Layers, Origin},
    genotype::Genotype,
    manifest::{BUILD, Job, Manifest, RUN_FORMAT},
    randomness::RANDOMNESS_VERSION,
};

use crate::{
    app::{self, First},
    arguments::PrintingArguments,
    commands::search::style,
    context::Context,
    engine::{
        program::EngineProgram,
        start::{StartOptions, StartedEngine, start},
    },
    folder::{Naming, RunFolder, create},
    headless::{self, From},
    places::absolute,
    runs, written,
};

/// What a new run is about.
pub struct NewRun<'a> {
    pub job: Job,
    /// What is trained.
    pub genotype: Option<Genotype>,
    /// As typed.
    pub name: Option<&'a str>,
    /// A name for a run that is made at this time.
    pub suggested: &'a dyn Fn(i64) -> String,
    /// How long it will take, if an earlier run tells.
    pub estimate: Option<String>,
    /// What a part of it costs that a person may not think of.
    pub cost: Option<String>,
}

/// A run that an engine can be started on.
pub struct Prepared {
    pub program: EngineProgram,
    pub folder: RunFolder,
    pub layers: Layers,
    pub estimate: Option<String>,
    pub cost: Option<String>,
}

/// Finds the engine, and makes the run's folder.
///
/// # Errors
/// If the name or the engine is wrong; there is no folder then.
pub fn prepare(context: &Context, layers: Layers, config: &Config, what: NewRun) -> Result<Prepared> {
    if let Some(name) = what.name {
        runs::check_name(name)?;
    }
    let program = EngineProgram::find()?;
    let runs = match config.run.directory.as_str() {
        "" => context.places.runs.clone(),
        directory => absolute(directory)?,
    };
    let manifest = manifest(&layers, config.clone(), what.job, what.genotype);
    let naming = match what.name {
        Some(name) => Naming::Fixed(name.to_owned()),
        None => Naming::Suggested((what.suggested)(manifest.created)),
    };
    let folder = context.called(create(&runs, naming, &manifest)?, &runs);
    Ok(Prepared { program, folder, layers, estimate: what.estimate, cost: what.cost })
}

impl Prepared {
    /// Says what begins, on standard error: standard output belongs to the run.
    ///
    /// # Errors
    /// If standard error cannot be written.
    pub fn announce(&self, unknown: &str) -> Result<()> {
        let time = self.estimate.as_deref().unwrap_or(unknown);
        writeln!(io::stderr(), "{}: {time}", self.folder.reference())?;
        if let Some(cost) = &self.cost {
            writeln!(io::stderr(), "{cost}")?;
        }
        Ok(())
    }

    /// Starts the engine and shows the run until a person leaves it, or, without a screen, until it ends.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn start(
        self,
        context: &Context,
        paused: bool,
        printing: PrintingArguments,
        out: &mut dyn Write,
    ) -> Result<ExitCode> {
        let options = StartOptions {
            die_with_parent: printing.headless,
            paused,
            new_run: true,
            ..StartOptions::default()
        };
        let engine = start(&self.program, &self.folder, options)?;
        if printing.headless {
            return headless::follow(&self.folder, Some(engine), From::Beginning, style(printing), out);
        }
        show_started(context, self.layers, self.folder, engine)
    }
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
        created: written::now(),
        config,
        origins,
        genotype,
        branched_from: None,
        follows: None,
        engine: None,
    }
}

/// Shows a run whose engine was just started. Until that listens, this is the shell's terminal: an
/// engine that fails at once is explained there.
pub fn show_started(
    context: &Context,
    layers: Layers,
    folder: RunFolder,
    mut engine: StartedEngine,
) -> Result<ExitCode> {
    engine.connect()?;
    let mut child = engine.child;
    // Whoever started a process has to hear of its end.
    thread::spawn(move || child.wait());
    app::show(context, layers, First::Run(folder))
}
