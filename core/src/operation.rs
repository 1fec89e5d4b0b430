//! The operations that a node may apply, and the two kinds of cell that hold them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An operation on a feature map, named as in the DARTS family of papers.
///
/// The first seven are the search space of RelativeNAS, in its order. The others are not searched, but can be built,
/// counted and trained: two occur in the published cells of NASNet and AmoebaNet, and `None` is the operation of
/// DARTS whose output is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    #[serde(rename = "max_pool_3x3")]
    MaxPool3x3,
    #[serde(rename = "avg_pool_3x3")]
    AvgPool3x3,
    #[serde(rename = "skip_connect")]
    SkipConnect,
    #[serde(rename = "sep_conv_3x3")]
    SepConv3x3,
    #[serde(rename = "sep_conv_5x5")]
    SepConv5x5,
    #[serde(rename = "dil_conv_3x3")]
    DilConv3x3,
    #[serde(rename = "dil_conv_5x5")]
    DilConv5x5,
    #[serde(rename = "sep_conv_7x7")]
    SepConv7x7,
    #[serde(rename = "conv_7x1_1x7")]
    Conv7x1Then1x7,
    #[serde(rename = "none")]
    None,
}

impl Operation {
    /// The operations that the search chooses from, in the order in which a gene counts them.
    pub const SEARCHED: [Self; 7] = [
        Self::MaxPool3x3,
        Self::AvgPool3x3,
        Self::SkipConnect,
        Self::SepConv3x3,
        Self::SepConv5x5,
        Self::DilConv3x3,
        Self::DilConv5x5,
    ];

    const ALL: [Self; 10] = [
        Self::MaxPool3x3,
        Self::AvgPool3x3,
        Self::SkipConnect,
        Self::SepConv3x3,
        Self::SepConv5x5,
        Self::DilConv3x3,
        Self::DilConv5x5,
        Self::SepConv7x7,
        Self::Conv7x1Then1x7,
        Self::None,
    ];

    /// The name used in genotypes and in the literature, such as `sep_conv_3x3`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxPool3x3 => "max_pool_3x3",
            Self::AvgPool3x3 => "avg_pool_3x3",
            Self::SkipConnect => "skip_connect",
            Self::SepConv3x3 => "sep_conv_3x3",
            Self::SepConv5x5 => "sep_conv_5x5",
            Self::DilConv3x3 => "dil_conv_3x3",
            Self::DilConv5x5 => "dil_conv_5x5",
            Self::SepConv7x7 => "sep_conv_7x7",
            Self::Conv7x1Then1x7 => "conv_7x1_1x7",
            Self::None => "none",
        }
    }

    /// Two characters for places with little room: `s3`, `d5`, `mx`, `av`, `id`.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::MaxPool3x3 => "mx",
            Self::AvgPool3x3 => "av",
            Self::SkipConnect => "id",
            Self::SepConv3x3 => "s3",
            Self::SepConv5x5 => "s5",
            Self::DilConv3x3 => "d3",
            Self::DilConv5x5 => "d5",
            Self::SepConv7x7 => "s7",
            Self::Conv7x1Then1x7 => "c7",
            Self::None => "--",
        }
    }

    /// Whether the operation has weights when applied with this stride.
    ///
    /// A skip that halves the resolution is a convolution (a factorized reduction); one that
    /// does not is the identity.
    pub fn has_parameters(self, stride: usize) -> bool {
        match self {
            Self::MaxPool3x3 | Self::AvgPool3x3 | Self::None => false,
            Self::SkipConnect => stride > 1,
            _ => true,
        }
    }
}

/// A group of similar operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    Separable,
    Dilated,
    /// Convolutions that are neither separable nor dilated.
    Full,
    Pool,
    Skip,
    /// The operation [`Operation::None`].
    Zero,
}

impl Family {
    pub const ALL: [Self; 6] =
        [Self::Separable, Self::Dilated, Self::Full, Self::Pool, Self::Skip, Self::Zero];

    /// The count with the noun, such as `1 separable convolution` or `3 pools`.
    pub fn count(self, count: usize) -> String {
        let one = match self {
            Self::Separable => "separable convolution",
            Self::Dilated => "dilated convolution",
            Self::Full => "full convolution",
            Self::Pool => "pool",
            Self::Skip => "skip connection",
            Self::Zero => "zero operation",
        };
        format!("{count} {one}{}", if count == 1 { "" } else { "s" })
    }
}

impl Operation {
    pub fn family(self) -> Family {
        match self {
            Self::MaxPool3x3 | Self::AvgPool3x3 => Family::Pool,
            Self::SkipConnect => Family::Skip,
            Self::SepConv3x3 | Self::SepConv5x5 | Self::SepConv7x7 => Family::Separable,
            Self::DilConv3x3 | Self::DilConv5x5 => Family::Dilated,
            Self::Conv7x1Then1x7 => Family::Full,
            Self::None => Family::Zero,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The error for a name that is no operation; it names the most similar one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not an operation; did you mean `{nearest}`?")]
pub struct UnknownOperation {
    pub name: String,
    pub nearest: &'static str,
}

impl FromStr for Operation {
    type Err = UnknownOperation;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|o| o.name() == name).ok_or_else(|| UnknownOperation {
            name: name.to_owned(),
            nearest: crate::nearest(name, Self::ALL.iter().map(|o| o.name())).unwrap_or("skip_connect"),
        })
    }
}

/// The two cells of a genotype: one keeps the resolution, one halves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellKind {
    Normal,
    Reduction,
}

impl CellKind {
    pub const BOTH: [Self; 2] = [Self::Normal, Self::Reduction];
}

impl fmt::Display for CellKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Normal => "normal",
            Self::Reduction => "reduction",
        })
    }
}
