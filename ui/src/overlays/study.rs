//! A study: the results of each searcher, and every run that was begun.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::text::Line;

use super::{reaction::Reaction, window::window};
use crate::{
    canvas::{Canvas, Look, span},
    draw::text,
    messages::{Request, RunName, RunSummary, StudyRun},
    state::State,
    words::loss,
};

/// Heads of the table of searchers; the columns of [`searchers`] lie below them.
const HEADS: &str = "searcher             searches, best loss   judged, test accuracy %";

/// The overlay of a study, with the run that is chosen in it.
#[derive(Clone, Debug)]
pub struct StudyTable {
    study: RunName,
    row: usize,
}

impl StudyTable {
    pub fn new(study: RunName) -> Self {
        Self { study, row: 0 }
    }

    fn runs<'a>(&self, state: &'a State) -> &'a [StudyRun] {
        let lines = state.runs.iter().flat_map(|(lines, _)| lines);
        let own = |line: &&RunSummary| line.run == self.study;
        lines.filter(own).find_map(|line| line.study.as_deref()).unwrap_or_default()
    }

    pub fn press(&mut self, state: &State, key: KeyEvent) -> Reaction {
        let runs = self.runs(state);
        let last = runs.len().saturating_sub(1);
        let row = self.row.min(last);
        self.row = match key.code {
            KeyCode::Up | KeyCode::Char('k') => row.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => (row + 1).min(last),
            KeyCode::PageUp => row.saturating_sub(10),
            KeyCode::PageDown => (row + 10).min(last),
            KeyCode::Home => 0,
            KeyCode::End => last,
            KeyCode::Enter => {
                let open = |run: &StudyRun| Request::Open { folder: run.folder.clone() };
                return runs.get(row).map_or(Reaction::Close, |run| Reaction::Request(open(run)));
            }
            _ => row,
        };
        Reaction::Stay
    }

    pub fn draw(&self, canvas: &mut Canvas<'_>, state: &State) {
        let look = canvas.look;
        let dim = look.palette.dim;
        let runs = self.runs(state);
        let width = canvas.width().saturating_sub(2).min(110);
        let searchers = searchers(runs, look);
        // A frame, the searchers below their heads, a line between, the runs below theirs.
        let mut outer = window(canvas, width, searchers.len() + runs.len() + 5);
        let mut inside = outer.framed(&format!("Study {}", self.study));
        if runs.is_empty() {
            inside.text(0, 0, "none of its runs was begun yet", dim);
            return;
        }
        inside.text(0, 0, HEADS, dim);
        for (y, line) in searchers.iter().enumerate() {
            inside.line(0, y + 1, line);
        }
        let top = searchers.len() + 2;
        let rows = inside.height().saturating_sub(top + 1);
        let chosen = self.row.min(runs.len() - 1);
        let first = (chosen + 1).saturating_sub(rows);
        inside.text(0, top, &format!("runs begun  {}", text::part_of(first, rows, runs.len())), dim);
        let name = runs.iter().map(|run| text::width(&run.run)).max().unwrap_or(0).min(32);
        for (row, run) in runs.iter().enumerate().skip(first).take(rows) {
            let y = top + 1 + row - first;
            inside.line(0, y, &line(run, name, look));
            if row == chosen {
                let across = inside.width();
                inside.restyle(0, y, across, look.palette.selected);
            }
        }
    }
}

/// The line of a run: how far it is, its best loss, and for a finished training its test accuracy.
fn line(run: &StudyRun, name: usize, look: &Look) -> Line<'static> {
    let palette = &look.palette;
    let done = text::out_of(run.done as usize, run.of as usize);
    let best = run.best_loss.map_or_else(|| format!("{:>6}", look.glyphs.never), loss);
    let mut spans = vec![
        span(format!("{}  ", text::left(&run.run, name, &look.glyphs)), palette.text),
        span(format!("{:<10}{done:>9}  ", run.state.name()), palette.text),
        span(format!("loss {best}"), palette.best),
    ];
    if let Some(accuracy) = run.test_accuracy {
        spans.push(span(format!("  test {accuracy:.2} %"), palette.strong));
    }
    if let Some(worker) = &run.worker {
        spans.push(span(format!("  {worker}"), palette.dim));
    }
    Line::from(spans)
}

/// A line a searcher: mean and standard deviation over the runs that are finished.
fn searchers(runs: &[StudyRun], look: &Look) -> Vec<Line<'static>> {
    let palette = &look.palette;
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        if !names.contains(&run.searcher.as_str()) {
            names.push(&run.searcher);
        }
    }
    let written = |name: &str| {
        let done = |judges: bool| {
            runs.iter()
                .filter(move |run| run.searcher == name && run.judges == judges && run.state.is_finished())
        };
        let losses: Vec<_> = done(false).filter_map(|run| Some(run.best_loss?.0)).collect();
        let accuracies: Vec<_> = done(true).filter_map(|run| run.test_accuracy).collect();
        Line::from(vec![
            span(format!("{name:<21}"), palette.text),
            span(format!("{:>3}  ", losses.len()), palette.dim),
            span(format!("{:<17}", spread(&losses, 3, look)), palette.best),
            span(format!("{:>3}  ", accuracies.len()), palette.dim),
            span(spread(&accuracies, 2, look), palette.strong),
        ])
    };
    names.into_iter().map(written).collect()
}

/// Mean and sample standard deviation; the mean alone for one value, and a dot for none.
fn spread(values: &[f64], digits: usize, look: &Look) -> String {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    match values.len() {
        0 => look.glyphs.never.to_string(),
        1 => format!("{mean:.digits$}"),
        _ => {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            let deviation = (squares / (count - 1.0)).sqrt();
            let between = if look.glyphs.is_ascii() { "+-" } else { "±" };
            format!("{mean:.digits$} {between} {deviation:.digits$}")
        }
    }
}
