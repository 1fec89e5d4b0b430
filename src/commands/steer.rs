//! `step`, `pause`, `continue`, `stop`: steering a run without the screen.

use std::{
    io::Write,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use relativenas_core::{
    manifest::Job,
    protocol::{Activity, Command, EngineLine, Mode, Progress, Reply, StepUnit},
    search::Stage,
};

use crate::{
    arguments::{StepArguments, Unit},
    context::Context,
    engine::{
        connection::{Connection, Received},
        liveness::{Liveness, liveness},
    },
    failure::misuse,
    folder::RunFolder,
};

/// How long to wait for an engine to stop: it finishes its batch and writes a checkpoint, which may be large.
const STOPPING: Duration = Duration::from_secs(300);

/// Goes on for some pairs, generations or epochs.
pub fn step(context: &Context, arguments: &StepArguments, out: &mut dyn Write) -> Result<ExitCode> {
    let folder = context.find(&arguments.run.run)?;
    let job = folder.manifest()?.job;
    let (unit, what) =
        unit_of(job, arguments.unit).map_err(|why| misuse(format!("{}: {why}", folder.name())))?;
    let mut connection = Connection::open(&folder)?;
    let count = arguments.count;
    connection.command(Command::Step { unit, count })?;
    let plural = if count == 1 { "" } else { "s" };
    writeln!(out, "{}: going on for {count} {what}{plural}, then pausing", folder.name())?;
    if arguments.wait {
        out.flush()?;
        let place = match wait_for_pause(&mut connection, &folder)?.activity {
            Activity::Starting => "paused while starting".to_owned(),
            Activity::Estimating { stage: Stage::Ranking, .. } => "paused in the ranking".to_owned(),
            Activity::Estimating { stage: Stage::WarmUp, generation, .. } => {
                format!("paused in generation {generation} of the warm-up")
            }
            Activity::Estimating { generation, .. } => format!("paused in generation {generation}"),
            Activity::Finals { .. } => "paused in the finals".to_owned(),
            Activity::Training { epoch, .. } => format!("paused in epoch {epoch}"),
            Activity::Testing { .. } => "paused in the test".to_owned(),
            Activity::Finished => "finished".to_owned(),
        };
        writeln!(out, "{}: {place}", folder.name())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The unit of a step that fits this kind of run, and its name.
fn unit_of(job: Job, unit: Option<Unit>) -> Result<(StepUnit, &'static str), &'static str> {
    match (job, unit) {
        (Job::Search, None | Some(Unit::Pair)) => Ok((StepUnit::Pair, "pair")),
        (Job::Search, Some(Unit::Generation)) => Ok((StepUnit::Generation, "generation")),
        (Job::Search, Some(Unit::Epoch)) => {
            Err("a search goes on by `pair` or by `generation`, not by epoch")
        }
        (Job::Train, _) => Ok((StepUnit::Epoch, "epoch")),
    }
}

/// Waits until a step is done or the run is finished.
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
                bail!("{name}: the engine ended; `relativenas status {name}` shows the state of the run")
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
            return Err(anyhow!("the engine does not end; {} may say why", log.display()));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_pair_or_generation_of_a_search_and_an_epoch_of_a_training() {
        let name = |job, unit| unit_of(job, unit).map(|(_, name)| name);
        assert_eq!(name(Job::Search, None), Ok("pair"));
        assert_eq!(name(Job::Search, Some(Unit::Generation)), Ok("generation"));
        assert_eq!(name(Job::Train, None), Ok("epoch"));
        assert_eq!(unit_of(Job::Train, Some(Unit::Epoch)), Ok((StepUnit::Epoch, "epoch")));
        assert!(name(Job::Search, Some(Unit::Epoch)).is_err());
    }
}
