//! Networks for the transfer tasks: a cell in a network for detection, segmentation or keypoints.
//!
//! A [`TaskNetwork`] consists of a [`Backbone`], which gives feature maps at strides 8, 16 and 32, and the
//! head of a task: [`ssd_lite`], [`bisenet`] or [`simple_baseline`]. Its [`NetworkState`] holds the tensors under
//! the published names. [`losses`] has the losses that are minimised, [`sliding`] the segmentation of
//! pictures that are too large for one pass.

pub mod augment;
mod backbone;
pub mod bisenet;
pub mod data;
pub mod evaluation;
#[cfg(test)]
mod golden;
mod layers;
pub mod losses;
#[cfg(test)]
mod onnx_tests;
pub mod pixels;
pub mod simple_baseline;
pub mod sliding;
pub mod ssd_lite;
mod state;
pub mod targets;
pub mod training;

use relativenas_core::{
    genotype::Genotype,
    network::ShapeError,
    tasks::{Task, joints::JOINTS, label_ids},
};

pub use backbone::Backbone;
pub use state::{NetworkState, StateError};

use crate::network::TensorSpec;

/// The head of a task, which turns feature maps into predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// SSDLite, for detection; background counts as a class.
    SsdLite { classes: usize },
    /// BiSeNet, for segmentation.
    BiSeNet { classes: usize },
    /// SimpleBaseline, for keypoints: a heat map for each joint.
    SimpleBaseline { joints: usize },
}

impl Head {
    /// The head for Pascal VOC: twenty classes and background.
    pub const DETECTION: Self = Self::SsdLite { classes: 21 };
    /// The head for Cityscapes.
    pub const SEGMENTATION: Self = Self::BiSeNet { classes: label_ids::CLASSES };
    /// The head for the people of COCO.
    pub const KEYPOINTS: Self = Self::SimpleBaseline { joints: JOINTS };

    /// The head of a task; none for classification. Detection has this many classes, not counting background.
    pub fn of(task: Task, classes: usize) -> Option<Self> {
        match task {
            Task::Classification => None,
            Task::Detection => Some(Self::SsdLite { classes: classes + 1 }),
            Task::Segmentation => Some(Self::SEGMENTATION),
            Task::Keypoints => Some(Self::KEYPOINTS),
        }
    }

    /// The prefix of the names of the backbone's tensors.
    pub fn backbone_prefix(self) -> &'static str {
        match self {
            Self::SsdLite { .. } => "base_net.",
            Self::BiSeNet { .. } => "cp.net.",
            Self::SimpleBaseline { .. } => "backbone.",
        }
    }

    fn tensors(self, maps: [usize; 3]) -> Vec<TensorSpec> {
        match self {
            Self::SsdLite { classes } => ssd_lite::tensors(maps, classes),
            Self::BiSeNet { classes } => bisenet::tensors(maps, classes),
            Self::SimpleBaseline { joints } => simple_baseline::tensors(maps, joints),
        }
    }
}

/// A backbone with the head of a task.
#[derive(Clone, Debug)]
pub struct TaskNetwork {
    pub backbone: Backbone,
    pub head: Head,
}

impl TaskNetwork {
    /// The ImageNet network of a genotype, with a head.
    ///
    /// # Errors
    /// If a network with this number of channels or cells cannot be built.
    pub fn new(genotype: &Genotype, channels: usize, cells: usize, head: Head) -> Result<Self, ShapeError> {
        Ok(Self { backbone: Backbone::new(genotype, channels, cells)?, head })
    }

    /// All tensors under their published names, the backbone's first.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let prefix = self.head.backbone_prefix();
        let mut tensors = self.backbone.tensors();
        for spec in &mut tensors {
            spec.name = format!("{prefix}{}", spec.name);
        }
        tensors.extend(self.head.tensors(self.backbone.channels));
        tensors
    }

    /// The number of trained values.
    pub fn parameters(&self) -> usize {
        let tensors = self.tensors();
        tensors.iter().filter(|spec| spec.role.is_parameter()).map(TensorSpec::numel).sum()
    }
}
