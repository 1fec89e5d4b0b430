//! The screen together with the two threads behind it: one answers its requests, the other feeds it the run
//! that it shows. All work with files, processes and sockets is done here, not in the screen.

mod comparison;
mod export;
mod feed;
mod listing;
mod load;
mod outlet;
mod plan;
mod resume;
mod server;
mod studies;
mod theme;
mod work;

use std::{
    env, io,
    path::PathBuf,
    process::ExitCode,
    sync::mpsc::{Receiver, channel},
    thread,
};

use anyhow::Result;
use relativenas_core::config::Layers;
use relativenas_ui::{
    Options,
    glyphs::Fineness,
    messages::{Exit, Message, Request, RunAfterwards},
    theme::Depth,
};

use crate::{context::Context, failure::misuse, folder::RunFolder, settings};
use outlet::Outlet;
use server::Server;

/// What the screen begins with.
pub enum First {
    /// The list of all runs.
    Runs,
    /// A run, which can be steered if an engine works on it.
    Run(RunFolder),
    /// A run that is shown without the means to steer it.
    Look(RunFolder),
    /// A run that is replayed, at so many generations (in a training: epochs) a second.
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
    let mut options = options(layers, folder.as_ref().map(|folder| folder.path().to_owned()), replay)?;
    // Flags of another search that was started on the command line must not apply to a search that is started
    // here.
    options.layers = context.layers()?;
    let (outbox, requests) = channel();
    let inbox = serve(context.clone(), first, requests);
    let exit = relativenas_ui::run(options, inbox, outbox).map_err(|error| {
        let wrong_keys = error.kind() == io::ErrorKind::InvalidInput;
        if wrong_keys { misuse(error.to_string()) } else { error.into() }
    })?;
    say_goodbye(&exit, |run| reference(context, folder.as_ref(), run));
    Ok(ExitCode::SUCCESS)
}

/// Starts a thread that answers requests until the screen's end of the channel is closed.
pub fn serve(context: Context, first: First, requests: Receiver<Request>) -> Receiver<Message> {
    let (to_screen, inbox) = channel();
    let server = Server::new(context, Outlet::new(to_screen), first);
    thread::spawn(move || server.serve(&requests));
    inbox
}

fn options(layers: Layers, first: Option<PathBuf>, replay: Option<f64>) -> Result<Options> {
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

/// How a run that the screen showed is named on a command line.
fn reference(context: &Context, first: Option<&RunFolder>, run: &str) -> String {
    if let Some(folder) = first.filter(|f| f.name() == run) {
        return folder.reference().to_owned();
    }
    context.find(run).map_or_else(|_| run.to_owned(), |folder| folder.reference().to_owned())
}

fn say_goodbye(exit: &Exit, reference: impl Fn(&str) -> String) {
    match exit {
        Exit::Detached(Some(left)) => println!("{}", farewell(&reference(&left.run), left.afterwards)),
        Exit::Stopped { run } => {
            let run = reference(run);
            println!("{run}: stops after a checkpoint; `relativenas resume {run}` goes on");
        }
        Exit::Detached(None) | Exit::HungUp => {}
    }
}

/// A sentence for the shell about the run that was left, with the command that returns to it.
fn farewell(run: &str, afterwards: RunAfterwards) -> String {
    match afterwards {
        RunAfterwards::Engine => format!("{run}: left to its engine; `relativenas attach {run}` comes back"),
        RunAfterwards::Finished => format!("{run}: finished; `relativenas view {run}` shows it again"),
        RunAfterwards::Stopped => format!("{run}: no engine runs; `relativenas resume {run}` goes on"),
        RunAfterwards::Dead => {
            format!("{run}: its engine died; `relativenas resume {run}` goes on from the newest checkpoint")
        }
        RunAfterwards::Unknown => {
            format!("{run}: left as it is; `relativenas attach {run}` comes back while its engine runs")
        }
    }
}
