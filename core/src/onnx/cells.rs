//! A full network as ONNX nodes, from images to logits.

use std::collections::BTreeMap;

use super::graph::{
    Attribute::{Float, Integer, Integers},
    Graph, INPUT,
};
use crate::{
    genotype::{Cell, Genotype},
    network::{CellPlace, NetworkKind, NetworkShape},
    operation::Operation,
};

/// The number that batch norm adds to variances: PyTorch's default, with which the networks are trained.
const EPSILON: f32 = 1e-5;

/// The kernel, stride, padding and dilation of a convolution, each for rows and columns.
#[derive(Clone, Copy)]
pub(super) struct ConvolutionShape {
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: usize,
}

impl ConvolutionShape {
    /// A square kernel, padded so that stride 1 keeps the size.
    pub(super) fn square(kernel: usize, stride: usize, dilation: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], padding: [kernel / 2 * dilation; 2], dilation }
    }
}

/// Adds nodes for layers to a graph; the names of their weights begin with `prefix`. `rectified` has the names of
/// ReLUs that were added, by their inputs, so that each is computed once.
pub(super) struct Builder<'a> {
    pub(super) graph: &'a mut Graph,
    rectified: BTreeMap<String, String>,
    prefix: &'static str,
}

/// Adds the whole network; returns the name of the logits.
pub(super) fn logits(graph: &mut Graph, genotype: &Genotype, shape: &NetworkShape) -> String {
    let mut builder = Builder::new(graph, "");
    let maps = builder.maps(genotype, shape);
    let (last, channels) = maps.last().cloned().unwrap_or_else(|| (INPUT.to_owned(), 3));
    let mean = builder.graph.node("GlobalAveragePool", &[&last], Vec::new());
    let flat = builder.graph.node("Flatten", &[&mean], vec![Integer("axis", 1)]);
    let weight = builder.graph.weight("classifier.weight".to_owned(), &[shape.classes, channels]);
    let bias = builder.graph.weight("classifier.bias".to_owned(), &[shape.classes]);
    builder.graph.node("Gemm", &[&flat, &weight, &bias], vec![Integer("transB", 1)])
}

impl<'a> Builder<'a> {
    pub(super) fn new(graph: &'a mut Graph, prefix: &'static str) -> Self {
        Self { graph, rectified: BTreeMap::new(), prefix }
    }
}

impl Builder<'_> {
    /// The outputs of all cells, and their channels.
    pub(super) fn maps(&mut self, genotype: &Genotype, shape: &NetworkShape) -> Vec<(String, usize)> {
        let [mut before_last, mut last] = self.stems(shape);
        let mut maps = Vec::new();
        for (index, place) in shape.places(genotype).iter().enumerate() {
            let cell = genotype.cell(place.kind);
            let output = self.cell(index, cell, place, [&before_last, &last]);
            maps.push((output.clone(), place.channels * cell.concat.len()));
            (before_last, last) = (last, output);
        }
        maps
    }

    /// A tensor of the network, by its name without the prefix.
    pub(super) fn weight(&mut self, name: &str, shape: &[usize]) -> String {
        self.graph.weight(format!("{}{name}", self.prefix), shape)
    }

    /// The inputs of the first cell.
    fn stems(&mut self, shape: &NetworkShape) -> [String; 2] {
        let channels = shape.stem_channels();
        let window = |stride| ConvolutionShape::square(3, stride, 1);
        match shape.kind {
            NetworkKind::Cifar => {
                let stem = self.convolution(INPUT, "stem.0", [channels, 3], window(1));
                let stem = self.batch_norm(&stem, "stem.1", channels);
                [stem.clone(), stem]
            }
            NetworkKind::Imagenet => {
                let half = channels / 2;
                let value = self.convolution(INPUT, "stem0.0", [half, 3], window(2));
                let value = self.batch_norm(&value, "stem0.1", half);
                let value = self.relu(&value);
                let value = self.convolution(&value, "stem0.3", [channels, half], window(2));
                let first = self.batch_norm(&value, "stem0.4", channels);
                let value = self.relu(&first);
                let value = self.convolution(&value, "stem1.1", [channels, channels], window(2));
                [first, self.batch_norm(&value, "stem1.2", channels)]
            }
        }
    }

    fn cell(&mut self, index: usize, cell: &Cell, place: &CellPlace, before: [&str; 2]) -> String {
        let name = format!("cells.{index}");
        let mut values = vec![
            match place.after_reduction {
                true => {
                    let channels = [place.channels, place.channels_before_last];
                    self.halved(before[0], &format!("{name}.preprocess0"), channels)
                }
                false => self.pointwise(
                    before[0],
                    &format!("{name}.preprocess0"),
                    place,
                    place.channels_before_last,
                ),
            },
            self.pointwise(before[1], &format!("{name}.preprocess1"), place, place.channels_last),
        ];
        for (node, pair) in cell.genes.chunks(2).enumerate() {
            let parts: Vec<_> = pair
                .iter()
                .enumerate()
                .map(|(gene, g)| {
                    let name = format!("{name}._ops.{}", 2 * node + gene);
                    self.operation(
                        &values[g.input],
                        g.operation,
                        &name,
                        place.channels,
                        place.stride(g.input),
                    )
                })
                .collect();
            let parts: Vec<_> = parts.iter().map(String::as_str).collect();
            values.push(self.graph.node("Add", &parts, Vec::new()));
        }
        let outputs: Vec<_> = cell.concat.iter().map(|&value| values[value].as_str()).collect();
        self.graph.node("Concat", &outputs, vec![Integer("axis", 1)])
    }

    /// Converts an input to the channels of its cell.
    fn pointwise(&mut self, value: &str, name: &str, place: &CellPlace, from: usize) -> String {
        let value = self.relu(value);
        let channels = [place.channels, from];
        let value =
            self.convolution(&value, &format!("{name}.op.1"), channels, ConvolutionShape::square(1, 1, 1));
        self.batch_norm(&value, &format!("{name}.op.2"), place.channels)
    }

    /// Halves the resolution by two pointwise convolutions of stride 2, the second shifted by one pixel.
    fn halved(&mut self, value: &str, name: &str, [to, from]: [usize; 2]) -> String {
        let value = self.relu(value);
        let moved = self.slice(&value, [1, 1], [1, 1]);
        let window = ConvolutionShape::square(1, 2, 1);
        let even = self.convolution(&value, &format!("{name}.conv_1"), [to / 2, from], window);
        let odd = self.convolution(&moved, &format!("{name}.conv_2"), [to / 2, from], window);
        let both = self.graph.node("Concat", &[&even, &odd], vec![Integer("axis", 1)]);
        self.batch_norm(&both, &format!("{name}.bn"), to)
    }

    fn operation(
        &mut self,
        value: &str,
        operation: Operation,
        name: &str,
        channels: usize,
        stride: usize,
    ) -> String {
        match operation {
            Operation::SkipConnect if stride == 1 => value.to_owned(),
            Operation::SkipConnect => self.halved(value, name, [channels, channels]),
            Operation::MaxPool3x3 => self.pool("MaxPool", value, stride),
            Operation::AvgPool3x3 => self.pool("AveragePool", value, stride),
            Operation::SepConv3x3 => self.separable(value, name, channels, 3, stride),
            Operation::SepConv5x5 => self.separable(value, name, channels, 5, stride),
            Operation::SepConv7x7 => self.separable(value, name, channels, 7, stride),
            Operation::DilConv3x3 => {
                self.separated(value, name, 0, channels, ConvolutionShape::square(3, stride, 2))
            }
            Operation::DilConv5x5 => {
                self.separated(value, name, 0, channels, ConvolutionShape::square(5, stride, 2))
            }
            Operation::Conv7x1Then1x7 => {
                let row =
                    ConvolutionShape { kernel: [1, 7], stride: [1, stride], padding: [0, 3], dilation: 1 };
                let column =
                    ConvolutionShape { kernel: [7, 1], stride: [stride, 1], padding: [3, 0], dilation: 1 };
                let value = self.relu(value);
                let value = self.convolution(&value, &format!("{name}.1"), [channels, channels], row);
                let value = self.convolution(&value, &format!("{name}.2"), [channels, channels], column);
                self.batch_norm(&value, &format!("{name}.3"), channels)
            }
            Operation::None => {
                let kept = self.slice(value, [0, 0], [stride as i64; 2]);
                let zero = self.graph.zero();
                self.graph.node("Mul", &[&kept, zero], Vec::new())
            }
        }
    }

    /// A separable convolution, which is applied twice; only the first has the stride.
    fn separable(
        &mut self,
        value: &str,
        name: &str,
        channels: usize,
        kernel: usize,
        stride: usize,
    ) -> String {
        let value = self.separated(value, name, 0, channels, ConvolutionShape::square(kernel, stride, 1));
        self.separated(&value, name, 4, channels, ConvolutionShape::square(kernel, 1, 1))
    }

    /// ReLU, depthwise convolution, pointwise convolution and batch norm; `first` is the number of the ReLU
    /// among the layers.
    fn separated(
        &mut self,
        value: &str,
        name: &str,
        first: usize,
        channels: usize,
        window: ConvolutionShape,
    ) -> String {
        let value = self.relu(value);
        let value = self.convolution(&value, &format!("{name}.op.{}", first + 1), [channels, 1], window);
        let square = [channels, channels];
        let value = self.convolution(
            &value,
            &format!("{name}.op.{}", first + 2),
            square,
            ConvolutionShape::square(1, 1, 1),
        );
        self.batch_norm(&value, &format!("{name}.op.{}", first + 3), channels)
    }

    pub(super) fn relu(&mut self, value: &str) -> String {
        if let Some(known) = self.rectified.get(value) {
            return known.clone();
        }
        let rectified = self.graph.node("Relu", &[value], Vec::new());
        self.rectified.insert(value.to_owned(), rectified.clone());
        rectified
    }

    /// A convolution without bias with these output and input channels; with one input channel it is
    /// depthwise, with as many groups as output channels.
    pub(super) fn convolution(
        &mut self,
        value: &str,
        name: &str,
        channels: [usize; 2],
        window: ConvolutionShape,
    ) -> String {
        self.convolution_with(value, name, channels, window, false)
    }

    /// A convolution with or without bias.
    pub(super) fn convolution_with(
        &mut self,
        value: &str,
        name: &str,
        channels: [usize; 2],
        window: ConvolutionShape,
        bias: bool,
    ) -> String {
        let [to, from] = channels;
        let ConvolutionShape { kernel, stride, padding, dilation } = window;
        let weight = self.weight(&format!("{name}.weight"), &[to, from, kernel[0], kernel[1]]);
        let bias = bias.then(|| self.weight(&format!("{name}.bias"), &[to]));
        let list = |numbers: &[usize]| numbers.iter().map(|&n| n as i64).collect::<Vec<_>>();
        let attributes = vec![
            Integers("kernel_shape", list(&kernel)),
            Integers("strides", list(&stride)),
            Integers("pads", list(&[padding, padding].concat())),
            Integers("dilations", list(&[dilation; 2])),
            Integer("group", if from == 1 { to as i64 } else { 1 }),
        ];
        let inputs: Vec<_> = [value, &weight].into_iter().chain(bias.as_deref()).collect();
        self.graph.node("Conv", &inputs, attributes)
    }

    pub(super) fn batch_norm(&mut self, value: &str, name: &str, channels: usize) -> String {
        let parts = ["weight", "bias", "running_mean", "running_var"];
        let [scale, shift, mean, variance] =
            parts.map(|part| self.weight(&format!("{name}.{part}"), &[channels]));
        let inputs = [value, &scale, &shift, &mean, &variance];
        self.graph.node("BatchNormalization", &inputs, vec![Float("epsilon", EPSILON)])
    }

    /// A 3×3 pool; pixels of the padding are never the maximum, and are not counted in a mean.
    fn pool(&mut self, operator: &'static str, value: &str, stride: usize) -> String {
        let attributes = vec![
            Integers("kernel_shape", vec![3, 3]),
            Integers("strides", vec![stride as i64; 2]),
            Integers("pads", vec![1; 4]),
        ];
        self.graph.node(operator, &[value], attributes)
    }

    /// A slice that begins at these rows and columns, with these steps.
    fn slice(&mut self, value: &str, starts: [i64; 2], steps: [i64; 2]) -> String {
        let starts = self.graph.integers(&starts);
        let ends = self.graph.integers(&[i64::MAX; 2]);
        let axes = self.graph.integers(&[2, 3]);
        let steps = self.graph.integers(&steps);
        self.graph.node("Slice", &[value, &starts, &ends, &axes, &steps], Vec::new())
    }
}
