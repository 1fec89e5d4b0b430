//! How much room the screen has, and every size from which on something is drawn in another way.
//!
//! A [`Layout`] is chosen once from the size of the whole screen. Within it, a panel or a view
//! compares the room that it was given with the constants of [`Layout`].

/// How much room there is, from the least to the most.
///
/// Each layout is named for a usual size of a terminal, and begins at a slightly smaller one
/// ([`Layout::SMALLEST`]), so that it does not change when tmux or a window frame takes a row or a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    /// A single line says it all: whatever is smaller than [`Layout::Tiny`].
    Line,
    /// 40×12
    Tiny,
    /// 60×16
    Narrow,
    /// 80×24
    Small,
    /// 100×30
    Medium,
    /// 140×40
    Wide,
}

impl Layout {
    /// The fewest columns and rows of each layout, the largest first; [`Layout::Line`] has none.
    pub const SMALLEST: [(Self, usize, usize); 5] = [
        (Self::Wide, Self::WIDE, 34),
        (Self::Medium, Self::TWO_COLUMNS, 27),
        (Self::Small, Self::USUAL, 20),
        (Self::Narrow, 54, 14),
        (Self::Tiny, 30, 8),
    ];

    /// The largest layout for which a screen has room.
    pub fn of(width: usize, height: usize) -> Self {
        let fits = Self::SMALLEST.into_iter().find(|&(_, columns, rows)| width >= columns && height >= rows);
        fits.map_or(Self::Line, |(layout, ..)| layout)
    }

    /// Rows of the title above a view, and of the footer below it.
    pub fn margins(self) -> (usize, usize) {
        match self {
            Self::Wide | Self::Medium => (2, 2),
            Self::Small => (2, 1),
            Self::Narrow | Self::Tiny => (1, 1),
            Self::Line => (0, 0),
        }
    }
}

/// The fewest columns for each part of a view or panel.
impl Layout {
    /// The selected individual stands beside the population.
    pub const DETAIL_BESIDE: usize = 176;
    /// Gaps are generous, and three things stand side by side.
    pub const WIDE: usize = 124;
    /// The row of an individual says in words which genes changed.
    pub const MOVES_IN_WORDS: usize = 110;
    /// Two things stand side by side.
    pub const TWO_COLUMNS: usize = 96;
    /// Progress of an individual has all of its labels.
    pub const LONG_LABELS: usize = 84;
    /// A terminal of 80 columns, less a few: genes and counts of pairs are shown.
    pub const USUAL: usize = 74;
    /// The columns of a NAS-Bench-201 cell's edges have their names.
    pub const EDGE_NAMES: usize = 70;
    /// Progress of an individual has its speed.
    pub const SPEED: usize = 64;
    /// Progress of an individual says whether it is trained or validated.
    pub const STAGE: usize = 51;
    /// This generation's pairs have headings.
    pub const PAIR_HEADINGS: usize = 48;
    /// The note on how diversity is to be read is a whole sentence.
    pub const DIVERSITY_IN_WORDS: usize = 32;
    /// There is room for a description beside the map.
    pub const MAP_WORDS: usize = 40;
    /// A population and its trails can be told apart on a map; twice as much holds two of them.
    pub const MAP_PLANE: usize = 44;
    /// A map says in words what it is.
    pub const MAP_LEGEND_WORDS: usize = 50;
    /// The list of runs says when each one changed.
    pub const RUN_AGE: usize = 60;
    /// The list of runs has each one's best loss.
    pub const RUN_BEST: usize = 50;
    /// The list of runs says how far each one is.
    pub const RUN_PROGRESS: usize = 40;
}

/// The fewest rows for each part of a view or panel.
impl Layout {
    /// Losses have a heading.
    pub const LOSSES_HEADING: usize = 4;
    /// A probe's finding stands above the losses.
    pub const LOSSES_PROBE: usize = 6;
    /// This generation's pairs have a heading.
    pub const PAIRS_HEADING: usize = 5;
    /// The selected pair has more room than the list of pairs.
    pub const PAIR_LARGE: usize = 16;
    /// The selected individual stands beside the population.
    pub const DETAIL_BESIDE_ROWS: usize = 20;
    /// Rows that the selected individual takes below the population.
    pub const DETAIL_BELOW: usize = 7;
    /// A blank row parts the population from its heading.
    pub const POPULATION_APART: usize = 10;
    /// A row below the population shows the entropy of each gene.
    pub const POPULATION_AGREEMENT: usize = 13;
    /// A map's marks are explained below it.
    pub const MAP_LEGEND: usize = 9;
    /// The selected individual is described below the map.
    pub const MAP_WORDS_BELOW: usize = 13;
    /// The selected run's folder and state stand below the list of runs.
    pub const RUN_DETAILS: usize = 9;
    /// The selected operation is described below the weights.
    pub const WEIGHTS_WORDS: usize = 14;
    /// All curves are shown, not the losses alone.
    pub const ALL_CURVES: usize = 12;
    /// A chart has room for a row of words for each of its curves.
    pub const CURVES_IN_WORDS: usize = 10;
    /// The graph of a NAS-Bench-201 cell has blank rows between its lines.
    pub const OPEN_EDGES: usize = 23;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_size_has_its_layout_and_a_smaller_screen_the_one_before() {
        let check = |width, height, layout| assert_eq!(Layout::of(width, height), layout, "{width}x{height}");
        check(140, 40, Layout::Wide);
        check(100, 30, Layout::Medium);
        check(80, 24, Layout::Small);
        check(60, 16, Layout::Narrow);
        check(40, 12, Layout::Tiny);
        check(80, 1, Layout::Line);
        for pair in Layout::SMALLEST.windows(2) {
            let ((layout, width, height), (before, ..)) = (pair[0], pair[1]);
            check(width, height, layout);
            check(width - 1, height, before);
            check(width, height - 1, before);
        }
    }
}
