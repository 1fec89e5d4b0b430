//! The flat form of a genotype, and what makes its cells valid.

use serde::{Deserialize, Serialize};

use super::{Cell, Gene, Genotype, error::GenotypeError};

/// The names of the two cells in every text form.
pub(super) const NORMAL: &str = "normal";
pub(super) const REDUCE: &str = "reduce";

/// The flat form that JSON and TOML share with the golden files.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FlatGenotype {
    pub normal: Vec<Gene>,
    pub normal_concat: Vec<usize>,
    pub reduce: Vec<Gene>,
    pub reduce_concat: Vec<usize>,
}

impl From<Genotype> for FlatGenotype {
    fn from(g: Genotype) -> Self {
        Self {
            normal: g.normal.genes,
            normal_concat: g.normal.concat,
            reduce: g.reduction.genes,
            reduce_concat: g.reduction.concat,
        }
    }
}

impl TryFrom<FlatGenotype> for Genotype {
    type Error = GenotypeError;

    fn try_from(flat: FlatGenotype) -> Result<Self, GenotypeError> {
        let cell = |name, genes: Vec<Gene>, concat: Vec<usize>| {
            check_cell(name, &genes, &concat)?;
            Ok::<_, GenotypeError>(Cell { genes, concat })
        };
        Ok(Self {
            normal: cell(NORMAL, flat.normal, flat.normal_concat)?,
            reduction: cell(REDUCE, flat.reduce, flat.reduce_concat)?,
        })
    }
}

/// Checks that a cell has two genes for each node, which read earlier inputs, and a possible concatenation.
fn check_cell(cell: &'static str, genes: &[Gene], concat: &[usize]) -> Result<(), GenotypeError> {
    if genes.is_empty() || !genes.len().is_multiple_of(2) || genes.len() > 40 {
        return Err(GenotypeError::GeneCount { cell, genes: genes.len() });
    }
    for (index, gene) in genes.iter().enumerate() {
        let node = Cell::node_of(index);
        if gene.input > node + 1 {
            return Err(GenotypeError::Input { cell, gene: index, node, last: node + 1, input: gene.input });
        }
    }
    let last = genes.len() / 2 + 1;
    for (i, &index) in concat.iter().enumerate() {
        if index > last || concat[..i].contains(&index) {
            return Err(GenotypeError::Concat { cell, index, last });
        }
        if cell == REDUCE && index < 2 {
            return Err(GenotypeError::Resolution { cell, index });
        }
    }
    if concat.is_empty() {
        return Err(GenotypeError::NoConcat { cell });
    }
    Ok(())
}
