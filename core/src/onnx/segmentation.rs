//! BiSeNet as ONNX nodes: the logits of every pixel. The two outputs that are used in training only are left out.

use super::{
    cells::{Builder, ConvolutionShape},
    graph::{
        Attribute::{Float, Integer, Text},
        Graph, INPUT, Output,
    },
};
use crate::{
    genotype::Genotype,
    network::NetworkShape,
    tasks::heads::{CONTEXT, DETAIL, FUSED, taps},
};

/// The slope of the leaky ReLU.
const SLOPE: f32 = 0.01;

/// Adds the whole network, for an input with these rows and columns.
pub(super) fn outputs(
    graph: &mut Graph,
    genotype: &Genotype,
    shape: &NetworkShape,
    crop: usize,
) -> Vec<Output> {
    let maps = Builder::new(graph, "cp.net.").maps(genotype, shape);
    let [(middle, middle_channels), (last, last_channels)] =
        [1, 2].map(|tap| maps[taps(shape.cells)[tap]].clone());
    let mut head = Head(Builder::new(graph, ""));

    let global = head.average(&last);
    let global = head.activated(&global, "cp.conv_avg", [CONTEXT, last_channels], 1, 1);
    let refined = head.attention(&last, "cp.arm32", last_channels);
    let refined = head.add(&refined, &global);
    let context = head.enlarged(&refined, "doubled", 2.0);
    let context16 = head.activated(&context, "cp.conv_head32", [CONTEXT; 2], 3, 1);
    let refined = head.attention(&middle, "cp.arm16", middle_channels);
    let refined = head.add(&refined, &context16);
    let context = head.enlarged(&refined, "doubled", 2.0);
    let context8 = head.activated(&context, "cp.conv_head16", [CONTEXT; 2], 3, 1);

    let detail = head.activated(INPUT, "sp.conv1", [DETAIL, 3], 7, 2);
    let detail = head.activated(&detail, "sp.conv2", [DETAIL; 2], 3, 2);
    let detail = head.activated(&detail, "sp.conv3", [DETAIL; 2], 3, 2);
    let detail = head.activated(&detail, "sp.conv_out", [CONTEXT, DETAIL], 1, 1);

    let joined = head.0.graph.node("Concat", &[&detail, &context8], vec![Integer("axis", 1)]);
    let joined = head.activated(&joined, "ffm.convblk", [FUSED, 2 * CONTEXT], 1, 1);
    let weight = head.average(&joined);
    let weight =
        head.0.convolution(&weight, "ffm.conv1", [FUSED / 4, FUSED], ConvolutionShape::square(1, 1, 1));
    let weight = head.0.relu(&weight);
    let weight =
        head.0.convolution(&weight, "ffm.conv2", [FUSED, FUSED / 4], ConvolutionShape::square(1, 1, 1));
    let weight = head.0.graph.node("Sigmoid", &[&weight], Vec::new());
    let weighted = head.0.graph.node("Mul", &[&joined, &weight], Vec::new());
    let fused = head.add(&joined, &weighted);

    let classes = shape.classes;
    let hidden = head.activated(&fused, "conv_out.conv", [FUSED; 2], 3, 1);
    let scores =
        head.0.convolution(&hidden, "conv_out.conv_out", [classes, FUSED], ConvolutionShape::square(1, 1, 1));
    let value = head.enlarged(&scores, "eightfold", 8.0);
    vec![Output { value, name: "logits", sides: vec![classes as u64, crop as u64, crop as u64] }]
}

struct Head<'a>(Builder<'a>);

impl Head<'_> {
    fn activated(
        &mut self,
        value: &str,
        name: &str,
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
    ) -> String {
        let window = ConvolutionShape::square(kernel, stride, 1);
        let value = self.0.convolution(value, &format!("{name}.conv"), channels, window);
        let value = self.0.batch_norm(&value, &format!("{name}.bn"), channels[0]);
        self.0.graph.node("LeakyRelu", &[&value], vec![Float("alpha", SLOPE)])
    }

    fn average(&mut self, value: &str) -> String {
        self.0.graph.node("GlobalAveragePool", &[value], Vec::new())
    }

    fn add(&mut self, one: &str, other: &str) -> String {
        self.0.graph.node("Add", &[one, other], Vec::new())
    }

    fn attention(&mut self, map: &str, name: &str, channels: usize) -> String {
        let map = self.activated(map, &format!("{name}.conv"), [CONTEXT, channels], 3, 1);
        let weight = self.average(&map);
        let pointwise = ConvolutionShape::square(1, 1, 1);
        let weight = self.0.convolution(&weight, &format!("{name}.conv_atten"), [CONTEXT; 2], pointwise);
        let weight = self.0.batch_norm(&weight, &format!("{name}.bn_atten"), CONTEXT);
        let weight = self.0.graph.node("Sigmoid", &[&weight], Vec::new());
        self.0.graph.node("Mul", &[&map, &weight], Vec::new())
    }

    /// An enlarged map: with a factor of 2 every pixel is repeated four times; larger factors interpolate
    /// bilinearly with aligned corners.
    fn enlarged(&mut self, value: &str, name: &'static str, times: f32) -> String {
        let scales = self.0.graph.floats(name, &[4], vec![1.0, 1.0, times, times]);
        let attributes = if times > 2.0 {
            vec![Text("mode", "linear"), Text("coordinate_transformation_mode", "align_corners")]
        } else {
            vec![
                Text("mode", "nearest"),
                Text("coordinate_transformation_mode", "asymmetric"),
                Text("nearest_mode", "floor"),
            ]
        };
        // The second input, a region of interest, is left out.
        self.0.graph.node("Resize", &[value, "", scales], attributes)
    }
}
