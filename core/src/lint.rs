//! Unusual properties of a genotype, which are often signs of a search that went wrong.
//!
//! ```
//! use relativenas_core::{genotype::Genotype, lint::lint};
//!
//! let twins = "Genotype(
//!     normal=[('skip_connect', 0), ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2)],
//!     normal_concat=[2, 3],
//!     reduce=[('max_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_3x3', 2), ('dil_conv_3x3', 0)],
//!     reduce_concat=[2, 3])";
//! let findings = lint(&Genotype::parse(twins)?);
//! assert_eq!(
//!     findings[0].to_string(),
//!     "normal cell: node 0 applies skip_connect to c(k-2) twice; in a search they share weights"
//! );
//! # Ok::<(), relativenas_core::genotype::GenotypeError>(())
//! ```

use std::fmt;

use crate::{
    genotype::{Cell, Genotype},
    operation::{CellKind, Family, Operation},
};

/// Something unusual about a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    pub cell: CellKind,
    pub oddity: Oddity,
}

/// A kind of unusual property of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// Both genes of a node are the same. A search shares their weights, so one of them is wasted.
    TwinGenes { node: usize, operation: Operation, input: usize },
    /// This input of the cell has no effect on its output.
    UnreadInput { input: usize },
    /// The output of the node is neither concatenated nor read by a node that has an effect.
    UnreadNode { node: usize },
    /// Every node reads only inputs of the cell. Such cells learn fast, and so win when training is short.
    Shallow,
    /// At least half of the operations are skip connections, to which searches with shared weights collapse.
    ManySkips { skips: usize, of: usize },
    /// At least half of the operations are pools.
    ManyPools { pools: usize, of: usize },
    /// No operation has weights, except for skip connections with stride 2.
    NoConvolution,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cell: ", self.cell)?;
        match self.oddity {
            Oddity::TwinGenes { node, operation, input } => {
                let input = Cell::input_name(input);
                write!(f, "node {node} applies {operation} to {input} twice; in a search they share weights")
            }
            Oddity::UnreadInput { input } => {
                write!(f, "{} never reaches the output", Cell::input_name(input))
            }
            Oddity::UnreadNode { node } => write!(f, "node {node} never reaches the output; it only costs"),
            Oddity::Shallow => {
                write!(f, "every node reads only the cell's inputs; shallow cells win short trainings")
            }
            Oddity::ManySkips { skips, of } => {
                write!(f, "{skips} of {of} operations are skip connections, a sign of collapse")
            }
            Oddity::ManyPools { pools, of } => write!(f, "{pools} of {of} operations are pools"),
            Oddity::NoConvolution => write!(f, "there is no convolution in it"),
        }
    }
}

/// Everything unusual about a genotype, the normal cell first.
pub fn lint(genotype: &Genotype) -> Vec<Finding> {
    let findings = |kind| {
        let oddities = lint_cell(genotype.cell(kind));
        oddities.into_iter().map(move |oddity| Finding { cell: kind, oddity })
    };
    CellKind::BOTH.into_iter().flat_map(findings).collect()
}

fn lint_cell(cell: &Cell) -> Vec<Oddity> {
    let mut oddities: Vec<_> = (0..cell.nodes())
        .filter(|&node| cell.node(node)[0] == cell.node(node)[1])
        .map(|node| {
            let gene = cell.node(node)[0];
            Oddity::TwinGenes { node, operation: gene.operation, input: gene.input }
        })
        .collect();
    let used = cell.used();
    oddities.extend((0..2).filter(|&input| !used[input]).map(|input| Oddity::UnreadInput { input }));
    oddities
        .extend((0..cell.nodes()).filter(|&node| !used[node + 2]).map(|node| Oddity::UnreadNode { node }));
    if cell.nodes() > 1 && cell.depth() == 1 {
        oddities.push(Oddity::Shallow);
    }
    let of = cell.genes.len();
    let count = |family| cell.genes.iter().filter(|g| g.operation.family() == family).count();
    let (skips, pools) = (count(Family::Skip), count(Family::Pool));
    if 2 * skips >= of {
        oddities.push(Oddity::ManySkips { skips, of });
    }
    if 2 * pools >= of {
        oddities.push(Oddity::ManyPools { pools, of });
    }
    if skips + pools + count(Family::Zero) == of {
        oddities.push(Oddity::NoConvolution);
    }
    oddities
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published;

    fn check(genotype: &Genotype, expected: &[&str]) {
        let found: Vec<_> = lint(genotype).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn published_cells_have_their_oddities() {
        check(
            &published::genotype("RelativeNAS").expect("published"),
            &[
                "normal cell: node 1 applies sep_conv_3x3 to c(k-1) twice; in a search they share weights",
                "normal cell: every node reads only the cell's inputs; shallow cells win short trainings",
                "reduction cell: c(k-2) never reaches the output",
                "reduction cell: 4 of 8 operations are pools",
            ],
        );
        check(
            &published::genotype("DARTS_V2").expect("published"),
            &["reduction cell: 5 of 8 operations are pools", "reduction cell: there is no convolution in it"],
        );
    }

    #[test]
    fn nodes_that_only_feed_unread_nodes_are_unread() {
        let genotype = Genotype::parse(
            "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_5x5', 1), ('skip_connect', 2), ('dil_conv_3x3', 0),
                              ('skip_connect', 3), ('skip_connect', 1), ('skip_connect', 1), ('sep_conv_3x3', 1)],
                      normal_concat=[5], reduce=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)], reduce_concat=[2])",
        );
        check(
            &genotype.expect("valid"),
            &[
                "normal cell: c(k-2) never reaches the output",
                "normal cell: node 0 never reaches the output; it only costs",
                "normal cell: node 1 never reaches the output; it only costs",
                "normal cell: node 2 never reaches the output; it only costs",
                "normal cell: 4 of 8 operations are skip connections, a sign of collapse",
            ],
        );
    }
}
