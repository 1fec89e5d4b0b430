//! A new run that begins where a generation of another one began.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use relativenas_core::{
    event::{Event, Line},
    manifest::{Branch, Job, files},
};
use relativenas_run::clock;

use crate::folder::{Naming, RunFolder, create_with};

/// Makes a run out of another one's log and checkpoint, both as they were when a generation began.
///
/// # Errors
/// If the other run is no search, has no such checkpoint, or the new one cannot be made.
pub fn branch(runs: &Path, from: &RunFolder, generation: u32) -> Result<RunFolder> {
    let name = from.name();
    let mut manifest = from.manifest()?;
    if manifest.job != Job::Search {
        bail!("{name}: only a search can be branched; this is a training");
    }
    // Checkpoints are named by the generation and the pairs done in it.
    let checkpoint = Path::new(files::CHECKPOINTS).join(format!("{generation:04}-0000"));
    let source = from.path().join(&checkpoint);
    if !source.is_dir() {
        bail!("{name}: no checkpoint of the beginning of generation {generation} in {}", source.display());
    }
    manifest.branched_from = Some(Branch { run: name.clone(), generation });
    manifest.created = clock::now();
    manifest.follows = None;
    let naming = Naming::Suggested(format!("{name}-g{generation}"));
    create_with(runs, naming, &manifest, |folder| {
        copy_checkpoint(&source, &folder.join(&checkpoint))
            .with_context(|| format!("{}: cannot be copied", source.display()))?;
        copy_log(&from.file(files::EVENTS), &folder.join(files::EVENTS), generation)
    })
}

fn copy_checkpoint(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        fs::copy(entry.path(), &copy)?;
        File::open(copy)?.sync_all()?;
    }
    Ok(())
}

/// Copies the lines that were written before the generation's first pair was compared.
fn copy_log(from: &Path, to: &Path, generation: u32) -> Result<()> {
    let cannot = |path: &Path| format!("{}: cannot be copied", path.display());
    let mut reader = BufReader::new(File::open(from).with_context(|| cannot(from))?);
    let mut copy = File::create_new(to).with_context(|| cannot(to))?;
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        reader.read_until(b'\n', &mut text).with_context(|| cannot(from))?;
        if text.last() != Some(&b'\n') {
            break; // The end, or a line that is being written.
        }
        let line: Line = serde_json::from_slice(&text)
            .with_context(|| format!("{}, line {number}: the file is damaged", from.display()))?;
        if comes_later(&line.event, generation) {
            break;
        }
        copy.write_all(&text).with_context(|| cannot(to))?;
    }
    copy.sync_all().with_context(|| cannot(to))
}

/// Whether an event is later than the checkpoint at the beginning of a generation. The checkpoint may be a
/// little older than the last event that is copied, because the engine cuts the log to the length that it
/// records.
fn comes_later(event: &Event, generation: u32) -> bool {
    match event {
        Event::PairCompared { generation: of, .. } | Event::WeightsWarmed { generation: of, .. } => {
            *of >= generation
        }
        Event::GenerationStarted { generation: of, .. } => *of > generation,
        // After the last generation, ranking begins.
        Event::IndividualRanked { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn searched(runs: &Path) -> RunFolder {
        let folder = fixture::run(runs, "r");
        fixture::write_log(&folder, &fixture::log(3));
        let checkpoint = folder.file(files::CHECKPOINTS).join("0001-0000");
        fs::create_dir_all(&checkpoint).expect("made");
        fs::write(checkpoint.join("state.json"), "state").expect("written");
        folder
    }

    #[test]
    fn a_branch_shares_what_came_before() {
        let runs = tempfile::tempdir().expect("a folder");
        let from = searched(runs.path());
        let branched = branch(runs.path(), &from, 1).expect("branched");
        assert_eq!(branched.name(), "r-g1");
        let origin = branched.manifest().expect("readable").branched_from;
        assert_eq!(origin, Some(Branch { run: "r".to_owned(), generation: 1 }));
        let view = branched.view().expect("readable");
        let search = view.search.expect("a search");
        assert_eq!((search.generation, search.pairs.len(), search.compared.len()), (1, 2, 0));
        let state = branched.file(files::CHECKPOINTS).join("0001-0000/state.json");
        assert_eq!(fs::read_to_string(state).expect("copied"), "state");
        let second = branch(runs.path(), &from, 1).expect("branched again");
        assert_eq!(second.name(), "r-g1-2");
    }

    #[test]
    fn a_generation_without_a_checkpoint_is_refused() {
        let runs = tempfile::tempdir().expect("a folder");
        let from = searched(runs.path());
        let error = branch(runs.path(), &from, 2).expect_err("no checkpoint").to_string();
        let place = from.file(files::CHECKPOINTS).join("0002-0000");
        assert_eq!(
            error,
            format!("r: no checkpoint of the beginning of generation 2 in {}", place.display())
        );
        assert_eq!(fs::read_dir(runs.path()).expect("readable").count(), 1, "nothing is left behind");
    }
}
