//! The progress of a run: what is done now, whether losses fall, and what the pairs decided.

use relativenas_core::view::{SearchView, TrainingView};

use crate::{
    canvas::{Canvas, span},
    draw::text,
    layout::Layout,
    panels::{
        best, diversity, finals, log, losses, now, ranking, this_generation, training as trained, warm_up,
        weight_set,
    },
    scene::{Pace, Scene},
    shown::Shown,
    words::{individual, loss, per_cent},
};

pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, shown: &Shown) {
    match (shown.search(), &shown.view.training) {
        (Some(search), _) => draw_search(canvas, scene, shown, search),
        (None, Some(training)) => draw_training(canvas, scene, shown, training),
        (None, None) => {
            let (width, height) = (canvas.width(), canvas.height());
            now::draw(&mut canvas.part(0, 0, width, height.min(8)), scene, shown);
        }
    }
}

fn draw_search(canvas: &mut Canvas<'_>, scene: &Scene<'_>, shown: &Shown, search: &SearchView) {
    match scene.layout {
        Layout::Wide | Layout::Medium => large(canvas, scene, shown, search),
        Layout::Small => small(canvas, scene, shown, search),
        Layout::Narrow => narrow(canvas, scene, shown, search),
        Layout::Tiny | Layout::Line => tiny(canvas, scene, shown, search),
    }
}

/// Two columns: losses beside pairs; weights, diversity and the best below; then the log.
fn large(canvas: &mut Canvas<'_>, scene: &Scene<'_>, shown: &Shown, search: &SearchView) {
    let (width, height) = (canvas.width(), canvas.height());
    let top = now::rows(shown, height / 4);
    now::draw(&mut canvas.part(0, 0, width, top), scene, shown);
    let log_rows = if scene.layout == Layout::Wide { (height / 7).clamp(3, 8) } else { 3 };
    let lower = 4;
    let middle = height.saturating_sub(top + 1 + 1 + lower + 1 + log_rows);
    let pairs_width = if scene.layout == Layout::Wide { width * 46 / 100 } else { width / 2 };
    let chart_width = width - pairs_width - 2;
    losses::draw(&mut canvas.part(0, top + 1, chart_width, middle), shown, search);
    pairs(&mut canvas.part(chart_width + 2, top + 1, pairs_width, middle), scene, shown, search);
    let y = top + 1 + middle + 1;
    // The best stands below the pairs; the two others share the room below the chart.
    let first = chart_width / 2;
    weight_set::draw(&mut canvas.part(0, y, first, lower), search);
    diversity::draw(&mut canvas.part(first + 1, y, chart_width - first - 1, lower), search);
    best::draw(&mut canvas.part(chart_width + 2, y, pairs_width, lower), search);
    // On a slow link the latest line must do; the log has a view of its own.
    let log_rows = if scene.pace == Pace::Slow { 1 } else { log_rows };
    log::draw(&mut canvas.part(0, y + lower + 1, width, log_rows), &shown.view, true);
}

/// The same parts in one column.
fn small(canvas: &mut Canvas<'_>, scene: &Scene<'_>, shown: &Shown, search: &SearchView) {
    let (width, height) = (canvas.width(), canvas.height());
    let top = now::rows(shown, 4);
    now::draw(&mut canvas.part(0, 0, width, top), scene, shown);
    // Chart and pairs share the rows that are left: weights and best take a line each, the log two, and there
    // are blank rows between.
    let room = height.saturating_sub(top + 1 + 1 + 2 + 2);
    // A bracket takes a row an entrant, and leaves the chart a third.
    let bracket = search.finals.as_ref().map_or(0, |finals| finals.entrants.len() + 2);
    let pairs = (room / 2).max(bracket.min(room * 2 / 3));
    let chart = room - pairs;
    losses::draw(&mut canvas.part(0, top + 1, width, chart), shown, search);
    self::pairs(&mut canvas.part(0, top + 1 + chart, width, pairs), scene, shown, search);
    let y = top + 1 + chart + pairs + 1;
    weights_and_best(canvas, y, search);
    log::draw(&mut canvas.part(0, height - 2, width, 2), &shown.view, false);
}

/// The pairs of this generation; at the end of a search, its ranking.
fn pairs(canvas: &mut Canvas<'_>, scene: &Scene<'_>, shown: &Shown, search: &SearchView) {
    if let Some(played) = &search.finals {
        // The bracket comes first, and the search's own ranking takes the remaining rows.
        let rows = (played.entrants.len() + 3).min(canvas.height());
        let width = canvas.width();
        finals::draw(&mut canvas.part(0, 0, width, rows), scene, played);
        let left = canvas.height() - rows;
        if left > 2 && !search.ranking.is_empty() {
            ranking::draw(&mut canvas.part(0, rows, width, left), scene, search);
        }
    } else if search.generation >= search.settings.generations {
        ranking::draw(canvas, scene, search);
    } else if search.is_warming_up() {
        warm_up::draw(canvas, search);
    } else {
        this_generation::draw(canvas, scene, shown, search);
    }
}

fn weights_and_best(canvas: &mut Canvas<'_>, y: usize, search: &SearchView) {
    let look = canvas.look;
    let dim = look.palette.dim;
    let has_weights = search.network.is_some();
    let mut x = 1;
    if has_weights {
        x = canvas.text(x, y, "hits ", dim);
        x = canvas.text(x, y, &per_cent(search.hits.rate(), look), look.palette.strong) + 3;
    }
    x = canvas.text(x, y, "diversity ", dim);
    x = canvas.text(x, y, &text::number(search.diversity(), 5, 2), look.palette.text);
    x = canvas.text(x, y, " (falls by chance too)", dim);
    if has_weights {
        let starved = weight_set::fares(search).starved;
        canvas.text(x + 3, y, &format!("starved {starved}"), dim);
    }
    let x = canvas.text(1, y + 1, "best ", dim);
    let columns = canvas.width().saturating_sub(x + 1);
    canvas.line(x, y + 1, &best::line(search, look, columns));
}

fn narrow(canvas: &mut Canvas<'_>, scene: &Scene<'_>, shown: &Shown, search: &SearchView) {
    let (width, height) = (canvas.width(), canvas.height());
    let top = now::rows(shown, 3);
    now::draw(&mut canvas.part(0, 0, width, top), scene, shown);
    let room = height.saturating_sub(top + 1 + 1 + 1);
    let chart = room.div_ceil(2);
    losses::draw(&mut canvas.part(0, top, width, chart), shown, search);
    pairs(&mut canvas.part(0, top + chart, width, room - chart), scene, shown, search);
    let y = height - 3;
    let x = canvas.text(1, y + 1, "best ", canvas.look.palette.dim);
    let line = best::line(search, canvas.look, width.saturating_sub(x + 1));
    canvas.line(x, y + 1, &line);
    log::draw(&mut canvas.part(0, height - 1, width, 1), &shown.view, false);
}

/// Only the progress, the best and the last pair.
fn tiny(canvas: &mut Canvas<'_>, scene: &Scene<'_>, shown: &Shown, search: &SearchView) {
    let look = canvas.look;
    let dim = look.palette.dim;
    let (width, height) = (canvas.width(), canvas.height());
    let top = now::rows(shown, height.saturating_sub(4));
    now::draw(&mut canvas.part(0, 0, width, top), scene, shown);
    let y = top + 1;
    canvas.text(1, y, "best ", dim);
    if let Some(found) = search.leader() {
        let words = format!(
            "{} {} {:.1} %",
            individual(search, found.individual),
            loss(found.loss).trim_start(),
            found.accuracy
        );
        canvas.text(6, y, &words, look.palette.best);
    }
    let pair = this_generation::last_pair(search, canvas);
    canvas.text(1, y + 1, "pair ", dim);
    canvas.line(6, y + 1, &pair);
    if search.network.is_some() {
        let hits = span(per_cent(search.hits.rate(), look), look.palette.text);
        let line = vec![span("hits ", dim), hits].into();
        canvas.line(1, y + 2, &line);
    }
    let left = height.saturating_sub(y + 4);
    if left > 2 {
        losses::draw(&mut canvas.part(0, y + 3, width, left), shown, search);
    }
}

fn draw_training(canvas: &mut Canvas<'_>, scene: &Scene<'_>, shown: &Shown, training: &TrainingView) {
    let (width, height) = (canvas.width(), canvas.height());
    let top = now::rows(shown, height / 3);
    now::draw(&mut canvas.part(0, 0, width, top), scene, shown);
    let log_rows = if scene.layout >= Layout::Medium { 5 } else { 2 };
    if scene.layout < Layout::Narrow {
        let palette = &canvas.look.palette;
        let line = trained::best(training, palette.dim, palette.best, palette.text);
        canvas.line(1, top + 1, &line);
        trained::losses(&mut canvas.part(0, top + 2, width, height.saturating_sub(top + 2)), training);
        return;
    }
    let summary = if scene.layout >= Layout::Medium { 4 } else { 2 };
    let room = height.saturating_sub(top + 1 + summary + 1 + log_rows + 1);
    let y = top + 1;
    if scene.layout >= Layout::Medium {
        trained::losses(&mut canvas.part(0, y, width / 2, room), training);
        trained::accuracies(&mut canvas.part(width / 2 + 1, y, width - width / 2 - 1, room), training);
    } else {
        trained::losses(&mut canvas.part(0, y, width, room.div_ceil(2)), training);
        trained::accuracies(&mut canvas.part(0, y + room.div_ceil(2), width, room / 2), training);
    }
    trained::summary(&mut canvas.part(0, y + room + 1, width, summary), training);
    let titled = scene.layout >= Layout::Medium;
    log::draw(&mut canvas.part(0, height - log_rows, width, log_rows), &shown.view, titled);
}
