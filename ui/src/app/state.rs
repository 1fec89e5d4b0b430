//! Where a person is in each view.

use relativenas_core::genotype::Genotype;

/// A sentence above the footer, until the next key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub text: String,
    pub is_warning: bool,
}

/// Cursors and switches of all views.
#[derive(Clone, Debug, Default)]
pub struct Places {
    pub population: PopulationPlace,
    pub pairs: PairsPlace,
    pub weights: WeightsPlace,
    pub architecture: ArchitecturePlace,
    pub curves: CurvesPlace,
    pub log: LogPlace,
    /// The selected row of the list of runs.
    pub run: usize,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct PopulationPlace {
    pub order: Order,
    /// Everybody who moved shows where from, not the selected one alone.
    pub ghosts: bool,
}

/// How individuals are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Loss,
    Number,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct PairsPlace {
    pub row: usize,
    /// The last finished generation is shown, not the one that runs.
    pub earlier: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct WeightsPlace {
    pub cell: usize,
    pub candidate: usize,
}

#[derive(Clone, Debug, Default)]
pub struct ArchitecturePlace {
    /// What stands beside the selected individual.
    pub beside: Option<Beside>,
    /// Which part of the text is read, where it does not fit; after the last comes the first.
    pub page: isize,
}

/// Something to compare an architecture with.
#[derive(Clone, Debug, PartialEq)]
pub enum Beside {
    Individual(usize),
    Named(String, Genotype),
}

#[derive(Clone, Copy, Debug, Default)]
pub struct CurvesPlace {
    /// The generation, or epoch, that values are read at; `None` reads the last.
    pub cursor: Option<usize>,
    pub logarithmic: bool,
    /// Losses have the whole height.
    pub losses_only: bool,
    /// Every compared run has a line to itself, in place of its searcher.
    pub one_by_one: bool,
}

#[derive(Clone, Debug, Default)]
pub struct LogPlace {
    /// Lines between the last one shown and the end.
    pub behind: usize,
    pub searched: Option<String>,
    /// The line, from the first that is held, that was found last.
    pub found: Option<usize>,
}
