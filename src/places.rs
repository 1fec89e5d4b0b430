//! Where files are kept.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use directories::ProjectDirs;

/// The folders and files of the user, which need not exist.
#[derive(Clone, Debug)]
pub struct Places {
    /// The user's own settings.
    pub config_file: PathBuf,
    /// Where runs are kept, unless `run.directory` or `--run-dir` says otherwise.
    pub runs: PathBuf,
}

impl Places {
    /// The folders that the system has for this user.
    ///
    /// # Errors
    /// If the user has no home directory.
    pub fn of_user() -> Result<Self> {
        let project = ProjectDirs::from("", "", "relativenas")
            .context("no home directory is known; set HOME, or XDG_CONFIG_HOME and XDG_DATA_HOME")?;
        Ok(Self {
            config_file: project.config_dir().join("config.toml"),
            runs: project.data_dir().join("runs"),
        })
    }
}

/// A path as a person wrote it, made absolute: `~/` is the home directory, and a relative path starts in the working
/// directory.
///
/// # Errors
/// If the working directory does not exist any more.
pub fn absolute(written: &str) -> Result<PathBuf> {
    let path = match (written.strip_prefix("~/"), env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(written),
    };
    std::path::absolute(&path).with_context(|| format!("{written}: the working directory is gone"))
}
