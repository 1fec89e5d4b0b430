//! SSDLite as ONNX nodes: probabilities and boxes of all priors.

use super::{
    cells::{Builder, ConvolutionShape},
    graph::{
        Attribute::{Integer, Integers},
        Graph, Output,
    },
};
use crate::{
    genotype::Genotype,
    network::NetworkShape,
    tasks::{
        heads::{EXTRAS, taps},
        matching::{CENTRE_VARIANCE, SIZE_VARIANCE},
        priors::{LEVELS, PER_CELL, priors},
    },
};

/// Adds the whole network; `shape` counts classes of objects, without background.
pub(super) fn outputs(graph: &mut Graph, genotype: &Genotype, shape: &NetworkShape) -> Vec<Output> {
    let maps = Builder::new(graph, "base_net.").maps(genotype, shape);
    let [_, middle, last] = taps(shape.cells);
    let mut levels = vec![maps[middle].clone(), maps[last].clone()];
    let mut builder = Builder::new(graph, "");
    for (index, (to, share)) in EXTRAS.into_iter().enumerate() {
        let (map, from) = &levels[index + 1];
        let map = inverted_residual(&mut builder, map, &format!("extras.{index}.conv"), [to, *from], share);
        levels.push((map, to));
    }
    let classes = shape.classes + 1;
    let confidences = all(&mut builder, &levels, "classification_headers", classes);
    let locations = all(&mut builder, &levels, "regression_headers", 4);
    let scores = graph.node("Softmax", &[&confidences], vec![Integer("axis", -1)]);
    let boxes = decoded(graph, &locations);
    let count = priors().len() as u64;
    vec![
        Output { value: scores, name: "scores", sides: vec![count, classes as u64] },
        Output { value: boxes, name: "boxes", sides: vec![count, 4] },
    ]
}

/// The value clamped to 0 to 6.
fn relu6(builder: &mut Builder<'_>, value: &str) -> String {
    let (zero, six) = (builder.graph.zero(), builder.graph.floats("six", &[], vec![6.0]));
    builder.graph.node("Clip", &[value, zero, six], Vec::new())
}

/// A convolution to more channels, a depthwise one with stride 2, and one to fewer channels.
fn inverted_residual(
    builder: &mut Builder<'_>,
    map: &str,
    name: &str,
    [to, from]: [usize; 2],
    share: f64,
) -> String {
    let hidden = (from as f64 * share).round() as usize;
    let pointwise = ConvolutionShape::square(1, 1, 1);
    let value = builder.convolution(map, &format!("{name}.0.0"), [hidden, from], pointwise);
    let value = builder.batch_norm(&value, &format!("{name}.0.1"), hidden);
    let value = relu6(builder, &value);
    let value =
        builder.convolution(&value, &format!("{name}.1.0"), [hidden, 1], ConvolutionShape::square(3, 2, 1));
    let value = builder.batch_norm(&value, &format!("{name}.1.1"), hidden);
    let value = relu6(builder, &value);
    let value = builder.convolution(&value, &format!("{name}.2"), [to, hidden], pointwise);
    builder.batch_norm(&value, &format!("{name}.3"), to)
}

/// The outputs of the headers of all levels, prior by prior.
fn all(builder: &mut Builder<'_>, levels: &[(String, usize)], kind: &str, numbers: usize) -> String {
    let pointwise = ConvolutionShape::square(1, 1, 1);
    let shape = builder.graph.integers(&[0, -1, numbers as i64]);
    let said: Vec<_> = levels
        .iter()
        .enumerate()
        .map(|(level, (map, channels))| {
            let (name, to) = (format!("{kind}.{level}"), [PER_CELL * numbers, *channels]);
            let said = if level + 1 == LEVELS.len() {
                builder.convolution_with(map, &name, to, pointwise, true)
            } else {
                let depthwise = ConvolutionShape::square(3, 1, 1);
                let value =
                    builder.convolution_with(map, &format!("{name}.0"), [*channels, 1], depthwise, true);
                let value = builder.batch_norm(&value, &format!("{name}.1"), *channels);
                let value = relu6(builder, &value);
                builder.convolution_with(&value, &format!("{name}.3"), to, pointwise, true)
            };
            // The order is row by row, then prior by prior.
            let said = builder.graph.node("Transpose", &[&said], vec![Integers("perm", vec![0, 2, 3, 1])]);
            builder.graph.node("Reshape", &[&said, &shape], Vec::new())
        })
        .collect();
    let said: Vec<_> = said.iter().map(String::as_str).collect();
    builder.graph.node("Concat", &said, vec![Integer("axis", 1)])
}

/// The corners of boxes from the predictions of each prior.
fn decoded(graph: &mut Graph, locations: &str) -> String {
    let priors = priors();
    let shape = [1, priors.len() as u64, 2];
    let mut numbers = |name, number: &dyn Fn(&crate::tasks::boxes::CentreBox) -> [f64; 2]| {
        let values = priors.iter().flat_map(number).map(|number| number as f32).collect();
        graph.floats(name, &shape, values)
    };
    let centres = numbers("prior_centres", &|prior| [prior.x, prior.y]);
    let sizes = numbers("prior_sizes", &|prior| [prior.width, prior.height]);
    let steps = numbers("prior_steps", &|p| [p.width * CENTRE_VARIANCE, p.height * CENTRE_VARIANCE]);
    let variance = graph.floats("size_variance", &[], vec![SIZE_VARIANCE as f32]);
    let half = graph.floats("half", &[], vec![0.5]);
    let mut part = |from: i64, to: i64| {
        let [from, to, axis] = [from, to, 2].map(|number| graph.integers(&[number]));
        graph.node("Slice", &[locations, &from, &to, &axis], Vec::new())
    };
    let (offset, size) = (part(0, 2), part(2, 4));
    let offset = graph.node("Mul", &[&offset, steps], Vec::new());
    let centre = graph.node("Add", &[&offset, centres], Vec::new());
    let size = graph.node("Mul", &[&size, variance], Vec::new());
    let size = graph.node("Exp", &[&size], Vec::new());
    let size = graph.node("Mul", &[&size, sizes], Vec::new());
    let reach = graph.node("Mul", &[&size, half], Vec::new());
    let first = graph.node("Sub", &[&centre, &reach], Vec::new());
    let second = graph.node("Add", &[&centre, &reach], Vec::new());
    graph.node("Concat", &[&first, &second], vec![Integer("axis", 2)])
}
