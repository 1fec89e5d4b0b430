//! Starting an engine in a session of its own, and waiting until it can be talked to.

use std::{
    fs::OpenOptions,
    os::unix::{fs::OpenOptionsExt as _, process::CommandExt as _},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use relativenas_core::manifest::files;

use super::{
    connection::Connection,
    liveness,
    program::{EngineProgram, end_with_this_process},
};
use crate::{failure::misuse, folder::RunFolder};

/// How often the engine's address is looked for.
const GLANCE: Duration = Duration::from_millis(20);
/// Loading libtorch takes a second; on a machine that swaps, much longer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Lines of engine.log that explain a death.
const LAST_WORDS: usize = 20;

/// How an engine is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct StartOptions {
    /// The engine leaves when this process does.
    pub die_with_parent: bool,
    /// It waits for a command before its first pair.
    pub paused: bool,
    /// It does without a lock.
    pub force: bool,
}

/// An engine that this process started.
pub struct StartedEngine {
    pub child: Child,
    folder: RunFolder,
    /// Length of engine.log before it said anything.
    log_before: u64,
}

/// Starts an engine on a run.
///
/// It must be called on the main thread if the engine is to die with its parent, because Linux
/// takes the thread that started it for the parent.
///
/// # Errors
/// If the program cannot be started or engine.log cannot be written.
pub fn start(program: &EngineProgram, folder: &RunFolder, options: StartOptions) -> Result<StartedEngine> {
    let log_before = folder.log_length();
    let log_path = folder.file(files::ENGINE_LOG);
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&log_path);
    let log = log.with_context(|| format!("{}: cannot be written", log_path.display()))?;
    let errors = log.try_clone().context("no more files can be opened")?;
    let mut command = program.command();
    command.arg("run").arg(folder.path());
    if options.die_with_parent {
        end_with_this_process(&mut command);
    }
    let flags = [(options.force, "--force"), (options.paused, "--paused")];
    command.args(flags.into_iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag));
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    // SAFETY: setsid is async-signal-safe, and nothing else happens between fork and exec.
    unsafe {
        // A session of its own, so that neither Ctrl-C nor a hang-up of this terminal reaches it.
        command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into));
    }
    let child =
        command.spawn().with_context(|| format!("{}: cannot be started", program.path().display()))?;
    Ok(StartedEngine { child, folder: folder.clone(), log_before })
}

impl StartedEngine {
    /// Waits until the engine listens and has greeted.
    ///
    /// # Errors
    /// If it exits before, with what it said; or does not listen within two minutes.
    pub fn connect(&mut self) -> Result<Connection> {
        let started = Instant::now();
        loop {
            let address = liveness::address(&self.folder).filter(|a| a.pid == self.child.id());
            if let Some(address) = address
                && let Ok(connection) = Connection::at(&self.folder, &address)
            {
                return Ok(connection);
            }
            if let Some(status) = self.child.try_wait().context("the engine cannot be waited for")? {
                let why =
                    format!("the engine ended before it could be reached ({status}){}", self.explanation());
                // It exits as this command does: 2 where a setting is wrong.
                return Err(if status.code() == Some(2) { misuse(why) } else { anyhow!(why) });
            }
            if started.elapsed() > PATIENCE {
                let log = self.folder.file(files::ENGINE_LOG);
                bail!("the engine does not listen after two minutes; {} may say why", log.display());
            }
            thread::sleep(GLANCE);
        }
    }

    /// What the engine said last, to be appended to a sentence.
    pub fn explanation(&self) -> String {
        explanation(&self.last_words(), &self.folder)
    }

    pub fn last_words(&self) -> Vec<String> {
        self.folder.last_words(self.log_before, LAST_WORDS)
    }
}

/// The last words of an engine, to be appended to a sentence.
pub fn explanation(last_words: &[String], folder: &RunFolder) -> String {
    let log = folder.file(files::ENGINE_LOG);
    if last_words.is_empty() {
        return format!(" and said nothing in {}", log.display());
    }
    format!("; the end of {}:\n{}", log.display(), last_words.join("\n"))
}
