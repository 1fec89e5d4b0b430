//! Search spaces: which genes an architecture vector has, and what a real number in one means.
//!
//! ```
//! use relativenas_core::{genotype::Genotype, space::{GeneIndex, GeneRole, Space}};
//!
//! // Gene 1 chooses among seven operations; 0.0 to 1.0 is the first of them, above that the second.
//! let first = GeneIndex(1);
//! assert!(matches!(Space::Cells.role(first), GeneRole::Operation { node: 0, .. }));
//! assert_eq!(Space::Cells.decode_gene(first, 1.0), 0);
//! assert_eq!(Space::Cells.decode_gene(first, 1.1), 1);
//!
//! // A whole vector decodes to two cells. Encoding them gives the vector in the middle of every interval.
//! let genotype = Genotype::decode(&[0.7; 32])?;
//! let position = genotype.encode().expect("it came from this space");
//! assert_eq!(position, [0.5; 32]);
//! assert_eq!(Genotype::decode(&position)?, genotype);
//!
//! // Every gene has its own bounds.
//! let error = Genotype::decode(&[2.5; 32]).unwrap_err();
//! assert_eq!(error.to_string(), "gene 0 (N0in) is 2.5; it must lie between 0 and 2");
//! # Ok::<(), relativenas_core::space::VectorError>(())
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    genotype::{Cell, Gene, Genotype},
    operation::{CellKind, Operation},
    tabular::edge,
};

/// Nodes of a cell in the searched space.
pub const NODES: usize = 4;
/// The number of genes of a cell: for each node two times an input and an operation.
const CELL_GENES: usize = NODES * 4;

/// A search space of architecture vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// The paper's: 32 genes for a normal and a reduction cell of four nodes.
    #[default]
    Cells,
    /// NAS-Bench-201: six genes, an operation for each edge of a small cell.
    #[serde(rename = "nas-bench-201")]
    NasBench201,
}

/// The index of a gene in an architecture vector, counted from 0. Positions and velocities are indexed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GeneIndex(pub usize);

impl fmt::Display for GeneIndex {
    /// The number, with the width that the format asks for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What one gene decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeneRole {
    /// The earlier node or cell input that an operation of `node` reads; `slot` is 0 or 1, as every node has two
    /// operations.
    Input { cell: CellKind, node: usize, slot: usize },
    /// The operation that `node` applies to this input.
    Operation { cell: CellKind, node: usize, slot: usize },
    /// The operation that an edge of the NAS-Bench-201 cell applies.
    Edge { edge: usize },
}

impl fmt::Display for GeneRole {
    /// Short, as in the list of changed genes: `N1in`, `R3op`, `in-2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |cell| if cell == CellKind::Normal { 'N' } else { 'R' };
        match *self {
            Self::Input { cell, node, .. } => write!(f, "{}{node}in", letter(cell)),
            Self::Operation { cell, node, .. } => write!(f, "{}{node}op", letter(cell)),
            Self::Edge { edge } => f.write_str(edge::edge_name(edge)),
        }
    }
}

impl Space {
    /// The number of genes of this space, which is the length of its architecture vectors.
    pub fn genes(self) -> usize {
        match self {
            Self::Cells => 2 * CELL_GENES,
            Self::NasBench201 => edge::EDGES,
        }
    }

    /// The genes of a vector of this space, in order.
    pub fn gene_indices(self) -> impl DoubleEndedIterator<Item = GeneIndex> + ExactSizeIterator + Clone {
        (0..self.genes()).map(GeneIndex)
    }

    /// What gene number `gene`, counted from 0, decides.
    ///
    /// # Panics
    /// If there is no such gene.
    pub fn role(self, gene: GeneIndex) -> GeneRole {
        let number = gene.0;
        assert!(number < self.genes(), "gene {number} of {}", self.genes());
        match self {
            Self::Cells => {
                let cell = CellKind::BOTH[number / CELL_GENES];
                let (node, slot) = (number % CELL_GENES / 4, number % 4 / 2);
                if number.is_multiple_of(2) {
                    GeneRole::Input { cell, node, slot }
                } else {
                    GeneRole::Operation { cell, node, slot }
                }
            }
            Self::NasBench201 => GeneRole::Edge { edge: number },
        }
    }

    /// How many values a gene decodes to; its real number lies in `[0, choices]`.
    pub fn choices(self, gene: GeneIndex) -> usize {
        match self.role(gene) {
            GeneRole::Input { node, .. } => node + 2,
            GeneRole::Operation { .. } => Operation::SEARCHED.len(),
            GeneRole::Edge { .. } => edge::OPERATIONS.len(),
        }
    }

    /// The upper bound of a gene; the lower one is 0.
    pub fn upper(self, gene: GeneIndex) -> f64 {
        self.choices(gene) as f64
    }

    /// The index that a value of a gene decodes to: 0 in `[0, 1]`, 1 in `(1, 2]`, 2 in `(2, 3]`, and so on. As in the
    /// published code, a whole number belongs to the lower interval, so that the upper bound is a valid value.
    pub fn decode_gene(self, gene: GeneIndex, value: f64) -> usize {
        let index = value.ceil() - 1.0;
        (index.max(0.0) as usize).min(self.choices(gene) - 1)
    }

    /// The index that every gene decodes to.
    ///
    /// # Errors
    /// If the vector has another length, or a value lies outside its bounds or is not a number.
    pub fn decode(self, position: &[f64]) -> Result<Vec<usize>, VectorError> {
        if position.len() != self.genes() {
            return Err(VectorError::Length { expected: self.genes(), found: position.len() });
        }
        let decode = |(gene, &value): (GeneIndex, &f64)| {
            let upper = self.upper(gene);
            if (0.0..=upper).contains(&value) {
                Ok(self.decode_gene(gene, value))
            } else {
                Err(VectorError::Bounds { gene, role: self.role(gene), value, upper })
            }
        };
        self.gene_indices().zip(position).map(decode).collect()
    }

    /// The values in the middle of the intervals that decode to these indices, each `index + 0.5`.
    pub fn encode(indices: &[usize]) -> Vec<f64> {
        indices.iter().map(|&i| i as f64 + 0.5).collect()
    }

    /// A short name for the decoded value of a gene: two characters for an operation, a number for an input.
    pub fn label(self, gene: GeneIndex, index: usize) -> String {
        match self.role(gene) {
            GeneRole::Input { .. } => index.to_string(),
            GeneRole::Operation { .. } => Operation::SEARCHED[index].short_name().to_owned(),
            GeneRole::Edge { .. } => edge::OPERATIONS[index].short_name().to_owned(),
        }
    }
}

/// Why a list of numbers is not an architecture vector.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum VectorError {
    #[error("an architecture vector of this space has {expected} numbers, not {found}")]
    Length { expected: usize, found: usize },
    #[error("gene {gene} ({role}) is {value}; it must lie between 0 and {upper}")]
    Bounds { gene: GeneIndex, role: GeneRole, value: f64, upper: f64 },
}

/// Why a genotype cannot be encoded in the search space.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutsideSpace {
    #[error("the {cell} cell has {found} nodes; the searched space has {NODES}")]
    Nodes { cell: CellKind, found: usize },
    #[error(
        "the {cell} cell concatenates {found:?}; the searched space concatenates 2 to 5, which are its four nodes"
    )]
    Concat { cell: CellKind, found: Vec<usize> },
    #[error("`{operation}` in the {cell} cell is not among the seven operations that are searched")]
    Operation { cell: CellKind, operation: Operation },
}

impl Genotype {
    /// Decodes an architecture vector of [`Space::Cells`].
    ///
    /// # Errors
    /// As [`Space::decode`].
    pub fn decode(position: &[f64]) -> Result<Self, VectorError> {
        let indices = Space::Cells.decode(position)?;
        let cell = |indices: &[usize]| Cell {
            genes: indices
                .chunks(2)
                .map(|g| Gene { operation: Operation::SEARCHED[g[1]], input: g[0] })
                .collect(),
            concat: (2..2 + NODES).collect(),
        };
        Ok(Self { normal: cell(&indices[..CELL_GENES]), reduction: cell(&indices[CELL_GENES..]) })
    }

    /// The vector in the middle of every gene's interval; [`Genotype::decode`] gives the genotype back.
    ///
    /// # Errors
    /// If the genotype lies outside the searched space, as NASNet's and AmoebaNet's cells do.
    pub fn encode(&self) -> Result<Vec<f64>, OutsideSpace> {
        let mut indices = Vec::with_capacity(2 * CELL_GENES);
        for kind in CellKind::BOTH {
            let cell = self.cell(kind);
            if cell.nodes() != NODES {
                return Err(OutsideSpace::Nodes { cell: kind, found: cell.nodes() });
            }
            if !(2..2 + NODES).eq(cell.concat.iter().copied()) {
                return Err(OutsideSpace::Concat { cell: kind, found: cell.concat.clone() });
            }
            for gene in &cell.genes {
                let operation = Operation::SEARCHED.iter().position(|o| *o == gene.operation);
                let operation =
                    operation.ok_or(OutsideSpace::Operation { cell: kind, operation: gene.operation })?;
                indices.extend([gene.input, operation]);
            }
        }
        Ok(Space::encode(&indices))
    }
}
