//! The first lines: the run, its data, its progress and status, and the tabs of all views.

use ratatui::{style::Modifier, text::Line};
use relativenas_core::view::Phase;

use super::sign::sign;
use crate::{
    actions::Action,
    canvas::{Canvas, Look, span},
    draw::text::{self, out_of},
    layout::Layout,
    messages::Link,
    scene::Scene,
    shown::{RunStatus, Shown},
    view::View,
};

pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, shown: Option<&Shown>) {
    let layout = scene.layout;
    let palette = &canvas.look.palette;
    let (strong, dim) = (palette.strong, palette.dim);
    let width = canvas.width();
    let mut left = Line::default();
    let name = shown.map_or("relativenas", |shown| shown.run.as_str());
    if layout >= Layout::Medium && shown.is_some() {
        left.push_span(span("relativenas   ", dim));
    }
    left.push_span(span(name, strong));
    let right = shown.map(|shown| progress(shown, canvas.look, layout)).unwrap_or_default();
    let device = shown.and_then(device).unwrap_or_default();
    let room = width.saturating_sub(right.width() + 3);
    let glyphs = canvas.look.glyphs;
    if layout < Layout::Small {
        // There is no room for tabs, so the view is named here.
        let name = if scene.view == View::Overview { name } else { scene.view.name() };
        let name = text::truncate(name, room.saturating_sub(1), &glyphs).into_owned();
        left = Line::from(span(name, strong));
    }
    if left.width() + device.len() + 4 <= room {
        left.push_span(span(format!("    {device}"), dim));
    }
    canvas.part(0, 0, room + 1, 1).line(1, 0, &left);
    canvas.line_right(width.saturating_sub(1), 0, &right);
    if canvas.height() > 1 {
        tabs(canvas, scene, shown);
    }
}

/// How much of their names the tabs show, from the most columns to the fewest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Full,
    /// The name of the present view is in full, those of the others are short.
    Short,
    AllShort,
    /// Only the present view has a name.
    Here,
}

impl Names {
    fn of(self, view: View, here: bool) -> &'static str {
        match self {
            Self::Full => view.name(),
            Self::Short if here => view.name(),
            Self::Short | Self::AllShort => view.short_name(),
            Self::Here if here => view.name(),
            Self::Here => "",
        }
    }
}

/// A view's tab: where it begins, its key and its name.
struct Tab {
    view: View,
    x: usize,
    key: String,
    name: &'static str,
}

impl Tab {
    /// Columns of the tab: key, name, the blank between them, and a blank on either side.
    fn width(&self) -> usize {
        let name = if self.name.is_empty() { 0 } else { 1 + text::width(self.name) };
        text::width(&self.key) + 2 + name
    }
}

/// All tabs with the longest names that fit beside `set` columns.
fn all_tabs(scene: &Scene<'_>, width: usize, set: usize) -> Vec<Tab> {
    let with = |(names, gap): (Names, usize)| -> Vec<Tab> {
        let mut x = 1;
        let tab = |view: View| {
            let name = names.of(view, view == scene.view);
            let tab = Tab { view, x, key: scene.key(Action::Show(view)), name };
            // A dash stands between two, if there is room.
            x += tab.width() + gap;
            tab
        };
        View::ALL.into_iter().map(tab).collect()
    };
    let fits = |tabs: &Vec<Tab>| tabs.last().is_some_and(|last| last.x + last.width() + 1 + set < width);
    let ways = [(Names::Full, 1), (Names::Short, 1), (Names::Short, 0), (Names::AllShort, 0)];
    ways.into_iter().map(with).find(fits).unwrap_or_else(|| with((Names::Here, 1)))
}

/// The view whose tab is at a column of a screen of this width.
pub fn tab_at(scene: &Scene<'_>, shown: Option<&Shown>, width: usize, column: usize) -> Option<View> {
    let tabs = all_tabs(scene, width, text::width(&what_is_set(shown)));
    tabs.into_iter().find(|tab| (tab.x..tab.x + tab.width()).contains(&column)).map(|tab| tab.view)
}

fn what_is_set(shown: Option<&Shown>) -> String {
    shown.map(set).filter(|set| !set.is_empty()).map(|set| format!(" {set} ")).unwrap_or_default()
}

/// Draws the tabs on a rule, with the present view standing out, and the settings of the engine at the right.
fn tabs(canvas: &mut Canvas<'_>, scene: &Scene<'_>, shown: Option<&Shown>) {
    canvas.rule(1);
    let palette = &canvas.look.palette;
    let (dim, strong, key, slow) = (palette.dim, palette.strong, palette.key, palette.slow);
    let set = what_is_set(shown);
    let mut after = 1;
    for tab in all_tabs(scene, canvas.width(), text::width(&set)) {
        let here = tab.view == scene.view;
        let style = if here { strong.add_modifier(Modifier::UNDERLINED) } else { dim };
        let mut x = canvas.text(tab.x, 1, &format!(" {}", tab.key), if here { strong } else { key });
        if !tab.name.is_empty() {
            x = canvas.text(x, 1, " ", dim);
            x = canvas.text(x, 1, tab.name, style);
        }
        after = canvas.text(x, 1, " ", dim) + 1;
    }
    let end = canvas.width().saturating_sub(1);
    if after + text::width(&set) <= end {
        canvas.line_right(end, 1, &Line::styled(set, slow));
    }
}

/// The settings of the engine that hold until they are changed, such as a scheduled pause, in words. They are visible
/// in every view.
fn set(shown: &Shown) -> String {
    let mut set = Vec::new();
    if matches!(shown.link, Link::WatchOnly { .. }) {
        set.push("watch only".to_owned());
    }
    if let Some(progress) = &shown.progress {
        set.extend(progress.pause_at.map(|generation| format!("pauses at {generation}")));
        set.extend(progress.pause_on_nan.then(|| "pauses on NaN".to_owned()));
    }
    set.join(", ")
}

fn device(shown: &Shown) -> Option<&str> {
    match &shown.link {
        Link::Live(hello) | Link::WatchOnly { hello, .. } => Some(&hello.device),
        _ => None,
    }
}

/// The progress of the run, its status and the time that is left, in fields of constant width.
fn progress(shown: &Shown, look: &Look, layout: Layout) -> Line<'static> {
    let dim = look.palette.dim;
    let strong = look.palette.strong;
    let mut line = Line::default();
    let long = layout >= Layout::Medium;
    let mut field = |name: &'static str, short: &'static str, value: String| {
        let name = if long { name } else { short };
        line.push_span(span(name, dim));
        line.push_span(span(value, strong));
        line.push_span(span(if long { "   " } else { " " }, dim));
    };
    if let Some(search) = shown.search() {
        if let Some(finals) = search.finals.as_ref().filter(|_| shown.view.phase() == Phase::Finals) {
            let round = out_of(finals.round() as usize + 1, finals.rounds_in_all() as usize);
            field("finals round ", "fin ", round);
        } else if shown.view.phase() == Phase::Ranking {
            field("ranking ", "rank ", out_of(search.ranked.len(), search.settings.population));
        } else if search.is_warming_up() {
            let (done, all) = (search.generation as usize, search.settings.warm_up as usize);
            field("warm-up generation ", "warm ", out_of(done, all));
            if layout > Layout::Tiny {
                field("pair ", "p", out_of(search.pairs_done(), search.pairs.len()));
            }
        } else {
            field(
                "generation ",
                "g",
                out_of(search.generation as usize, search.settings.generations as usize),
            );
            if layout > Layout::Tiny && shown.view.phase() == Phase::Searching {
                field("pair ", "p", out_of(search.pairs_done(), search.pairs.len()));
            }
        }
    } else if let Some(training) = &shown.view.training {
        field("epoch ", "e", out_of(training.history.len(), training.epochs as usize));
    }
    let status = shown.status();
    let (glyph, style) = sign(status, look);
    line.push_span(span(format!("{glyph} "), style));
    line.push_span(span(format!("{:<13}", status.name()), style));
    if layout > Layout::Tiny
        && status != RunStatus::Finished
        && let Some(progress) = &shown.progress
    {
        // The field stays where no time can be told, so that the others do not jump.
        line.push_span(span(if long { "  ETA " } else { " " }, dim));
        line.push_span(match progress.seconds_left {
            Some(seconds) => span(text::duration(text::whole_seconds(seconds)), strong),
            // The time is known after the first estimation.
            None => span(format!("{:>8}", "not yet"), dim),
        });
    }
    line
}
