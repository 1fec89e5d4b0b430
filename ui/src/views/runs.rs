//! The list of all runs: their state, best loss and age, and the actions on them.

use ratatui::text::Line;
use relativenas_core::view::{Phase, RunState};

use crate::{
    actions::Action,
    canvas::Canvas,
    draw::text,
    layout::Layout,
    lists::{self, RunOrder},
    messages::RunSummary,
    scene::Scene,
    state::State,
    words::loss,
};

/// The cursor in the list of runs, and which runs are listed in which order.
#[derive(Clone, Debug, Default)]
pub struct RunsPlace {
    pub row: usize,
    /// Words that every listed run contains; empty lists all runs.
    pub filter: String,
    pub order: RunOrder,
}

impl RunsPlace {
    /// The runs that are listed.
    pub fn listed<'a>(&self, state: &'a State) -> Vec<&'a RunSummary> {
        lists::runs(state, &self.filter, self.order)
    }
}

pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, place: &RunsPlace, state: &State) {
    let look = canvas.look;
    let palette = &look.palette;
    let (width, height) = (canvas.width(), canvas.height());
    let x = canvas.heading(1, 0, "RUNS");
    let Some((all, told)) = &state.runs else {
        canvas.text(1, 2, "looking for runs", palette.dim);
        return;
    };
    if all.is_empty() {
        let key = scene.key(Action::NewSearch);
        canvas.text(1, 2, "there are no runs yet", palette.text);
        canvas.text(
            1,
            3,
            &format!("{key} starts a search; a minute or two on two cores with the preset `quick`"),
            palette.dim,
        );
        return;
    }
    let runs = place.listed(state);
    let columns = Columns::of(width, &runs);
    columns.heads(canvas, place.order);
    let rows = height.saturating_sub(if height >= Layout::RUN_DETAILS { 5 } else { 2 });
    let first = (place.row + 1).saturating_sub(rows);
    let mut words = text::part_of(first, rows, runs.len());
    if !place.filter.is_empty() {
        words += &format!(" with `{}`, of {}", place.filter, all.len());
    }
    if !state.marked_runs.is_empty() {
        words += &format!("   {} marked", state.marked_runs.len());
    }
    if place.order != RunOrder::Begun {
        words += &format!("   by {}", place.order.name());
    }
    let words = text::truncate(&words, width.saturating_sub(x + 3), &look.glyphs).into_owned();
    canvas.text(x + 2, 0, &words, palette.dim);
    if runs.is_empty() {
        let key = scene.key(Action::Back);
        canvas.text(1, 2, &format!("no run has these words; {key} lists all"), palette.text);
        return;
    }
    let elapsed = told.elapsed().as_secs();
    for (row, run) in runs.iter().enumerate().skip(first).take(rows) {
        let y = 2 + row - first;
        line(canvas, state, &columns, y, run, elapsed);
        if state.marked_runs.contains(&run.folder) {
            canvas.text(2, y, &look.glyphs.tick.to_string(), palette.key);
        }
        if row == place.row {
            canvas.restyle(0, y, width, palette.selected);
            canvas.text(0, y, &look.glyphs.selected.to_string(), palette.selected);
        }
    }
    if height >= Layout::RUN_DETAILS
        && let Some(run) = runs.get(place.row)
    {
        canvas.rule(height - 3);
        let problem = run.problem.is_some();
        let words = run.problem.clone().unwrap_or_else(|| run.what.clone());
        let style = if problem { palette.warning } else { palette.text };
        let words = words.replace('·', &look.glyphs.separator.to_string());
        let x = canvas.text(1, height - 1, &text::truncate(&words, width - 2, &look.glyphs), style) + 3;
        // A note that does not fit there takes the place of the folder.
        let fits = x + text::width(&run.note) < width;
        if fits {
            canvas.text(x, height - 1, &run.note, palette.strong);
        }
        let (above, style) = match fits {
            true => (run.folder.display().to_string(), palette.dim),
            false => (run.note.clone(), palette.strong),
        };
        canvas.text(1, height - 2, &text::truncate(&above, width - 2, &look.glyphs), style);
    }
}

/// The widths of the columns; those that do not fit are 0 wide.
struct Columns {
    name: usize,
    what: usize,
    phase: usize,
    progress: usize,
    best: usize,
    age: usize,
}

impl Columns {
    fn of(width: usize, runs: &[&RunSummary]) -> Self {
        let widest = |of: &dyn Fn(&RunSummary) -> usize| runs.iter().map(|run| of(run)).max().unwrap_or(0);
        let phase = 12;
        let age = if width >= Layout::RUN_AGE { 11 } else { 0 };
        let best = if width >= Layout::RUN_BEST { 8 } else { 0 };
        let progress = if width >= Layout::RUN_PROGRESS {
            widest(&|r| 2 * r.generations.to_string().len() + 1).max(7)
        } else {
            0
        };
        let left = width.saturating_sub(3 + phase + age + best + progress + 8);
        let name = widest(&|r| text::width(&r.run)).clamp(4, 40).min(left);
        let what = if left > name + 12 { widest(&|r| text::width(&r.what)).min(left - name - 2) } else { 0 };
        Self { name, what, phase, progress, best, age }
    }

    /// The first column of each part, in order.
    fn starts(&self) -> [usize; 6] {
        let mut x = 3;
        [self.name, self.what, self.phase, self.progress, self.best, self.age].map(|width| {
            let start = x;
            x += if width > 0 { width + 2 } else { 0 };
            start
        })
    }

    /// Draws the headings; the one that is sorted by stands out.
    fn heads(&self, canvas: &mut Canvas<'_>, order: RunOrder) {
        let (dim, strong) = (canvas.look.palette.dim, canvas.look.palette.strong);
        let of = |sorted: RunOrder| if sorted == order { strong } else { dim };
        let [name, what, phase, progress, best, age] = self.starts();
        canvas.text(name, 1, "name", of(RunOrder::Name));
        if self.what > 0 {
            canvas.text(what, 1, "what", dim);
        }
        canvas.text(phase, 1, "phase", of(RunOrder::Phase));
        if self.progress > 0 {
            canvas.line_right(progress + self.progress, 1, &Line::styled("done", of(RunOrder::Done)));
        }
        if self.best > 0 {
            canvas.line_right(best + self.best, 1, &Line::styled("best", of(RunOrder::Best)));
        }
        if self.age > 0 {
            canvas.line_right(age + self.age, 1, &Line::styled("changed", of(RunOrder::Changed)));
        }
    }
}

fn line(canvas: &mut Canvas<'_>, state: &State, columns: &Columns, y: usize, run: &RunSummary, elapsed: u64) {
    let look = canvas.look;
    let palette = &look.palette;
    let [name, what, phase, progress, best, age] = columns.starts();
    let shown = state.folder() == Some(&run.folder);
    let compared = state.compared.iter().any(|compared| compared.folder == run.folder);
    let style = if shown { palette.strong } else { palette.text };
    canvas.text(name, y, &text::truncate(&run.run, columns.name, &look.glyphs), style);
    if compared {
        canvas.text(1, y, &look.glyphs.marks[2].to_string(), palette.series[0]);
    }
    if columns.what > 0 {
        // Searches are the usual case, so the word `search` is left out; other runs are named.
        let words = run.what.strip_prefix("search, ").unwrap_or(&run.what);
        let words = words.replace('·', &look.glyphs.separator.to_string());
        canvas.text(what, y, &text::truncate(&words, columns.what, &look.glyphs), palette.dim);
    }
    let (glyph, style) = sign(canvas, run);
    canvas.text(phase, y, &format!("{glyph} {}", run.state.name()), style);
    if columns.progress > 0 && run.generations > 0 {
        let words = text::out_of(run.generation as usize, run.generations as usize);
        canvas.line_right(progress + columns.progress, y, &Line::styled(words, palette.text));
    }
    if columns.best > 0 {
        let words = run.best_loss.map_or_else(|| look.glyphs.never.to_string(), loss);
        canvas.line_right(best + columns.best, y, &Line::styled(words, palette.best));
    }
    if columns.age > 0 {
        let words = coarse_age(run.age_seconds + elapsed);
        canvas.line_right(age + columns.age, y, &Line::styled(words, palette.dim));
    }
}

fn sign(canvas: &Canvas<'_>, run: &RunSummary) -> (char, ratatui::style::Style) {
    let (g, p) = (&canvas.look.glyphs, &canvas.look.palette);
    match (run.problem.is_some(), run.state) {
        (true, _) | (_, RunState::Dead) => (g.cross_mark, p.warning),
        (_, RunState::In(Phase::Finished)) => (g.tick, p.best),
        (_, RunState::Paused) => (g.paused, p.slow),
        _ if run.alive => (g.playing, p.fast),
        _ => (g.stopped, p.dim),
    }
}

/// How long ago a run changed, to the minute: with seconds, an idle screen would have to be drawn
/// again all the time.
fn coarse_age(seconds: u64) -> String {
    if seconds < 60 { "just now".to_owned() } else { text::age(seconds) }
}
