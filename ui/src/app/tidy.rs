//! What is done with the runs in the list: opening, resuming, comparing, marking, naming and removing them.

use super::App;
use crate::{
    messages::{Request, RunName, RunSummary},
    overlays::{Overlay, prompt},
};

impl App {
    pub(super) fn selected_run(&self) -> Option<&RunSummary> {
        self.places.runs.listed(&self.state).get(self.places.runs.row).copied()
    }

    pub(super) fn open_selected_run(&mut self) {
        let Some(summary) = self.selected_run() else { return };
        let run = summary.run.clone();
        if summary.study.is_some() {
            self.overlay = Some(Overlay::study(run));
        } else {
            self.request(Request::Open { run });
        }
    }

    /// Starts an engine on the selected run, which goes on as it was left, or waits for a command.
    pub(super) fn resume_selected_run(&mut self, paused: bool) {
        let Some(summary) = self.selected_run() else { return };
        if summary.study.is_some() {
            let words = format!("`relativenas study work {}` goes on with a study", summary.run);
            return self.warn(words);
        }
        if summary.alive {
            return self.warn("an engine runs it already; open it instead");
        }
        let run = summary.run.clone();
        self.request(Request::Resume { run, paused });
    }

    pub(super) fn compare_selected_run(&mut self) {
        let Some(summary) = self.selected_run() else { return };
        if summary.study.is_some() {
            return self.warn("a study has no curves of its own; `enter` lists its runs");
        }
        let run = summary.run.clone();
        if self.state.run_name() == Some(&run) {
            return self.warn("this is the run that is shown; choose another to compare it with");
        }
        let before = self.state.compared.len();
        self.state.compared.retain(|(name, _)| *name != run);
        if self.state.compared.len() < before {
            return self.say(format!("{run} is no longer compared"));
        }
        self.request(Request::Compare { run });
    }

    /// Lists the runs alone that have these words. The selected run stays selected if it is among them.
    pub(super) fn filter_runs(&mut self, filter: String) {
        self.keep_selected_run(|app| app.places.runs.filter = filter);
    }

    pub(super) fn sort_runs(&mut self) {
        self.keep_selected_run(|app| app.places.runs.order = app.places.runs.order.next());
        let words = format!("sorted by {}", self.places.runs.order.name());
        self.say(words);
    }

    /// Changes which runs are listed in which order. What is selected is a run, not a row.
    pub(super) fn keep_selected_run(&mut self, change: impl FnOnce(&mut Self)) {
        let selected = self.selected_run().map(|summary| summary.run.clone());
        change(self);
        let listed = self.places.runs.listed(&self.state);
        let at = selected.and_then(|name| listed.iter().position(|run| run.run == name));
        let last = listed.len().saturating_sub(1);
        self.places.runs.row = at.unwrap_or(self.places.runs.row).min(last);
    }

    /// Marks the selected run, or no longer, and goes on to the next.
    pub(super) fn mark_run(&mut self) {
        let Some(run) = self.selected_single_run() else { return };
        if !self.state.marked_runs.remove(&run) {
            self.state.marked_runs.insert(run);
        }
        self.walk(1);
    }

    /// Takes all marks away; the next time, lists all runs again.
    pub(super) fn forget_marks_or_filter(&mut self) {
        if self.state.marked_runs.is_empty() {
            return self.filter_runs(String::new());
        }
        self.state.marked_runs.clear();
    }

    /// Asks for a name or a note of the selected run.
    pub(super) fn ask_about_run(&mut self, purpose: prompt::Purpose) {
        let Some(run) = self.selected_single_run() else { return };
        let note = self.selected_run().map(|summary| summary.note.clone()).unwrap_or_default();
        let now = if purpose == prompt::Purpose::AnnotateRun { note } else { run.clone() };
        self.overlay = Some(Overlay::Prompt(prompt::Prompt::about(purpose, &self.state, run, &now)));
    }

    /// Asks whether the marked runs, or the selected one where none is marked, are to be removed.
    pub(super) fn ask_to_remove(&mut self) {
        let mut runs: Vec<RunName> = self.state.marked_runs.iter().cloned().collect();
        if runs.is_empty() {
            runs.extend(self.selected_single_run());
        }
        let is_alive = |run: &RunSummary| run.alive && runs.contains(&run.run);
        let alive = self.state.runs.iter().flat_map(|(all, _)| all).find(|run| is_alive(run));
        if let Some(alive) = alive {
            let words = format!("{}: its engine is running; open it and stop it first", alive.run);
            return self.warn(words);
        }
        if !runs.is_empty() {
            self.overlay = Some(Overlay::ConfirmRemove(runs));
        }
    }

    /// The selected run; says so if it is a study, which is more than one.
    fn selected_single_run(&mut self) -> Option<RunName> {
        let summary = self.selected_run()?;
        if summary.study.is_some() {
            let words = format!("a study is kept as it is here; its folder is {}", summary.folder.display());
            self.warn(words);
            return None;
        }
        Some(summary.run.clone())
    }

    /// Follows a run to its new name.
    pub(super) fn hear_renamed(&mut self, from: &str, to: &RunName) {
        if self.overlay.as_ref().is_some_and(Overlay::is_waiting) {
            self.overlay = None;
        }
        let shown = self.state.shown.iter_mut().map(|shown| &mut shown.run);
        let compared = self.state.compared.iter_mut().map(|(name, _)| name);
        let listed = self.state.runs.iter_mut().flat_map(|(runs, _)| runs).map(|run| &mut run.run);
        let worked_on = self.worked_on.iter_mut().map(|(name, _)| name);
        let names = shown.chain(compared).chain(listed).chain(worked_on);
        names.filter(|name| *name == from).for_each(|name| name.clone_from(to));
        if self.state.marked_runs.remove(from) {
            self.state.marked_runs.insert(to.clone());
        }
        self.say(format!("{from} is {to} from now on"));
    }

    /// Forgets runs that exist no longer.
    pub(super) fn hear_removed(&mut self, removed: &[RunName]) {
        let is_gone = |name: &RunName| removed.contains(name);
        if self.state.run_name().is_some_and(is_gone) {
            (self.state.shown, self.state.past, self.state.selected) = (None, None, None);
            self.state.marked.clear();
        }
        self.state.compared.retain(|(name, _)| !is_gone(name));
        self.state.marked_runs.retain(|name| !is_gone(name));
        self.keep_selected_run(|app| {
            if let Some((runs, _)) = &mut app.state.runs {
                runs.retain(|run| !is_gone(&run.run));
            }
        });
        match removed {
            [one] => self.say(format!("{one} is removed")),
            _ => self.say(format!("{} runs are removed", removed.len())),
        }
    }
}
