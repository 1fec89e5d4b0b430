//! Where a person is in the view of curves.

/// Where a person is in the curves.
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
