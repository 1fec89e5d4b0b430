//! Whether the comparison of pairs is any good, in a line: what a probe found, or how far it is.

use ratatui::text::Line;
use relativenas_core::probe::Probe;

use crate::{
    canvas::{Look, span},
    shown::Shown,
};

/// The longest version of the line that fits in `columns`; `None` if the run was never probed.
pub fn line(shown: &Shown, look: &Look, columns: usize) -> Option<Line<'static>> {
    let palette = &look.palette;
    if let Some(words) = &shown.probing {
        let working = span(format!("{} ", look.glyphs.working), palette.slow);
        return Some(Line::from(vec![working, span(words.clone(), palette.text)]));
    }
    let probe = shown.probe.as_ref()?;
    let forms = [found(probe, look, true), found(probe, look, false)];
    let [long, short] = forms;
    Some(if long.width() <= columns { long } else { short })
}

fn found(probe: &Probe, look: &Look, long: bool) -> Line<'static> {
    let palette = &look.palette;
    let tau = if look.glyphs.is_ascii() { "tau" } else { "τ" };
    let signed = |value: f64| format!("{value:.2}").replace('-', &look.glyphs.minus.to_string());
    let per_cent = |share: f64| format!("{:.0} %", 100.0 * share);
    let within = |interval: Option<(f64, f64)>, written: &dyn Fn(f64) -> String| match interval {
        Some((low, high)) if long => format!(" ({} to {})", written(low), written(high)),
        _ => String::new(),
    };
    let rate = probe.flip_rate().map_or_else(|| "unknown".to_owned(), per_cent);
    let correlation = probe.tau.map_or_else(|| "unknown".to_owned(), signed);
    Line::from(vec![
        span(if long { "verdicts flip " } else { "flips " }, palette.dim),
        span(rate, palette.strong),
        span(within(probe.flip_interval(), &per_cent), palette.dim),
        span(if long { "   Kendall's " } else { "  " }, palette.dim),
        span(format!("{tau} "), palette.dim),
        span(correlation, palette.strong),
        span(within(probe.tau_interval, &signed), palette.dim),
    ])
}
