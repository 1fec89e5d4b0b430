//! A view as an SVG picture: `… --example picture -- 140x40 dark "2 down down" > population.svg`.

#[path = "../tests/screen/fake_run.rs"]
#[allow(dead_code)] // Tests use all of it.
mod fake_run;
#[path = "../tests/screen/stage.rs"]
#[allow(dead_code)]
mod stage;

use std::fmt::Write as _;

use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};
use relativenas_core::config::Theme;
use relativenas_ui::messages::Message;
use stage::{Stage, options, summaries};

/// A character's cell, in pixels.
const WIDTH: f64 = 8.43;
const HEIGHT: f64 = 17.0;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let size = arguments.next().unwrap_or_default();
    let (width, height) =
        size.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?))).unwrap_or((140, 40));
    let theme = match arguments.next().as_deref() {
        Some("light") => Theme::Light,
        Some("contrast") => Theme::Contrast,
        _ => Theme::Dark,
    };
    let mut options = options();
    options.screen.theme = theme;
    let mut stage = Stage::searching(options, 324);
    stage.tell(Message::Runs(summaries()));
    for keys in arguments {
        stage.press(&keys);
    }
    print!("{}", svg(&stage.frame(width, height), theme));
}

fn svg(buffer: &Buffer, theme: Theme) -> String {
    let (ground, text) = match theme {
        Theme::Dark => ("#16191f", "#d7d7d7"),
        Theme::Light => ("#ffffff", "#1e1e1e"),
        Theme::Contrast => ("#000000", "#ffffff"),
    };
    let columns = usize::from(buffer.area.width);
    let (w, h) = (f64::from(buffer.area.width) * WIDTH + 16.0, f64::from(buffer.area.height) * HEIGHT + 16.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w:.0} {h:.0}\" width=\"{w:.0}\" height=\"{h:.0}\" \
         font-family=\"'DejaVu Sans Mono', monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{ground}\"/>\n"
    );
    for (row, cells) in buffer.content().chunks(columns.max(1)).enumerate() {
        let y = 8.0 + row as f64 * HEIGHT;
        let mut first = 0;
        for run in cells.chunk_by(|a, b| a.style() == b.style()) {
            draw_run(&mut svg, run, (8.0 + first as f64 * WIDTH, y), (text, ground));
            first += run.len();
        }
    }
    svg + "</svg>\n"
}

/// Cells of one style. Every character has a place of its own: fonts differ in the width of some.
fn draw_run(svg: &mut String, run: &[Cell], (x, y): (f64, f64), (text, ground): (&str, &str)) {
    let (mut fg, mut bg) = (color(run[0].fg, text), color(run[0].bg, ground));
    if run[0].modifier.contains(Modifier::REVERSED) {
        std::mem::swap(&mut fg, &mut bg);
    }
    if bg != ground {
        let width = run.len() as f64 * WIDTH;
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"{HEIGHT}\" fill=\"{bg}\"/>"
        );
    }
    let drawn = run.iter().enumerate().filter(|(_, cell)| !cell.symbol().trim().is_empty());
    let (mut places, mut characters) = (Vec::new(), String::new());
    for (column, cell) in drawn {
        places.push(format!("{:.1}", x + column as f64 * WIDTH));
        characters += &cell.symbol().replace('&', "&amp;").replace('<', "&lt;");
    }
    if !characters.is_empty() {
        let (places, decoration, y) = (places.join(" "), decoration(&run[0]), y + 13.0);
        let _ =
            writeln!(svg, "<text x=\"{places}\" y=\"{y:.0}\" fill=\"{fg}\"{decoration}>{characters}</text>");
    }
}

fn decoration(cell: &Cell) -> String {
    let mut text = String::new();
    if cell.modifier.contains(Modifier::BOLD) {
        text += " font-weight=\"bold\"";
    }
    if cell.modifier.contains(Modifier::UNDERLINED) {
        text += " text-decoration=\"underline\"";
    }
    text
}

fn color(color: Color, otherwise: &str) -> String {
    match color {
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        _ => otherwise.to_owned(),
    }
}
