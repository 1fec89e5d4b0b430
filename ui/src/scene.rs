//! What is decided once for a drawing.

use crate::{actions::Action, keys::KeyMap, layout::Layout, view::View};

/// What is decided once for a drawing, and holds for everything in it. Colours and glyphs belong to
/// it too: every [`crate::canvas::Canvas`] carries them.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    pub keys: &'a KeyMap,
    /// How much room the whole screen has.
    pub layout: Layout,
    /// The view that is shown.
    pub view: View,
    /// The individual that a person selected; `None` where nobody is.
    pub selected: Option<usize>,
}

impl Scene<'_> {
    /// The first key of an action as text; empty where it has none.
    pub fn key(&self, action: Action) -> String {
        self.keys.key(action).unwrap_or_default()
    }
}
