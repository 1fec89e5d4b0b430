//! A trained full network as one ONNX file, weights in it, for any runtime that reads the format.
//!
//! The file holds what evaluation computes: batch norm with running statistics, no auxiliary head, no
//! drop path. Its input is `images` `[N, 3, H, W] f32`, normalised as in training, its output `logits`
//! `[N, classes] f32`; only the batch dimension is free. Weights keep their names.
//!
//! The format is a protobuf, <https://onnx.ai/onnx/repo-docs/IR.html>; the operators are those of
//! opset 17. Neither needs more than a few kinds of fields, which `protobuf` writes.

mod cells;
mod graph;
mod protobuf;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    genotype::Genotype,
    network::{NetworkKind, NetworkShape},
};

use self::graph::Graph;

/// Numbers of one tensor of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightTensor {
    pub shape: Vec<u64>,
    /// The values in row-major order.
    pub values: Vec<f32>,
}

/// Why weights cannot be written as a network's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("these weights are not the network's: {}", .0.join("; "))]
pub struct Misfits(Vec<String>);

/// The largest number of misfits that a message names.
const NAMED: usize = 10;

/// The ONNX file of a full network. The auxiliary head among the weights, and what PyTorch counts
/// beside batch norm, are left out.
///
/// # Errors
/// All tensors that are missing, unexpected or of another shape; the first ten by name.
pub fn classifier(
    genotype: &Genotype,
    shape: &NetworkShape,
    weights: &BTreeMap<String, WeightTensor>,
) -> Result<Vec<u8>, Misfits> {
    let mut graph = Graph::default();
    let logits = cells::logits(&mut graph, genotype, shape);
    let mut misfits = Vec::new();
    for (name, expected) in graph.weights() {
        match weights.get(name).map(|found| &found.shape) {
            None => misfits.push(format!("`{name}` is missing")),
            Some(found) if found != expected => {
                misfits.push(format!("`{name}` has shape {found:?}, not {expected:?}"));
            }
            Some(_) => {}
        }
    }
    let known: BTreeSet<_> = graph.weights().map(|(name, _)| name).collect();
    let left_out = |name: &str| name.starts_with("auxiliary_head.") || name.ends_with(".num_batches_tracked");
    let strange = weights.keys().filter(|name| !known.contains(name.as_str()) && !left_out(name));
    misfits.extend(strange.map(|name| format!("`{name}` is unexpected")));
    if !misfits.is_empty() {
        let more = misfits.len().saturating_sub(NAMED);
        misfits.truncate(NAMED);
        misfits.extend((more > 0).then(|| format!("and {more} more")));
        return Err(Misfits(misfits));
    }
    let side = shape.image_side() as u64;
    Ok(graph.file(&logits, [3, side, side], shape.classes as u64, weights))
}

/// The network that weights belong to, as far as their names and shapes tell.
pub fn shape_of(weights: &BTreeMap<String, WeightTensor>) -> Option<NetworkShape> {
    let first = |name: &str| weights.get(name)?.shape.first().map(|&n| n as usize);
    let (kind, channels) = match first("stem0.3.weight") {
        Some(channels) => (NetworkKind::Imagenet, channels),
        None => (NetworkKind::Cifar, first("stem.0.weight")? / 3),
    };
    let number = |name: &String| name.strip_prefix("cells.")?.split('.').next()?.parse::<usize>().ok();
    let last = weights.keys().filter_map(number).max()?;
    let shape =
        NetworkShape { kind, channels, cells: last.checked_add(1)?, classes: first("classifier.weight")? };
    shape.check().is_ok().then_some(shape)
}
