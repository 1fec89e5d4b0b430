//! The edges of a NAS-Bench-201 cell and their operations.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of edges of a cell.
pub const EDGES: usize = 6;

/// An operation of an edge; the name of a convolution stands for ReLU, convolution and batch norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeOperation {
    None,
    SkipConnect,
    #[serde(rename = "nor_conv_1x1")]
    Conv1x1,
    #[serde(rename = "nor_conv_3x3")]
    Conv3x3,
    #[serde(rename = "avg_pool_3x3")]
    AvgPool3x3,
}

/// The operations of an edge, in the order in which a gene counts them.
pub const OPERATIONS: [EdgeOperation; 5] = [
    EdgeOperation::None,
    EdgeOperation::SkipConnect,
    EdgeOperation::Conv1x1,
    EdgeOperation::Conv3x3,
    EdgeOperation::AvgPool3x3,
];

impl EdgeOperation {
    /// The name in architecture strings, such as `nor_conv_3x3`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SkipConnect => "skip_connect",
            Self::Conv1x1 => "nor_conv_1x1",
            Self::Conv3x3 => "nor_conv_3x3",
            Self::AvgPool3x3 => "avg_pool_3x3",
        }
    }

    /// Two characters for places with little room: `--`, `id`, `c1`, `c3`, `av`.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::None => "--",
            Self::SkipConnect => "id",
            Self::Conv1x1 => "c1",
            Self::Conv3x3 => "c3",
            Self::AvgPool3x3 => "av",
        }
    }
}

impl fmt::Display for EdgeOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name of an edge, which consists of the nodes that it connects, such as `in-1`.
///
/// # Panics
/// If there is no such edge.
pub fn edge_name(edge: usize) -> &'static str {
    ["in-1", "in-2", "1-2", "in-out", "1-out", "2-out"][edge]
}
