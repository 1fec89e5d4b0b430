//! All keys, grouped by the views in which they work.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::text::Line;

use super::{
    reaction::Reaction,
    window::{self, window},
};
use crate::{
    actions::{Definition, Place, TABLE},
    canvas::{Canvas, Look, span, wrap},
    draw::text,
    scene::Scene,
    view::View,
};

pub fn press(scroll: &mut usize, key: KeyEvent) -> Reaction {
    // The key that opened it closes it.
    if key.code == KeyCode::Char('?') { Reaction::Close } else { window::scroll_or_pass(scroll, key) }
}

pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, scroll: usize) {
    let look = canvas.look;
    let width = canvas.width().saturating_sub(4).min(104);
    let lines = lines(scene, look, width.saturating_sub(4 + 11 + 18));
    let mut outer = window(canvas, width, lines.len() + 2);
    let mut inside = outer.framed("Keys");
    let rows = inside.height();
    // Scrolling ends when the last line is at the bottom.
    let first = scroll.min(lines.len().saturating_sub(rows));
    for (y, line) in lines.iter().skip(first).take(rows).enumerate() {
        inside.line(0, y, line);
    }
}

fn lines(scene: &Scene<'_>, look: &Look, columns: usize) -> Vec<Line<'static>> {
    let palette = &look.palette;
    let mut lines = Vec::new();
    let mut group = |title: &str, definitions: Vec<&'static Definition>| {
        if definitions.is_empty() {
            return;
        }
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(title.to_owned(), palette.heading));
        for definition in definitions {
            let keys = scene.keys.all(definition.action).collect::<Vec<_>>().join(" ");
            for (row, help) in wrap(definition.help, columns).into_iter().enumerate() {
                let (keys, id) = if row == 0 { (keys.as_str(), definition.id) } else { ("", "") };
                lines.push(Line::from(vec![
                    span(text::left(keys, 11, &look.glyphs), palette.key),
                    span(text::left(id, 18, &look.glyphs), palette.text),
                    span(help, palette.dim),
                ]));
            }
        }
    };
    let here = scene.view;
    let of = |wanted: &dyn Fn(Place) -> bool| TABLE.iter().filter(|e| wanted(e.place)).collect::<Vec<_>>();
    // Keys of the present view come first, because these are looked for most.
    group(here.name(), of(&|place| matches!(place, Place::In(views) if views.contains(&here))));
    group("The run", of(&|place| place == Place::Run));
    group("Everywhere", of(&|place| place == Place::Everywhere));
    for view in View::ALL.into_iter().filter(|view| *view != here) {
        group(view.name(), of(&|place| matches!(place, Place::In(views) if views == [view])));
    }
    lines
}
