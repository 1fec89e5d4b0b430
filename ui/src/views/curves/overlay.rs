//! Curves of several runs in one chart: for each searcher the mean and the range of its runs, or a curve for each
//! run.

use relativenas_core::{
    tasks::Task,
    view::{EpochSummary, GenerationSummary, RunView, SearchView, TrainingView},
};

use super::{
    panel::{Curve, Names, Panel},
    place::CurvesPlace,
};
use crate::{actions::Action, draw::line_chart::Stroke, lists, scene::Scene, state::State, theme::Palette};

/// Runs that share a curve: all runs of one searcher, or a single run.
struct Group<'a> {
    name: String,
    runs: Vec<&'a RunView>,
}

/// The runs in groups that share a line, in the order in which they were laid over each other: the
/// group of the run that is shown comes first.
fn groups<'a>(place: &CurvesPlace, state: &'a State) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (name, view) in lists::runs_with_curves(state) {
        // Trainings have no searcher to share.
        let searcher = view.search.as_ref().filter(|_| !place.one_by_one);
        let name = searcher.map_or(name, |search| search.settings.rule());
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.runs.push(view),
            None => groups.push(Group { name, runs: vec![view] }),
        }
    }
    groups
}

/// Describes for the heading which runs are compared and how they are drawn; longer if `columns` allow it.
pub fn words(scene: &Scene<'_>, place: &CurvesPlace, state: &State, columns: usize) -> String {
    let count = 1 + state.compared.len();
    if place.one_by_one {
        return format!("{count} runs, a line each");
    }
    let short = format!("{count} runs: mean and range of each searcher");
    let key = scene.key(Action::OneByOne);
    let long = format!("{short}; {key} shows them one by one");
    if long.len() <= columns { long } else { short }
}

/// The charts for several runs: those quantities in which several runs can be told apart.
pub fn panels(palette: &Palette, place: &CurvesPlace, state: &State) -> Vec<Panel> {
    let mut panels = nameless(palette, place, state);
    panels[0].names = Names::Below;
    panels
}

fn nameless(palette: &Palette, place: &CurvesPlace, state: &State) -> Vec<Panel> {
    let groups = groups(place, state);
    let is_training = state.shown.as_ref().is_some_and(|shown| shown.search().is_none());
    if is_training {
        let panel = |title, is_loss, pick: fn(&EpochSummary) -> f64| {
            let values = move |view: &TrainingView| view.history.iter().map(pick).collect();
            let of = |view: &RunView| view.training.as_ref().map(values).unwrap_or_default();
            panel(palette, &groups, title, is_loss, &of)
        };
        let tasks = state.shown.as_ref().and_then(|shown| shown.view.training.as_ref()).map(|t| t.task);
        let metric = match tasks.unwrap_or_default() {
            Task::Classification => "ACCURACY, VALIDATION, %",
            task => task.metric_title(),
        };
        return vec![
            panel("LOSS, VALIDATION", true, |e| e.valid_loss.0),
            panel(metric, false, |e| e.valid_accuracy),
        ];
    }
    let each = |title, is_loss, pick: fn(&GenerationSummary) -> f64| {
        let values = move |view: &SearchView| view.generations.iter().map(pick).collect();
        let of = |view: &RunView| view.search.as_ref().map(values).unwrap_or_default();
        panel(palette, &groups, title, is_loss, &of)
    };
    let best = |view: &RunView| view.search.as_ref().map(best_so_far).unwrap_or_default();
    let mut panels = vec![
        each("LOSS OF FAST LEARNERS", true, |g| g.fast),
        panel(palette, &groups, "BEST LOSS SO FAR", true, &best),
        each("ACCURACY, %", false, |g| g.accuracy),
        each("DIVERSITY", false, |g| g.diversity),
    ];
    // A table has no weights to inherit.
    if state.search().is_some_and(|search| search.network.is_some()) {
        panels.push(each("HIT RATE, %", false, |g| g.hits.rate().unwrap_or(f64::NAN)));
    }
    panels
}

/// The lowest loss up to each generation.
fn best_so_far(search: &SearchView) -> Vec<f64> {
    let mut best = f64::NAN;
    let lower = |generation: &GenerationSummary| {
        best = best.min(generation.best);
        best
    };
    search.generations.iter().map(lower).collect()
}

fn panel(
    palette: &Palette,
    groups: &[Group<'_>],
    title: &'static str,
    is_loss: bool,
    of: &dyn Fn(&RunView) -> Vec<f64>,
) -> Panel {
    let curves = groups.iter().enumerate().map(|(place, group)| {
        let values: Vec<_> = group.runs.iter().map(|view| of(view)).collect();
        let (means, band) = mean_and_band(&values);
        let count = if values.len() > 1 { format!(", {} runs", values.len()) } else { String::new() };
        let (stroke, style) = stroke_and_style(palette, place);
        let mut curve = Curve::new(format!("{}{count}", group.name), means, stroke, style);
        curve.band = Some(band).filter(|_| values.len() > 1);
        curve
    });
    Panel { title, curves: curves.collect(), is_loss, names: Names::Elsewhere }
}

/// The group of the run that is shown looks like a single curve; the others have other colours, and other strokes for
/// screens without colours.
fn stroke_and_style(palette: &Palette, place: usize) -> (Stroke, ratatui::style::Style) {
    let strokes = [Stroke::Solid, Stroke::Dashed, Stroke::Dotted, Stroke::DashDotted];
    let style = match place.checked_sub(1) {
        None => palette.fast,
        Some(other) => palette.series[other % palette.series.len()],
    };
    (strokes[place % strokes.len()], style)
}

/// For each step that every run has done, the mean of all runs, and their lowest and highest value. Losses
/// that are not a number are left out.
fn mean_and_band(runs: &[Vec<f64>]) -> (Vec<f64>, Vec<(f64, f64)>) {
    let steps = runs.iter().map(Vec::len).min().unwrap_or(0);
    let at = |step: usize| {
        let numbers = || runs.iter().map(|run| run[step]).filter(|value| value.is_finite());
        let mean = numbers().sum::<f64>() / numbers().count() as f64;
        (mean, (numbers().fold(f64::NAN, f64::min), numbers().fold(f64::NAN, f64::max)))
    };
    (0..steps).map(at).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_reaches_as_far_as_its_shortest_run() {
        let (means, band) = mean_and_band(&[vec![3.0, 2.0, 1.0], vec![5.0, f64::NAN]]);
        assert_eq!(means, [4.0, 2.0]);
        assert_eq!(band, [(3.0, 5.0), (2.0, 2.0)]);
        let (means, band) = mean_and_band(&[vec![f64::NAN]]);
        assert!(means[0].is_nan() && band[0].0.is_nan(), "nothing is known there");
    }
}
