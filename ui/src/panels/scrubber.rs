//! The line that shows which earlier moment is on the screen.

use relativenas_core::view::{RunView, Stop};

use crate::{
    actions::Action,
    canvas::Canvas,
    draw::text,
    scene::Scene,
    shown::{Moment, Shown},
};

/// The moment in words.
pub fn words(now: &RunView, stop: Stop) -> String {
    if now.training.is_some() {
        return format!("after epoch {}", stop.generation.saturating_sub(1));
    }
    match stop.pairs {
        0 if now.search.as_ref().is_some_and(|search| stop.generation >= search.settings.generations) => {
            "after the last generation".to_owned()
        }
        0 => format!("generation {} begins", stop.generation),
        pairs => format!("generation {}, {}", stop.generation, text::counted(pairs, "pair")),
    }
}

/// How far the run is at present.
fn end(now: &RunView) -> String {
    match (&now.search, &now.training) {
        (Some(search), _) if !search.ranking.is_empty() => "the end".to_owned(),
        (Some(search), _) => format!("now: generation {}", search.generation),
        (None, Some(training)) => format!("now: epoch {}", training.history.len()),
        (None, None) => "now".to_owned(),
    }
}

/// Draws the moment, a bar from the first event to now with the moment on it, and now.
pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, now: &Shown, moment: Moment) {
    let look = canvas.look;
    let (palette, glyphs) = (&look.palette, &look.glyphs);
    let width = canvas.width();
    canvas.restyle(0, 0, width, palette.text);
    canvas.text(0, 0, &" ".repeat(width), palette.text);
    let sign = if moment.playing { glyphs.playing } else { glyphs.past };
    let badge = format!(" {sign} {} ", words(&now.view, moment.stop));
    let x = canvas.text(0, 0, &badge, palette.selected) + 1;
    let back = format!("{} returns", scene.key(Action::Back));
    let end = end(&now.view);
    let right =
        if width >= x + text::width(&end) + back.len() + 30 { format!("{end}   {back}") } else { back };
    let from = width.saturating_sub(text::width(&right) + 1);
    canvas.text(from, 0, &right, palette.dim);
    let columns = from.saturating_sub(x + 1);
    if columns < 4 {
        return;
    }
    let share = moment.stop.events as f64 / now.view.events.max(1) as f64;
    let at = ((columns - 1) as f64 * share.clamp(0.0, 1.0)).round() as usize;
    canvas.text(x, 0, &glyphs.bar_full.to_string().repeat(at), palette.slow);
    canvas.text(x + at, 0, &glyphs.marks[0].to_string(), palette.slow);
    let rest = columns - 1 - at;
    canvas.text(x + at + 1, 0, &glyphs.bar_empty.to_string().repeat(rest), palette.rule);
}
