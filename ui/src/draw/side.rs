//! The two sides of a comparison.

/// Which of two compared cells one is. Both are laid out alike, so that what they share is in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Before,
    /// The one whose edges say what they were before.
    After,
}
