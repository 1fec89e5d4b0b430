//! The population on a plane: where each individual is, and how slow learners moved there.

mod picture;
mod words;

use ratatui::{text::Line, widgets::Widget};
use relativenas_core::{
    population::IndividualId,
    view::{SearchView, Window},
};

use self::picture::Picture;
use crate::{
    actions::Action,
    canvas::{Canvas, span},
    draw::{plane::Plane, text},
    layout::Layout,
    messages::RunName,
    scene::Scene,
    shown::Shown,
    state::State,
};

pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, state: &State, shown: &Shown, search: &SearchView) {
    let (width, height) = (canvas.width(), canvas.height());
    let controls = controls(state, search, width);
    let compare = scene.key(Action::CompareAll);
    head(canvas, search, &compare, (state.compared.len(), controls.len()));
    let legend = usize::from(height >= Layout::MAP_LEGEND);
    let beside = if width >= Layout::WIDE && controls.is_empty() { Layout::MAP_WORDS } else { 0 };
    let below = usize::from(beside == 0 && height >= Layout::MAP_WORDS_BELOW);
    let room = height.saturating_sub(1 + legend + below);
    if search.map.share().is_none() {
        canvas.text(1, 2, "there are no positions to draw yet", canvas.look.palette.dim);
        return;
    }
    let window =
        controls.iter().fold(search.map.window(), |window, (_, control)| around(window, search, control));
    let columns = (width - beside) / (1 + controls.len());
    let trained: Vec<IndividualId> =
        shown.progress.iter().flat_map(|p| p.activity.members()).map(|m| m.individual).collect();
    let memory = if scene.layout >= Layout::Medium { 3 } else { 2 };
    let named = scene.layout >= Layout::Medium && controls.is_empty();
    let picture =
        Picture { search, axes: &search.map, selected: scene.selected, trained: &trained, named, memory };
    let top = if controls.is_empty() { 1 } else { 2 };
    plane(
        &mut canvas.part(1, top, columns.saturating_sub(2), (room + 1).saturating_sub(top)),
        &picture,
        window,
    );
    for (place, (name, control)) in controls.iter().enumerate() {
        let left = columns * (place + 1);
        title(&mut canvas.part(left, 1, columns, 1), name, control);
        let picture = Picture {
            search: control,
            axes: &search.map,
            selected: None,
            trained: &[],
            named: false,
            memory: 2,
        };
        plane(
            &mut canvas.part(left + 1, 2, columns.saturating_sub(2), room.saturating_sub(1)),
            &picture,
            window,
        );
    }
    if !controls.is_empty() {
        title(&mut canvas.part(0, 1, columns, 1), &shown.run, search);
    }
    if beside > 0 {
        let part = &mut canvas.part(width - beside, 2, beside - 1, height.saturating_sub(3));
        words::beside(part, search, scene.selected);
    }
    if below > 0 {
        words::below(&mut canvas.part(0, height - legend - 1, width, 1), search, scene.selected);
    }
    if legend > 0 {
        picture::legend(&mut canvas.part(0, height - 1, width - beside, 1), search, !trained.is_empty());
    }
}

fn plane(canvas: &mut Canvas<'_>, picture: &Picture<'_>, window: Window) {
    let look = canvas.look;
    let trails = picture.trails(look);
    let spots = picture.spots(look);
    let plane = Plane { x: window.x, y: window.y, trails: &trails, spots: &spots, glyphs: &look.glyphs };
    plane.render(canvas.area, canvas.buffer);
}

/// Draws the heading: what the axes are, and the share of the positions' variance that they show.
fn head(canvas: &mut Canvas<'_>, search: &SearchView, compare: &str, (compared, drawn): (usize, usize)) {
    let palette = &canvas.look.palette;
    let (dim, strong) = (palette.dim, palette.strong);
    let width = canvas.width();
    let x = canvas.heading(1, 0, "MAP") + 2;
    let share = search.map.share().unwrap_or(0.0);
    let kept = format!("{:.0} %", 100.0 * share);
    let (before, after) = match width {
        width if width >= Layout::USUAL => {
            ("all positions so far on two principal components: ", " of their variance")
        }
        width if width >= Layout::MAP_LEGEND_WORDS => ("two principal components, ", " of the variance"),
        _ => ("", " of the variance"),
    };
    let line = Line::from(vec![span(before, dim), span(kept, strong), span(after, dim)]);
    let x = canvas.line(x, 0, &line);
    let hidden = compared - drawn;
    let words = match (compared, hidden) {
        (0, _) if compare.is_empty() => String::new(), // The action has no key.
        (0, _) => format!("{compare} compares with other runs"),
        (_, 0) => String::new(),
        (_, hidden) => format!("{hidden} more would need a wider screen"),
    };
    if x + 3 + text::width(&words) < width {
        canvas.line_right(width - 1, 0, &Line::styled(words, dim));
    }
}

/// A run's name and how far it is, above its part of the plane.
fn title(canvas: &mut Canvas<'_>, name: &str, search: &SearchView) {
    let look = canvas.look;
    let done = text::out_of(search.generations.len(), search.settings.generations as usize);
    let words = format!("{} {} {}", search.settings.rule(), look.glyphs.separator, done);
    let room = canvas.width().saturating_sub(2);
    let x = canvas.text(1, 0, &text::truncate(&words, room, &look.glyphs), look.palette.strong);
    let room = canvas.width().saturating_sub(x + 3);
    canvas.text(x + 2, 0, &text::truncate(name, room, &look.glyphs), look.palette.dim);
}

/// Searches of the same space that are compared with this one, as many as there is room for.
fn controls<'a>(state: &'a State, search: &SearchView, width: usize) -> Vec<(RunName, &'a SearchView)> {
    let most = (width / Layout::MAP_PLANE).saturating_sub(1);
    let searches =
        state.compared.iter().filter_map(|compared| Some((compared.name(), compared.view.search.as_ref()?)));
    searches.filter(|(_, other)| other.settings.space == search.settings.space).take(most).collect()
}

/// The window, made larger until it holds a control's population.
fn around(window: Window, search: &SearchView, control: &SearchView) -> Window {
    let places = control.population.iter().filter_map(|individual| search.map.place(&individual.position));
    places.fold(window, |Window { x: (left, right), y: (low, high) }, (x, y)| Window {
        x: (left.min(x - 0.1), right.max(x + 0.1)),
        y: (low.min(y - 0.1), high.max(y + 0.1)),
    })
}
