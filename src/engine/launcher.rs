//! Starting the ranks of a run: through a launcher of MPI, or as threads of one engine.

use std::{env, path::Path, process::Command};

use anyhow::Result;
use relativenas_core::{
    config::DeviceConfig,
    manifest::{Job, Manifest},
};

use super::program::EngineProgram;
use crate::failure::misuse;

/// What stands for the number of ranks in `device.launcher`.
const RANKS: &str = "{ranks}";

/// OpenMPI would bind each of two ranks to a single core, so its default is overridden by this variable.
/// Other launchers ignore it.
const ENVIRONMENT: (&str, &str) = ("OMPI_MCA_hwloc_base_binding_policy", "none");

/// How many ranks a run has, and how they are started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Launcher {
    /// One rank, which is an ordinary process.
    Alone,
    /// Threads of one engine.
    Threads { ranks: usize },
    /// Processes that a launcher starts; `words` is the launcher's command line.
    Words { ranks: usize, words: Vec<String> },
}

impl Launcher {
    /// The launcher that is recorded in a run's manifest. Searches of older programs, which had no ranks, may
    /// record a number of ranks that cannot share them; such a search has one rank.
    pub fn of(manifest: &Manifest) -> Self {
        let Manifest { job, config, .. } = manifest;
        match job {
            Job::Search if config.check_ranks_of_search(config.device.ranks).is_err() => Self::Alone,
            Job::Search | Job::Train => Self::new(&config.device),
        }
    }

    /// The launcher that the settings ask for.
    pub fn new(device: &DeviceConfig) -> Self {
        let ranks = device.ranks;
        let words: Vec<_> =
            device.launcher.split_whitespace().map(|word| word.replace(RANKS, &ranks.to_string())).collect();
        match ranks {
            0 | 1 => Self::Alone,
            ranks if words.is_empty() => Self::Threads { ranks },
            ranks => Self::Words { ranks, words },
        }
    }

    /// Whether the process that is started is the launcher, and not the engine.
    pub fn stands_between(&self) -> bool {
        matches!(self, Self::Words { .. })
    }

    /// The command that starts the engine, without the engine's arguments.
    pub fn command(&self, program: &EngineProgram) -> Command {
        match self {
            Self::Words { words, .. } => {
                let mut command = Command::new(&words[0]);
                command.args(&words[1..]).arg(program.path());
                let (variable, value) = ENVIRONMENT;
                if env::var_os(variable).is_none() {
                    command.env(variable, value);
                }
                command
            }
            Self::Alone | Self::Threads { .. } => program.command(),
        }
    }

    /// The engine's arguments about its ranks.
    pub fn arguments(&self) -> Option<[String; 2]> {
        match self {
            Self::Alone => None,
            Self::Threads { ranks } => Some(["--rank-threads".to_owned(), ranks.to_string()]),
            Self::Words { ranks, .. } => Some(["--ranks".to_owned(), ranks.to_string()]),
        }
    }

    /// Checks that the ranks of a run with these settings can be started here, before a run's folder is made.
    ///
    /// # Errors
    /// If the launcher, the engine or MPI is missing, with what to do.
    pub fn check_settings(device: &DeviceConfig) -> Result<()> {
        let launcher = Self::new(device);
        if launcher.stands_between() { launcher.check(&EngineProgram::find()?) } else { Ok(()) }
    }

    /// Checks that ranks can be started here with this engine.
    ///
    /// # Errors
    /// If the launcher or MPI is missing, with what to do.
    pub fn check(&self, program: &EngineProgram) -> Result<()> {
        let Self::Words { ranks, words } = self else { return Ok(()) };
        let instead = "; with --set device.launcher= ranks are threads of one engine, on this machine";
        if !is_there(&words[0]) {
            return Err(misuse(format!(
                "{ranks} ranks were asked for, and device.launcher starts them with `{}`, which is not in PATH \
                 (Debian: apt install openmpi-bin){instead}",
                words[0]
            )));
        }
        if !program.knows_mpi() {
            return Err(misuse(format!(
                "{ranks} ranks were asked for, and {} was built without MPI; `make mpi` builds it with{instead}",
                program.path().display()
            )));
        }
        Ok(())
    }
}

fn is_there(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).is_file();
    }
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// A sentence about a rank that was killed, with its machine, if a launcher's output `said` reports one.
pub fn lost_rank(said: &[String]) -> Option<String> {
    said.iter().find_map(|line| of_mpirun(line).or_else(|| of_srun(line)))
}

/// `mpirun noticed that process rank 1 with PID 17 on node big exited on signal 9 (Killed).`
fn of_mpirun(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("noticed that process rank ")?;
    let (rank, rest) = rest.split_once(" with PID ")?;
    let (_, rest) = rest.split_once(" on node ")?;
    let (host, signal) = rest.split_once(" exited on signal ")?;
    Some(sentence(rank, host, &format!("signal {}", signal.trim_end_matches('.'))))
}

/// `srun: error: big: task 1: Killed`
fn of_srun(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("srun: error: ")?;
    let (host, rest) = rest.split_once(": task ")?;
    let (rank, how) = rest.split_once(": ")?;
    (!how.starts_with("Exited")).then(|| sentence(rank, host, how))
}

fn sentence(rank: &str, host: &str, how: &str) -> String {
    format!("rank {rank} on {host} was killed ({how}), and the others cannot go on without it")
}

#[cfg(test)]
mod tests {
    use relativenas_core::config::Layers;

    use super::*;

    fn launcher(settings: &[&str]) -> Launcher {
        let mut layers = Layers::built_in();
        settings.iter().for_each(|setting| layers.add_assignment(setting).expect("a setting"));
        Launcher::new(&layers.config().expect("valid").device)
    }

    fn line(launcher: &Launcher) -> String {
        let command = launcher.command(&EngineProgram::at("/bin/engine".into()));
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        words.into_iter().chain(launcher.arguments().into_iter().flatten()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ranks_are_started_as_the_settings_say() {
        assert_eq!(line(&launcher(&[])), "/bin/engine");
        assert_eq!(line(&launcher(&["device.ranks=4"])), "mpirun -n 4 /bin/engine --ranks 4");
        let slurm = ["device.ranks=2", "device.launcher=srun --mpi=pmix -n {ranks}"];
        assert_eq!(line(&launcher(&slurm)), "srun --mpi=pmix -n 2 /bin/engine --ranks 2");
        assert_eq!(line(&launcher(&["device.ranks=3", "device.launcher="])), "/bin/engine --rank-threads 3");
    }

    #[test]
    fn a_launcher_that_is_missing_is_named_with_a_way_out() {
        let missing = launcher(&["device.ranks=2", "device.launcher=/nowhere/mpirun -n {ranks}"]);
        let error = missing.check(&EngineProgram::at("/bin/engine".into())).expect_err("missing").to_string();
        assert!(error.contains("`/nowhere/mpirun`") && error.contains("--set device.launcher="), "{error}");
    }

    #[test]
    fn a_killed_rank_is_named_with_its_host() {
        let said = |lines: &[&str]| lost_rank(&lines.iter().map(|&l| l.to_owned()).collect::<Vec<_>>());
        let mpirun =
            "mpirun noticed that process rank 1 with PID 17 on node big exited on signal 9 (Killed).";
        assert_eq!(
            said(&["---", mpirun]).as_deref(),
            Some("rank 1 on big was killed (signal 9 (Killed)), and the others cannot go on without it")
        );
        assert_eq!(
            said(&["srun: error: n2: task 3: Killed"]).as_deref(),
            Some("rank 3 on n2 was killed (Killed), and the others cannot go on without it")
        );
        assert_eq!(said(&["srun: error: n2: task 3: Exited with exit code 1", "epoch 3"]), None);
    }
}
