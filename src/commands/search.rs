//! `search`, `resume`, `attach`, `view`: runs that are shown.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write},
    process::ExitCode,
    thread,
};

use anyhow::{Result, anyhow, bail};
use relativenas_core::{
    config::{Config, Layers, Origin},
    manifest::{BUILD, Job, Manifest, RUN_FORMAT},
    randomness::RANDOMNESS_VERSION,
    view::Phase,
};

use super::probe;
use crate::{
    app::{self, First},
    arguments::{AttachArguments, PrintingArguments, ResumeArguments, SearchArguments, SettingArguments},
    context::Context,
    engine::{
        connection::Connection,
        liveness::{Liveness, liveness},
        program::EngineProgram,
        start::{StartOptions, StartedEngine, start},
    },
    failure::misuse,
    folder::{Naming, RunFolder, create},
    headless::{self, From, Style},
    pace,
    places::absolute,
    runs, settings, written,
};

/// Starts a search.
pub fn search(context: &Context, arguments: &SearchArguments, out: &mut dyn Write) -> Result<ExitCode> {
    let headless = arguments.printing.headless;
    need_terminal("search", headless)?;
    let Prepared { program, folder, layers, estimate } = prepare(context, arguments)?;
    announce(&folder, estimate.as_deref())?;
    let options = StartOptions { die_with_parent: headless, paused: arguments.paused, force: false };
    let engine = start(&program, &folder, options)?;
    if headless {
        let ended = headless::follow(&folder, Some(engine), From::Beginning, style(arguments.printing), out)?;
        // Whoever stopped the search did not want more of it.
        let wanted = arguments.probe && ended == ExitCode::SUCCESS;
        return if wanted { probe::after_search(&folder, arguments.printing.json, out) } else { Ok(ended) };
    }
    show_started(context, layers, folder, engine)
}

/// Everything that a search needs before it is started.
pub struct Prepared {
    pub program: EngineProgram,
    pub folder: RunFolder,
    pub layers: Layers,
    /// How long it will take, if an earlier run tells.
    pub estimate: Option<String>,
}

/// Checks settings and engine, and makes the run's folder.
///
/// # Errors
/// If something is wrong with either; there is no folder then.
pub fn prepare(context: &Context, arguments: &SearchArguments) -> Result<Prepared> {
    if let Some(name) = &arguments.name {
        runs::check_name(name)?;
    }
    let layers = layers(context, arguments)?;
    let config = settings::checked(&layers)?;
    let program = EngineProgram::find()?;
    let estimate = pace::estimate(&config, &context.all()?);
    let folder = make(context, &layers, &config, arguments)?;
    Ok(Prepared { program, folder, layers, estimate })
}

/// Shows a run whose engine was just started. Until that listens, this is the shell's terminal: an
/// engine that fails at once is explained there.
fn show_started(
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
pub fn resume(context: &Context, arguments: &ResumeArguments, out: &mut dyn Write) -> Result<ExitCode> {
    let headless = arguments.printing.headless;
    need_terminal("resume", headless)?;
    let folder = context.find(&arguments.run.run)?;
    check_resumable(&folder, arguments.force)?;
    let program = EngineProgram::find()?;
    let options =
        StartOptions { die_with_parent: headless, paused: arguments.paused, force: arguments.force };
    let engine = start(&program, &folder, options)?;
    if headless {
        return headless::follow(&folder, Some(engine), From::Now, style(arguments.printing), out);
    }
    show_started(context, context.layers(&SettingArguments::default())?, folder, engine)
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
pub fn attach(context: &Context, arguments: &AttachArguments, out: &mut dyn Write) -> Result<ExitCode> {
    need_terminal("attach", arguments.printing.headless)?;
    let folder = context.find(&arguments.run.run)?;
    if arguments.printing.headless {
        return headless::follow(&folder, None, From::Now, style(arguments.printing), out);
    }
    // Whoever wants to steer should hear in the shell that there is nothing to steer.
    Connection::open(&folder)?;
    app::show(context, context.layers(&SettingArguments::default())?, First::Run(folder))
}

/// Looks at a run without touching it.
pub fn view(context: &Context, run: &str) -> Result<ExitCode> {
    need_terminal("view", false)?;
    let folder = context.find(run)?;
    folder.manifest()?;
    app::show(context, context.layers(&SettingArguments::default())?, First::Look(folder))
}

/// The terminal app: all runs, to start one and to attach to one.
pub fn browse(context: &Context) -> Result<ExitCode> {
    need_terminal("relativenas", false)?;
    app::show(context, context.layers(&SettingArguments::default())?, First::Runs)
}

fn style(printing: PrintingArguments) -> Style {
    Style::of(printing.json)
}

/// A screen needs a terminal; without one, printing does.
fn need_terminal(command: &str, headless: bool) -> Result<()> {
    if headless || (io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Ok(());
    }
    let instead = match command {
        "search" | "resume" | "attach" => "--headless prints progress instead",
        "view" => "`relativenas status` says where a run is",
        _ => "`relativenas search --headless` does without, `relativenas --help` lists all commands",
    };
    Err(misuse(format!(
        "`{command}` shows a screen, and this is no terminal; {instead} (over ssh, `ssh -t` makes a terminal)"
    )))
}
