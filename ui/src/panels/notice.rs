//! A notice above the footer.

use crate::{
    canvas::{Canvas, wrap},
    shown::Shown,
};

/// A sentence above the footer, until the next key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub text: String,
    pub is_warning: bool,
}

/// Draws the screen's notice, `said`, or else that of the engine. It stands on the rule above the keys, in place of
/// the keys if there is no rule, and over the view if it is long. It is never cut, because the advice stands at its
/// end.
///
/// `bottom` is the number of rows of the footer.
pub fn draw(canvas: &mut Canvas<'_>, said: Option<&Notice>, shown: Option<&Shown>, bottom: usize) {
    let engine = shown.and_then(|shown| shown.progress.as_ref()?.notice.clone());
    let engine = engine.map(|text| Notice { text, is_warning: true });
    let Some(notice) = said.or(engine.as_ref()) else { return };
    let look = canvas.look;
    let (glyph, style) = if notice.is_warning {
        (look.glyphs.warning, look.palette.warning)
    } else {
        (look.glyphs.tick, look.palette.best)
    };
    let (width, height) = (canvas.width(), canvas.height());
    let lines = wrap(&notice.text, width.saturating_sub(6));
    let last = height.saturating_sub(if bottom > 1 { 2 } else { 1 });
    let first = last.saturating_sub(lines.len().saturating_sub(1));
    if lines.len() > 1 || bottom < 2 {
        canvas.part(0, first, width, last + 1 - first).clear();
    }
    for (row, line) in lines.iter().enumerate().take(last + 1 - first) {
        let mark = if row == 0 { glyph } else { ' ' };
        canvas.text(1, first + row, &format!(" {mark} {line} "), style);
    }
}
