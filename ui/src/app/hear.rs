//! What the app does with each message.

use std::{path::Path, time::Instant};

use relativenas_core::{genotype::Genotype, protocol::Answer};

use super::App;
use crate::{
    messages::{Exit, Link, Message, Request, WorkKind, WorkState},
    overlays::{Overlay, prompt::GenotypeUse},
    shown::{Asked, Shown},
    state::ComparedRun,
    view::View,
    views::{Places, architecture::Beside},
};

impl App {
    pub(super) fn hear(&mut self, message: Message) {
        self.dirty = true;
        match message {
            Message::Opened { run, folder } => self.open(Shown::new(run, folder, self.keep_log_lines)),
            Message::Lines(lines) => {
                let Some(shown) = &mut self.state.shown else { return };
                for line in lines {
                    if let Err(error) = shown.view.apply(&line) {
                        shown.broken = Some(error.to_string());
                        break;
                    }
                    shown.history.take(line, &shown.view);
                }
            }
            Message::Progress(progress) => {
                if let Some(shown) = &mut self.state.shown {
                    // Progress that is the same as before needs no new drawing.
                    self.dirty = shown.progress.as_ref() != Some(&progress);
                    shown.take_progress(progress);
                }
            }
            Message::Load(load) => {
                if let Some(shown) = &mut self.state.shown {
                    self.dirty = shown.load != Some(load);
                    shown.load = Some(load);
                }
            }
            Message::Link(link) => {
                let dead = matches!(link, Link::Dead { .. } | Link::NoEngine);
                if let Some(shown) = &mut self.state.shown {
                    shown.take_link(link);
                }
                self.begin_replay();
                if dead && self.leaving {
                    self.leave_stopped();
                }
            }
            Message::Answer(answer) => self.hear_answer(answer),
            Message::Runs(runs) => {
                self.keep_selected_run(|app| app.state.runs = Some((runs, Instant::now())));
                self.forget_marks_of_others();
            }
            Message::Compared { folder, view } => {
                let run = ComparedRun { folder, view };
                self.state.compared.retain(|before| before.folder != run.folder);
                self.say(format!("{} is laid over the curves; compare it again to take it away", run.name()));
                self.state.compared.push(run);
            }
            Message::Grown { folder, view } => {
                // The comparison may have been closed in the meantime.
                if let Some(compared) = self.state.compared.iter_mut().find(|run| run.folder == folder) {
                    compared.view = view;
                }
            }
            Message::ProbedBefore { folder, probe } => {
                if let Some(shown) = self.state.shown.as_mut().filter(|shown| shown.folder == folder) {
                    shown.probe = Some(probe);
                }
            }
            Message::Work { folder, kind, word } => self.hear_work(&folder, kind, word),
            Message::Renamed { from, to } => self.hear_renamed(&from, &to),
            Message::Removed(folders) => self.hear_removed(&folders),
            Message::Genotype { name, genotype } => self.hear_genotype(name, genotype),
            Message::Planned { id, plan } => {
                if let Some(overlay) = &mut self.overlay {
                    overlay.planned(id, plan);
                }
            }
            Message::Done(text) => self.say(text),
            Message::Failed(text) => {
                // Perhaps it was a run that could not be opened.
                self.opening = false;
                self.fail(text);
            }
        }
    }

    /// Hands a genotype to the prompt that asked for it. It is dropped if the prompt was closed meanwhile.
    fn hear_genotype(&mut self, name: String, genotype: Genotype) {
        let Some(Overlay::Prompt(prompt)) = &self.overlay else { return };
        match prompt.wanted(&name) {
            Some(GenotypeUse::Inject(individual)) => self.inject(individual, &genotype),
            Some(GenotypeUse::Compare) => {
                self.overlay = None;
                self.places.architecture.beside = Some(Beside::Named(name, genotype));
            }
            None => {}
        }
    }

    fn open(&mut self, shown: Shown) {
        let asked = std::mem::take(&mut self.opening);
        let again = self.state.folder() == Some(&shown.folder) && !(asked && self.view == View::Runs);
        let before = self.state.shown.replace(shown);
        self.state.past = None;
        // Work in the background goes on when its run is opened again.
        if let (Some(shown), Some(before)) = (&mut self.state.shown, before)
            && shown.folder == before.folder
        {
            (shown.probe, shown.evaluated, shown.working) = (before.probe, before.evaluated, before.working);
        }
        if let (Some(shown), Some((folder, kind))) = (&mut self.state.shown, &self.worked_on)
            && shown.folder == *folder
        {
            shown.working.get_or_insert_with(|| format!("the {} is under way", kind.name()));
        }
        self.pending.clear();
        if again {
            // The run was read again by itself, after the connection broke or with another name: view and
            // selection stay as they are.
            return;
        }
        self.state.selected = None;
        self.state.marked.clear();
        self.state.compared.clear();
        self.places = Places { runs: self.places.runs.clone(), ..Places::default() };
        self.overlay = None;
        self.show(View::Overview);
    }

    fn hear_answer(&mut self, answer: Answer) {
        let Some(at) = self.pending.iter().position(|(id, _)| *id == answer.id) else { return };
        let (_, command) = self.pending.remove(at);
        match answer.refused {
            Some(why) => {
                self.leaving = false;
                if let Some(shown) = &mut self.state.shown
                    && shown.asked == Asked::of(&command)
                {
                    shown.asked = None;
                }
                self.warn(format!("refused: {why}"));
            }
            None if self.leaving => self.leave_stopped(),
            None => {}
        }
    }

    fn hear_work(&mut self, folder: &Path, kind: WorkKind, word: WorkState) {
        if matches!(word, WorkState::UnderWay(_)) {
            self.worked_on = Some((folder.to_owned(), kind));
        } else if self.worked_on.as_ref().is_some_and(|(at, what)| at == folder && *what == kind) {
            self.worked_on = None;
        }
        let Some(shown) = self.state.shown.as_mut().filter(|shown| shown.folder == folder) else { return };
        shown.working = None;
        match word {
            WorkState::UnderWay(words) => shown.working = Some(words),
            WorkState::Probed(probe) => shown.probe = Some(probe),
            WorkState::Evaluated(evaluated) => shown.evaluated = Some(evaluated),
            WorkState::Ended => {}
        }
    }

    /// Removes the marks of runs that are not in the list any more.
    fn forget_marks_of_others(&mut self) {
        let Some((runs, _)) = &self.state.runs else { return };
        self.state.marked_runs.retain(|folder| runs.iter().any(|run| run.folder == *folder));
    }

    fn leave_stopped(&mut self) {
        self.exit = Some(match self.state.folder() {
            Some(folder) => Exit::Stopped { folder: folder.to_owned() },
            None => self.state.left(),
        });
    }

    /// Shows a view; the list of runs is asked for anew each time.
    pub(super) fn show(&mut self, view: View) {
        self.view = view;
        if view == View::Runs {
            self.request(Request::ListRuns);
        }
    }
}
