//! A run on several ranks, of which the first leads and the others follow.
//!
//! The first rank holds the folder, serves clients, decides and writes. It sends the other ranks what they
//! need of the folder, which they never open, so only the data has to be on every machine.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use relativenas_core::manifest::{BUILD, EngineFacts, Manifest, files};
use serde::{Deserialize, Serialize};

use super::{
    RunOptions,
    checkpoint::{Checkpoint, CheckpointState},
    control::Control,
    lead,
    recorder::Recorder,
    tensors,
    work::RunJob,
};
use crate::{
    failure,
    ranks::{self, Card, Ranks, agree},
};

/// Works on a run with all its ranks, until it is done or is stopped.
///
/// # Errors
/// If the run cannot continue.
pub fn run(path: &Path, options: RunOptions) -> anyhow::Result<()> {
    ranks::together(options.ranked, options.rank_timeout, |ranks| lead(path, options, ranks), follow)
}

/// Carries out the commands of the first rank.
fn follow(ranks: &Arc<dyn Ranks>) -> anyhow::Result<()> {
    same_build(&**ranks)?;
    let (manifest, checkpoint) = receive(&**ranks)?;
    let (mut work, _) = prepare(&manifest, checkpoint, ranks)?;
    let control = Control::new(work.bounds(), false);
    work.go_on(&control, &Recorder::nowhere()).map(drop)
}

/// Checks that all ranks are of the same build, so that they do not misunderstand each other.
///
/// # Errors
/// If one is of another build.
pub fn same_build(ranks: &dyn Ranks) -> anyhow::Result<()> {
    agree(ranks, &Card { problem: None, fingerprints: vec![("build".to_owned(), BUILD.to_owned())] })
}

/// What ranks need of a run's folder, besides tensors.
#[derive(Serialize, Deserialize)]
struct Brief {
    manifest: Manifest,
    checkpoint: Option<CheckpointState>,
}

/// Sends the other ranks what they need of the folder.
///
/// # Errors
/// If a rank has ended, or memory runs out.
pub fn send(ranks: &dyn Ranks, manifest: &Manifest, checkpoint: Option<&Checkpoint>) -> anyhow::Result<()> {
    if ranks.count() == 1 {
        return Ok(());
    }
    let brief = Brief { manifest: manifest.clone(), checkpoint: checkpoint.map(|found| found.state.clone()) };
    ranks.broadcast(0, &mut serde_json::to_vec(&brief)?)?;
    let tensors = checkpoint.map(|found| tensors::to_safetensors(&found.tensors)).transpose()?;
    ranks.broadcast(0, &mut tensors.unwrap_or_default())?;
    Ok(())
}

fn receive(ranks: &dyn Ranks) -> anyhow::Result<(Manifest, Option<Checkpoint>)> {
    let (mut brief, mut bytes) = (Vec::new(), Vec::new());
    ranks.broadcast(0, &mut brief)?;
    ranks.broadcast(0, &mut bytes)?;
    let Brief { manifest, checkpoint } =
        serde_json::from_slice(&brief).context("what the first rank sent")?;
    let path = Path::new(files::CHECKPOINTS);
    let checkpoint = checkpoint.map(|state| -> anyhow::Result<_> {
        Ok(Checkpoint { path: path.to_owned(), state, tensors: tensors::from_safetensors(path, &bytes)? })
    });
    Ok((manifest, checkpoint.transpose()?))
}

/// Prepares the work, and checks that all ranks are ready with the same data and settings.
///
/// # Errors
/// If a rank is not ready, or differs from the first.
pub fn prepare(
    manifest: &Manifest,
    checkpoint: Option<Checkpoint>,
    ranks: &Arc<dyn Ranks>,
) -> anyhow::Result<(RunJob, EngineFacts)> {
    let prepared = RunJob::prepare(manifest, checkpoint, ranks);
    if ranks.count() == 1 {
        return prepared;
    }
    let card = match &prepared {
        Err(error) => Card { problem: Some(failure::explain(error)), fingerprints: Vec::new() },
        Ok((_, facts)) => Card { problem: None, fingerprints: fingerprints(facts) },
    };
    agree(&**ranks, &card)?;
    prepared
}

fn fingerprints(facts: &EngineFacts) -> Vec<(String, String)> {
    let EngineFacts { libtorch, data_fingerprint, split_fingerprint, protocol_hash, .. } = facts;
    [
        ("libtorch", libtorch),
        ("set of images", data_fingerprint),
        ("split of the images", split_fingerprint),
        ("set of settings", protocol_hash),
    ]
    .map(|(what, fingerprint)| (what.to_owned(), fingerprint.clone()))
    .into()
}
