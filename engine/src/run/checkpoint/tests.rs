use relativenas_core::search::{Estimate, Schedule, Search, SearchSettings};

use super::*;
use crate::run::disk::WriteStep;

/// The state of a search in this generation after `done` pairs.
fn state(generation: u32, done: usize) -> CheckpointState {
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
        inherit: true,
        repeat: Default::default(),
        schedule: Schedule { learning_rate: 0.1, learning_rate_end: 0.0, drop_path: 0.0 },
        limits: Default::default(),
    };
    let (search, _) = Search::new(settings).expect("valid");
    let search = SearchState { generation, done, ..search.state().clone() };
    let log = Extent { events: u64::from(generation) * 10 + done as u64, length: 0 };
    let (trained, history) = (BTreeMap::new(), EntrantHistory::default());
    CheckpointState { log, progress: CheckpointProgress::Search { search, trained, history, finals: None } }
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
        if let CheckpointProgress::Search { search, finals, .. } = &mut state.progress {
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
        let progress =
            CheckpointProgress::Train { position, best: None, finished, skipped: Default::default() };
        let state = CheckpointState { log: Extent::default(), progress };
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
            assert_eq!(newest_name(folder.path()), (Some("0000-0000".to_owned()), 1), "{file}, byte {at}");
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
    for failing in [WriteStep::Write, WriteStep::Sync, WriteStep::Rename] {
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
