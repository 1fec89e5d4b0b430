//! The tasks for which full networks are trained.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A task, with the metric by which its weights are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A class for every image.
    #[default]
    Classification,
    /// Boxes around objects, by SSDLite.
    Detection,
    /// A class for every pixel, by BiSeNet.
    Segmentation,
    /// The joints of people, by SimpleBaseline.
    Keypoints,
}

/// The error for a name that is no task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no task; there are classification, detection, segmentation and keypoints")]
pub struct UnknownTask(String);

impl Task {
    pub const ALL: [Self; 4] = [Self::Classification, Self::Detection, Self::Segmentation, Self::Keypoints];

    /// The name in settings, which is also that of the preset with the task's published settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Detection => "detection",
            Self::Segmentation => "segmentation",
            Self::Keypoints => "keypoints",
        }
    }

    /// The key of the task's metric, for scripts.
    pub fn metric(self) -> &'static str {
        match self {
            Self::Classification => "accuracy",
            Self::Detection => "map",
            Self::Segmentation => "miou",
            Self::Keypoints => "ap",
        }
    }

    /// The name of the task's metric, for a person.
    pub fn metric_name(self) -> &'static str {
        match self {
            Self::Classification => "accuracy",
            Self::Detection => "mAP",
            Self::Segmentation => "mIoU",
            Self::Keypoints => "AP",
        }
    }

    /// The title of a chart of its metric.
    pub fn metric_title(self) -> &'static str {
        match self {
            Self::Classification => "ACCURACY, %",
            Self::Detection => "mAP, %",
            Self::Segmentation => "mIoU, %",
            Self::Keypoints => "AP, %",
        }
    }

    pub fn is_classification(&self) -> bool {
        *self == Self::Classification
    }
}

impl FromStr for Task {
    type Err = UnknownTask;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|task| task.name() == name).ok_or_else(|| UnknownTask(name.to_owned()))
    }
}
