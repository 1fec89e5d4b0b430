//! What is done with the runs in the list: opening, resuming, comparing, marking, naming and removing them.

use std::path::{Path, PathBuf};

use super::App;
use crate::{
    actions::Action,
    messages::{Link, Request, RunSummary, run_name},
    overlays::{Overlay, prompt},
};

impl App {
    pub(super) fn selected_run(&self) -> Option<&RunSummary> {
        self.places.runs.listed(&self.state).get(self.places.runs.row).copied()
    }

    pub(super) fn open_selected_run(&mut self) {
        let Some(summary) = self.selected_run() else { return };
        if summary.study.is_some() {
            self.overlay = Some(Overlay::study(summary.run.clone()));
        } else {
            let folder = summary.folder.clone();
            self.request(Request::Open { folder });
        }
    }

    /// Starts an engine on the selected run, which goes on as it was left, or waits for a command.
    pub(super) fn resume_selected_run(&mut self, paused: bool) {
        let Some(summary) = self.selected_run() else { return };
        if summary.study.is_some() {
            let words = format!("`relativenas study work {}` goes on with a study", summary.run);
            return self.warn(words);
        }
        let (folder, listed_alive) = (summary.folder.clone(), summary.alive);
        // What is known of the run that is shown is newer than the list.
        match self.state.shown.as_ref().filter(|shown| shown.folder == folder) {
            Some(shown) if shown.is_stopping() => {
                return self.warn("its engine still writes a checkpoint; resume it once it has stopped");
            }
            Some(shown) if matches!(shown.link, Link::NoEngine | Link::Dead { .. }) => {}
            _ if listed_alive => return self.warn("an engine runs it already; open it instead"),
            _ => {}
        }
        self.request(Request::Resume { folder, paused });
    }

    pub(super) fn compare_selected_run(&mut self) {
        let Some(summary) = self.selected_run() else { return };
        if summary.study.is_some() {
            let how =
                self.keys.key(Action::OpenRun).map_or(String::new(), |key| format!("; {key} lists its runs"));
            return self.warn(format!("a study has no curves of its own{how}"));
        }
        let (run, folder) = (summary.run.clone(), summary.folder.clone());
        if self.state.folder() == Some(&folder) {
            return self.warn("this is the run that is shown; choose another to compare it with");
        }
        let before = self.state.compared.len();
        self.state.compared.retain(|compared| compared.folder != folder);
        if self.state.compared.len() < before {
            return self.say(format!("{run} is no longer compared"));
        }
        self.request(Request::Compare { folder });
    }

    /// Lists only the runs that contain these words. The selected run stays selected if it is among them.
    pub(super) fn filter_runs(&mut self, filter: String) {
        self.keep_selected_run(|app| app.places.runs.filter = filter);
    }

    pub(super) fn sort_runs(&mut self) {
        self.keep_selected_run(|app| app.places.runs.order = app.places.runs.order.next());
        let words = format!("sorted by {}", self.places.runs.order.name());
        self.say(words);
    }

    /// Changes which runs are listed, or their order. The same run stays selected, in whichever row it then is.
    pub(super) fn keep_selected_run(&mut self, change: impl FnOnce(&mut Self)) {
        let selected = self.selected_run().map(|summary| summary.folder.clone());
        change(self);
        let listed = self.places.runs.listed(&self.state);
        let at = selected.and_then(|folder| listed.iter().position(|run| run.folder == folder));
        let last = listed.len().saturating_sub(1);
        self.places.runs.row = at.unwrap_or(self.places.runs.row).min(last);
    }

    /// Marks the selected run, or removes its mark; then selects the next one.
    pub(super) fn mark_run(&mut self) {
        let Some(folder) = self.selected_single_run() else { return };
        if !self.state.marked_runs.remove(&folder) {
            self.state.marked_runs.insert(folder);
        }
        self.walk(1);
    }

    /// Removes all marks; if there are none, removes the filter, so that all runs are listed.
    pub(super) fn forget_marks_or_filter(&mut self) {
        if self.state.marked_runs.is_empty() {
            return self.filter_runs(String::new());
        }
        self.state.marked_runs.clear();
    }

    /// Asks for a name or a note of the selected run.
    pub(super) fn ask_about_run(&mut self, purpose: prompt::Purpose) {
        let Some(folder) = self.selected_single_run() else { return };
        let note = self.selected_run().map(|summary| summary.note.clone()).unwrap_or_default();
        let now = if purpose == prompt::Purpose::AnnotateRun { note } else { run_name(&folder) };
        self.overlay = Some(Overlay::Prompt(prompt::Prompt::about(purpose, &self.state, folder, &now)));
    }

    /// Asks whether the marked runs, or the selected run or study where none is marked, are to be removed.
    pub(super) fn ask_to_remove(&mut self) {
        if self.state.marked_runs.is_empty()
            && let Some(study) = self.selected_run().filter(|summary| summary.study.is_some())
        {
            if study.alive {
                let words = format!("{}: workers are on its runs; end them first", study.run);
                return self.warn(words);
            }
            let runs = study.study.iter().flatten().map(|run| run.run.clone()).collect();
            self.overlay = Some(Overlay::ConfirmRemoveStudy { folder: study.folder.clone(), runs });
            return;
        }
        let mut folders: Vec<PathBuf> = self.state.marked_runs.iter().cloned().collect();
        if folders.is_empty() {
            folders.extend(self.selected_single_run());
        }
        let is_alive = |run: &RunSummary| run.alive && folders.contains(&run.folder);
        let alive = self.state.runs.iter().flat_map(|(all, _)| all).find(|run| is_alive(run));
        if let Some(alive) = alive {
            let words = format!("{}: its engine is running; open it and stop it first", alive.run);
            return self.warn(words);
        }
        if !folders.is_empty() {
            let listed = self.places.runs.listed(&self.state);
            let is_listed = |folder: &&PathBuf| listed.iter().any(|run| run.folder == **folder);
            let unlisted = folders.len() - folders.iter().filter(is_listed).count();
            self.overlay = Some(Overlay::ConfirmRemove { folders, unlisted });
        }
    }

    /// The folder of the selected run; `None`, with a warning, if a study is selected.
    fn selected_single_run(&mut self) -> Option<PathBuf> {
        let summary = self.selected_run()?;
        if summary.study.is_some() {
            let words = format!(
                "a study cannot be renamed, marked or annotated; its folder is {}",
                summary.folder.display()
            );
            self.warn(words);
            return None;
        }
        Some(summary.folder.clone())
    }

    /// Follows a run to its new name.
    pub(super) fn hear_renamed(&mut self, from: &Path, to: &PathBuf) {
        if self.overlay.as_ref().is_some_and(Overlay::is_waiting) {
            self.overlay = None;
        }
        let (name_before, name) = (run_name(from), run_name(to));
        if let Some(shown) = self.state.shown.as_mut().filter(|shown| shown.folder == from) {
            (shown.run, shown.folder) = (name.clone(), to.clone());
        }
        let listed = self.state.runs.iter_mut().flat_map(|(runs, _)| runs);
        for run in listed.filter(|run| run.folder == from) {
            (run.run, run.folder) = (name.clone(), to.clone());
        }
        let compared = self.state.compared.iter_mut().map(|compared| &mut compared.folder);
        compared.filter(|folder| *folder == from).for_each(|folder| folder.clone_from(to));
        let worked_on = self.worked_on.iter_mut().map(|(folder, _)| folder);
        worked_on.filter(|folder| *folder == from).for_each(|folder| folder.clone_from(to));
        if self.state.marked_runs.remove(from) {
            self.state.marked_runs.insert(to.clone());
        }
        self.say(format!("{name_before} is {name} from now on"));
    }

    /// Forgets runs and studies that exist no longer.
    pub(super) fn hear_removed(&mut self, removed: &[PathBuf]) {
        // The runs of a study lie in its folder.
        let is_gone = |folder: &Path| removed.iter().any(|gone| folder.starts_with(gone));
        if self.state.folder().is_some_and(is_gone) {
            (self.state.shown, self.state.past, self.state.selected) = (None, None, None);
            self.state.marked.clear();
        }
        self.state.compared.retain(|compared| !is_gone(&compared.folder));
        self.state.marked_runs.retain(|folder| !is_gone(folder));
        self.keep_selected_run(|app| {
            if let Some((runs, _)) = &mut app.state.runs {
                runs.retain(|run| !is_gone(&run.folder));
            }
        });
        match removed {
            [one] => self.say(format!("{} is removed", run_name(one))),
            _ => self.say(format!("{} runs are removed", removed.len())),
        }
    }
}
