//! The transfer tasks, to which a found cell is applied: detection, segmentation and keypoints.
//!
//! This module has the arithmetic of the three tasks, without tensors: how results are evaluated, how boxes,
//! maps and joints are encoded and decoded, and the learning rate of each step. Each file begins with the
//! protocol that it follows. Where a published program departs from its own protocol, the file says so and
//! follows the protocol.
//!
//! | task | data | network | judged by |
//! |---|---|---|---|
//! | detection | Pascal VOC | SSDLite | [`average_precision`] |
//! | segmentation | Cityscapes | BiSeNet | [`mean_iou`] |
//! | keypoints | COCO | SimpleBaseline | [`coco`] with the similarity of [`joints`] |

pub mod average_precision;
pub mod boxes;
pub mod chips;
pub mod coco;
pub mod heads;
pub mod heat_maps;
pub mod joints;
pub mod kind;
pub mod label_ids;
pub mod matching;
pub mod mean_iou;
pub mod person_crop;
pub mod priors;
pub mod schedule;
pub mod suppression;

pub use kind::{Task, UnknownTask};
