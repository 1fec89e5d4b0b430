//! The description of a network in the metadata of a file of weights, which has all that is needed to use the
//! weights.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    genotype::Genotype,
    network::{NetworkKind, NetworkShape},
    tasks::{Task, priors::PER_CELL},
};

/// The key of the description in the metadata of a safetensors file.
pub const KEY: &str = "relativenas";

/// The shapes of tensors by name.
pub type Shapes = BTreeMap<String, Vec<usize>>;

/// The properties of a network that can be derived from the names and shapes of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub task: Task,
    pub network: NetworkShape,
    pub auxiliary: bool,
}

impl Seen {
    /// Derives the properties; `None` if the stem, the cells or the tensors that tell the number of classes are
    /// missing.
    pub fn of(shapes: &Shapes) -> Option<Self> {
        let backbones = [
            (Task::Detection, "base_net."),
            (Task::Segmentation, "cp.net."),
            (Task::Keypoints, "backbone."),
            (Task::Classification, ""),
        ];
        let is_there = |prefix: &str| shapes.keys().any(|name| name.starts_with(&format!("{prefix}cells.")));
        let (task, prefix) = backbones.into_iter().find(|(_, prefix)| is_there(prefix))?;
        let first = |name: &str| shapes.get(name)?.first().copied();
        let (kind, channels) = match first(&format!("{prefix}stem0.3.weight")) {
            Some(channels) => (NetworkKind::Imagenet, channels),
            None if task == Task::Classification => (NetworkKind::Cifar, first("stem.0.weight")? / 3),
            None => return None,
        };
        let number = |name: &String| {
            name.strip_prefix(prefix)?.strip_prefix("cells.")?.split('.').next()?.parse::<usize>().ok()
        };
        let cells = shapes.keys().filter_map(number).max()?.checked_add(1)?;
        let classes = match task {
            Task::Classification => first("classifier.weight")?,
            // There are six priors for each cell, and background is no class of objects.
            Task::Detection => (first("classification_headers.5.weight")? / PER_CELL).checked_sub(1)?,
            Task::Segmentation => first("conv_out.conv_out.weight")?,
            Task::Keypoints => 1,
        };
        let network = NetworkShape { kind, channels, cells, classes };
        let auxiliary = shapes.keys().any(|name| name.starts_with("auxiliary_head."));
        network.check().is_ok().then_some(Self { task, network, auxiliary })
    }
}

/// A trained network, apart from its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainedNetwork {
    #[serde(default)]
    pub task: Task,
    pub genotype: Genotype,
    pub network: NetworkShape,
    /// Whether an auxiliary head is among the weights.
    #[serde(default)]
    pub auxiliary: bool,
    /// The names of the classes in the order of their numbers; for a detector without background.
    pub classes: Vec<String>,
    /// The mean of each channel with which pixels from 0 to 1 were normalised; a detector does not use it.
    pub mean: [f32; 3],
    /// The standard deviation of each channel with which pixels were normalised.
    pub std: [f32; 3],
    /// Rows and columns, in pixels, of the input for segmentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<usize>,
}

impl TrainedNetwork {
    /// The description as text in JSON, as it stands in a file.
    pub fn format(&self) -> String {
        serde_json::to_string(self).expect("plain data")
    }

    /// A description of a genotype's network for weights without one, from their names and shapes; `None` if these do
    /// not tell enough. Classes are named by their numbers, and there is no normalisation, because it is unknown.
    pub fn guessed(genotype: &Genotype, shapes: &Shapes) -> Option<Self> {
        let Seen { task, network, auxiliary } = Seen::of(shapes)?;
        let classes = (0..network.classes).map(|class| format!("class {class}")).collect();
        let (genotype, mean, std) = (genotype.clone(), [0.0; 3], [1.0; 3]);
        Some(Self { task, genotype, network, auxiliary, classes, mean, std, crop: None })
    }

    /// Parses the text of a description; `None` if it is none, or of a network that cannot be built.
    pub fn parse(text: &str) -> Option<Self> {
        let found: Self = serde_json::from_str(text).ok()?;
        found.network.check().is_ok().then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{network::NetworkKind, published};

    #[test]
    fn what_is_written_is_read_and_networks_without_end_are_not() {
        let network = NetworkShape { kind: NetworkKind::Imagenet, channels: 8, cells: 5, classes: 3 };
        let mut trained = TrainedNetwork {
            task: Task::Detection,
            genotype: published::genotype("RelativeNAS").expect("published"),
            network,
            auxiliary: false,
            classes: ["bottle", "car", "person"].map(str::to_owned).into(),
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            crop: None,
        };
        assert_eq!(TrainedNetwork::parse(&trained.format()), Some(trained.clone()));
        assert_eq!(TrainedNetwork::parse("{}"), None);
        trained.network.cells = usize::MAX;
        assert_eq!(TrainedNetwork::parse(&trained.format()), None);
    }
}
