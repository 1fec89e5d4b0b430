//! `step`, `pause`, `continue`, `stop`: the commands of the screen, without one.

use std::{
    io::Write,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use relativenas_core::protocol::{Activity, Command, EngineLine, Mode, Progress, Reply, StepUnit};

use crate::{
    arguments::StepArguments,
    context::Context,
    engine::{
        connection::{Connection, Received},
        liveness::{Liveness, liveness},
    },
    folder::RunFolder,
};

/// An engine stops after the batch in hand and a checkpoint; a large one on a slow disk takes a while.
const STOPPING: Duration = Duration::from_secs(300);

/// Goes on for some pairs or generations.
pub fn step(context: &Context, arguments: &StepArguments, out: &mut dyn Write) -> Result<ExitCode> {
    let folder = context.find(&arguments.run.run)?;
    let mut connection = Connection::open(&folder)?;
    let (unit, count) = (StepUnit::from(arguments.unit), arguments.count);
    connection.command(Command::Step { unit, count })?;
    let what = match unit {
        StepUnit::Pair => "pair",
        StepUnit::Generation => "generation",
    };
    let plural = if count == 1 { "" } else { "s" };
    writeln!(out, "{}: going on for {count} {what}{plural}, then pausing", folder.name())?;
    if arguments.wait {
        out.flush()?;
        let progress = wait_for_pause(&mut connection, &folder)?;
        writeln!(out, "{}: paused in generation {}", folder.name(), progress.generation)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until a step is done, or the run with it.
fn wait_for_pause(connection: &mut Connection, folder: &RunFolder) -> Result<Progress> {
    connection.follow(connection.hello().events)?;
    connection.set_patience(None)?;
    let name = folder.reference();
    loop {
        match connection.receive()? {
            Received::Line(EngineLine::Reply(Reply::Progress(progress)))
                if progress.mode == Mode::Paused || progress.activity == Activity::Finished =>
            {
                return Ok(progress);
            }
            Received::Line(_) | Received::Nothing => {}
            Received::Closed => {
                bail!("{name}: the engine left; `relativenas status {name}` says where the run is")
            }
        }
    }
}

/// Pauses a run.
pub fn pause(context: &Context, run: &str, out: &mut dyn Write) -> Result<ExitCode> {
    let folder = context.find(run)?;
    Connection::open(&folder)?.command(Command::Pause)?;
    writeln!(out, "{0}: paused; `relativenas continue {0}` goes on", folder.reference())?;
    Ok(ExitCode::SUCCESS)
}

/// Lets a paused run go on.
pub fn go_on(context: &Context, run: &str, out: &mut dyn Write) -> Result<ExitCode> {
    let folder = context.find(run)?;
    Connection::open(&folder)?.command(Command::Continue)?;
    writeln!(out, "{}: going on", folder.reference())?;
    Ok(ExitCode::SUCCESS)
}

/// Stops a run and waits until its engine is gone, so that what comes next may touch the folder.
pub fn stop(context: &Context, run: &str, out: &mut dyn Write) -> Result<ExitCode> {
    let folder = context.find(run)?;
    let name = folder.reference();
    let mut connection = Connection::open(&folder)?;
    connection.command(Command::Stop)?;
    wait_until_gone(connection, &folder)?;
    writeln!(out, "{name}: stopped after a checkpoint; `relativenas resume {name}` goes on")?;
    Ok(ExitCode::SUCCESS)
}

fn wait_until_gone(mut connection: Connection, folder: &RunFolder) -> Result<()> {
    let started = Instant::now();
    connection.set_patience(Some(STOPPING))?;
    while !matches!(connection.receive()?, Received::Closed | Received::Nothing) {}
    // The socket closes a moment before the process gives its lock back.
    while liveness(folder) == Liveness::Alive {
        if started.elapsed() > STOPPING {
            let log = folder.file(relativenas_core::manifest::files::ENGINE_LOG);
            return Err(anyhow!("the engine does not leave; {} may say why", log.display()));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
