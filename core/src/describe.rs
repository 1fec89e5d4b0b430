//! Genotypes in words: descriptions of cells, the differences between two genotypes, and what a move changed.

use std::fmt;

use crate::{
    genotype::{Cell, Gene, Genotype},
    operation::{CellKind, Family, Operation},
    space::{GeneIndex, GeneRole, Space},
};

/// A description in a few sentences: the depth of both cells, their operations, and the inputs that they do
/// not read.
pub fn describe(genotype: &Genotype) -> String {
    CellKind::BOTH.map(|kind| describe_cell(kind, genotype.cell(kind))).join(" ")
}

fn describe_cell(kind: CellKind, cell: &Cell) -> String {
    let (nodes, depth) = (cell.nodes(), cell.depth());
    let shape = if nodes > 1 && depth == 1 {
        format!("Shallow and wide: every node of the {kind} cell reads only the cell's inputs.")
    } else if nodes > 2 && depth == nodes {
        format!("Deep and narrow: the nodes of the {kind} cell form a chain.")
    } else {
        format!("The {kind} cell is {depth} operation{} deep.", if depth == 1 { "" } else { "s" })
    };
    let mut families: Vec<_> = Family::ALL
        .into_iter()
        .map(|family| (cell.genes.iter().filter(|g| g.operation.family() == family).count(), family))
        .filter(|(count, _)| *count > 0)
        .collect();
    families.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let families: Vec<_> = families.into_iter().map(|(count, family)| family.count(count)).collect();
    let mut text = format!("{shape} Its {} operations are {}.", cell.genes.len(), listed(&families));
    let unread: Vec<_> = (0..2).filter(|&input| !cell.reads(input)).map(Cell::input_name).collect();
    if !unread.is_empty() {
        text += &format!(" It never reads {}.", unread.join(" or "));
    }
    let idle: Vec<_> = (2..nodes + 2).filter(|&index| !cell.used()[index]).map(Cell::input_name).collect();
    if !idle.is_empty() {
        text += &format!(" Without effect on its output: {}.", listed(&idle));
    }
    text
}

/// Joins items as in `a`, `a and b`, or `a, b and c`.
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The differences between two genotypes, as one sentence for each; empty if they are the same.
///
/// The order of a node's two genes makes no difference, because their results are added.
pub fn differences(before: &Genotype, after: &Genotype) -> Vec<String> {
    let mut sentences = Vec::new();
    for kind in CellKind::BOTH {
        let (old, new) = (before.cell(kind), after.cell(kind));
        for node in 0..old.nodes().min(new.nodes()) {
            sentences.extend(
                node_changes(old.node(node), new.node(node))
                    .into_iter()
                    .map(|change| format!("{kind} node {node} {change}")),
            );
        }
        if old.nodes() != new.nodes() {
            sentences.push(format!("{kind} cell now has {} nodes instead of {}", new.nodes(), old.nodes()));
        }
        let sorted = |cell: &Cell| {
            let mut concat = cell.concat.clone();
            concat.sort_unstable();
            concat.into_iter().map(Cell::input_name).collect::<Vec<_>>()
        };
        if old.concat != new.concat {
            let (old, new) = (sorted(old), sorted(new));
            sentences.push(if old == new {
                format!("{kind} cell now concatenates its nodes in another order")
            } else {
                format!("{kind} cell now concatenates {} instead of {}", listed(&new), listed(&old))
            });
        }
    }
    sentences
}

fn node_changes(old: &[Gene], new: &[Gene]) -> Vec<String> {
    let (mut old, mut new) = (old.to_vec(), new.to_vec());
    old.retain(|gene| match new.iter().position(|other| other == gene) {
        Some(same) => {
            new.remove(same);
            false
        }
        None => true,
    });
    // If both genes of a node changed, those that still read the same input are compared.
    if let ([a, _], [_, d]) = (&old[..], &new[..])
        && a.input == d.input
    {
        new.swap(0, 1);
    }
    let change = |(old, new): (&Gene, &Gene)| {
        let (from, to) = (Cell::input_name(old.input), Cell::input_name(new.input));
        let (before, after) = (old.operation, new.operation);
        if old.input == new.input {
            format!("now reads {to} through {after} instead of {before}")
        } else if before == after {
            format!("now reads {to} instead of {from} through {after}")
        } else {
            format!("now reads {to} through {after} instead of {from} through {before}")
        }
    };
    old.iter().zip(&new).map(change).collect()
}

/// A gene whose decoded value has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneChange {
    pub gene: GeneIndex,
    pub role: GeneRole,
    /// The decoded value before; [`Space::label`] gives a short name for it.
    pub from: usize,
    /// The decoded value after.
    pub to: usize,
}

impl fmt::Display for GeneChange {
    /// Writes the change, such as `N1op: skip_connect → sep_conv_5x5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |index: usize| match self.role {
            GeneRole::Input { .. } => Cell::input_name(index),
            GeneRole::Operation { .. } => Operation::SEARCHED[index].name().to_owned(),
            GeneRole::Edge { .. } => crate::tabular::OPERATIONS[index].name().to_owned(),
        };
        write!(f, "{}: {} → {}", self.role, name(self.from), name(self.to))
    }
}

/// The genes whose decoded value differs between two positions, in order. A small move often changes none.
///
/// # Panics
/// If a position is shorter than the space has genes.
pub fn gene_changes(space: Space, before: &[f64], after: &[f64]) -> Vec<GeneChange> {
    space
        .gene_indices()
        .map(|gene| GeneChange {
            gene,
            role: space.role(gene),
            from: space.decode_gene(gene, before[gene]),
            to: space.decode_gene(gene, after[gene]),
        })
        .filter(|change| change.from != change.to)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::published;

    fn published(name: &str) -> Genotype {
        published::genotype(name).expect("published")
    }

    #[test]
    fn published_cells_in_words() {
        assert_eq!(
            describe(&published("RelativeNAS")),
            "Shallow and wide: every node of the normal cell reads only the cell's inputs. Its 8 operations are \
             6 separable convolutions, 1 dilated convolution and 1 skip connection. The reduction cell is \
             2 operations deep. Its 8 operations are 4 pools, 2 dilated convolutions, 1 separable convolution \
             and 1 skip connection. It never reads c(k-2)."
        );
        let mut chain = published("DARTS_V1");
        for node in 1..4 {
            chain.normal.genes[2 * node].input = node + 1;
        }
        chain.normal.concat = vec![2, 3, 4];
        assert_eq!(
            describe(&chain).split_inclusive('.').next(),
            Some("Deep and narrow: the nodes of the normal cell form a chain.")
        );
        assert!(
            describe(&chain).contains(" Without effect on its output: node 3. The reduction cell"),
            "{}",
            describe(&chain)
        );
        assert_eq!(published("RelativeNAS").normal.depth(), 1);
        assert_eq!(published("AmoebaNet").normal.node_depths(), [1, 2, 3, 1, 1]);
    }

    #[test]
    fn differences_ignore_the_order_within_a_node() {
        let before = published("DARTS_V2");
        let mut after = before.clone();
        after.normal.genes.swap(0, 1);
        assert_eq!(differences(&before, &after), Vec::<String>::new());
        after.normal.genes[4] = Gene { operation: Operation::SepConv5x5, input: 3 };
        after.normal.genes[7].operation = Operation::DilConv5x5;
        after.reduction.genes[1].input = 0;
        after.reduction.concat = vec![4, 5];
        assert_eq!(
            differences(&before, &after),
            [
                "normal node 2 now reads node 1 through sep_conv_5x5 instead of c(k-1) through sep_conv_3x3",
                "normal node 3 now reads node 0 through dil_conv_5x5 instead of dil_conv_3x3",
                "reduction node 0 now reads c(k-2) instead of c(k-1) through max_pool_3x3",
                "reduction cell now concatenates node 2 and node 3 instead of node 0, node 1, node 2 and node 3",
            ]
        );
        assert_eq!(
            differences(&before, &published("NASNet")).last().map(String::as_str),
            Some(
                "reduction cell now concatenates node 2, node 3 and node 4 instead of node 0, node 1, node 2 and node 3"
            )
        );
    }

    #[test]
    fn only_genes_that_decode_differently_changed() {
        let before = vec![0.5; 32];
        let mut after = before.clone();
        (after[0], after[1], after[18], after[31]) = (0.9, 3.5, 1.5, 6.5);
        let changes: Vec<_> =
            gene_changes(Space::Cells, &before, &after).iter().map(ToString::to_string).collect();
        assert_eq!(
            changes,
            [
                "N0op: max_pool_3x3 → sep_conv_3x3",
                "R0in: c(k-2) → c(k-1)",
                "R3op: max_pool_3x3 → dil_conv_5x5"
            ]
        );
        let changes = gene_changes(Space::NasBench201, &[0.5; 6], &[0.5, 0.5, 0.5, 0.5, 0.5, 4.5]);
        assert_eq!(
            changes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["2-out: none → avg_pool_3x3"]
        );
    }
}
