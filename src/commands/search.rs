//! `search`, `resume`, `attach`, `view`: runs that are shown.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use anyhow::{Result, anyhow, bail};
use relativenas_core::{
    config::{Config, Layers, Origin},
    manifest::{BUILD, Job, Manifest, RUN_FORMAT},
    randomness::RANDOMNESS_VERSION,
    view::Phase,
};

use crate::{
    arguments::{AttachArguments, ResumeArguments, SearchArguments},
    context::Context,
    engine::{
        liveness::{Liveness, liveness},
        program::EngineProgram,
        start::{StartOptions, start},
    },
    failure::misuse,
    folder::{Naming, RunFolder, create},
    headless::{self, From},
    pace,
    places::absolute,
    runs, settings, written,
};

/// Starts a search.
pub fn search(context: &Context, arguments: &SearchArguments) -> Result<ExitCode> {
    let headless = arguments.printing.headless;
    need_terminal("search", headless)?;
    if let Some(name) = &arguments.name {
        runs::check_name(name)?;
    }
    let layers = layers(context, arguments)?;
    let config = settings::checked(&layers)?;
    // Before the folder is made: a run that cannot begin should not be listed.
    let program = EngineProgram::find()?;
    let earlier = context.all()?;
    let folder = make(context, &layers, &config, arguments)?;
    announce(&folder, pace::estimate(&config, &earlier).as_deref())?;
    let options = StartOptions { die_with_parent: headless, paused: arguments.paused, force: false };
    let engine = start(&program, &folder, options)?;
    headless::follow(&folder, Some(engine), From::Beginning, arguments.printing.json)
}

/// The settings, with this command's flags over them.
fn layers(context: &Context, arguments: &SearchArguments) -> Result<Layers> {
    let mut layers = context.layers(&arguments.settings)?;
    let flags = [
        ("--data", "data.path", &arguments.data),
        ("--seed", "search.seed", &arguments.seed),
        ("--device", "device.kind", &arguments.device),
        ("--searcher", "search.searcher", &arguments.searcher),
    ];
    for (flag, key, value) in flags {
        if let Some(value) = value {
            layers.add_flag(flag, key, value)?;
        }
    }
    Ok(layers)
}

fn make(
    context: &Context,
    layers: &Layers,
    config: &Config,
    arguments: &SearchArguments,
) -> Result<RunFolder> {
    let runs = match config.run.directory.as_str() {
        "" => context.places.runs.clone(),
        directory => absolute(directory)?,
    };
    let manifest = manifest(layers, config.clone());
    let naming = match &arguments.name {
        Some(name) => Naming::Fixed(name.clone()),
        None => {
            let preset = arguments.settings.preset.as_deref();
            Naming::Suggested(runs::suggested_name(config, preset, manifest.created))
        }
    };
    Ok(context.called(create(&runs, naming, &manifest)?, &runs))
}

fn manifest(layers: &Layers, config: Config) -> Manifest {
    let origins: BTreeMap<_, _> = layers
        .settings()
        .filter(|(_, setting)| setting.origin != Origin::BuiltIn)
        .map(|(key, setting)| (key.to_owned(), setting.origin.to_string()))
        .collect();
    Manifest {
        format: RUN_FORMAT,
        randomness: RANDOMNESS_VERSION,
        job: Job::Search,
        build: BUILD.to_owned(),
        created: written::now(),
        config,
        origins,
        genotype: None,
        branched_from: None,
        engine: None,
    }
}

/// Says what begins, on standard error: standard output belongs to the run.
fn announce(folder: &RunFolder, estimate: Option<&str>) -> Result<()> {
    let time = estimate.unwrap_or("the time it takes is known after the first pair");
    writeln!(io::stderr(), "{}: {time}", folder.reference())?;
    Ok(())
}

/// Goes on with a stopped run.
pub fn resume(context: &Context, arguments: &ResumeArguments) -> Result<ExitCode> {
    let headless = arguments.printing.headless;
    need_terminal("resume", headless)?;
    let folder = context.find(&arguments.run.run)?;
    check_resumable(&folder, arguments.force)?;
    let program = EngineProgram::find()?;
    let options =
        StartOptions { die_with_parent: headless, paused: arguments.paused, force: arguments.force };
    let engine = start(&program, &folder, options)?;
    headless::follow(&folder, Some(engine), From::Now, arguments.printing.json)
}

/// Whether an engine may be started on a run.
///
/// # Errors
/// If one lives, the run is finished, or it is of another version.
pub fn check_resumable(folder: &RunFolder, force: bool) -> Result<()> {
    let name = folder.reference();
    folder.manifest()?;
    match liveness(folder) {
        Liveness::Alive => bail!("{name}: an engine is running on it; `relativenas attach {name}` shows it"),
        Liveness::Unknown(why) if !force => {
            bail!(
                "{name}: locks do not work here ({why}); --force does without, if you are sure no engine runs"
            )
        }
        Liveness::Unknown(_) | Liveness::Gone => {}
    }
    if folder.view()?.phase() == Phase::Finished {
        return Err(anyhow!("{name}: it is finished; `relativenas view {name}` shows it"));
    }
    Ok(())
}

/// Watches and steers a run that is going on.
pub fn attach(context: &Context, arguments: &AttachArguments) -> Result<ExitCode> {
    need_terminal("attach", arguments.printing.headless)?;
    let folder = context.find(&arguments.run.run)?;
    headless::follow(&folder, None, From::Now, arguments.printing.json)
}

/// Without a command.
pub fn browse() -> Result<ExitCode> {
    need_terminal("relativenas", false)?;
    unreachable!()
}

/// A screen needs a terminal; without one, printing does.
fn need_terminal(command: &str, headless: bool) -> Result<()> {
    if headless || (io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Ok(());
    }
    Err(misuse(format!(
        "`{command}` shows a screen, and this is no terminal; --headless prints progress instead (over ssh, \
         `ssh -t` makes a terminal)"
    )))
}
