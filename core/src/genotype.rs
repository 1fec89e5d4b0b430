//! Genotypes: two cells written down as operations on inputs, and their text forms.

mod text;

use serde::{Deserialize, Serialize};

pub use text::{GenotypeError, GenotypeFormat};

use crate::operation::{CellKind, Operation};

/// One operation applied to one earlier node: inputs 0 and 1 are the outputs of the two cells
/// before, input `2 + j` is node `j` of the same cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "(Operation, usize)", into = "(Operation, usize)")]
pub struct Gene {
    pub operation: Operation,
    pub input: usize,
}

impl From<(Operation, usize)> for Gene {
    fn from((operation, input): (Operation, usize)) -> Self {
        Self { operation, input }
    }
}

impl From<Gene> for (Operation, usize) {
    fn from(gene: Gene) -> Self {
        (gene.operation, gene.input)
    }
}

/// A cell: two genes a node, and the nodes whose outputs are concatenated.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// Genes `2j` and `2j + 1` belong to node `j`.
    pub genes: Vec<Gene>,
    /// Indices as in [`Gene::input`].
    pub concat: Vec<usize>,
}

impl Cell {
    pub fn nodes(&self) -> usize {
        self.genes.len() / 2
    }

    /// The node that gene `index` belongs to.
    pub fn node_of(index: usize) -> usize {
        index / 2
    }

    /// What people call an input: `c(k-2)`, `c(k-1)`, `node 0`, …
    pub fn input_name(input: usize) -> String {
        match input {
            0 => "c(k-2)".to_owned(),
            1 => "c(k-1)".to_owned(),
            node => format!("node {}", node - 2),
        }
    }

    /// The two genes of a node.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn node(&self, node: usize) -> &[Gene] {
        &self.genes[2 * node..2 * node + 2]
    }

    /// Whether some gene, or the concatenation, reads this input.
    pub fn reads(&self, input: usize) -> bool {
        self.concat.contains(&input) || self.genes.iter().any(|g| g.input == input)
    }
}

/// An architecture of the DARTS family: a normal and a reduction cell, repeated to a network.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "text::Plain", into = "text::Plain")]
pub struct Genotype {
    pub normal: Cell,
    pub reduction: Cell,
}

impl Genotype {
    pub fn cell(&self, kind: CellKind) -> &Cell {
        match kind {
            CellKind::Normal => &self.normal,
            CellKind::Reduction => &self.reduction,
        }
    }
}
