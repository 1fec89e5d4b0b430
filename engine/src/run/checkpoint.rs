//! Checkpoints: what a run needs to continue exactly where it was.
//!
//! A checkpoint is a folder that appears by rename. Its name says what was done: `0012-0003` was taken in
//! generation 12 after three pairs. It holds `state.json` and `weights.safetensors`, each with a checksum,
//! and the length of the log at that time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use relativenas_core::{
    finals::{EntrantHistory, FinalsState},
    loss::Loss,
    number,
    search::SearchState,
    weight_set::Trained,
};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{
    disk::Disk,
    log::Extent,
    tensors::{self, TensorsError},
};
use crate::training::Position;

/// The version of the format, which is raised whenever an older program could not read a checkpoint.
const FORMAT: u32 = 1;

const STATE: &str = "state.json";
const WEIGHTS: &str = "weights.safetensors";
const TEMPORARY: &str = ".part";

/// The number of newest checkpoints that are kept; of a search, the last one of every generation is kept too.
const KEPT: usize = 2;

/// The content of a checkpoint, apart from the tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointState {
    /// The extent of the log when the checkpoint was taken.
    pub log: Extent,
    pub progress: CheckpointProgress,
}

/// How far the run had come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)] // There is one at a time.
pub enum CheckpointProgress {
    Search {
        search: SearchState,
        /// For every module in the weight set, by name: which learner wrote it last, and how often it was written.
        trained: BTreeMap<String, Trained>,
        /// The architectures that may enter the finals besides the last population; empty where there are no
        /// finals.
        #[serde(default, skip_serializing_if = "EntrantHistory::is_empty")]
        history: EntrantHistory,
        /// The state of the finals, once they have begun.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finals: Option<FinalsState>,
    },
    Train {
        position: Position,
        /// The epoch whose weights are the best so far; these weights are among the tensors.
        best: Option<BestEpoch>,
        /// Whether the test set was evaluated.
        finished: bool,
        /// Indices of the photographs that are left out: of training images, then of test images.
        #[serde(default)]
        skipped: [BTreeSet<usize>; 2],
    },
}

/// The best epoch of a training so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestEpoch {
    pub epoch: u32,
    pub valid_loss: Loss,
    /// Validation accuracy in per cent; for a task, its metric.
    #[serde(with = "number")]
    pub valid_accuracy: f64,
}

/// A checkpoint that was read.
#[derive(Debug)]
pub struct Checkpoint {
    pub path: PathBuf,
    pub state: CheckpointState,
    pub tensors: BTreeMap<String, Tensor>,
}

impl CheckpointProgress {
    /// The name of the checkpoint's folder: generation or epoch, and the number of pairs or batches done in
    /// it. Trainings of the finals are counted after the pairs of the ranking.
    fn name(&self) -> String {
        match self {
            Self::Search { search, finals, .. } => {
                let pairs =
                    if search.ranking.is_empty() { search.done } else { search.ranking.len().div_ceil(2) };
                let trainings = finals.as_ref().map_or(0, |finals| finals.trainings);
                format!("{:04}-{:04}", search.generation, pairs + trainings)
            }
            // In the epoch after the last, no batch is done before the test, and one afterwards stands for
            // the test.
            Self::Train { position, finished, .. } => {
                format!("{:04}-{:04}", position.epoch, position.batch + usize::from(*finished))
            }
        }
    }

    /// Whether a checkpoint with this name is kept when it is no longer among the newest. A search can be
    /// examined, or branched off, at the end of any generation; a training has its best weights.
    fn is_kept(&self, (_, done): (u32, usize)) -> bool {
        match self {
            // `0012-0000` is the end of generation 11.
            Self::Search { .. } => done == 0,
            Self::Train { .. } => false,
        }
    }
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("{path}: {reason}", path = .path.display())]
    Read { path: PathBuf, reason: io::Error },
    #[error("{path}: the checksum does not match; the file is damaged", path = .path.display())]
    Checksum { path: PathBuf },
    #[error("{path}: {message}", path = .path.display())]
    Content { path: PathBuf, message: String },
    #[error("{path}: the checkpoint has format {found}, this program reads {FORMAT}", path = .path.display())]
    Format { path: PathBuf, found: u32 },
    #[error(transparent)]
    Weights(#[from] TensorsError),
}

/// The content of `state.json`.
#[derive(Serialize, Deserialize)]
struct Envelope {
    format: u32,
    /// Checksums (BLAKE3) of `weights.safetensors` and of `state`.
    weights_checksum: String,
    state_checksum: String,
    /// A [`CheckpointState`] as text, so that its checksum does not depend on the layout of the JSON around it.
    state: String,
}

/// Writes a checkpoint below `checkpoints`, and removes those that are no longer needed.
///
/// # Errors
/// If a file cannot be written; then the checkpoints are as before.
pub fn write(
    disk: &Disk,
    checkpoints: &Path,
    state: &CheckpointState,
    weights: &BTreeMap<String, Tensor>,
) -> Result<PathBuf, io::Error> {
    fs::create_dir_all(checkpoints)?;
    let temporary = checkpoints.join(TEMPORARY);
    if temporary.exists() {
        fs::remove_dir_all(&temporary)?;
    }
    fs::create_dir(&temporary)?;
    let weights = tensors::to_safetensors(weights).map_err(io::Error::other)?;
    let state_text = serde_json::to_string(state)?;
    let envelope = Envelope {
        format: FORMAT,
        weights_checksum: blake3::hash(&weights).to_hex().to_string(),
        state_checksum: blake3::hash(state_text.as_bytes()).to_hex().to_string(),
        state: state_text,
    };
    put(disk, &temporary.join(WEIGHTS), &weights)?;
    put(disk, &temporary.join(STATE), &serde_json::to_vec(&envelope)?)?;
    disk.sync_folder(&temporary.join(STATE))?;
    let path = checkpoints.join(state.progress.name());
    if path.exists() {
        // The checkpoint was written by this run before its log was cut back.
        fs::remove_dir_all(&path)?;
    }
    disk.rename(&temporary, &path)?;
    disk.sync_folder(&path)?;
    prune(checkpoints, &state.progress)?;
    Ok(path)
}

fn put(disk: &Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    disk.write(&mut file, bytes)?;
    disk.sync(&file)
}

/// The paths of all checkpoints, newest first.
///
/// # Errors
/// If the folder cannot be listed. A folder that does not exist holds no checkpoints.
pub fn list(checkpoints: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(checkpoints) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if name_of(&path).is_some() {
            found.push(path);
        }
    }
    // Names are compared as numbers, because a run may have more than 9999 generations.
    found.sort_by_key(|path| std::cmp::Reverse(name_of(path)));
    Ok(found)
}

/// The generation and the number of pairs, or epoch and batches, in the name of a checkpoint.
fn name_of(path: &Path) -> Option<(u32, usize)> {
    let (generation, pair) = path.file_name()?.to_str()?.split_once('-')?;
    Some((generation.parse().ok()?, pair.parse().ok()?))
}

fn prune(checkpoints: &Path, progress: &CheckpointProgress) -> io::Result<()> {
    for path in list(checkpoints)?.into_iter().skip(KEPT) {
        if name_of(&path).is_some_and(|name| !progress.is_kept(name)) {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

/// Reads a checkpoint and compares its checksums.
///
/// # Errors
/// If a file is missing or damaged, or has another format.
pub fn read(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let (state_path, weights_path) = (path.join(STATE), path.join(WEIGHTS));
    let load = |path: &Path| {
        fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), reason: source })
    };
    let content =
        |e: serde_json::Error| CheckpointError::Content { path: state_path.clone(), message: e.to_string() };
    let text = load(&state_path)?;
    let envelope: Envelope = serde_json::from_slice(&text).map_err(content)?;
    if envelope.format != FORMAT {
        return Err(CheckpointError::Format { path: state_path, found: envelope.format });
    }
    let matches = |bytes: &[u8], checksum: &str| blake3::hash(bytes).to_hex().as_str() == checksum;
    if !matches(envelope.state.as_bytes(), &envelope.state_checksum) {
        return Err(CheckpointError::Checksum { path: state_path });
    }
    let weights = load(&weights_path)?;
    if !matches(&weights, &envelope.weights_checksum) {
        return Err(CheckpointError::Checksum { path: weights_path });
    }
    let state = serde_json::from_str(&envelope.state).map_err(content)?;
    let tensors = tensors::from_safetensors(&weights_path, &weights)?;
    Ok(Checkpoint { path: path.to_owned(), state, tensors })
}

/// The newest checkpoint that is whole and does not reach beyond the log, and what is wrong with the newer
/// ones that were skipped.
///
/// # Errors
/// If the folder cannot be listed.
pub fn newest(checkpoints: &Path, log: Extent) -> io::Result<(Option<Checkpoint>, Vec<String>)> {
    let mut passed_over = Vec::new();
    for path in list(checkpoints)? {
        match read(&path) {
            Ok(found) if found.state.log.length > log.length => passed_over.push(format!(
                "{}: the log is shorter than when it was taken ({} of {} events)",
                path.display(),
                log.events,
                found.state.log.events
            )),
            Ok(found) => return Ok((Some(found), passed_over)),
            Err(error) => passed_over.push(error.to_string()),
        }
    }
    Ok((None, passed_over))
}

#[cfg(test)]
mod tests;
