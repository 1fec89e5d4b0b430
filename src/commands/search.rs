//! `search`, `resume`, `attach`, `view`: runs that are shown.

use std::{
    env,
    io::{self, IsTerminal as _, Write},
    process::ExitCode,
};

use anyhow::{Result, anyhow, bail};
use relativenas_core::{config::Layers, manifest::Job};

use super::{
    begin::{self, NewRun, Prepared, show_started},
    probe,
};
use crate::{
    app::{self, First},
    arguments::{AttachArguments, PrintingArguments, ResumeArguments, SearchArguments, SettingArguments},
    context::Context,
    engine::{
        connection::{Connection, finished},
        liveness::{Liveness, liveness},
        program::EngineProgram,
        start::{StartOptions, start},
    },
    failure::misuse,
    folder::RunFolder,
    headless::{self, From, Style},
    pace, runs, settings,
};

/// Starts a search.
pub fn search(context: &Context, arguments: &SearchArguments, out: &mut dyn Write) -> Result<ExitCode> {
    need_terminal("search", arguments.printing.headless)?;
    let prepared = prepare(context, arguments)?;
    prepared.announce("the time it takes is known after the first pair")?;
    let folder = prepared.folder.clone();
    let ended = prepared.start(context, arguments.paused, arguments.printing, out)?;
    // Whoever stopped the search did not want more of it.
    if arguments.probe && ended == ExitCode::SUCCESS {
        return probe::after_search(&folder, arguments.printing.json, out);
    }
    Ok(ended)
}

/// Checks settings and engine, and makes the run's folder.
///
/// # Errors
/// If something is wrong with either; there is no folder then.
pub fn prepare(context: &Context, arguments: &SearchArguments) -> Result<Prepared> {
    let layers = layers(context, arguments)?;
    let config = settings::checked(&layers)?;
    let preset = arguments.settings.preset.as_deref();
    let what = NewRun {
        job: Job::Search,
        genotype: None,
        name: arguments.name.as_deref(),
        suggested: &|now| runs::suggested_name(&config, preset, now),
        estimate: pace::estimate(&config, &context.all()?),
        cost: pace::costs(&config),
    };
    begin::prepare(context, layers, &config, what)
}

/// The settings, with this command's flags over them.
fn layers(context: &Context, arguments: &SearchArguments) -> Result<Layers> {
    let mut layers = context.layers(&arguments.settings)?;
    let flags = [
        ("--data", "data.path", &arguments.data),
        ("--skip-faulty", "data.skip_faulty", &arguments.skip_faulty),
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

/// Goes on with a stopped run.
pub fn resume(context: &Context, arguments: &ResumeArguments, out: &mut dyn Write) -> Result<ExitCode> {
    let headless = arguments.printing.headless;
    need_terminal("resume", headless)?;
    let folder = context.find(&arguments.run.run)?;
    folder.manifest()?; // One of another version is refused, whatever its log says.
    // A script that resumes until a run is done has to hear that it is.
    if let Some(words) = finished(&folder) {
        if arguments.printing.json {
            let _ = writeln!(io::stderr(), "{words}"); // Standard output has an event a line.
        } else {
            writeln!(out, "{words}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    check_resumable(&folder, arguments.force)?;
    let program = EngineProgram::find()?;
    let options = StartOptions {
        die_with_parent: headless,
        paused: arguments.paused,
        force: arguments.force,
        restart: arguments.restart,
        new_run: false,
    };
    let edits = folder.edits();
    if !edits.is_empty() {
        eprintln!("{}: run.toml was edited since the run began: {}", folder.reference(), edits.join("; "));
    }
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
    folder.view()?; // One that is damaged is refused here.
    finished(folder).map_or(Ok(()), |why| Err(anyhow!(why)))
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

/// Looks at a run without touching it, or plays it at a speed.
pub fn view(context: &Context, run: &str, replay: Option<f64>) -> Result<ExitCode> {
    need_terminal("view", false)?;
    let folder = context.find(run)?;
    folder.manifest()?;
    let first = match replay {
        Some(speed) => First::Replay(folder, speed),
        None => First::Look(folder),
    };
    app::show(context, context.layers(&SettingArguments::default())?, first)
}

/// The terminal app: all runs, to start one and to attach to one.
pub fn browse(context: &Context) -> Result<ExitCode> {
    need_terminal("relativenas", false)?;
    app::show(context, context.layers(&SettingArguments::default())?, First::Runs)
}

pub fn style(printing: PrintingArguments) -> Style {
    Style::of(printing.json)
}

/// A screen needs a terminal on which it can move the cursor; without one, printing does.
pub fn need_terminal(command: &str, headless: bool) -> Result<()> {
    if headless {
        return Ok(());
    }
    let terminal = env::var("TERM").unwrap_or_default();
    let problem = if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        "this is no terminal"
    } else if terminal.is_empty() {
        "TERM is not set, so it is not known how to draw on this terminal"
    } else if terminal == "dumb" {
        "TERM is dumb: nothing can be drawn on this terminal"
    } else {
        return Ok(());
    };
    let instead = match command {
        "search" | "train" | "resume" | "attach" => "--headless prints progress instead",
        "view" => "`relativenas status` says where a run is",
        _ => "`relativenas search --headless` does without, `relativenas --help` lists all commands",
    };
    Err(misuse(format!(
        "`{command}` shows a screen, and {problem}; {instead} (over ssh, `ssh -t` makes a terminal)"
    )))
}
