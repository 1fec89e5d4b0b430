//! Genotypes: two cells written down as operations on inputs, and their text forms.
//!
//! ```
//! use relativenas_core::genotype::{Genotype, GenotypeFormat};
//!
//! let text = "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1)], normal_concat=range(2, 3), \
//!             reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat=[2])";
//! let genotype = Genotype::parse(text)?;
//! assert_eq!(genotype.normal.nodes(), 1);
//! assert_eq!(genotype.normal.genes[1].input, 1);
//!
//! // Every form that is written is read back to the same genotype.
//! for format in [GenotypeFormat::Darts, GenotypeFormat::Json, GenotypeFormat::Toml] {
//!     assert_eq!(Genotype::parse(&genotype.format(format))?, genotype);
//! }
//! # Ok::<(), relativenas_core::genotype::GenotypeError>(())
//! ```

mod error;
mod file;
mod flat;
mod genes;
mod literal;
mod nni;
mod prefixed;
mod text;

use serde::{Deserialize, Serialize};

pub use error::GenotypeError;
pub use file::{Chosen, decode_text};
pub use text::GenotypeFormat;

use crate::operation::{CellKind, Operation};

/// An operation and the input that it is applied to. Inputs 0 and 1 are the outputs of the two cells before, input
/// `2 + j` is node `j` of the same cell.
///
/// In an architecture vector a gene is one number, so the operation and the input are two genes there.
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

/// A cell: two genes for each node, whose results are added, and the nodes whose outputs are concatenated.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// Genes `2j` and `2j + 1` belong to node `j`.
    pub genes: Vec<Gene>,
    /// The nodes and inputs that make up the output, as indices like [`Gene::input`].
    pub concat: Vec<usize>,
}

impl Cell {
    /// All genes in one line, each as its input and the short name of its operation, such as `0s3 1d5  2mx 0id`. Two
    /// spaces separate nodes.
    pub fn short(&self) -> String {
        let genes: Vec<_> =
            self.genes.iter().map(|gene| format!("{}{}", gene.input, gene.operation.short_name())).collect();
        genes.chunks(2).map(|node| node.join(" ")).collect::<Vec<_>>().join("  ")
    }

    pub fn nodes(&self) -> usize {
        self.genes.len() / 2
    }

    /// The node that gene `index` belongs to.
    pub fn node_of(index: usize) -> usize {
        index / 2
    }

    /// The usual name of an input or node: `c(k-2)`, `c(k-1)`, `node 0`, …
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

    /// For each input and node, indexed as in [`Gene::input`], whether it has an effect on the cell's output.
    pub fn used(&self) -> Vec<bool> {
        let mut used: Vec<_> = (0..self.nodes() + 2).map(|index| self.concat.contains(&index)).collect();
        // Genes read earlier indices only, so one pass from the last node is enough.
        for node in (0..self.nodes()).rev() {
            if used[node + 2] {
                for gene in self.node(node).iter().filter(|gene| gene.operation != Operation::None) {
                    used[gene.input] = true;
                }
            }
        }
        used
    }

    /// For every node, the number of operations on the longest path to it from an input of the cell.
    pub fn node_depths(&self) -> Vec<usize> {
        let mut depths = Vec::with_capacity(self.nodes());
        for node in 0..self.nodes() {
            let reads = self.node(node).iter().map(|gene| match gene.input {
                0 | 1 => 0,
                earlier => depths[earlier - 2],
            });
            depths.push(1 + reads.max().unwrap_or(0));
        }
        depths
    }

    /// The number of operations on the longest path from an input of the cell to a node.
    pub fn depth(&self) -> usize {
        self.node_depths().into_iter().max().unwrap_or(0)
    }
}

/// An architecture of the DARTS family: a normal and a reduction cell, of which many copies are stacked to form a
/// network.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "flat::FlatGenotype", into = "flat::FlatGenotype")]
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
