//! Starting an engine in a session of its own, and waiting until it can be talked to.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::{
        fs::{MetadataExt as _, OpenOptionsExt as _},
        process::CommandExt as _,
    },
    process::{Child, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use relativenas_core::manifest::{EngineAddress, files};

use super::{
    connection::{Connection, elsewhere},
    launcher::{Launcher, lost_rank},
    liveness,
    program::{EngineProgram, end_with_this_process},
};
use crate::{failure::misuse, folder::RunFolder};

/// How often the engine's address is looked for.
const GLANCE: Duration = Duration::from_millis(20);
/// How long an engine may take until it listens. Loading libtorch takes a second, and much longer on a machine that
/// swaps.
const PATIENCE: Duration = Duration::from_secs(120);
/// The same for an engine that measures latencies first; larger networks and batches take longer.
const PATIENCE_WHILE_MEASURING: Duration = Duration::from_secs(900);
/// The number of lines of `engine.log` that are shown when an engine has died.
const LAST_WORDS: usize = 20;

/// How an engine is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct StartOptions {
    /// The engine ends when this process ends.
    pub die_with_parent: bool,
    /// The engine begins paused, and waits for a command.
    pub paused: bool,
    /// The engine does without a lock, on a file system that has none.
    pub force: bool,
    /// If no checkpoint can be read, the engine begins again from the beginning.
    pub restart: bool,
    /// Whether the run was just made for this engine. If the engine then fails before its first event, the
    /// run is removed.
    pub new_run: bool,
}

/// An engine that this process started.
pub struct StartedEngine {
    pub child: Child,
    folder: RunFolder,
    /// The length of `engine.log` before this engine wrote to it.
    log_before: u64,
    /// The address file of an earlier engine, for engines whose process id differs from that of the child.
    address_before: Option<Option<AddressFile>>,
    new_run: bool,
    /// How long it may take until it listens.
    patience: Duration,
}

/// Starts an engine on a run.
///
/// If the engine is to end with its parent, this must be called on the main thread, because Linux regards the
/// thread that started the engine as its parent.
///
/// # Errors
/// If the program cannot be started or engine.log cannot be written.
pub fn start(program: &EngineProgram, folder: &RunFolder, options: StartOptions) -> Result<StartedEngine> {
    let log_before = folder.log_length();
    let log_path = folder.file(files::ENGINE_LOG);
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&log_path);
    let log = log.with_context(|| format!("{}: cannot be written", log_path.display()))?;
    let errors = log.try_clone().context("no more files can be opened")?;
    let manifest = folder.manifest()?;
    let launcher = Launcher::of(&manifest);
    let address_before = launcher.stands_between().then(|| AddressFile::of(folder));
    let mut command = launcher.command(program);
    command.arg("run").arg(folder.path());
    if let Some(ranks) = launcher.arguments() {
        let timeout = manifest.config.device.rank_timeout.to_string();
        command.args(ranks).args(["--rank-timeout", &timeout]);
    }
    if options.die_with_parent && launcher.stands_between() {
        // The launcher is the parent; it would not give them the time for a checkpoint.
        command.arg("--leave-with").arg(std::process::id().to_string());
    } else if options.die_with_parent {
        end_with_this_process(&mut command);
    }
    let flags = [(options.force, "--force"), (options.paused, "--paused"), (options.restart, "--restart")];
    command.args(flags.into_iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag));
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    // SAFETY: setsid is async-signal-safe, and nothing else happens between fork and exec.
    unsafe {
        // A session of its own, so that neither Ctrl-C nor a hang-up of this terminal reaches it.
        command.pre_exec(|| rustix::process::setsid().map(drop).map_err(Into::into));
    }
    let started = command.get_program().to_owned();
    let child = command.spawn().with_context(|| format!("{}: cannot be started", started.display()))?;
    let measures = manifest.config.search.max_latency > 0.0 && manifest.latency.is_none();
    Ok(StartedEngine {
        child,
        folder: folder.clone(),
        log_before,
        address_before,
        new_run: options.new_run,
        patience: if measures { PATIENCE_WHILE_MEASURING } else { PATIENCE },
    })
}

/// Identifies the file with an engine's address. Every engine replaces the file of the engine before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AddressFile {
    inode: u64,
    changed: (i64, i64),
}

impl AddressFile {
    fn of(folder: &RunFolder) -> Option<Self> {
        let file = fs::metadata(folder.file(files::ENGINE)).ok()?;
        Some(Self { inode: file.ino(), changed: (file.mtime(), file.mtime_nsec()) })
    }
}

impl StartedEngine {
    /// Waits until the engine listens and has greeted.
    ///
    /// # Errors
    /// If the engine exits before, with its last words (a new run in which nothing happened is removed then), or if
    /// it does not listen in time.
    pub fn connect(&mut self) -> Result<Connection> {
        let started = Instant::now();
        loop {
            if let Some(address) = self.address()?
                && let Ok(connection) = Connection::at(&self.folder, &address)
            {
                return Ok(connection);
            }
            if let Some(status) = self.child.try_wait().context("the engine cannot be waited for")? {
                let why = self.failure(status);
                // The command exits with the engine's code, which is 2 for a wrong setting.
                return Err(if status.code() == Some(2) { misuse(why) } else { anyhow!(why) });
            }
            if started.elapsed() > self.patience {
                let log = self.folder.file(files::ENGINE_LOG);
                let minutes = self.patience.as_secs() / 60;
                bail!("the engine does not listen after {minutes} minutes; {} may say why", log.display());
            }
            thread::sleep(GLANCE);
        }
    }

    /// The engine's address, once it has written it.
    fn address(&self) -> Result<Option<EngineAddress>> {
        let Some(before) = self.address_before else {
            return Ok(liveness::address(&self.folder).filter(|a| a.pid == self.child.id()));
        };
        let address = liveness::address(&self.folder).filter(|_| AddressFile::of(&self.folder) != before);
        match address {
            Some(address) if address.host != liveness::this_host() => {
                Err(elsewhere(&self.folder, &address.host))
            }
            address => Ok(address),
        }
    }

    /// The message about an engine that ended before it could be reached.
    fn failure(&self, status: ExitStatus) -> String {
        let last_words = self.last_words();
        let complaint = self.complaint();
        if self.new_run && !last_words.is_empty() && discard(&self.folder) {
            let name = self.folder.name();
            let why = complaint.unwrap_or_else(|| last_words.join("\n"));
            return format!("{name} did not begin, and is removed again: {why}");
        }
        if let Some(why) = complaint {
            let log = self.folder.file(files::ENGINE_LOG);
            return format!("{}: {why}\n({} has more)", self.folder.reference(), log.display());
        }
        format!(
            "the engine ended before it could be reached ({status}){}",
            explanation(&last_words, &self.folder)
        )
    }

    /// The last lines that the engine wrote to `engine.log`, to be appended to a sentence.
    pub fn explanation(&self) -> String {
        explanation(&self.last_words(), &self.folder)
    }

    /// The error with which the engine ended, if it wrote one to `engine.log`.
    pub fn complaint(&self) -> Option<String> {
        self.folder.complaint(self.log_before)
    }

    /// The last lines that the engine wrote to `engine.log`.
    pub fn last_words(&self) -> Vec<String> {
        self.folder.last_words(self.log_before, LAST_WORDS)
    }
}

/// Removes a run whose engine has ended, if nothing can be lost: there is no event and no checkpoint, and no
/// engine holds the run. Returns whether it was removed.
fn discard(folder: &RunFolder) -> bool {
    let is_missing = |e: io::Error| e.kind() == io::ErrorKind::NotFound;
    let no_event = fs::metadata(folder.file(files::EVENTS)).map_or_else(is_missing, |m| m.len() == 0);
    let no_checkpoint =
        fs::read_dir(folder.file(files::CHECKPOINTS)).map_or_else(is_missing, |mut all| all.next().is_none());
    // Held until the folder is gone, so that no engine starts in between.
    no_event && no_checkpoint && matches!(liveness::hold(folder), Ok(Some(_lock)) if folder.remove().is_ok())
}

/// The last lines of an engine in `engine.log`, to be appended to a sentence.
pub fn explanation(last_words: &[String], folder: &RunFolder) -> String {
    let log = folder.file(files::ENGINE_LOG);
    if last_words.is_empty() {
        return format!(" and said nothing in {}", log.display());
    }
    let lost = lost_rank(last_words).map(|sentence| format!("; {sentence}")).unwrap_or_default();
    format!("{lost}; the end of {}:\n{}", log.display(), last_words.join("\n"))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, path::Path};

    use super::*;
    use crate::fixture;

    /// What connecting to an engine says that does this to its run's folder, `$2`, and fails.
    fn failure(runs: &Path, does: &str, new_run: bool) -> String {
        let script = runs.join(".engine");
        let text = format!(
            "#!/bin/sh\n{does}\necho starting\necho 'relativenas-engine: /etc: no data set' >&2\nexit 2\n"
        );
        fs::write(&script, text).expect("written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("made executable");
        let folder = fixture::run(runs, "r");
        let options = StartOptions { new_run, ..StartOptions::default() };
        let mut engine = start(&EngineProgram::at(script), &folder, options).expect("started");
        engine.connect().err().expect("it failed").to_string()
    }

    #[test]
    fn a_new_run_that_did_not_begin_is_removed_and_the_engine_quoted() {
        let runs = tempfile::tempdir().expect("a folder");
        let said = failure(runs.path(), ": > $2/events.jsonl; mkdir $2/checkpoints", true);
        assert_eq!(said, "r did not begin, and is removed again: /etc: no data set");
        assert!(!runs.path().join("r").exists());
        assert_eq!(fs::read_dir(runs.path()).expect("readable").count(), 1, "the engine alone is left");
    }

    #[test]
    fn a_run_that_has_something_in_it_stays() {
        for (does, new_run) in
            [("echo '{}' > $2/events.jsonl", true), ("mkdir -p $2/checkpoints/0001-0000", true), (":", false)]
        {
            let runs = tempfile::tempdir().expect("a folder");
            let said = failure(runs.path(), does, new_run);
            assert!(said.contains("/r: /etc: no data set\n("), "{does}: {said}");
            assert!(runs.path().join("r/run.toml").exists(), "{does}");
        }
    }
}
