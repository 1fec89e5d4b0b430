//! Working on a study: commands of this program, one a run, some of them at once.

use std::{
    collections::VecDeque,
    env, fs,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use relativenas_core::{
    genotype::{Genotype, GenotypeFormat},
    view::Phase,
};
use relativenas_run::{
    folder::RunFolder,
    lock::{Liveness, liveness},
};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{PlannedSearch, Study};
use crate::{
    commands::export::of_rank,
    written::{counted, duration, printable},
};

/// How often a signal and the end of a run are looked for.
const GLANCE: Duration = Duration::from_millis(100);

/// How work on a study ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Another worker holds what is left.
    LeftToOthers,
    /// So many runs failed; the others are done.
    Failed(usize),
    /// A signal came; runs that were going on have left a checkpoint.
    Interrupted,
}

/// What became of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Done,
    Elsewhere,
    Failed,
    Interrupted,
}

/// Does what is missing of a study, so many runs at once, and says on standard error how it goes.
///
/// # Errors
/// If signals cannot be caught, or this program cannot be found.
pub fn work(study: &Study, jobs: usize) -> Result<Outcome> {
    let signalled = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&signalled)).context("signals cannot be caught")?;
    }
    let worker = Worker {
        study,
        program: env::current_exe().context("this program cannot be found")?,
        signals: AtomicUsize::new(0),
        begun: Instant::now(),
        done: AtomicUsize::new(0),
    };
    let queue = Mutex::new(VecDeque::from(study.plan.searches()));
    let steps = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs)
            .map(|_| {
                scope.spawn(|| {
                    while let Some(search) = next(&queue) {
                        let found = worker.search_and_judge(search);
                        steps.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
                    }
                })
            })
            .collect();
        // Every worker passes every signal on to its own run, so they are counted in one place.
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            if signalled.swap(false, Ordering::Relaxed) {
                worker.signals.fetch_add(1, Ordering::Relaxed);
                say("stopping after a checkpoint (once more leaves at once)");
            }
            thread::sleep(GLANCE);
        }
    });
    let steps = steps.into_inner().unwrap_or_else(PoisonError::into_inner);
    let count = |wanted| steps.iter().filter(|step| **step == wanted).count();
    Ok(match (count(Step::Interrupted), count(Step::Failed), count(Step::Elsewhere)) {
        (1.., _, _) => Outcome::Interrupted,
        (_, failed @ 1.., _) => Outcome::Failed(failed),
        (_, _, 1..) => Outcome::LeftToOthers,
        _ => Outcome::Done,
    })
}

fn next(queue: &Mutex<VecDeque<PlannedSearch>>) -> Option<PlannedSearch> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

struct Worker<'a> {
    study: &'a Study,
    program: std::path::PathBuf,
    /// How many signals came.
    signals: AtomicUsize,
    begun: Instant,
    /// Runs that this worker has finished.
    done: AtomicUsize,
}

impl Worker<'_> {
    fn search_and_judge(&self, search: PlannedSearch) -> Vec<Step> {
        let name = search.name();
        let mut steps = vec![self.one(&name, |command| {
            command.args(["search", "--headless", "--searcher", search.searcher.name()]);
            command.args(["--seed", &search.seed.to_string()]);
        })];
        if steps[0] != Step::Done || self.study.plan.judge_seeds == 0 {
            return steps;
        }
        let winner = self.study.winner(search);
        if let Err(error) = self.keep_winner(&name, &winner) {
            say(&format!("{name}: {error:#}"));
            steps.push(Step::Failed);
            return steps;
        }
        for seed in 1..=self.study.plan.judge_seeds {
            steps.push(self.one(&search.judged(seed), |command| {
                command.args(["train", "--headless", "--arch"]).arg(&winner);
                command.args(["--seed", &seed.to_string()]);
            }));
        }
        steps
    }

    /// Writes the genotype that a finished search ended with to where its trainings read it.
    fn keep_winner(&self, name: &str, path: &Path) -> Result<()> {
        let folder = self.study.run(name).context("the run is gone")?;
        let view = folder.view()?;
        let search = view.search.as_ref().context("the run has no population")?;
        let genotype = Genotype::decode(of_rank(search, 1)?).ok().context(
            "the winner is no cell that can be trained; make a study of this space with --judge-seeds 0",
        )?;
        crate::atomic::write(path, genotype.format(GenotypeFormat::Darts).as_bytes())
    }

    /// Begins a run or goes on with it, and waits for its end.
    fn one(&self, name: &str, begin: impl FnOnce(&mut Command)) -> Step {
        if self.signals.load(Ordering::Relaxed) > 0 {
            return Step::Interrupted;
        }
        let folder = self.study.run(name);
        if folder.as_ref().is_some_and(finished) {
            return Step::Done;
        }
        if folder.as_ref().is_some_and(|folder| liveness(folder) == Liveness::Alive) {
            say(&format!("{name}: an engine is running on it; left to whoever started it"));
            return Step::Elsewhere;
        }
        say(&format!("{name}: {}", if folder.is_some() { "goes on" } else { "begins" }));
        let mut command = self.command();
        match &folder {
            Some(folder) => _ = command.args(["resume", "--headless"]).arg(folder.path()),
            None => {
                begin(&mut command);
                command.args(["--name", name]).arg("--run-dir").arg(self.study.runs());
                command.arg("--config").arg(self.study.settings());
            }
        }
        let begun = Instant::now();
        match self.finish(name, command) {
            Ok(status) => self.judge_end(name, status, begun.elapsed()),
            Err(error) => {
                say(&format!("{name}: {error:#}"));
                Step::Failed
            }
        }
    }

    /// This program, without settings of the environment: those of the study are complete.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let settings = |name: &std::ffi::OsStr| {
            let name = name.to_string_lossy();
            name.starts_with("RELATIVENAS_") && name.contains("__")
        };
        for (name, _) in env::vars_os().filter(|(name, _)| settings(name)) {
            command.env_remove(name);
        }
        command
    }

    fn finish(&self, name: &str, mut command: Command) -> Result<ExitStatus> {
        let mut log = self.study.log(name).context("its log cannot be opened")?;
        writeln!(log, "$ {}", shown(&command)).context("its log cannot be written")?;
        let both = log.try_clone().context("its log cannot be opened twice")?;
        command.stdin(Stdio::null()).stdout(both).stderr(log);
        // In a group of its own, so that Ctrl-C reaches it from here, once.
        let child = command.process_group(0).spawn().context("cannot be started")?;
        self.wait(child)
    }

    fn wait(&self, mut child: Child) -> Result<ExitStatus> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let mut passed_on = 0;
        loop {
            if let Some(status) = child.try_wait().context("cannot be waited for")? {
                return Ok(status);
            }
            if self.signals.load(Ordering::Relaxed) > passed_on {
                passed_on += 1;
                // A process that is gone already is what was wanted.
                let _ = pid.map(|pid| kill_process(pid, Signal::INT));
            }
            thread::sleep(GLANCE);
        }
    }

    fn judge_end(&self, name: &str, status: ExitStatus, took: Duration) -> Step {
        if self.study.run(name).as_ref().is_some_and(finished) {
            let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
            let took = duration(took.as_secs_f64());
            let left = self.left(done);
            say(&format!("{name}: finished in {took}{left}"));
            return Step::Done;
        }
        if self.signals.load(Ordering::Relaxed) > 0 {
            return Step::Interrupted;
        }
        let elsewhere = |folder: &RunFolder| liveness(folder) == Liveness::Alive;
        if self.study.run(name).as_ref().is_some_and(elsewhere) {
            return Step::Elsewhere; // Another worker was a moment faster.
        }
        let log = self.study.path().join("logs").join(format!("{name}.log"));
        say(&format!("{name}: failed ({status}); the end of {}:\n{}", log.display(), end_of(&log)));
        Step::Failed
    }

    /// How many runs are left, and how long they will take at the pace so far.
    fn left(&self, done: usize) -> String {
        let finished = self.study.begun().iter().filter(|folder| finished(folder)).count();
        let left = self.study.plan.runs().saturating_sub(finished);
        if left == 0 {
            return "; that was the last one".to_owned();
        }
        let seconds = self.begun.elapsed().as_secs_f64() / done as f64 * left as f64;
        format!("; {} left, about {}", counted(left, "run"), duration(seconds))
    }
}

/// Whether a run came to its end. One that cannot be read did not; whoever goes on with it hears why.
fn finished(folder: &RunFolder) -> bool {
    folder.view().is_ok_and(|view| view.phase() == Phase::Finished)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| printable(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// The last lines of a log.
fn end_of(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
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

/// A line on standard error. A worker whose terminal is gone goes on all the same.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
