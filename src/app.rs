//! The screen, and what it is served by: a thread that answers its requests, and one that feeds it
//! the run it shows. Files, processes and sockets stay on this side.

mod comparison;
mod export;
mod feed;
mod outlet;
mod plan;
mod probe;
mod resume;
mod server;
mod studies;

use std::{
    env, io,
    process::ExitCode,
    sync::mpsc::{Receiver, channel},
    thread,
};

use anyhow::Result;
use relativenas_core::config::Layers;
use relativenas_ui::{
    Options,
    glyphs::Fineness,
    messages::{Exit, Message, Request, Rest, RunName},
    theme::Depth,
};

use crate::{arguments::SettingArguments, context::Context, failure::misuse, folder::RunFolder, settings};
use outlet::Outlet;
use server::Server;

/// What the screen begins with.
pub enum First {
    /// The list of all runs.
    Runs,
    /// A run, steered where an engine lives.
    Run(RunFolder),
    /// A run that is only looked at.
    Look(RunFolder),
    /// The same, and it is played, so many generations (in a training: epochs) a second.
    Replay(RunFolder, f64),
}

/// Shows the screen until a person leaves it, and says how to come back.
///
/// # Errors
/// If the settings are wrong, or this is no terminal that can be drawn on.
pub fn show(context: &Context, layers: Layers, first: First) -> Result<ExitCode> {
    let folder = match &first {
        First::Runs => None,
        First::Run(folder) | First::Look(folder) | First::Replay(folder, _) => Some(folder.clone()),
    };
    let replay = match &first {
        First::Replay(_, speed) => Some(*speed),
        _ => None,
    };
    let mut options = options(layers, folder.as_ref().map(RunFolder::name), replay)?;
    // A search that is begun here has nothing of the flags that another one was begun with.
    options.layers = context.layers(&SettingArguments::default())?;
    let (outbox, requests) = channel();
    let inbox = serve(context.clone(), first, requests);
    let exit = relativenas_ui::run(options, inbox, outbox).map_err(|error| {
        let wrong_keys = error.kind() == io::ErrorKind::InvalidInput;
        if wrong_keys { misuse(error.to_string()) } else { error.into() }
    })?;
    say_goodbye(&exit, |run| reference(context, folder.as_ref(), run));
    Ok(ExitCode::SUCCESS)
}

/// Answers requests on a thread of its own, until nobody can send any more.
pub fn serve(context: Context, first: First, requests: Receiver<Request>) -> Receiver<Message> {
    let (to_screen, inbox) = channel();
    let server = Server::new(context, Outlet::new(to_screen), first);
    thread::spawn(move || server.serve(&requests));
    inbox
}

fn options(layers: Layers, first: Option<RunName>, replay: Option<f64>) -> Result<Options> {
    let config = settings::checked(&layers)?;
    let variable = |name: &str| env::var(name).ok();
    Ok(Options {
        depth: Depth::resolve(config.screen.color, variable),
        glyphs: Fineness::resolve(config.screen.glyphs, variable),
        keep_log_lines: config.run.keep_log_lines,
        screen: config.screen,
        keys: config.keys,
        layers,
        first,
        replay,
        utc_offset: jiff::Zoned::now().offset().seconds(),
    })
}

/// What a person types to mean a run that the screen showed.
fn reference(context: &Context, first: Option<&RunFolder>, run: &str) -> String {
    if let Some(folder) = first.filter(|f| f.name() == run) {
        return folder.reference().to_owned();
    }
    context.find(run).map_or_else(|_| run.to_owned(), |folder| folder.reference().to_owned())
}

fn say_goodbye(exit: &Exit, reference: impl Fn(&str) -> String) {
    match exit {
        Exit::Left(Some(left)) => println!("{}", farewell(&reference(&left.run), left.rest)),
        Exit::Stopped { run } => {
            let run = reference(run);
            println!("{run}: stops after a checkpoint; `relativenas resume {run}` goes on");
        }
        Exit::Left(None) | Exit::HungUp => {}
    }
}

/// What becomes of a run that was left, and the way back.
fn farewell(run: &str, rest: Rest) -> String {
    match rest {
        Rest::Engine => format!("{run}: left to its engine; `relativenas attach {run}` comes back"),
        Rest::Finished => format!("{run}: finished; `relativenas view {run}` shows it again"),
        Rest::Stopped => format!("{run}: no engine runs; `relativenas resume {run}` goes on"),
        Rest::Dead => {
            format!("{run}: its engine died; `relativenas resume {run}` goes on from the newest checkpoint")
        }
        Rest::Unknown => {
            format!("{run}: left as it is; `relativenas attach {run}` comes back while its engine runs")
        }
    }
}
