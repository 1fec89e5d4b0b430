//! A line about a probe, which measures how reliable the comparison of pairs is: its result, or how far it is.

use ratatui::text::Line;
use relativenas_core::probe::{ArchitectureSource, Probe};

use crate::{
    canvas::{Look, span},
    shown::Shown,
};

/// The longest version of the line that fits in `columns`; `None` if the run was never probed.
pub fn line(shown: &Shown, look: &Look, columns: usize) -> Option<Line<'static>> {
    let palette = &look.palette;
    if let Some(words) = &shown.working {
        let working = span(format!("{} ", look.glyphs.working), palette.slow);
        return Some(Line::from(vec![working, span(words.clone(), palette.text)]));
    }
    let probe = shown.probe.as_ref()?;
    let forms = [Form::WithSizes, Form::Long, Form::Short].map(|form| found(probe, look, form));
    let [.., short] = &forms;
    Some(forms.iter().find(|form| form.width() <= columns).unwrap_or(short).clone())
}

/// How much of the result the line holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Short,
    /// With intervals.
    Long,
    /// With intervals, and how well numbers of parameters and multiply-adds alone rank.
    WithSizes,
}

fn found(probe: &Probe, look: &Look, form: Form) -> Line<'static> {
    let palette = &look.palette;
    let long = form != Form::Short;
    let tau = if look.glyphs.is_ascii() { "tau" } else { "τ" };
    let signed = |value: f64| format!("{value:.2}").replace('-', &look.glyphs.minus.to_string());
    let per_cent = |share: f64| format!("{:.0} %", 100.0 * share);
    let within = |interval: Option<(f64, f64)>, written: &dyn Fn(f64) -> String| match interval {
        Some((low, high)) if long => format!(" ({} to {})", written(low), written(high)),
        _ => String::new(),
    };
    let correlation = |tau: Option<f64>| tau.map_or_else(|| "unknown".to_owned(), signed);
    let rate = probe.flip_rate().map_or_else(|| "unknown".to_owned(), per_cent);
    let over = match probe.from {
        ArchitectureSource::Search { .. } if long => "over the whole search ",
        _ => "",
    };
    let mut spans = vec![
        span(if long { "verdicts flip " } else { "flips " }, palette.dim),
        span(rate, palette.strong),
        span(within(probe.flip_interval(), &per_cent), palette.dim),
        span(if long { "   Kendall's " } else { "  " }, palette.dim),
        span(format!("{tau} {over}"), palette.dim),
        span(correlation(probe.tau), palette.strong),
        span(within(probe.tau_interval, &signed), palette.dim),
    ];
    let sizes = [(", of parameters ", probe.by_parameters), (", of multiply-adds ", probe.by_multiply_adds)];
    if form == Form::WithSizes && sizes.iter().any(|(_, by_size)| by_size.tau.is_some()) {
        for (words, by_size) in sizes {
            spans.extend([span(words, palette.dim), span(correlation(by_size.tau), palette.strong)]);
        }
    }
    Line::from(spans)
}
