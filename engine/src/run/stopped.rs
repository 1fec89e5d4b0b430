//! A search that nobody is working on, to be examined.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use relativenas_core::{
    manifest::{Job, files},
    probe::Probe,
    search::Search,
};

use super::{
    checkpoint, disk::Disk, folder::RunFolder, log, search_estimator::SearchEstimator, searching::SearchJob,
};
use crate::estimator::NetworkEstimator;

/// A finished or stopped search at its newest checkpoint. Nobody can go on with it meanwhile.
pub struct StoppedSearch {
    folder: RunFolder,
    pub search: Search,
    /// With the weight set of the checkpoint.
    pub estimator: NetworkEstimator,
}

impl StoppedSearch {
    /// Reads the run in `path` and changes nothing of it. `force` does without the lock where the
    /// file system has none.
    ///
    /// # Errors
    /// If an engine is on the run, it is a training, it has no checkpoint yet, or the data or the
    /// device is not what its manifest asks for.
    pub fn open(path: &Path, force: bool) -> anyhow::Result<Self> {
        let folder = RunFolder::hold(path, force)?;
        let name = name_of(&folder);
        if folder.manifest.job != Job::Search {
            bail!("{name} is a training; only a search has pairs to probe");
        }
        let found = log::whole_lines(&folder.path.join(files::EVENTS))?;
        let (newest, passed_over) = checkpoint::newest(&folder.path.join(files::CHECKPOINTS), found)?;
        for problem in passed_over {
            super::say(&format!("checkpoint passed over: {problem}"));
        }
        let Some(newest) = newest else {
            bail!("{name} has no checkpoint yet; `relativenas resume {name}` makes some");
        };
        let (job, _) = SearchJob::prepare(&folder.manifest, Some(newest))?;
        match job.into_parts() {
            (search, SearchEstimator::Network(estimator)) => {
                Ok(Self { folder, search, estimator: *estimator })
            }
            (_, SearchEstimator::Table(_)) => {
                bail!("{name} asks a table, which says the same each time; there is nothing to probe")
            }
        }
    }

    pub fn name(&self) -> String {
        name_of(&self.folder)
    }

    /// Writes what a probe found to the run's folder; says where.
    ///
    /// # Errors
    /// If the disk refuses; then what was there before stays.
    pub fn keep(&self, probe: &Probe) -> anyhow::Result<PathBuf> {
        let path = self.folder.path.join(files::PROBE);
        Disk::default()
            .replace(&path, &serde_json::to_vec(probe)?)
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        Ok(path)
    }
}

fn name_of(folder: &RunFolder) -> String {
    folder.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
