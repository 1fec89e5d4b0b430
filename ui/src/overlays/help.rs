//! All keys, by where they can be had.

use crossterm::event::KeyEvent;
use ratatui::text::Line;

use super::{Reaction, window};
use crate::{
    actions::{Entry, Place, TABLE},
    app::App,
    canvas::{Canvas, span, wrap},
    draw::text,
    views::View,
};

pub fn press(scroll: &mut usize, key: KeyEvent) -> Reaction {
    if super::scroll(scroll, key) { Reaction::Stay } else { Reaction::Close }
}

pub fn draw(canvas: &mut Canvas<'_>, app: &App, scroll: usize) {
    let look = canvas.look;
    let width = canvas.width().saturating_sub(4).min(104);
    let lines = lines(app, look, width.saturating_sub(4 + 11 + 18));
    let mut outer = window(canvas, width, lines.len() + 2);
    let mut inside = outer.framed("Keys");
    let rows = inside.height();
    // The last line stays at the bottom; scrolling further changes nothing.
    let first = scroll.min(lines.len().saturating_sub(rows));
    for (y, line) in lines.iter().skip(first).take(rows).enumerate() {
        inside.line(0, y, line);
    }
}

fn lines(app: &App, look: &crate::canvas::Look, columns: usize) -> Vec<Line<'static>> {
    let palette = &look.palette;
    let mut lines = Vec::new();
    let mut group = |title: &str, entries: Vec<&'static Entry>| {
        if entries.is_empty() {
            return;
        }
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(title.to_owned(), palette.heading));
        for entry in entries {
            let keys = app.keys.all(entry.action).collect::<Vec<_>>().join(" ");
            for (row, help) in wrap(entry.help, columns).into_iter().enumerate() {
                let (keys, id) = if row == 0 { (keys.as_str(), entry.id) } else { ("", "") };
                lines.push(Line::from(vec![
                    span(text::left(keys, 11, &look.glyphs), palette.key),
                    span(text::left(id, 18, &look.glyphs), palette.text),
                    span(help, palette.dim),
                ]));
            }
        }
    };
    let here = app.view;
    let of = |wanted: &dyn Fn(Place) -> bool| TABLE.iter().filter(|e| wanted(e.place)).collect::<Vec<_>>();
    // Keys of this view first: they are what somebody looks for.
    group(here.name(), of(&|place| matches!(place, Place::In(views) if views.contains(&here))));
    group("The run", of(&|place| place == Place::Run));
    group("Everywhere", of(&|place| place == Place::Everywhere));
    for view in View::ALL.into_iter().filter(|view| *view != here) {
        group(view.name(), of(&|place| matches!(place, Place::In(views) if views == [view])));
    }
    lines
}
