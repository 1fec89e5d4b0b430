//! The weight set: how often each operation of a cell was trained, when last, and by which individual.

use ratatui::{buffer::Buffer, layout::Rect, text::Line, widgets::Widget};
use relativenas_core::{
    genotype::Cell,
    network::NetworkShape,
    view::SearchView,
    weight_set::{CANDIDATES, EDGES, WeightKey},
};

use crate::{
    canvas::{Canvas, wrap},
    draw::{
        line_chart::{LineChart, Series, Stroke},
        text,
        weights_map::{self, WeightsMap},
    },
    layout::Layout,
    panels::weight_set,
    words::{individual, per_cent},
};

/// The cursor in the view of the weight set: a cell of the network, and a candidate (as in [`WeightKey::Operation`]).
#[derive(Clone, Copy, Debug, Default)]
pub struct WeightsPlace {
    pub cell: usize,
    pub candidate: usize,
}

pub fn draw(canvas: &mut Canvas<'_>, place: &WeightsPlace, search: &SearchView) {
    let look = canvas.look;
    let Some(shape) = search.network else {
        canvas.heading(1, 0, "WEIGHT SET");
        canvas.text(1, 2, "losses come from a table in this run; there are no weights", look.palette.dim);
        return;
    };
    let (width, height) = (canvas.width(), canvas.height());
    let cell = place.cell.min(shape.cells.saturating_sub(1));
    cells(canvas, &shape, cell);
    let beside = if width >= Layout::TWO_COLUMNS { 44.min(width / 3) } else { 0 };
    let below = if beside == 0 && height >= Layout::WEIGHTS_WORDS { 4 } else { 0 };
    let map_width = width - beside;
    let map_height = height.saturating_sub(3 + below);
    let candidate = place.candidate.min(CANDIDATES - 1);
    let map = WeightsMap::new(
        &search.weights,
        (cell, shape.cell_kind(cell)),
        search.generation,
        &look.glyphs,
        &look.palette,
    )
    .selected(Some(candidate));
    map_around(&mut canvas.part(1, 2, map_width.saturating_sub(2), map_height), &map, candidate);
    let updates = search.weights.entries().filter(|(key, _)| key.is_operation());
    let most = updates.map(|(_, entry)| entry.trained.updates).max().unwrap_or(0);
    let legend = weights_map::legend(most, search.generation, &look.glyphs, &look.palette);
    if height > EDGES / 2 {
        canvas.part(0, height - 1, map_width, 1).line(1, 0, &legend);
    }
    if beside > 0 {
        let mut side = canvas.part(map_width + 1, 0, beside - 1, height);
        aside(&mut side, search, &shape, cell, candidate);
    } else if below > 0 {
        let words = entry_words(search, &shape, cell, candidate);
        for (row, line) in wrap(&words, width - 2).iter().take(2).enumerate() {
            canvas.text(1, height - below + row, line, look.palette.text);
        }
    }
}

/// Draws the whole map, or where not all edges fit, its heading and the edges around the selected
/// one.
fn map_around(canvas: &mut Canvas<'_>, map: &WeightsMap<'_, ()>, candidate: usize) {
    let area = canvas.area;
    let rows = usize::from(area.height);
    if !(2..=EDGES).contains(&rows) {
        map.clone().render(area, canvas.buffer);
        return;
    }
    let whole = Rect { x: 0, y: 0, width: area.width, height: 1 + EDGES as u16 };
    let mut drawn = Buffer::empty(whole);
    map.clone().render(whole, &mut drawn);
    let edge = candidate / (CANDIDATES / EDGES);
    let first = (edge + 2).saturating_sub(rows).min(1 + EDGES - rows);
    for row in 0..area.height {
        let from = if row == 0 { 0 } else { row + first as u16 };
        for column in 0..area.width {
            canvas.buffer[(area.x + column, area.y + row)] = drawn[(column, from)].clone();
        }
    }
}

/// Names all cells of the network; the one that is shown stands out.
fn cells(canvas: &mut Canvas<'_>, shape: &NetworkShape, shown: usize) {
    let palette = &canvas.look.palette;
    let mut x = canvas.heading(1, 0, "WEIGHT SET") + 3;
    x = canvas.text(x, 0, "cell ", palette.dim);
    for cell in 0..shape.cells {
        let style = if cell == shown { palette.selected } else { palette.dim };
        let word =
            if cell == shown { format!(" {cell} {} ", shape.cell_kind(cell)) } else { format!(" {cell} ") };
        if x + text::width(&word) > canvas.width() {
            break;
        }
        x = canvas.text(x, 0, &word, style);
    }
}

/// Draws what stands beside the map: hit rates, totals, and the selected operation in words.
fn aside(canvas: &mut Canvas<'_>, search: &SearchView, shape: &NetworkShape, cell: usize, candidate: usize) {
    let look = canvas.look;
    let palette = &look.palette;
    let (width, height) = (canvas.width(), canvas.height());
    canvas.heading(1, 0, "HIT RATE");
    let rate = format!("{} in all", per_cent(search.hits.rate(), look));
    canvas.line_right(width - 1, 0, &Line::styled(rate, palette.dim));
    let chart = (height / 3).max(4);
    let rates = weight_set::rates(search);
    if rates.is_empty() {
        canvas.text(1, 2, "the first generation is under way", palette.dim);
    } else {
        let series = [Series::new("hits", &rates, Stroke::Solid, palette.fast)];
        let last = search.settings.generations.saturating_sub(1);
        let area = canvas.part(0, 1, width, chart).area;
        LineChart::new(&series, 0..=last, &look.glyphs, [palette.dim, palette.rule])
            .render(area, canvas.buffer);
    }
    let fares = weight_set::fares(search);
    let mut y = chart + 2;
    let mut say = |words: &str, style| {
        for line in wrap(words, width.saturating_sub(2)) {
            canvas.text(1, y, &line, style);
            y += 1;
        }
    };
    let (trained, trainable) = (text::grouped(fares.trained as u64), text::grouped(fares.trainable as u64));
    say(
        &format!(
            "{trained} of {trainable} operations with weights were trained, {:.1} times each.",
            fares.mean
        ),
        palette.text,
    );
    say(
        &format!("{} starve: trained less than a quarter as often as that.", fares.starved),
        if fares.starved > 0 { palette.slow } else { palette.dim },
    );
    say(" ", palette.dim);
    say("SELECTED", palette.heading);
    say(&entry_words(search, shape, cell, candidate), palette.text);
}

/// Which individual trained an operation last, and when, in words.
fn entry_words(search: &SearchView, shape: &NetworkShape, cell: usize, candidate: usize) -> String {
    let (node, input, operation) = WeightKey::describe_candidate(candidate);
    let what = format!("Cell {cell}, node {node}: {operation} of {}", Cell::input_name(input));
    if !weight_set::has_weights(shape, cell, candidate) {
        return format!("{what}. It has no weights.");
    }
    let Some(entry) = search.weights.get(WeightKey::Operation { cell, candidate }) else {
        return format!("{what}. It was never trained; a learner that needs it starts with fresh weights.");
    };
    let trained = entry.trained;
    let ago = search.generation.saturating_sub(trained.generation);
    let when = match ago {
        0 => "in this generation".to_owned(),
        1 => "in the last generation".to_owned(),
        ago => format!("{ago} generations ago"),
    };
    let times = if trained.updates == 1 { "once".to_owned() } else { format!("{} times", trained.updates) };
    let who = match trained.generation < search.settings.warm_up {
        true => "a network of the warm-up".to_owned(),
        false => individual(search, trained.individual),
    };
    let starves = weight_set::starves(trained.updates, weight_set::fares(search).mean);
    let starves = if starves { " It starves." } else { "" };
    format!("{what}. Trained {times}, last by {who} {when}.{starves}")
}
