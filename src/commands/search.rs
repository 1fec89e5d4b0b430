//! `search`, `resume`, `attach`, `view`: runs that are shown.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Result;
use relativenas_core::config::Layers;

use super::{
    begin::{announce, show_started, start_shown},
    probe,
    screen::{need_terminal, style},
};
use crate::{
    app::{self, First},
    arguments::{AttachArguments, ResumeArguments, SearchArguments},
    context::Context,
    engine::{
        connection::Connection,
        program::EngineProgram,
        start::{StartOptions, start},
    },
    headless::{self, From},
    operations::{
        begin::TYPED,
        resume::{Resumable, resumable},
        search::prepare,
    },
};

/// Starts a search.
pub fn search(context: &Context, arguments: &SearchArguments, out: &mut dyn Write) -> Result<ExitCode> {
    need_terminal("search", arguments.printing.headless)?;
    let preset = arguments.settings.preset.as_deref();
    let prepared = prepare(context, layers(context, arguments)?, preset, arguments.name.as_deref(), &TYPED)?;
    announce(&prepared, "the time it takes is known after the first pair")?;
    let folder = prepared.folder.clone();
    let ended = start_shown(prepared, context, arguments.paused, arguments.printing, out)?;
    // A search that was stopped on purpose is not probed.
    if arguments.probe && ended == ExitCode::SUCCESS {
        return probe::after_search(&folder, arguments.printing.json, out);
    }
    Ok(ended)
}

/// The settings, with this command's flags over them.
fn layers(context: &Context, arguments: &SearchArguments) -> Result<Layers> {
    let mut layers = context.layers_under(arguments.settings.choices())?;
    let flags = [
        ("--data", "data.path", &arguments.data),
        ("--skip-faulty", "data.skip_faulty", &arguments.skip_faulty),
        ("--seed", "search.seed", &arguments.seed),
        ("--device", "device.kind", &arguments.device),
        ("--searcher", "search.searcher", &arguments.searcher),
        ("--ranks", "device.ranks", &arguments.ranks),
    ];
    layers.add_flags(flags)?;
    Ok(layers)
}

/// Goes on with a stopped run.
pub fn resume(context: &Context, arguments: &ResumeArguments, out: &mut dyn Write) -> Result<ExitCode> {
    let headless = arguments.printing.headless;
    need_terminal("resume", headless)?;
    let folder = context.find(&arguments.run.run)?;
    // A script that resumes a run until it is done has to be told that it is done.
    if let Resumable::Finished(sentence) = resumable(&folder, arguments.force)? {
        if arguments.printing.json {
            let _ = writeln!(io::stderr(), "{sentence}"); // Standard output has an event a line.
        } else {
            writeln!(out, "{sentence}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
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
    show_started(context, context.layers()?, folder, engine)
}

/// Shows a run that is going on, so that it can be watched and steered.
pub fn attach(context: &Context, arguments: &AttachArguments, out: &mut dyn Write) -> Result<ExitCode> {
    need_terminal("attach", arguments.printing.headless)?;
    let folder = context.find(&arguments.run.run)?;
    if arguments.printing.headless {
        return headless::follow(&folder, None, From::Now, style(arguments.printing), out);
    }
    // If there is no engine to steer, the shell should say so before the screen opens.
    Connection::open(&folder)?;
    app::show(context, context.layers()?, First::Run(folder))
}

/// Looks at a run without touching it, or plays it at a speed.
pub fn view(context: &Context, run: &str, replay: Option<f64>) -> Result<ExitCode> {
    need_terminal("view", false)?;
    let folder = context.find(run)?;
    folder.manifest()?;
    let first = match replay {
        Some(speed) => First::Replay(folder, speed),
        None => First::Watch(folder),
    };
    app::show(context, context.layers()?, first)
}

/// Shows the list of all runs, from which runs can be started and opened.
pub fn browse(context: &Context) -> Result<ExitCode> {
    need_terminal("relativenas", false)?;
    app::show(context, context.layers()?, First::Runs)
}
