//! Decisions that hold for one drawing of the whole screen.

use crate::{actions::Action, keys::KeyMap, layout::Layout, view::View};
use relativenas_core::population::IndividualId;

/// Decisions that hold for one drawing of the whole screen. Colours and glyphs are not here, because every
/// [`crate::canvas::Canvas`] carries them.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    pub keys: &'a KeyMap,
    /// How much room the whole screen has.
    pub layout: Layout,
    /// The view that is shown.
    pub view: View,
    /// The individual that is selected; `None` if there is none.
    pub selected: Option<IndividualId>,
    pub pace: Pace,
}

/// How fast the link to the terminal is, measured by the terminal's answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    #[default]
    Quick,
    /// A whole screen takes seconds, so what takes many bytes and can be done without is left out.
    Slow,
}

impl Scene<'_> {
    /// The first key of an action as text; empty where it has none.
    pub fn key(&self, action: Action) -> String {
        self.keys.key(action).unwrap_or_default()
    }
}
