//! `run.toml`: the complete description of a run.
//!
//! The command writes it when it makes the run's folder; the first engine adds the facts that only an engine
//! can determine. After that it never changes.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    config::Config, genotype::Genotype, latency::LatencyTable, randomness::RANDOMNESS_VERSION,
    search::SearchSettings,
};

/// The version of a run's folder. It is raised when older programs can no longer read the folder.
pub const RUN_FORMAT: u32 = 3;
/// The oldest format that is still read, which differs only by having no finals.
const OLDEST_RUN_FORMAT: u32 = 2;

/// The version of the program and a fingerprint of the sources of this crate and of the default settings. Command and
/// engine must have the same.
pub const BUILD: &str = env!("RELATIVENAS_BUILD");

/// The names of the files in a run's folder.
pub mod files {
    pub const MANIFEST: &str = "run.toml";
    /// Durable events, append-only.
    pub const EVENTS: &str = "events.jsonl";
    /// The log of when the run was started, steered and stopped, and from where.
    pub const SESSIONS: &str = "sessions.jsonl";
    /// The folder with the checkpoints from which a run is resumed.
    pub const CHECKPOINTS: &str = "checkpoints";
    /// The folder with the best and last weights of a training, for other programs to read.
    pub const WEIGHTS: &str = "weights";
    /// The file in that folder with the weights of the best epoch.
    pub const BEST_WEIGHTS: &str = "best.safetensors";
    /// The file in that folder with the weights of the last epoch that is done.
    pub const LAST_WEIGHTS: &str = "last.safetensors";
    /// The results of a probe of a search.
    pub const PROBE: &str = "probe.json";
    /// The note that a person wrote about the run.
    pub const NOTE: &str = "note.txt";
    /// The manifest as it was when an engine first worked on the run, so that edits of it are noticed.
    pub const BEGUN_WITH: &str = "begun-with.toml";
    /// The folder for files that are exported from the run.
    pub const EXPORTS: &str = "exports";
    /// The engine's messages, and everything that libtorch prints.
    pub const ENGINE_LOG: &str = "engine.log";
    /// A lock that is held as long as an engine lives.
    pub const ENGINE_LOCK: &str = "engine.lock";
    /// The process that holds the lock, and the address of its socket.
    pub const ENGINE: &str = "engine.json";
}

/// The texts of the last entry in [`files::SESSIONS`] of an engine that ends in the intended way.
pub mod farewell {
    pub const FINISHED: &str = "engine finished the run";
    pub const STOPPED: &str = "engine stopped";
}

/// The content of `run.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the folder; see [`RUN_FORMAT`].
    pub format: u32,
    /// The version of the random numbers; see [`RANDOMNESS_VERSION`].
    pub randomness: u32,
    pub job: Job,
    /// The program that made the folder; see [`BUILD`].
    pub build: String,
    /// When the folder was made, in milliseconds since 1970 UTC.
    pub created: i64,
    /// A time just after that of the run before, in milliseconds since 1970 UTC. A run has it only if the clock would
    /// place it before an existing run; it then decides the order of runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<i64>,
    pub config: Config,
    /// The origin of each setting that does not have its built-in value.
    pub origins: BTreeMap<String, String>,
    /// The architecture that is trained, in a training run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genotype: Option<Genotype>,
    /// The run and generation that this one branched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branched_from: Option<Branch>,
    /// The facts that the first engine added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineFacts>,
    /// The latencies that the first engine measured, if latency has a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Arc<LatencyTable>>,
}

/// The kind of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    Search,
    Train,
}

/// The run and the generation from which another run was branched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    pub run: String,
    pub generation: u32,
}

/// Facts about a run that only an engine can determine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineFacts {
    pub build: String,
    pub libtorch: String,
    /// The device, such as `cpu` or `cuda:0 NVIDIA H100`.
    pub device: String,
    pub threads: usize,
    pub validation_batch: usize,
    /// The data set's name.
    pub data: String,
    pub data_fingerprint: String,
    pub split_fingerprint: String,
    /// A hash of data, sizes of the split, network and training settings; it is the same for runs whose losses may be
    /// compared.
    pub protocol_hash: String,
}

/// The content of `engine.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineAddress {
    pub pid: u32,
    pub host: String,
    pub socket: String,
    pub build: String,
    /// The token by which this engine identifies itself in its greeting; empty for engines of older programs.
    #[serde(default)]
    pub token: String,
}

/// Why a `run.toml` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("{file}: {message}")]
    Syntax { file: String, message: String },
    #[error(
        "{file}: the run has format {found}, this program reads {RUN_FORMAT}; use the program that made it ({build})"
    )]
    Format { file: String, found: u32, build: String },
    #[error(
        "{file}: the run draws random numbers by version {found}, this program by {RANDOMNESS_VERSION}; \
         the rest of the run would not be reproducible, so use the program that made it ({build})"
    )]
    Randomness { file: String, found: u32, build: String },
}

impl Manifest {
    /// Reads the text of a `run.toml`; errors call the file `file`.
    ///
    /// # Errors
    /// If the text is damaged, or was written by a program of another format.
    pub fn parse(file: &str, text: &str) -> Result<Self, ManifestError> {
        // The versions are read on their own first, because a file of another format need not parse.
        #[derive(Deserialize)]
        struct Versions {
            format: u32,
            #[serde(default)]
            randomness: u32,
            #[serde(default)]
            build: String,
        }
        let syntax = |e: toml::de::Error| ManifestError::Syntax {
            file: file.to_owned(),
            message: e.to_string().trim_end().to_owned(),
        };
        let Versions { format, randomness, build } = toml::from_str(text).map_err(syntax)?;
        if !(OLDEST_RUN_FORMAT..=RUN_FORMAT).contains(&format) {
            return Err(ManifestError::Format { file: file.to_owned(), found: format, build });
        }
        if randomness != RANDOMNESS_VERSION {
            return Err(ManifestError::Randomness { file: file.to_owned(), found: randomness, build });
        }
        toml::from_str(text).map_err(syntax)
    }

    /// When the run was begun, in milliseconds since 1970 UTC; never before a run that was begun earlier.
    pub fn begun(&self) -> i64 {
        self.follows.map_or(self.created, |follows| follows.max(self.created))
    }

    /// The settings of [`crate::search`] for a data set with this many classes.
    pub fn search_settings(&self, classes: usize) -> SearchSettings {
        let mut settings = self.config.search_settings(classes);
        if settings.limits.max_latency > 0.0 {
            settings.limits.latencies.clone_from(&self.latency);
        }
        settings
    }

    /// The text of a `run.toml`.
    pub fn format(&self) -> String {
        toml::to_string(self).expect("a manifest is plain data")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Layers,
        latency::{Calibration, OperationLatency, Spot},
        operation::Operation,
    };

    fn manifest() -> Manifest {
        Manifest {
            format: RUN_FORMAT,
            randomness: RANDOMNESS_VERSION,
            job: Job::Search,
            build: BUILD.to_owned(),
            created: 1,
            follows: None,
            config: Layers::built_in().config().expect("valid"),
            origins: BTreeMap::new(),
            genotype: None,
            branched_from: None,
            engine: None,
            latency: None,
        }
    }

    #[test]
    fn a_manifest_is_read_back() {
        let manifest = manifest();
        assert_eq!(Manifest::parse("run.toml", &manifest.format()), Ok(manifest));
    }

    #[test]
    fn a_run_from_before_there_were_finals_is_read() {
        let text = manifest().format().replacen("format = 3", "format = 2", 1);
        let (before, finals) = text.split_once("[config.finals]").expect("a section");
        let (_, after) = finals.split_once("\n\n").expect("another section");
        let read = Manifest::parse("run.toml", &format!("{before}{after}")).expect("read");
        assert_eq!(read.config.finals.architectures, 0);
    }

    #[test]
    fn a_table_of_latencies_is_read_back_and_belongs_to_a_search_that_limits_them() {
        let spot = Spot { channels: 16, side: 32, stride: 1 };
        let entry = |operation, nanoseconds| OperationLatency { operation, spot, nanoseconds };
        let table = LatencyTable {
            device: "cpu, 2 threads".to_owned(),
            batch: 64,
            remainder: -7,
            calibration: vec![Calibration { summed: 90, measured: 100 }],
            operations: vec![entry(Operation::SepConv3x3, 5), entry(Operation::SkipConnect, 0)],
        };
        let with_table = Manifest { latency: Some(table.into()), ..manifest() };
        let read = Manifest::parse("run.toml", &with_table.format()).expect("read");
        assert_eq!(read, with_table);
        assert_eq!(read.search_settings(10).limits.latencies, None, "there is no limit");
        let mut limited = read;
        limited.config.search.max_latency = 2.5;
        assert_eq!(limited.search_settings(10).limits.latencies, with_table.latency);
    }

    #[test]
    fn a_search_without_a_limit_of_latency_is_told_as_before_there_was_one() {
        let manifest = manifest();
        let text = serde_json::to_string(&manifest.search_settings(10)).expect("plain data");
        assert!(!text.contains("latenc"), "{text}");
        assert!(!manifest.format().contains("[latency"));
        let before = manifest.format().replacen("max_latency = 0.0\n", "", 1);
        assert_eq!(Manifest::parse("run.toml", &before), Ok(manifest));
    }

    #[test]
    fn a_run_of_another_version_is_refused_by_name() {
        let text = manifest().format().replacen("format = 3", "format = 9", 1);
        let error = Manifest::parse("a/run.toml", &text).expect_err("another format").to_string();
        let expected = "a/run.toml: the run has format 9, this program reads 3; use the program that made it";
        assert!(error.starts_with(expected), "{error}");
    }
}
