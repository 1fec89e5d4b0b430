//! A search that no engine works on, opened to be examined.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use relativenas_core::{
    manifest::{Job, files},
    probe::{Probe, Searched},
    search::Search,
};
use relativenas_run::held::HeldRun;

use super::{checkpoint, disk::Disk, log, search_estimator::SearchEstimator, searching::SearchJob};
use crate::{estimator::NetworkEstimator, ranks::Alone};

/// A finished or stopped search at its newest checkpoint. It holds the lock of the run, so no engine can
/// continue the run meanwhile.
pub struct StoppedSearch {
    folder: HeldRun,
    /// The number of events when the checkpoint was taken. The events after them are written again when the
    /// run is resumed.
    events: u64,
    pub search: Search,
    /// An estimator with the weight set of the checkpoint.
    pub estimator: NetworkEstimator,
}

impl StoppedSearch {
    /// Reads the run in `path` without changing it. With `force` no lock is needed, for file systems that
    /// have none.
    ///
    /// # Errors
    /// If an engine works on the run, it is a training, it has no checkpoint yet, or the data or the device
    /// is not what its manifest asks for.
    pub fn open(path: &Path, force: bool) -> anyhow::Result<Self> {
        let folder = HeldRun::hold(path, force)?;
        let name = folder.folder.name();
        if folder.manifest.job != Job::Search {
            bail!("{name} is a training; only a search has pairs to probe");
        }
        let found = log::whole_lines(&folder.folder.file(files::EVENTS))?;
        let (newest, passed_over) = checkpoint::newest(&folder.folder.file(files::CHECKPOINTS), found)?;
        for problem in passed_over {
            super::log_line(&format!("checkpoint skipped: {problem}"));
        }
        let Some(newest) = newest else {
            bail!(
                "{name} has no checkpoint yet; go on with it first: `relativenas resume {}`",
                folder.folder.reference()
            );
        };
        let events = newest.state.log.events;
        let (job, _) = SearchJob::prepare(&folder.manifest, Some(newest), &(Arc::new(Alone) as _))?;
        match job.into_parts() {
            (search, SearchEstimator::Network(estimator)) => {
                Ok(Self { folder, events, search, estimator: estimator.into_own() })
            }
            (_, SearchEstimator::Table(_)) => {
                bail!("the losses of {name} are from a table and never vary, so there is nothing to probe")
            }
        }
    }

    pub fn name(&self) -> String {
        self.folder.folder.name()
    }

    /// All architectures that individuals of the search have had, up to its checkpoint.
    ///
    /// # Errors
    /// If the log cannot be read, or is damaged.
    pub fn searched(&self) -> anyhow::Result<Searched> {
        let mut searched = Searched::new(self.search.settings().space);
        let mut log = self.folder.folder.log();
        loop {
            let batch = log.batch()?;
            if batch.is_empty() {
                return Ok(searched);
            }
            for line in batch.iter().filter(|line| line.seq < self.events) {
                let path = || self.folder.folder.file(files::EVENTS);
                searched.note(&line.event).with_context(|| {
                    format!("{}, line {}: the file is damaged", path().display(), line.seq + 1)
                })?;
            }
        }
    }

    /// Writes the results of a probe to the run's folder; returns the path of the file.
    ///
    /// # Errors
    /// If the file cannot be written; an earlier one is then kept.
    pub fn keep(&self, probe: &Probe) -> anyhow::Result<PathBuf> {
        let path = self.folder.folder.file(files::PROBE);
        Disk::default()
            .replace(&path, &serde_json::to_vec(probe)?)
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        Ok(path)
    }
}
