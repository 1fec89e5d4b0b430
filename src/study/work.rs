//! Working on a study: taking the next free run, until none is left, with as many workers as wanted on as
//! many machines as share its folder.

#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    env, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result};
use relativenas_core::{
    genotype::{Genotype, GenotypeFormat},
    view::Phase,
};
use relativenas_run::{
    claim::{Claim, ClaimAction, ClaimState, Held, Holder, now_in},
    folder::RunFolder,
    lock::{Liveness, liveness},
};

use super::{
    Plan, PlannedRun, PlannedSearch, Study,
    process::{End, GLANCE, carry_out, command, end_of, renew_if_due, say},
    signals::{Signals, Urgency},
};
use crate::{
    operations::export::of_rank,
    written::{counted, duration},
};

/// How long to wait for an engine whose worker has lost the run. The engine checks its claim every other second,
/// but it may be busy for longer.
const LEAVING: Duration = Duration::from_secs(30);
/// The longest time between two looks for a free run.
const LONGEST_POLL: Duration = Duration::from_secs(5);
/// The name of the claims by which workers wait for their turn.
const WAITING: &str = ".waiting";

/// How work on a study ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Other workers hold what is left.
    LeftToOthers,
    /// This number of runs failed; whatever else is free is done.
    Failed(usize),
    /// A signal arrived. Runs in progress have left a checkpoint, and any worker can take them.
    Ended(Urgency),
}

/// The result of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunEnd {
    Done,
    Elsewhere,
    Failed,
    Interrupted,
}

/// Does all missing runs of a study, `jobs` at a time, and prints the progress to standard error. If this
/// process does not renew its claims for the length of a `lease`, other workers take its runs over.
///
/// # Errors
/// If signals cannot be caught, this program cannot be found, or nothing can be claimed in the study's folder.
pub fn work(study: &Study, jobs: usize, lease: Duration) -> Result<Outcome> {
    let cannot = || format!("{}: runs cannot be claimed here", study.claims_folder().display());
    let worker = Worker::new(study, lease, Signals::catch()?, cannot)?;
    let worked = thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(|| worker.work_through())).collect();
        while !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
            match worker.signals.glance() {
                Some(Urgency::Interrupted) => {
                    say("stopping after a checkpoint (interrupt again to stop at once)")
                }
                Some(Urgency::Terminated) => {
                    say("leaving at once, with a checkpoint; others can take the run")
                }
                None => {}
            }
            thread::sleep(GLANCE);
        }
        let panicked = |_| Err(io::Error::other("a thread of the worker panicked"));
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(panicked))
    });
    worked.with_context(cannot)?;
    let failed = lock(&worker.failed).len();
    // By the plan that the threads knew last: an extension that came after they ended is left for the next worker.
    let plan = lock(&worker.plan).clone();
    let all_done = || plan.in_order().into_iter().all(|run| worker.finished(run));
    Ok(match worker.signals.ending() {
        _ if all_done() => Outcome::Done,
        Some(ending) => Outcome::Ended(ending),
        None if failed > 0 => Outcome::Failed(failed),
        None => Outcome::LeftToOthers,
    })
}

/// The batch job that this process belongs to.
fn batch_job() -> Option<String> {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    if let (Some(job), Some(task)) = (variable("SLURM_ARRAY_JOB_ID"), variable("SLURM_ARRAY_TASK_ID")) {
        return Some(format!("Slurm job {job}_{task}"));
    }
    let systems = [("Slurm", "SLURM_JOB_ID"), ("PBS", "PBS_JOBID"), ("LSF", "LSB_JOBID")];
    systems.into_iter().find_map(|(system, name)| Some(format!("{system} job {}", variable(name)?)))
}

struct Worker<'a> {
    study: &'a Study,
    program: PathBuf,
    holder: Holder,
    lease: Duration,
    signals: Signals,
    /// When the worker began, by the clock of the study's file system.
    started: SystemTime,
    begun: Instant,
    /// The plan as it was when it was last read; the study may be extended meanwhile.
    plan: Mutex<Plan>,
    /// Runs that this worker has finished.
    done: AtomicUsize,
    /// Runs that are known to be finished, which they stay.
    finished: Mutex<HashSet<String>>,
    /// Runs that failed while this worker held them.
    failed: Mutex<HashSet<String>>,
}

/// What is to be done next.
enum Next {
    Run(PlannedRun, Claim),
    /// All available runs are held by other workers. When these are finished, this number of further runs can
    /// begin.
    Wait(usize),
    Nothing,
}

impl<'a> Worker<'a> {
    /// A worker that has no run yet; `cannot` says that runs cannot be claimed.
    fn new(
        study: &'a Study,
        lease: Duration,
        signals: Signals,
        cannot: impl Fn() -> String + Copy,
    ) -> Result<Self> {
        let claims = study.claims_folder();
        std::fs::create_dir_all(&claims).with_context(cannot)?;
        Ok(Self {
            study,
            program: env::current_exe().context("this program cannot be found")?,
            holder: Holder::this(batch_job()),
            lease,
            signals,
            started: now_in(&claims).with_context(cannot)?,
            begun: Instant::now(),
            plan: Mutex::new(study.plan.clone()),
            done: AtomicUsize::new(0),
            finished: Mutex::default(),
            failed: Mutex::default(),
        })
    }

    /// Takes one run after the other.
    fn work_through(&self) -> io::Result<()> {
        let mut place: Option<(usize, Claim)> = None;
        while self.signals.ending().is_none() {
            let next = self.next()?;
            if let Next::Wait(blocked) = next
                && self.keep_place(&mut place, blocked.max(1))?
            {
                self.pause();
                continue;
            }
            if let Some((_, place)) = place.take() {
                place.give_back(ClaimAction::GaveBack)?;
            }
            let Next::Run(run, claim) = next else { break };
            self.hold(run, claim)?;
        }
        place.map_or(Ok(()), |(_, place)| place.give_back(ClaimAction::GaveBack))
    }

    /// The study's plan, which another command may have extended.
    fn plan(&self) -> Plan {
        let mut known = lock(&self.plan);
        // A file that cannot be read at this moment is read the next time.
        if let Ok(now) = self.study.plan_now()
            && now != *known
        {
            say(&format!("the study was extended; it has {} now", counted(now.runs(), "run")));
            *known = now;
        }
        known.clone()
    }

    fn next(&self) -> io::Result<Next> {
        let now = now_in(&self.study.claims_folder())?;
        let (mut held, mut blocked) = (0, 0);
        for run in self.plan().in_order() {
            let name = run.name();
            if self.finished(run) || lock(&self.failed).contains(&name) {
                continue;
            }
            if run.judged.is_some() && !self.finished(PlannedRun { judged: None, ..run }) {
                blocked += 1;
                continue;
            }
            let claims = self.study.claims(&name);
            let free = match claims.state(now)? {
                ClaimState::Held(Held { lapsed, .. }) => lapsed,
                // The run may have been resumed by hand.
                ClaimState::Free => !self.is_alive(&name),
                // A run that failed is tried again only by workers that were started afterwards.
                ClaimState::Failed(at) if at >= self.started => continue,
                ClaimState::Failed(_) => !self.is_alive(&name),
            };
            match if free { claims.take(&self.holder, self.lease)? } else { None } {
                Some(claim) => return Ok(Next::Run(run, claim)),
                None => held += 1,
            }
        }
        Ok(if held > 0 { Next::Wait(blocked) } else { Next::Nothing })
    }

    /// Whether this thread waits for runs that other workers hold. As many threads wait as there may be runs
    /// for, and at least one, which takes over the runs of a worker that dies. The others end, so that their
    /// machines are free.
    fn keep_place(&self, place: &mut Option<(usize, Claim)>, places: usize) -> io::Result<bool> {
        if let Some((number, claim)) = place {
            if *number <= places && renew_if_due(claim)? {
                return Ok(true);
            }
            if *number > places {
                return Ok(false);
            }
            *place = None;
        }
        for number in 1..=places {
            let claims = self.study.claims(&format!("{WAITING}-{number}"));
            if let Some(claim) = claims.take(&self.holder, self.lease)? {
                say("waiting for runs that other workers hold, to take over those that they leave");
                *place = Some((number, claim));
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn pause(&self) {
        let until = Instant::now() + (self.lease / 4).min(LONGEST_POLL);
        while Instant::now() < until && self.signals.ending().is_none() {
            thread::sleep(GLANCE);
        }
    }

    /// Does a run that was claimed, and gives it back.
    fn hold(&self, run: PlannedRun, mut claim: Claim) -> io::Result<()> {
        let step = self.one(run, &mut claim).unwrap_or_else(|error| {
            say(&format!("{}: {error:#}", run.name()));
            RunEnd::Failed
        });
        if step == RunEnd::Failed {
            lock(&self.failed).insert(run.name());
        }
        claim.give_back(if step == RunEnd::Failed { ClaimAction::Failed } else { ClaimAction::GaveBack })
    }

    /// Begins a run or goes on with it, and waits for its end.
    fn one(&self, run: PlannedRun, claim: &mut Claim) -> Result<RunEnd> {
        let name = run.name();
        if self.finished(run) {
            return Ok(RunEnd::Done); // Another worker has just finished it.
        }
        if !self.wait_for_its_engine(&name, claim)? {
            say(&format!("{name}: an engine is running on it; left to the command that started it"));
            return Ok(RunEnd::Elsewhere);
        }
        let folder = self.study.run(&name);
        say(&format!("{name}: {}", if folder.is_some() { "goes on" } else { "begins" }));
        let mut command = command(&self.program, claim);
        match &folder {
            Some(folder) => {
                command.args(["resume", "--headless"]).arg(folder.path());
                if matches!(liveness(folder), Liveness::Unknown(_)) {
                    command.arg("--force"); // The claim does what the lock cannot do here.
                }
            }
            None => {
                self.begin(run, &mut command)?;
                command.args(["--name", &name]).arg("--run-dir").arg(self.study.runs());
                command.arg("--config").arg(self.study.settings());
            }
        }
        let begun = Instant::now();
        Ok(match carry_out(self.study, &name, command, claim, &self.signals)? {
            End::Exited(status) => self.judge_end(run, status, begun.elapsed()),
            End::Lost => {
                say(&format!(
                    "{name}: another worker has taken it over, because its claim was not renewed for {}; given up",
                    duration(claim.age().as_secs_f64())
                ));
                RunEnd::Elsewhere
            }
        })
    }

    fn begin(&self, run: PlannedRun, command: &mut Command) -> Result<()> {
        let Some(seed) = run.judged else {
            command.args(["search", "--headless", "--searcher", run.search.searcher.name()]);
            command.args(["--seed", &run.search.seed.to_string()]);
            return Ok(());
        };
        let winner = self.study.winner(run.search);
        if !winner.exists() {
            self.keep_winner(run.search, &winner)?;
        }
        command.args(["train", "--headless", "--arch"]).arg(&winner).args(["--seed", &seed.to_string()]);
        if let Some(images) = self.study.plan.judge_images {
            command.arg("--set").arg(format!("data.train_images={images}"));
        }
        Ok(())
    }

    /// Writes the genotype that a finished search ended with to where its trainings read it.
    fn keep_winner(&self, search: PlannedSearch, path: &Path) -> Result<()> {
        let folder = self.study.run(&search.name()).context("the search is gone")?;
        let view = folder.view()?;
        let search = view.search.as_ref().context("the search has no population")?;
        let genotype = Genotype::decode(of_rank(search, 1)?).ok().context(
            "the winner is no cell that can be trained; make a study of this space with --judge-seeds 0",
        )?;
        crate::atomic::write(path, genotype.format(GenotypeFormat::Darts).as_bytes())
    }

    /// Waits until no engine works on a run; returns `false` if the claim is lost.
    fn wait_for_its_engine(&self, name: &str, claim: &mut Claim) -> io::Result<bool> {
        let began = Instant::now();
        while self.is_alive(name) {
            if began.elapsed() > LEAVING || self.signals.ending().is_some() || !renew_if_due(claim)? {
                return Ok(false);
            }
            thread::sleep(GLANCE);
        }
        Ok(true)
    }

    fn is_alive(&self, name: &str) -> bool {
        self.study.run(name).is_some_and(|folder| liveness(&folder) == Liveness::Alive)
    }

    /// Whether a run is finished. A run that cannot be read counts as unfinished, so that resuming it reports
    /// the error.
    fn finished(&self, run: PlannedRun) -> bool {
        let name = run.name();
        if lock(&self.finished).contains(&name) {
            return true;
        }
        let is = |folder: RunFolder| folder.view().is_ok_and(|view| view.phase() == Phase::Finished);
        let finished = self.study.run(&name).is_some_and(is);
        if finished {
            lock(&self.finished).insert(name);
        }
        finished
    }

    fn judge_end(&self, run: PlannedRun, status: ExitStatus, took: Duration) -> RunEnd {
        let name = run.name();
        if self.finished(run) {
            let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
            let took = duration(took.as_secs_f64());
            let left = self.left(done);
            say(&format!("{name}: finished in {took}{left}"));
            return RunEnd::Done;
        }
        if self.signals.ending().is_some() {
            return RunEnd::Interrupted;
        }
        if self.is_alive(&name) {
            return RunEnd::Elsewhere; // The run was resumed by hand a moment before.
        }
        let log = self.study.path().join("logs").join(format!("{name}.log"));
        say(&format!("{name}: failed ({status}); the end of {}:\n{}", log.display(), end_of(&log)));
        RunEnd::Failed
    }

    /// How many runs are left, and how long they will take at the pace so far.
    fn left(&self, done: usize) -> String {
        let left = self.plan().in_order().into_iter().filter(|run| !self.finished(*run)).count();
        if left == 0 {
            return "; that was the last one".to_owned();
        }
        let seconds = self.begun.elapsed().as_secs_f64() / done as f64 * left as f64;
        format!("; {} left, about {}", counted(left, "run"), duration(seconds))
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
