//! What every command needs: the user's folders, and the arguments that all commands share.

use std::path::PathBuf;

use anyhow::Result;
use relativenas_core::config::{Config, Layers};

use crate::{
    arguments::GlobalArguments,
    folder::RunFolder,
    places::{Places, absolute},
    runs,
    settings::{self, Choices},
};

/// The user's places and the arguments that every command takes.
#[derive(Clone, Debug)]
pub struct Context {
    pub places: Places,
    global: GlobalArguments,
}

impl Context {
    pub fn new(places: Places, global: GlobalArguments) -> Self {
        Self { places, global }
    }

    /// All settings: files and environment.
    ///
    /// # Errors
    /// If a file cannot be read, or one of them sets a setting that does not exist.
    pub fn layers(&self) -> Result<Layers> {
        self.layers_under(Choices::default())
    }

    /// All settings: files and environment, with these choices on top.
    ///
    /// # Errors
    /// If a file cannot be read, or one of them sets a setting or chooses a preset that does not exist.
    pub fn layers_under(&self, choices: Choices) -> Result<Layers> {
        let mut layers = settings::layers(&self.places, self.global.config.as_deref(), choices)?;
        for (flag, key, value) in self.global.settings() {
            layers.add_flag(flag, key, value)?;
        }
        Ok(layers)
    }

    /// Where runs are kept.
    ///
    /// # Errors
    /// If a setting is wrong.
    pub fn runs(&self) -> Result<PathBuf> {
        self.runs_of(&self.layers()?.config()?)
    }

    /// Where a run with these settings is kept.
    ///
    /// # Errors
    /// If the folder's name begins with a tilde and there is no home folder.
    pub fn runs_of(&self, config: &Config) -> Result<PathBuf> {
        match config.run.directory.as_str() {
            "" => Ok(self.places.runs.clone()),
            directory => absolute(directory),
        }
    }

    /// Finds a run by its name, its folder, or as `latest`.
    ///
    /// # Errors
    /// If there is none.
    pub fn find(&self, run: &str) -> Result<RunFolder> {
        let runs = self.runs()?;
        Ok(self.called(runs::find(&runs, run)?, &runs))
    }

    /// The folders of all runs, newest first.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn all(&self) -> Result<Vec<RunFolder>> {
        let runs = self.runs()?;
        Ok(runs::all(&runs)?.into_iter().map(|folder| self.called(folder, &runs)).collect())
    }

    /// The run as the next command finds it: by its name if it lies in the usual folder, else by its path.
    pub fn called(&self, folder: RunFolder, runs: &std::path::Path) -> RunFolder {
        let found_by_name = self.global.run_dir.is_none() && folder.path().parent() == Some(runs);
        if found_by_name { folder.called_by_name() } else { folder }
    }
}

#[cfg(test)]
impl Context {
    /// A context for tests: runs are in this folder, and there are no user settings.
    pub fn in_folder(folder: &std::path::Path) -> Self {
        let places = Places { config_file: folder.join("config.toml"), runs: folder.join("runs") };
        Self::new(places, GlobalArguments::default())
    }
}
