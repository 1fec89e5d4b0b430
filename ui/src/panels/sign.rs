//! A glyph for the status of a run.

use ratatui::style::Style;

use crate::{canvas::Look, shown::RunStatus};

/// The glyph and the style for the status of a run.
pub fn sign(status: RunStatus, look: &Look) -> (char, Style) {
    let (g, p) = (&look.glyphs, &look.palette);
    match status {
        RunStatus::Training
        | RunStatus::Validating
        | RunStatus::LookingUp
        | RunStatus::Ranking
        | RunStatus::Testing => (g.playing, p.fast),
        RunStatus::Connecting | RunStatus::Starting | RunStatus::ContinueRequested => (g.working, p.dim),
        RunStatus::PauseRequested | RunStatus::Pausing | RunStatus::StopRequested | RunStatus::Stopping => {
            (g.working, p.slow)
        }
        RunStatus::Paused => (g.paused, p.slow),
        RunStatus::Stepping => (g.stepping, p.fast),
        RunStatus::Finished => (g.tick, p.best),
        RunStatus::Stopped => (g.stopped, p.dim),
        RunStatus::Past => (g.past, p.selected),
        RunStatus::Replayed => (g.playing, p.selected),
        RunStatus::Dead => (g.cross_mark, p.warning),
    }
}
