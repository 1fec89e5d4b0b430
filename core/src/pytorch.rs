//! A network as one Python file that needs only PyTorch, so that it can be trained without this program.

use std::fmt::Write as _;

use crate::{
    genotype::{Cell, Genotype},
    network::{NetworkKind, NetworkShape},
};

/// The file, with placeholders for the genotype and the shape.
const TEMPLATE: &str = include_str!("pytorch/template.py");

/// A class for the file, whose networks return feature maps.
const FEATURES: &str = include_str!("pytorch/features.py");

/// The channels and the number of cells of the published ImageNet network.
const PUBLISHED: (usize, usize) = (46, 14);

/// A Python module with the class `Network`, which has this shape unless its caller passes another. Its state
/// dict has the names of published checkpoints.
pub fn module(genotype: &Genotype, shape: &NetworkShape, auxiliary: bool) -> String {
    filled(genotype, shape, auxiliary, "")
}

/// [`module`] with the class `Features` in addition: the ImageNet network without classifier, which returns
/// its maps at strides 8, 16 and 32. It has the channels and cells of `shape` if that is an ImageNet network,
/// else those of the published one.
pub fn features(genotype: &Genotype, shape: &NetworkShape, auxiliary: bool) -> String {
    let (channels, cells) = match shape.kind {
        NetworkKind::Imagenet => (shape.channels, shape.cells),
        NetworkKind::Cifar => PUBLISHED,
    };
    let class =
        FEATURES.replace("{{channels}}", &channels.to_string()).replace("{{cells}}", &cells.to_string());
    filled(genotype, shape, auxiliary, &class)
}

fn filled(genotype: &Genotype, shape: &NetworkShape, auxiliary: bool, features: &str) -> String {
    TEMPLATE
        .replace("{{features}}", features)
        .replace("{{genotype}}", &genotype_literal(genotype))
        .replace("{{shape}}", &shape_constants(shape, auxiliary))
        .replace("{{side}}", &shape.image_side().to_string())
}

fn genotype_literal(genotype: &Genotype) -> String {
    let mut text = "GENOTYPE = {\n".to_owned();
    for (name, cell) in [("normal", &genotype.normal), ("reduce", &genotype.reduction)] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    \"{name}\": [");
        for node in cell.genes.chunks(2) {
            let genes: Vec<_> =
                node.iter().map(|gene| format!("(\"{}\", {})", gene.operation.name(), gene.input)).collect();
            let _ = writeln!(text, "        {},", genes.join(", "));
        }
        let _ = writeln!(text, "    ],\n    \"{name}_concat\": {},", concat_literal(cell));
    }
    text + "}"
}

fn concat_literal(cell: &Cell) -> String {
    let nodes: Vec<_> = cell.concat.iter().map(ToString::to_string).collect();
    format!("[{}]", nodes.join(", "))
}

fn shape_constants(shape: &NetworkShape, auxiliary: bool) -> String {
    let kind = shape.kind.name();
    format!(
        "KIND = \"{kind}\"  # cifar: images of 32 pixels; imagenet: of 224\n\
         CHANNELS = {}  # of a node in the first cells\n\
         CELLS = {}\n\
         CLASSES = {}\n\
         AUXILIARY = {}",
        shape.channels,
        shape.cells,
        shape.classes,
        if auxiliary { "True" } else { "False" },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published;

    #[test]
    fn genotype_and_shape_are_written_out() {
        let genotype = published::genotype("AmoebaNet").expect("published");
        let shape = NetworkShape { kind: NetworkKind::Imagenet, channels: 46, cells: 14, classes: 1000 };
        let text = module(&genotype, &shape, true);
        for line in [
            "        (\"avg_pool_3x3\", 0), (\"max_pool_3x3\", 1),",
            "    \"normal_concat\": [4, 5, 6],",
            "        (\"conv_7x1_1x7\", 0), (\"sep_conv_3x3\", 5),",
            "    \"reduce_concat\": [3, 4, 6],",
            "CHANNELS = 46  # of a node in the first cells",
            "AUXILIARY = True",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}");
        }
        assert!(!text.contains("{{"), "a place was not filled");
    }

    #[test]
    fn a_backbone_has_the_shape_of_its_imagenet_network_or_the_published_one() {
        let genotype = published::genotype("RelativeNAS").expect("published");
        let mut shape = NetworkShape { kind: NetworkKind::Imagenet, channels: 8, cells: 6, classes: 5 };
        let check = |shape: &NetworkShape, line: &str| {
            let text = features(&genotype, shape, false);
            assert!(text.contains(line) && !text.contains("{{"), "{text}");
            // The rest of the file is the same.
            let class = text.find("\n\n\nclass Features").expect("a class");
            assert!(module(&genotype, shape, false).starts_with(&text[..class]));
        };
        check(&shape, "    def __init__(self, channels=8, cells=6, genotype=GENOTYPE):");
        shape.kind = NetworkKind::Cifar;
        check(&shape, "    def __init__(self, channels=46, cells=14, genotype=GENOTYPE):");
    }
}
