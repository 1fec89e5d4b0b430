//! Genes and concatenations from the values of a text, in the forms in which programs write them.

use super::{Cell, Gene, error::GenotypeError, literal::Literal};
use crate::operation::Operation;

/// The genes of a cell, from a flat list or from a list with an inner list for each node.
pub(super) fn genes(cell: &'static str, value: Literal) -> Result<Vec<Gene>, GenotypeError> {
    let Literal::Sequence(items) = value else {
        return Err(GenotypeError::Gene { cell, found: value.shown() });
    };
    let is_gene = |item: &Literal| matches!(item, Literal::Sequence(parts) if !parts.iter().any(is_sequence));
    if items.is_empty() || items.iter().any(is_gene) {
        return flat_genes(cell, &items);
    }
    let mut all = Vec::new();
    for (node, item) in items.into_iter().enumerate() {
        let Literal::Sequence(genes) = item else {
            return Err(GenotypeError::Gene { cell, found: item.shown() });
        };
        if genes.len() != 2 {
            return Err(GenotypeError::NodeGenes { cell, node, genes: genes.len() });
        }
        all.extend(genes);
    }
    flat_genes(cell, &all)
}

fn is_sequence(value: &Literal) -> bool {
    matches!(value, Literal::Sequence(_))
}

fn flat_genes(cell: &'static str, items: &[Literal]) -> Result<Vec<Gene>, GenotypeError> {
    let mut genes = Vec::with_capacity(items.len());
    // For genes with two numbers, the operation and these numbers.
    let mut pairs = Vec::new();
    for item in items {
        let wrong = || GenotypeError::Gene { cell, found: item.shown() };
        let Literal::Sequence(parts) = item else {
            return Err(wrong());
        };
        match &parts[..] {
            [Literal::Text(operation), Literal::Number(input)]
            | [Literal::Number(input), Literal::Text(operation)] => {
                genes.push(Gene { operation: operation.parse()?, input: index(*input).ok_or_else(wrong)? });
            }
            [Literal::Text(operation), Literal::Number(first), Literal::Number(second)] => {
                let pair = (index(*first).ok_or_else(wrong)?, index(*second).ok_or_else(wrong)?);
                pairs.push((operation.parse()?, pair));
            }
            [] | [_] => return Err(wrong()),
            parts => {
                let misfit = parts.iter().find(|part| !matches!(part, Literal::Text(_) | Literal::Number(_)));
                let found = misfit.map_or_else(|| item.shown(), Literal::shown);
                return Err(GenotypeError::Gene { cell, found });
            }
        }
    }
    match (genes.is_empty(), pairs.is_empty()) {
        (_, true) => Ok(genes),
        (true, false) => by_node(cell, &pairs),
        (false, false) => Err(GenotypeError::NodeOrInput { cell }),
    }
}

/// Genes that name their node as well as their input, in the order of the two numbers that fits a cell.
fn by_node(cell: &'static str, genes: &[(Operation, (usize, usize))]) -> Result<Vec<Gene>, GenotypeError> {
    let swapped = |&(operation, (first, second)): &(Operation, (usize, usize))| (operation, (second, first));
    let readings = [genes.to_vec(), genes.iter().map(swapped).collect()];
    let mut fitting = readings.into_iter().filter_map(|reading| {
        // Nodes are counted from 0, or from 2 behind the inputs.
        [0, 2].into_iter().find_map(|first| in_node_order(&reading, first))
    });
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        (Some(one), Some(other)) if one == other => Ok(one),
        _ => Err(GenotypeError::NodeOrInput { cell }),
    }
}

/// Genes with their node first, sorted by it, if every node from `first` on has two genes that read earlier
/// inputs.
fn in_node_order(genes: &[(Operation, (usize, usize))], first: usize) -> Option<Vec<Gene>> {
    let mut sorted = genes.to_vec();
    sorted.sort_by_key(|(_, (node, _))| *node);
    let fits = |(index, (_, (node, input))): (usize, &(Operation, (usize, usize)))| {
        *node == first + Cell::node_of(index) && *input <= Cell::node_of(index) + 1
    };
    let all = sorted.len().is_multiple_of(2) && sorted.iter().enumerate().all(fits);
    all.then(|| sorted.into_iter().map(|(operation, (_, input))| Gene { operation, input }).collect())
}

fn index(number: i128) -> Option<usize> {
    usize::try_from(number).ok()
}

/// The indices of a concatenation, from a list of integers or a single one.
pub(super) fn indices(cell: &'static str, value: Literal) -> Result<Vec<usize>, GenotypeError> {
    let items = match value {
        Literal::Sequence(items) => items,
        one @ Literal::Number(_) => vec![one],
        other => return Err(GenotypeError::ConcatForm { cell, found: other.shown() }),
    };
    let number = |item: Literal| match item {
        Literal::Number(number) => index(number),
        _ => None,
    };
    let shown = |item: &Literal| GenotypeError::ConcatForm { cell, found: item.shown() };
    items.into_iter().map(|item| number(item.clone()).ok_or_else(|| shown(&item))).collect()
}
