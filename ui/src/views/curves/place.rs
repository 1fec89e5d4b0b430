//! The cursor and switches of the view of curves.

/// The cursor and switches of the view of curves.
#[derive(Clone, Copy, Debug, Default)]
pub struct CurvesPlace {
    /// The generation, or epoch, that values are read at; `None` reads the last.
    pub cursor: Option<usize>,
    pub logarithmic: bool,
    /// Whether only the losses are shown, in the whole height.
    pub losses_only: bool,
    /// Whether every compared run has a line of its own, instead of one for each searcher.
    pub one_by_one: bool,
}
