//! Published cells by name.

use crate::{
    genotype::{Cell, Gene, Genotype},
    operation::Operation::{
        self, AvgPool3x3, Conv7x1Then1x7, DilConv3x3, DilConv5x5, MaxPool3x3, SepConv3x3, SepConv5x5,
        SepConv7x7, SkipConnect,
    },
};

/// The names that [`genotype`] accepts, in their usual spelling.
pub const NAMES: [&str; 5] = ["NASNet", "AmoebaNet", "DARTS_V1", "DARTS_V2", "RelativeNAS"];

/// The error for a name under which this program has no published cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no published genotype; {}", suggestion(.nearest))]
pub struct UnknownGenotype {
    pub name: String,
    /// The most similar known name; `None` if none is similar.
    pub nearest: Option<&'static str>,
}

fn suggestion(nearest: &Option<&'static str>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("there are {}", NAMES.join(", ")),
    }
}

/// The genotype that was published under this name, in upper or lower case.
pub fn genotype(name: &str) -> Option<Genotype> {
    let known = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))?;
    let [normal, reduction] = CELLS[known];
    Some(Genotype { normal: normal.cell(), reduction: reduction.cell() })
}

/// The name under which a genotype was published, if it was.
pub fn name_of(found: &Genotype) -> Option<&'static str> {
    NAMES.into_iter().find(|name| genotype(name).as_ref() == Some(found))
}

/// As [`genotype`], with an error for unknown names.
///
/// # Errors
/// If there is no such genotype; the error names the most similar one.
pub fn find(name: &str) -> Result<Genotype, UnknownGenotype> {
    genotype(name).ok_or_else(|| {
        let typed = name.to_ascii_lowercase();
        let spelled = NAMES.map(str::to_ascii_lowercase);
        let nearest = crate::nearest(&typed, spelled.iter().map(String::as_str))
            .and_then(|nearest| NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(nearest)));
        UnknownGenotype { name: name.to_owned(), nearest }
    })
}

/// A cell as a constant: two genes for each node, and the nodes that are concatenated.
#[derive(Clone, Copy)]
struct Written {
    genes: &'static [(Operation, usize)],
    concat: &'static [usize],
}

impl Written {
    fn cell(self) -> Cell {
        Cell { genes: self.genes.iter().copied().map(Gene::from).collect(), concat: self.concat.to_vec() }
    }
}

/// Normal and reduction cells in the order of [`NAMES`].
const CELLS: [[Written; 2]; 5] = [NASNET, AMOEBANET, DARTS_V1, DARTS_V2, RELATIVE_NAS];

/// NASNet-A: Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition",
/// arXiv 1707.07012, in the form that DARTS compares itself with.
const NASNET: [Written; 2] = [
    Written {
        genes: &[
            (SepConv5x5, 1),
            (SepConv3x3, 0),
            (SepConv5x5, 0),
            (SepConv3x3, 0),
            (AvgPool3x3, 1),
            (SkipConnect, 0),
            (AvgPool3x3, 0),
            (AvgPool3x3, 0),
            (SepConv3x3, 1),
            (SkipConnect, 1),
        ],
        concat: &[2, 3, 4, 5, 6],
    },
    Written {
        genes: &[
            (SepConv5x5, 1),
            (SepConv7x7, 0),
            (MaxPool3x3, 1),
            (SepConv7x7, 0),
            (AvgPool3x3, 1),
            (SepConv5x5, 0),
            (SkipConnect, 3),
            (AvgPool3x3, 2),
            (SepConv3x3, 2),
            (MaxPool3x3, 1),
        ],
        concat: &[4, 5, 6],
    },
];

/// AmoebaNet-A: Real et al., "Regularized Evolution for Image Classifier Architecture Search",
/// arXiv 1802.01548, in the form that DARTS compares itself with.
const AMOEBANET: [Written; 2] = [
    Written {
        genes: &[
            (AvgPool3x3, 0),
            (MaxPool3x3, 1),
            (SepConv3x3, 0),
            (SepConv5x5, 2),
            (SepConv3x3, 0),
            (AvgPool3x3, 3),
            (SepConv3x3, 1),
            (SkipConnect, 1),
            (SkipConnect, 0),
            (AvgPool3x3, 1),
        ],
        concat: &[4, 5, 6],
    },
    Written {
        genes: &[
            (AvgPool3x3, 0),
            (SepConv3x3, 1),
            (MaxPool3x3, 0),
            (SepConv7x7, 2),
            (SepConv7x7, 0),
            (AvgPool3x3, 1),
            (MaxPool3x3, 0),
            (MaxPool3x3, 1),
            (Conv7x1Then1x7, 0),
            (SepConv3x3, 5),
        ],
        concat: &[3, 4, 6],
    },
];

/// DARTS, first order: Liu et al., "DARTS: Differentiable Architecture Search", arXiv 1806.09055.
const DARTS_V1: [Written; 2] = [
    Written {
        genes: &[
            (SepConv3x3, 1),
            (SepConv3x3, 0),
            (SkipConnect, 0),
            (SepConv3x3, 1),
            (SkipConnect, 0),
            (SepConv3x3, 1),
            (SepConv3x3, 0),
            (SkipConnect, 2),
        ],
        concat: &[2, 3, 4, 5],
    },
    Written {
        genes: &[
            (MaxPool3x3, 0),
            (MaxPool3x3, 1),
            (SkipConnect, 2),
            (MaxPool3x3, 0),
            (MaxPool3x3, 0),
            (SkipConnect, 2),
            (SkipConnect, 2),
            (AvgPool3x3, 0),
        ],
        concat: &[2, 3, 4, 5],
    },
];

/// DARTS, second order: as [`DARTS_V1`].
const DARTS_V2: [Written; 2] = [
    Written {
        genes: &[
            (SepConv3x3, 0),
            (SepConv3x3, 1),
            (SepConv3x3, 0),
            (SepConv3x3, 1),
            (SepConv3x3, 1),
            (SkipConnect, 0),
            (SkipConnect, 0),
            (DilConv3x3, 2),
        ],
        concat: &[2, 3, 4, 5],
    },
    Written {
        genes: &[
            (MaxPool3x3, 0),
            (MaxPool3x3, 1),
            (SkipConnect, 2),
            (MaxPool3x3, 1),
            (MaxPool3x3, 0),
            (SkipConnect, 2),
            (SkipConnect, 2),
            (MaxPool3x3, 1),
        ],
        concat: &[2, 3, 4, 5],
    },
];

/// The cells that the RelativeNAS paper reports, arXiv 2009.06193.
const RELATIVE_NAS: [Written; 2] = [
    Written {
        genes: &[
            (SepConv3x3, 0),
            (DilConv5x5, 1),
            (SepConv3x3, 1),
            (SepConv3x3, 1),
            (SepConv3x3, 1),
            (SepConv5x5, 1),
            (SkipConnect, 0),
            (SepConv3x3, 0),
        ],
        concat: &[2, 3, 4, 5],
    },
    Written {
        genes: &[
            (AvgPool3x3, 1),
            (MaxPool3x3, 1),
            (DilConv5x5, 1),
            (MaxPool3x3, 1),
            (AvgPool3x3, 3),
            (SkipConnect, 1),
            (DilConv5x5, 3),
            (SepConv3x3, 1),
        ],
        concat: &[2, 3, 4, 5],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_mistyped_ones_get_a_hint() {
        for name in NAMES {
            assert_eq!(genotype(&name.to_uppercase()), genotype(name), "{name}");
            assert_eq!(find(name), Ok(genotype(name).expect("published")));
        }
        let message = |name: &str| find(name).expect_err(name).to_string();
        assert_eq!(message("darts_v3"), "`darts_v3` is no published genotype; did you mean `DARTS_V1`?");
        assert_eq!(
            message("ResNet-50"),
            "`ResNet-50` is no published genotype; there are NASNet, AmoebaNet, DARTS_V1, DARTS_V2, RelativeNAS"
        );
    }

    #[test]
    fn every_published_text_is_a_valid_genotype() {
        for name in NAMES {
            let published = genotype(name).expect("published");
            let written = published.format(crate::genotype::GenotypeFormat::Darts);
            assert_eq!(Genotype::parse(&written), Ok(published), "{name}");
        }
    }
}
