//! How cells are stacked to a network: channels, resolutions and strides, as plain numbers.

use serde::{Deserialize, Serialize};

use crate::{genotype::Genotype, operation::CellKind};

/// The images that a network is built for, which decide its stem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// Images of 32×32 pixels, and a stem of one convolution.
    #[default]
    Cifar,
    /// Images of 224×224 pixels, and a stem that divides the resolution by eight.
    Imagenet,
}

impl NetworkKind {
    /// The name as it is written in settings and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cifar => "cifar",
            Self::Imagenet => "imagenet",
        }
    }

    /// Rows and columns of an input image.
    pub fn image_side(self) -> usize {
        match self {
            Self::Cifar => 32,
            Self::Imagenet => 224,
        }
    }
}

/// The shape of a network, which together with a genotype defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkShape {
    pub kind: NetworkKind,
    /// Channels of a node in the first cells.
    pub channels: usize,
    pub cells: usize,
    pub classes: usize,
}

/// The channels and the resolution of a cell in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellPlace {
    pub kind: CellKind,
    /// Whether the cell before halved the resolution, so that input 0 is twice as large as input 1.
    pub after_reduction: bool,
    /// Channels of input 0, the output of the cell before the last.
    pub channels_before_last: usize,
    /// Channels of input 1, the output of the last cell.
    pub channels_last: usize,
    /// Channels of every node.
    pub channels: usize,
    /// Rows and columns of input 1.
    pub side: usize,
}

impl CellPlace {
    /// The stride of an operation that reads `input`.
    pub fn stride(&self, input: usize) -> usize {
        if self.kind == CellKind::Reduction && input < 2 { 2 } else { 1 }
    }

    /// Rows and columns of the nodes.
    pub fn side_out(&self) -> usize {
        if self.kind == CellKind::Reduction { self.side.div_ceil(2) } else { self.side }
    }
}

/// Why a network cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    #[error("{0} channels; a network has 1 to 4096 of them")]
    Channels(usize),
    #[error("{0} channels; an ImageNet network needs an even number, because its stem halves them")]
    OddChannels(usize),
    #[error("{0} cells; a network has 1 to 1000 of them")]
    Cells(usize),
    #[error("{0} classes; a network distinguishes 1 to 1000000 of them")]
    Classes(usize),
}

impl NetworkShape {
    /// Checks that such a network can be built and its costs counted.
    ///
    /// # Errors
    /// If a number is 0 or too large, or the channels cannot be halved where they must be.
    pub fn check(&self) -> Result<(), ShapeError> {
        let Self { kind, channels, cells, classes } = *self;
        if !(1..=4096).contains(&channels) {
            return Err(ShapeError::Channels(channels));
        }
        if kind == NetworkKind::Imagenet && channels % 2 == 1 {
            return Err(ShapeError::OddChannels(channels));
        }
        if !(1..=1000).contains(&cells) {
            return Err(ShapeError::Cells(cells));
        }
        if !(1..=1_000_000).contains(&classes) {
            return Err(ShapeError::Classes(classes));
        }
        Ok(())
    }

    /// The channels of the stem's output: three times those of a node for CIFAR, the same for ImageNet.
    pub fn stem_channels(&self) -> usize {
        match self.kind {
            NetworkKind::Cifar => 3 * self.channels,
            NetworkKind::Imagenet => self.channels,
        }
    }

    /// Rows and columns of an input image.
    pub fn image_side(&self) -> usize {
        self.kind.image_side()
    }

    /// The kind of the cell with this index. The cells at one third and two thirds of the depth are reduction
    /// cells.
    pub fn cell_kind(&self, index: usize) -> CellKind {
        let reduces = index == self.cells / 3 || index == 2 * self.cells / 3;
        if reduces { CellKind::Reduction } else { CellKind::Normal }
    }

    /// The places of all cells in order; the numbers of nodes that they concatenate come from the genotype.
    pub fn places(&self, genotype: &Genotype) -> Vec<CellPlace> {
        let stem = self.stem_channels();
        let (mut before_last, mut last, mut channels) = (stem, stem, self.channels);
        let imagenet = self.kind == NetworkKind::Imagenet;
        // The ImageNet stem has two outputs, of a quarter and of an eighth of the image's side.
        let mut after_reduction = imagenet;
        let mut side = if imagenet { self.image_side() / 8 } else { self.image_side() };
        (0..self.cells)
            .map(|index| {
                let kind = self.cell_kind(index);
                if kind == CellKind::Reduction {
                    channels *= 2;
                }
                let place = CellPlace {
                    kind,
                    after_reduction,
                    channels_before_last: before_last,
                    channels_last: last,
                    channels,
                    side,
                };
                (before_last, last) = (last, channels * genotype.cell(kind).concat.len());
                after_reduction = kind == CellKind::Reduction;
                side = place.side_out();
                place
            })
            .collect()
    }

    /// The index of the cell whose output the auxiliary head reads.
    pub fn auxiliary_cell(&self) -> usize {
        2 * self.cells / 3
    }
}
