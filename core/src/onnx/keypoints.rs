//! SimpleBaseline as ONNX nodes: a heat map for every joint.

use super::{
    cells::{Builder, ConvolutionShape},
    graph::{Attribute::Integers, Graph, Output},
};
use crate::{
    genotype::Genotype,
    network::NetworkShape,
    tasks::{
        heads::{TRANSPOSED, TRANSPOSED_CHANNELS as CHANNELS, TRANSPOSED_KERNEL as KERNEL, taps},
        heat_maps::MAP,
        joints::JOINTS,
    },
};

/// Adds the whole network.
pub(super) fn outputs(graph: &mut Graph, genotype: &Genotype, shape: &NetworkShape) -> Vec<Output> {
    let maps = Builder::new(graph, "backbone.").maps(genotype, shape);
    let (mut map, mut from) = maps[taps(shape.cells)[2]].clone();
    let mut builder = Builder::new(graph, "");
    for index in TRANSPOSED {
        let name = format!("deconv_layers.{index}.weight");
        let weight = builder.weight(&name, &[from, CHANNELS, KERNEL, KERNEL]);
        let attributes = vec![
            Integers("kernel_shape", vec![KERNEL as i64; 2]),
            Integers("strides", vec![2; 2]),
            Integers("pads", vec![1; 4]),
        ];
        map = builder.graph.node("ConvTranspose", &[&map, &weight], attributes);
        map = builder.batch_norm(&map, &format!("deconv_layers.{}", index + 1), CHANNELS);
        map = builder.relu(&map);
        from = CHANNELS;
    }
    let value = builder.convolution_with(
        &map,
        "final_layer",
        [JOINTS, CHANNELS],
        ConvolutionShape::square(1, 1, 1),
        true,
    );
    let [width, height] = MAP.map(|side| side as u64);
    vec![Output { value, name: "heat_maps", sides: vec![JOINTS as u64, height, width] }]
}
