//! What is printed of a run without a screen.

use std::{
    io::{self, IsTerminal as _, Write},
    time::{Duration, Instant},
};

use anyhow::Result;
use relativenas_core::{
    event::Line,
    population::IndividualId,
    protocol::{Activity, BatchProgress, Mode, Progress},
    search::Stage,
    view::{LogLine, RunView, SearchView},
};

use super::finals;
use crate::{folder::RunFolder, written};

/// The shortest time between two updates of the line that is rewritten.
const REST: Duration = Duration::from_millis(200);
/// Places of the ranking that are printed.
const PLACES: usize = 5;

/// How a run is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// One event a line, as JSON.
    Json,
    /// A line in words for every notable event.
    Plain,
    /// As [`Style::Plain`], with a line below that shows the progress and is rewritten, for a terminal.
    Lively,
}

impl Style {
    /// The style for standard output: JSON if it is asked for, else what suits a terminal or a file.
    pub fn of(json: bool) -> Self {
        match (json, io::stdout().is_terminal()) {
            (true, _) => Self::Json,
            (false, true) => Self::Lively,
            (false, false) => Self::Plain,
        }
    }
}

/// Prints a run.
pub struct Printer<'a> {
    style: Style,
    out: &'a mut dyn Write,
    /// The present text of the line that is rewritten.
    shown: String,
    drawn: Option<Instant>,
    mode: Mode,
    /// The engine's notice to the user, such as of a full disk.
    notice: Option<String>,
}

impl<'a> Printer<'a> {
    pub fn new(style: Style, out: &'a mut dyn Write) -> Self {
        Self { style, out, shown: String::new(), drawn: None, mode: Mode::Running, notice: None }
    }

    /// Prints an event; `words` is its line in the log of the screen.
    pub fn line(&mut self, line: &Line, words: Option<&LogLine>) -> Result<()> {
        let text = match (self.style, words) {
            (Style::Json, _) => serde_json::to_string(line)?,
            (_, Some(words)) => {
                format!("{}  {}", written::time_of_day(words.time), written::printable(&words.text))
            }
            (_, None) => return Ok(()),
        };
        let again = self.erased();
        let shown = self.shown.clone();
        self.print(&format!("{again}{text}\n{shown}"))
    }

    /// Shows the progress of the engine on the last line of a terminal. Without a terminal, only pauses and the
    /// engine's notices are printed.
    pub fn progress(&mut self, progress: &Progress, view: &RunView) -> Result<()> {
        if self.mode != progress.mode {
            self.mode = progress.mode;
            if progress.mode == Mode::Paused {
                self.note("paused; `relativenas continue` goes on")?;
            }
        }
        if self.notice != progress.notice {
            self.notice.clone_from(&progress.notice);
            let text = progress
                .notice
                .as_deref()
                .map_or("going on: the problem is over".to_owned(), written::printable);
            self.note(&text)?;
        }
        if self.style != Style::Lively || self.drawn.is_some_and(|t| t.elapsed() < REST) {
            return Ok(());
        }
        let columns = rustix::termios::tcgetwinsize(io::stdout()).map_or(80, |size| size.ws_col);
        let mut text = words(progress, view);
        text.truncate(written::fitting(&text, usize::from(columns.saturating_sub(1))));
        if text == self.shown {
            return Ok(());
        }
        let again = self.erased();
        self.shown = text;
        self.drawn = Some(Instant::now());
        let shown = self.shown.clone();
        self.print(&format!("{again}{shown}"))
    }

    /// Prints a sentence that is no event; where events are printed as JSON, it goes to standard error.
    pub fn note(&mut self, text: &str) -> Result<()> {
        if self.style == Style::Json {
            let _ = writeln!(io::stderr(), "{text}"); // The events are printed even if standard error is closed.
            return Ok(());
        }
        let again = self.erased();
        let shown = self.shown.clone();
        self.print(&format!("{again}{text}\n{shown}"))
    }

    /// Prints the result of a finished run.
    pub fn result(&mut self, view: &RunView, folder: &RunFolder) -> Result<()> {
        let again = self.erased();
        self.shown.clear();
        if self.style == Style::Json {
            return Ok(());
        }
        self.print(&format!("{again}{}", result(view, folder)))
    }

    /// The characters that erase the line that is rewritten.
    fn erased(&self) -> &'static str {
        if self.shown.is_empty() { "" } else { "\r\x1b[K" }
    }

    fn print(&mut self, text: &str) -> Result<()> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }
}

impl Drop for Printer<'_> {
    /// Leaves the cursor on a line of its own.
    fn drop(&mut self) {
        if !self.shown.is_empty() {
            let _ = self.print("\n"); // The terminal may be gone.
        }
    }
}

fn words(progress: &Progress, view: &RunView) -> String {
    let mut parts = Vec::from_iter(place(&progress.activity, view));
    match progress.mode {
        Mode::Paused => parts.push("paused".to_owned()),
        Mode::Stopping => parts.push("stopping".to_owned()),
        Mode::Running | Mode::Pausing | Mode::Stepping => {}
    }
    let networks: Vec<_> = progress.activity.networks().map(network).collect();
    if !networks.is_empty() {
        parts.push(networks.join(", "));
    }
    if progress.images_per_second > 0.0 {
        parts.push(format!("{} images/s", written::thousands(progress.images_per_second as u64)));
    }
    if let Some(seconds) = progress.seconds_left {
        parts.push(format!("{} left", written::duration(seconds)));
    }
    if let Some(notice) = &progress.notice {
        parts.push(written::printable(notice));
    }
    parts.join(" · ")
}

/// Where in the run an activity is.
fn place(activity: &Activity, view: &RunView) -> Option<String> {
    let search = view.search.as_ref();
    match activity {
        Activity::Starting => Some("starting".to_owned()),
        Activity::Estimating { stage: Stage::Ranking, .. } => Some("ranking the last population".to_owned()),
        Activity::Estimating { stage, generation, pair, .. } => search.map(|search| {
            let (word, all) = match stage {
                Stage::WarmUp => ("warm-up, generation", search.settings.warm_up),
                Stage::Search | Stage::Ranking => ("generation", search.settings.generations),
            };
            let pairs = search.pairs.len().max(1);
            format!("{word} {generation} of {all}, pair {} of {pairs}", pair + 1)
        }),
        Activity::Finals { round, trainings, .. } => {
            search.and_then(|search| search.finals.as_ref()).map(|finals| {
                let rounds = finals.rounds_in_all();
                let (training, count) = (trainings + 1, finals.trainings(*round));
                format!("finals, round {} of {rounds}, training {training} of {count}", round + 1)
            })
        }
        Activity::Training { epoch, .. } => {
            view.training.as_ref().map(|training| format!("epoch {epoch} of {}", training.epochs))
        }
        Activity::Testing { .. } => Some("testing the best weights".to_owned()),
        Activity::Finished => None,
    }
}

/// What a network does; one that is no individual is the only one.
fn network((individual, progress): (Option<IndividualId>, &BatchProgress)) -> String {
    let stage = if progress.validating { "validates" } else { "trains" };
    let batches = format!("{stage} {}/{}", progress.batch, progress.batches);
    individual.map_or(batches.clone(), |individual| format!("{individual:02} {batches}"))
}

/// The first places of the ranking, and how to get the winner.
fn result(view: &RunView, folder: &RunFolder) -> String {
    let name = folder.reference();
    let mut text = String::new();
    if view.search.as_ref().is_some_and(SearchView::has_no_winner) {
        text += "no winner: no loss is a number, so the search diverged; search again with a lower \
                 training.learning_rate, or with a limit in training.gradient_clip\n";
    } else if let Some(search) = &view.search {
        if let Some(played) = &search.finals {
            text += &finals::bracket(played);
            text += &search.winner().as_ref().map_or_else(String::new, finals::winner);
            text += "the search's own ranking:\n";
        }
        text += "rank  individual     loss  accuracy\n";
        for place in search.ranking.iter().take(PLACES) {
            text += &format!(
                "{:4}          {:02}  {:7.4}  {:6.2} %\n",
                place.rank, place.individual, place.loss, place.accuracy
            );
        }
        text += &format!("`relativenas export {name} --rank 1` prints the winner\n");
    }
    if let Some(reached) = view.training.as_ref().and_then(|training| training.result(|n| n.to_string())) {
        text += &format!("{reached}\n");
        text += &format!("best weights: {}\n", folder.best_weights().display());
    }
    text + &format!("{}\n", folder.path().display())
}

#[cfg(test)]
mod tests {
    use relativenas_core::{event::Event, loss::Loss, protocol::MemberProgress};

    use super::*;
    use crate::fixture;

    #[test]
    fn progress_is_told_in_one_line() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        fixture::write_log(&folder, &fixture::log(1));
        let view = folder.view().expect("readable");
        let batches = |validating| BatchProgress { validating, batch: 3, batches: 8, loss: Some(Loss(1.0)) };
        let member = |individual, validating| MemberProgress { individual, progress: batches(validating) };
        let progress = Progress {
            activity: Activity::Estimating {
                stage: Stage::Search,
                generation: 1,
                pair: 1,
                members: vec![member(IndividualId(7), false), member(IndividualId(15), true)],
            },
            images_per_second: 12_410.4,
            seconds_left: Some(125.0),
            ..Progress::default()
        };
        assert_eq!(
            words(&progress, &view),
            "generation 1 of 2, pair 2 of 2 · 07 trains 3/8, 15 validates 3/8 · 12,410 images/s · 2 min 05 s left"
        );
    }

    #[test]
    fn in_finals_the_round_is_told_instead_of_the_generation() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r");
        let log = fixture::log_with_finals();
        let ends_round = |line: &Line| matches!(line.event, Event::FinalsRoundEnded { .. });
        let first = log.iter().position(ends_round).expect("a round");
        fixture::write_log(&folder, &log[..=first]);
        let view = folder.view().expect("readable");
        let activity = Activity::Finals { round: 1, trainings: 0, members: Vec::new() };
        let progress = Progress { activity, ..Progress::default() };
        assert_eq!(words(&progress, &view), "finals, round 2 of 2, training 1 of 2");
    }

    #[test]
    fn the_network_of_a_training_has_no_number() {
        let mut view = RunView::default();
        fixture::training_log("relativenas", 20)[..5]
            .iter()
            .for_each(|line| view.apply(line).expect("a log"));
        let progress = BatchProgress { validating: false, batch: 3, batches: 8, loss: None };
        let words = |activity| words(&Progress { activity, ..Progress::default() }, &view);
        assert_eq!(words(Activity::Training { epoch: 4, progress }), "epoch 4 of 20 · trains 3/8");
        let progress = BatchProgress { validating: true, ..progress };
        assert_eq!(words(Activity::Testing { progress }), "testing the best weights · validates 3/8");
    }

    #[test]
    fn what_hinders_is_told_once_and_its_end_too_where_no_line_is_written_again() {
        let mut out = Vec::new();
        let mut printer = Printer::new(Style::Plain, &mut out);
        let full = || Progress { notice: Some("cannot write: no space".to_owned()), ..Progress::default() };
        for progress in [Progress::default(), full(), full(), Progress::default(), Progress::default()] {
            printer.progress(&progress, &RunView::default()).expect("printed");
        }
        drop(printer);
        let said = String::from_utf8(out).expect("UTF-8");
        assert_eq!(said, "cannot write: no space\ngoing on: the problem is over\n");
    }

    #[test]
    fn a_search_without_a_winner_suggests_no_export() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r").called_by_name();
        fixture::write_log(&folder, &fixture::log(3));
        let mut view = folder.view().expect("readable");
        let ranking = &mut view.search.as_mut().expect("a search").ranking;
        ranking.iter_mut().for_each(|place| place.loss = Loss::NAN);
        let text = result(&view, &folder);
        assert!(text.starts_with("no winner: no loss is a number") && !text.contains("export"), "{text}");
    }

    #[test]
    fn a_result_names_the_winner_and_how_to_get_it() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "r").called_by_name();
        fixture::write_log(&folder, &fixture::log(3));
        let view = folder.view().expect("readable");
        let text = result(&view, &folder);
        let winner = view.search.expect("a search").ranking[0].individual;
        assert!(
            text.lines().nth(1).expect("a first place").contains(&format!("   1          {winner:02}")),
            "{text}"
        );
        assert!(text.contains("`relativenas export r --rank 1`"), "{text}");
    }
}
