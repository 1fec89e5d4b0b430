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
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc::{Receiver, channel},
    thread,
};

use anyhow::Result;
use relativenas_core::config::Layers;
use relativenas_run::shell::quoted;
use relativenas_ui::{
    Options,
    glyphs::Fineness,
    messages::{Exit, Message, Request, RunAfterwards},
    theme::Depth,
};

use crate::{arguments::SettingArguments, context::Context, failure::misuse, folder::RunFolder, settings};
use outlet::Outlet;
use server::Server;

/// What the screen begins with.
pub enum First {
    /// The list of all runs.
    Runs,
    /// A run, which can be steered if an engine works on it.
    Run(RunFolder),
    /// A run that is shown without the means to steer it.
    Watch(RunFolder),
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
        First::Run(folder) | First::Watch(folder) | First::Replay(folder, _) => Some(folder.clone()),
    };
    let replay = match &first {
        First::Replay(_, speed) => Some(*speed),
        _ => None,
    };
    let mut options = options(layers, folder.as_ref().map(|folder| folder.path().to_owned()), replay)?;
    // Flags of another search that was started on the command line must not apply to a search that is started
    // here.
    options.layers = context.layers(&SettingArguments::default())?;
    let (outbox, requests) = channel();
    let inbox = serve(context.clone(), first, requests);
    let exit = relativenas_ui::run(options, inbox, outbox).map_err(|error| {
        let wrong_keys = error.kind() == io::ErrorKind::InvalidInput;
        if wrong_keys { misuse(error.to_string()) } else { error.into() }
    })?;
    say_goodbye(&exit, |folder| reference(context, folder));
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

/// How the run in this folder, which the screen showed, is named on a command line.
fn reference(context: &Context, folder: &Path) -> String {
    let found = RunFolder::at(folder).and_then(|run| Some(context.called(run, &context.runs().ok()?)));
    found.map_or_else(|| quoted(&folder.display().to_string()), |run| run.reference().to_owned())
}

fn say_goodbye(exit: &Exit, reference: impl Fn(&Path) -> String) {
    match exit {
        Exit::Detached(Some(left)) => println!("{}", farewell(&reference(&left.folder), left.rest)),
        Exit::Stopped { folder } => {
            let run = reference(folder);
            println!("{run}: stops after a checkpoint; `relativenas resume {run}` goes on");
        }
        Exit::Detached(None) | Exit::HungUp => {}
    }
}

/// A sentence for the shell about the run that was left, with the command that returns to it.
fn farewell(run: &str, rest: RunAfterwards) -> String {
    match rest {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_run_that_was_left_is_named_as_a_command_finds_it() {
        let home = tempfile::tempdir().expect("a folder");
        let context = Context::in_folder(home.path());
        let listed = fixture::run(&context.runs().expect("settings"), "r");
        assert_eq!(reference(&context, listed.path()), "r");
        // One of the same name elsewhere is another one.
        let elsewhere = fixture::run(&home.path().join("study"), "r");
        assert_eq!(reference(&context, elsewhere.path()), elsewhere.path().display().to_string());
        let gone = home.path().join("gone");
        assert_eq!(reference(&context, &gone), gone.display().to_string());
    }
}
