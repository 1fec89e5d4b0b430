//! A run of a study as a command of this program, in a process of its own, under a claim.

use std::{
    env, fs,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use relativenas_run::claim::{Claim, VARIABLE};
use rustix::process::{Pid, Signal, getpid, getppid, kill_process, set_parent_process_death_signal};

use super::{Study, signals::Signals};
use crate::written::printable;

/// How often a signal and the end of a run are looked for.
pub const GLANCE: Duration = Duration::from_millis(100);

/// How the process of a run ended.
pub enum End {
    Exited(ExitStatus),
    /// Another worker has taken the run over, so the command was killed.
    Lost,
}

/// A command of this program under a claim. Settings in environment variables are removed from it, because a study
/// has all its settings in a file.
pub fn command(program: &Path, claim: &Claim) -> Command {
    let mut command = Command::new(program);
    let settings = |name: &std::ffi::OsStr| {
        let name = name.to_string_lossy();
        name.starts_with("RELATIVENAS_") && name.contains("__")
    };
    for (name, _) in env::vars_os().filter(|(name, _)| settings(name)) {
        command.env_remove(name);
    }
    command.env(VARIABLE, claim.path());
    command
}

/// Runs a command to its end. Meanwhile it renews the claim, and passes on every signal that arrives.
pub fn carry_out(
    study: &Study,
    run: &str,
    mut command: Command,
    claim: &mut Claim,
    signals: &Signals,
) -> Result<End> {
    let mut log = study.log(run).context("its log cannot be opened")?;
    writeln!(log, "$ {}", shown(&command)).context("its log cannot be written")?;
    let both = log.try_clone().context("its log cannot be opened twice")?;
    command.stdin(Stdio::null()).stdout(both).stderr(log);
    // In a group of its own, so that Ctrl-C reaches it from here, once.
    command.process_group(0);
    let worker = getpid();
    // SAFETY: both calls are async-signal-safe, and nothing else happens between fork and exec.
    unsafe {
        // If the worker is killed, it can no longer renew its claims, so its processes are told to leave a
        // checkpoint and end.
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::TERM))?;
            if getppid() == Some(worker) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
        });
    }
    let child = command.spawn().context("cannot be started")?;
    wait(run, child, claim, signals)
}

fn wait(run: &str, mut child: Child, claim: &mut Claim, signals: &Signals) -> Result<End> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (mut passed_on, mut complained) = (0, false);
    loop {
        if let Some(status) = child.try_wait().context("cannot be waited for")? {
            return Ok(End::Exited(status));
        }
        match renew_if_due(claim) {
            Ok(true) => complained = false,
            Ok(false) => {
                // Its engine ends with it, and writes nothing more, because it watches the claim as well.
                child.kill().and_then(|()| child.wait()).context("cannot be ended")?;
                return Ok(End::Lost);
            }
            Err(error) if !complained => {
                complained = true;
                say(&format!("{run}: its claim cannot be renewed ({error}); trying again"));
            }
            Err(_) => {}
        }
        if signals.came() > passed_on {
            passed_on += 1;
            // If the process is gone already, the signal is not needed.
            let _ = pid.map(|pid| kill_process(pid, signals.to_pass_on()));
        }
        thread::sleep(GLANCE);
    }
}

/// Renews the claim when that is due; returns whether it is still held, as far as is known.
pub fn renew_if_due(claim: &mut Claim) -> io::Result<bool> {
    if claim.due() { claim.renew() } else { Ok(true) }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| printable(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// The last lines of a log.
pub fn end_of(path: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(2000)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(8)..];
    last.iter().map(|line| format!("  {}", printable(line))).collect::<Vec<_>>().join("\n")
}

/// Prints a line to standard error. A worker whose terminal is gone goes on.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
