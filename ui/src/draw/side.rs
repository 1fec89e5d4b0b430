//! The two sides of a comparison.

/// The side of a cell in a comparison of two. Both cells are laid out alike, so that equal parts are in the same
/// place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Before,
    /// The cell whose edges also name the operation that they have on the other side.
    After,
}
