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
    finals::{FinalsState, History},
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
pub struct State {
    /// The extent of the log when the checkpoint was taken.
    pub log: Extent,
    pub progress: Progress,
}

/// How far the run was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)] // There is one at a time.
pub enum Progress {
    Search {
        search: SearchState,
        /// The history of every module in the weight set, by name.
        trained: BTreeMap<String, Trained>,
        /// The architectures that may enter the finals besides the last population; empty where there are no
        /// finals.
        #[serde(default, skip_serializing_if = "History::is_empty")]
        history: History,
        /// The state of the finals, once they have begun.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finals: Option<FinalsState>,
    },
    Train {
        position: Position,
        /// The epoch whose weights are the best so far; these weights are among the tensors.
        best: Option<Best>,
        /// Whether the test set was evaluated.
        finished: bool,
        /// Indices of the photographs that are left out: of training images, then of test images.
        #[serde(default)]
        skipped: [BTreeSet<usize>; 2],
    },
}

/// The best epoch of a training so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
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
    pub state: State,
    pub tensors: BTreeMap<String, Tensor>,
}

impl Progress {
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
    /// A [`State`] as text, so that its checksum does not depend on the layout of the JSON around it.
    state: String,
}

/// Writes a checkpoint below `checkpoints`, and removes those that are no longer needed.
///
/// # Errors
/// If a file cannot be written; then the checkpoints are as before.
pub fn write(
    disk: &Disk,
    checkpoints: &Path,
    state: &State,
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

fn prune(checkpoints: &Path, progress: &Progress) -> io::Result<()> {
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
mod tests {
    use relativenas_core::search::{Estimate, Schedule, Search, SearchSettings};

    use super::*;
    use crate::run::disk::Step;

    /// The state of a search in this generation after `done` pairs.
    fn state(generation: u32, done: usize) -> State {
        let settings = SearchSettings {
            space: Default::default(),
            searcher: Default::default(),
            population: 4,
            pairs_at_once: 1,
            generations: 9,
            seed: 1,
            mutation: 0.0,
            warm_up: 0,
            one_shot: false,
            repeat: Default::default(),
            schedule: Schedule { learning_rate: 0.1, learning_rate_end: 0.0, drop_path: 0.0 },
            limits: Default::default(),
        };
        let (search, _) = Search::new(settings).expect("valid");
        let search = SearchState { generation, done, ..search.state().clone() };
        let log = Extent { events: u64::from(generation) * 10 + done as u64, length: 0 };
        let (trained, history) = (BTreeMap::new(), History::default());
        State { log, progress: Progress::Search { search, trained, history, finals: None } }
    }

    fn weights(value: f32) -> BTreeMap<String, Tensor> {
        BTreeMap::from([(
            "stem.0.weight".to_owned(),
            Tensor::from_slice(&[value, f32::NAN, 1e-40]).reshape([3, 1]),
        )])
    }

    fn bits(tensors: &BTreeMap<String, Tensor>) -> Vec<u32> {
        let values = tensors.values().map(|t| Vec::<f32>::try_from(t.flatten(0, -1)).expect("f32"));
        values.flatten().map(f32::to_bits).collect()
    }

    fn newest_name(folder: &Path) -> (Option<String>, usize) {
        let (found, passed_over) = newest(folder, Extent { events: 1000, length: 0 }).expect("listed");
        let name = found.map(|c| c.path.file_name().expect("a name").to_string_lossy().into_owned());
        (name, passed_over.len())
    }

    #[test]
    fn a_checkpoint_is_read_back_bit_for_bit() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, weights) = (state(3, 1), weights(0.5));
        let path = write(&Disk::default(), folder.path(), &state, &weights).expect("written");
        let found = read(&path).expect("whole");
        assert_eq!(found.state, state);
        assert_eq!(bits(&found.tensors), bits(&weights));
    }

    #[test]
    fn the_newest_two_and_every_generation_s_last_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        for (generation, done) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)] {
            write(&Disk::default(), folder.path(), &state(generation, done), &weights(0.0)).expect("written");
        }
        let names: Vec<_> = list(folder.path())
            .expect("listed")
            .iter()
            .map(|p| p.file_name().expect("a name").to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["0002-0001", "0002-0000", "0001-0000", "0000-0000"]);
    }

    #[test]
    fn a_search_without_finals_is_stored_as_before_there_were_any() {
        let text = serde_json::to_string(&state(1, 2)).expect("plain data");
        assert!(!text.contains("history") && !text.contains("finals"), "{text}");
    }

    #[test]
    fn trainings_of_finals_come_after_the_pairs_of_the_ranking() {
        let folder = tempfile::tempdir().expect("a folder");
        for trainings in [0, 2, 3] {
            let mut state = state(9, 0);
            if let Progress::Search { search, finals, .. } = &mut state.progress {
                let ranked =
                    Estimate { loss: Loss(1.0), accuracy: 1.0, train_loss: Loss(1.0), hits: 0, misses: 0 };
                search.ranking = vec![ranked; 4];
                *finals = Some(FinalsState {
                    settings: Default::default(),
                    entrants: Vec::new(),
                    round: 0,
                    going: Vec::new(),
                    told: Vec::new(),
                    trainings,
                    ended: false,
                });
            }
            write(&Disk::default(), folder.path(), &state, &weights(0.0)).expect("written");
            let expected = format!("0009-{:04}", 2 + trainings);
            assert_eq!(newest_name(folder.path()), (Some(expected), 0));
        }
        assert_eq!(list(folder.path()).expect("listed").len(), KEPT);
    }

    #[test]
    fn of_a_training_only_the_newest_two_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        for (epoch, batch, finished) in [(0, 3, false), (1, 0, false), (2, 0, false), (2, 0, true)] {
            let position = Position { epoch, batch, ..Position::default() };
            let progress = Progress::Train { position, best: None, finished, skipped: Default::default() };
            let state = State { log: Extent::default(), progress };
            write(&Disk::default(), folder.path(), &state, &weights(0.0)).expect("written");
        }
        let (newest, _) = newest(folder.path(), Extent::default()).expect("listed");
        assert!(newest.expect("one").path.ends_with("0002-0001"));
        assert_eq!(list(folder.path()).expect("listed").len(), 2);
    }

    #[test]
    fn a_damaged_checkpoint_falls_back_to_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        for done in [0, 1] {
            write(&Disk::default(), folder.path(), &state(0, done), &weights(1.0)).expect("written");
        }
        for file in [STATE, WEIGHTS] {
            let path = folder.path().join("0000-0001").join(file);
            let whole = fs::read(&path).expect("read");
            for at in [0, whole.len() / 2, whole.len() - 1] {
                let mut damaged = whole.clone();
                damaged[at] ^= 1;
                fs::write(&path, &damaged).expect("written");
                assert_eq!(
                    newest_name(folder.path()),
                    (Some("0000-0000".to_owned()), 1),
                    "{file}, byte {at}"
                );
            }
            fs::write(&path, &whole[..whole.len() / 2]).expect("written");
            assert_eq!(newest_name(folder.path()), (Some("0000-0000".to_owned()), 1), "{file}, cut");
            fs::write(&path, &whole).expect("written");
        }
        assert_eq!(newest_name(folder.path()), (Some("0000-0001".to_owned()), 0));
    }

    /// Damage to a file of a checkpoint.
    #[derive(Clone, Copy, Debug)]
    enum Fault {
        /// Bits are flipped in the byte at this share of the file.
        Flipped(f64, u8),
        /// The file is cut at this share.
        Cut(f64),
        Gone,
        /// The file has the content of another one.
        Swapped,
    }

    fn a_fault() -> impl proptest::strategy::Strategy<Value = Fault> {
        use proptest::prelude::*;
        prop_oneof![
            8 => (0.0..1.0, 1..=u8::MAX).prop_map(|(at, bits)| Fault::Flipped(at, bits)),
            4 => (0.0..1.0).prop_map(Fault::Cut),
            1 => Just(Fault::Gone),
            1 => Just(Fault::Swapped),
        ]
    }

    proptest::proptest! {
        #[test]
        fn damage_anywhere_falls_back_to_the_one_before_and_names_the_file(fault in a_fault(), weights_file: bool) {
            let folder = tempfile::tempdir().expect("a folder");
            for done in [0, 1] {
                write(&Disk::default(), folder.path(), &state(0, done), &weights(1.0)).expect("written");
            }
            let newest_path = folder.path().join("0000-0001");
            let (file, other) = if weights_file { (WEIGHTS, STATE) } else { (STATE, WEIGHTS) };
            let path = newest_path.join(file);
            let mut bytes = fs::read(&path).expect("read");
            let at = |share: f64| (share * bytes.len() as f64) as usize;
            match fault {
                Fault::Flipped(share, bits) => {
                    let at = at(share);
                    bytes[at] ^= bits;
                }
                Fault::Cut(share) => bytes.truncate(at(share)),
                Fault::Gone => {}
                Fault::Swapped => bytes = fs::read(newest_path.join(other)).expect("read"),
            }
            match fault {
                Fault::Gone => fs::remove_file(&path).expect("removed"),
                _ => fs::write(&path, bytes).expect("written"),
            }
            let (found, passed_over) = newest(folder.path(), Extent { events: 1000, length: 0 }).expect("listed");
            proptest::prop_assert!(found.expect("the one before").path.ends_with("0000-0000"));
            proptest::prop_assert_eq!(passed_over.len(), 1);
            let named = newest_path.display().to_string();
            proptest::prop_assert!(passed_over[0].starts_with(&named), "{}", passed_over[0]);
        }
    }

    #[test]
    fn a_checkpoint_beyond_the_log_is_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut later = state(0, 1);
        later.log.length = 50;
        write(&Disk::default(), folder.path(), &state(0, 0), &weights(1.0)).expect("written");
        write(&Disk::default(), folder.path(), &later, &weights(1.0)).expect("written");
        let (found, passed_over) = newest(folder.path(), Extent { events: 0, length: 49 }).expect("listed");
        assert!(found.expect("the one before").path.ends_with("0000-0000"));
        assert!(passed_over[0].contains("the log is shorter"), "{passed_over:?}");
    }

    #[test]
    fn a_step_of_writing_that_fails_leaves_the_checkpoints_as_they_were() {
        for failing in [Step::Write, Step::Sync, Step::Rename] {
            let folder = tempfile::tempdir().expect("a folder");
            write(&Disk::default(), folder.path(), &state(0, 0), &weights(1.0)).expect("written");
            let disk =
                Disk::failing(
                    move |step| {
                        if step == failing { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
                    },
                );
            write(&disk, folder.path(), &state(0, 1), &weights(2.0)).expect_err("refused");
            assert_eq!(newest_name(folder.path()), (Some("0000-0000".to_owned()), 0), "{failing:?}");
            write(&Disk::default(), folder.path(), &state(0, 1), &weights(2.0)).expect("there is room again");
            assert_eq!(newest_name(folder.path()), (Some("0000-0001".to_owned()), 0), "{failing:?}");
        }
    }
}
