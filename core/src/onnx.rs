//! A trained network as one ONNX file with its weights, for any runtime that reads the format.
//!
//! The file contains what evaluation computes: batch norm with running statistics, no auxiliary head, no drop
//! path. Its input is `images` `[N, 3, H, W] f32`, normalised as in training, and the output of a classifier
//! is `logits` `[N, classes] f32`; only the batch dimension is free. Weights keep their names.
//!
//! The format is a protobuf, <https://onnx.ai/onnx/repo-docs/IR.html>; the operators are those of opset 17.
//! Both need only a few kinds of fields, which `protobuf` writes.

mod cells;
mod detection;
mod graph;
mod keypoints;
mod protobuf;
mod segmentation;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    genotype::Genotype,
    network::{NetworkKind, NetworkShape},
    tasks::{Task, heads::FEWEST_CELLS, heat_maps::INPUT, priors::IMAGE_SIDE},
};

use self::graph::{Graph, Output};

/// The values of one tensor of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightTensor {
    pub shape: Vec<u64>,
    /// The values, in row-major order.
    pub values: Vec<f32>,
}

/// Why weights cannot be written as those of a network.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("these weights are not the network's: {}", .0.join("; "))]
pub struct WeightMismatch(Vec<String>);

/// The greatest number of mismatches that a message names.
const NAMED: usize = 10;

/// The ONNX file of a full network. The auxiliary head and the batch counters of PyTorch's batch norm are
/// left out.
///
/// # Errors
/// If tensors are missing, unexpected or of another shape; the error names the first ten.
pub fn classifier(
    genotype: &Genotype,
    shape: &NetworkShape,
    weights: &BTreeMap<String, WeightTensor>,
) -> Result<Vec<u8>, WeightMismatch> {
    let mut graph = Graph::default();
    let logits = cells::logits(&mut graph, genotype, shape);
    check(&graph, weights, &["auxiliary_head."])?;
    let side = shape.image_side() as u64;
    let output = Output { value: logits, name: "logits", sides: vec![shape.classes as u64] };
    Ok(graph.file(&[output], [3, side, side], weights))
}

/// The ONNX file of a backbone with the head of a task; `crop` are the rows and columns of the input for
/// segmentation, in pixels.
///
/// | task | outputs |
/// |---|---|
/// | detection | `scores` `[N, priors, classes]`, probabilities, background first; `boxes` `[N, priors, 4]`, left, top, right and bottom in shares of the picture |
/// | segmentation | `logits` `[N, classes, crop, crop]` |
/// | keypoints | `heat_maps` `[N, joints, 64, 48]` |
///
/// # Errors
/// Fails for the same reasons as [`classifier`]. Tensors that are used in training only are left out.
pub fn task(
    task: Task,
    genotype: &Genotype,
    shape: &NetworkShape,
    crop: usize,
    weights: &BTreeMap<String, WeightTensor>,
) -> Result<Vec<u8>, WeightMismatch> {
    if !task.is_classification() && (shape.kind != NetworkKind::Imagenet || shape.cells < FEWEST_CELLS) {
        return Err(WeightMismatch(vec![format!(
            "a backbone is an ImageNet network of {FEWEST_CELLS} or more cells"
        )]));
    }
    let mut graph = Graph::default();
    let (outputs, image, left_out): (_, _, &[&str]) = match task {
        Task::Classification => return classifier(genotype, shape, weights),
        Task::Detection => (detection::outputs(&mut graph, genotype, shape), [IMAGE_SIDE; 2], &[]),
        Task::Segmentation => {
            let outputs = segmentation::outputs(&mut graph, genotype, shape, crop);
            (outputs, [crop; 2], &["conv_out16.", "conv_out32."])
        }
        Task::Keypoints => {
            let [width, height] = INPUT;
            (keypoints::outputs(&mut graph, genotype, shape), [height, width], &[])
        }
    };
    check(&graph, weights, left_out)?;
    let [height, width] = image.map(|side| side as u64);
    Ok(graph.file(&outputs, [3, height, width], weights))
}

/// Compares weights with those that a graph reads; tensors whose names begin with `left_out` may be there
/// too.
fn check(
    graph: &Graph,
    weights: &BTreeMap<String, WeightTensor>,
    left_out: &[&str],
) -> Result<(), WeightMismatch> {
    let mut mismatches = Vec::new();
    for (name, expected) in graph.weights() {
        match weights.get(name).map(|found| &found.shape) {
            None => mismatches.push(format!("`{name}` is missing")),
            Some(found) if found != expected => {
                mismatches.push(format!("`{name}` has shape {found:?}, not {expected:?}"));
            }
            Some(_) => {}
        }
    }
    let known: BTreeSet<_> = graph.weights().map(|(name, _)| name).collect();
    let may_be_there = |name: &str| {
        left_out.iter().any(|prefix| name.starts_with(prefix)) || name.ends_with(".num_batches_tracked")
    };
    let strange = weights.keys().filter(|name| !known.contains(name.as_str()) && !may_be_there(name));
    mismatches.extend(strange.map(|name| format!("`{name}` is unexpected")));
    if !mismatches.is_empty() {
        let more = mismatches.len().saturating_sub(NAMED);
        mismatches.truncate(NAMED);
        mismatches.extend((more > 0).then(|| format!("and {more} more")));
        return Err(WeightMismatch(mismatches));
    }
    Ok(())
}
