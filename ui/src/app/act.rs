//! What the app does for each action.

use std::path::Path;

use relativenas_core::{
    config::Theme,
    genotype::Genotype,
    population::IndividualId,
    protocol::{Command, StepUnit},
};

use super::{App, walk};
use crate::{
    actions::{Action, Place},
    messages::{Architecture, Request, WorkKind},
    obstacle::obstacle,
    overlays::{Overlay, prompt},
    shown::{Asked, Shown},
    theme::Palette,
    view::View,
    views::architecture::Beside,
};

impl App {
    pub(super) fn act(&mut self, action: Action) {
        if self.is_for_replay(action) {
            return self.play_or_rest();
        }
        if let Some(why) = obstacle(&self.state, action) {
            return self.warn(why);
        }
        match action {
            Action::Show(view) => self.show(view),
            Action::NextView => self.show(self.view.next(1)),
            Action::PreviousView => self.show(self.view.next(-1)),
            Action::Up => self.walk(-1),
            Action::Down => self.walk(1),
            Action::Left => self.walk_aside(-1),
            Action::Right => self.walk_aside(1),
            Action::PageUp => self.turn_page(-1),
            Action::PageDown => self.turn_page(1),
            Action::First => self.walk(-walk::FAR),
            Action::Last => self.walk(walk::FAR),
            Action::Inspect => self.overlay = self.state.individual().map(|_| Overlay::Inspect { scroll: 0 }),
            Action::Pause => self.pause_or_continue(),
            Action::StepPair => self.step(StepUnit::Pair),
            Action::StepGeneration => self.step(StepUnit::Generation),
            Action::StepMany => self.ask(prompt::Purpose::StepMany),
            Action::PauseAt => self.ask(prompt::Purpose::PauseAt),
            Action::PauseOnNan => self.toggle_pause_on_nan(),
            Action::Inject => self.ask(prompt::Purpose::Inject),
            Action::Branch => self.ask(prompt::Purpose::Branch),
            Action::Export => self.overlay = Some(Overlay::export(&self.state)),
            Action::SortPopulation => {
                let order = &mut self.places.population.order;
                *order = self.state.search().map_or(*order, |search| order.next(search));
            }
            Action::PopulationNumbers => self.places.population.numbers = !self.places.population.numbers,
            Action::Mark => self.mark(),
            Action::CompareMarked => self.compare_marked(),
            Action::EarlierPairs => {
                self.places.pairs.earlier = !self.places.pairs.earlier;
                self.places.pairs.row = 0;
            }
            Action::ShowGhosts => self.places.population.ghosts = !self.places.population.ghosts,
            Action::NextCell => self.change_cell(1),
            Action::PreviousCell => self.change_cell(-1),
            Action::CompareArchitecture => self.ask(prompt::Purpose::CompareWith),
            Action::LogarithmicAxis => self.places.curves.logarithmic = !self.places.curves.logarithmic,
            Action::NextCurves => self.places.curves.losses_only = !self.places.curves.losses_only,
            Action::OneByOne => self.places.curves.one_by_one = !self.places.curves.one_by_one,
            Action::Search => self.ask(prompt::Purpose::SearchLog),
            Action::SearchNext => self.search_log(1),
            Action::SearchPrevious => self.search_log(-1),
            Action::OpenRun => self.open_selected_run(),
            Action::ResumeRun => self.resume_selected_run(false),
            Action::ResumePaused => self.resume_selected_run(true),
            Action::FilterRuns => {
                let prompt = prompt::Prompt::new(prompt::Purpose::FilterRuns, &self.state);
                self.overlay = Some(Overlay::Prompt(prompt.answered(&self.places.runs.filter)));
            }
            Action::SortRuns => self.sort_runs(),
            Action::MarkRun => self.mark_run(),
            Action::RenameRun => self.ask_about_run(prompt::Purpose::RenameRun),
            Action::AnnotateRun => self.ask_about_run(prompt::Purpose::AnnotateRun),
            Action::RemoveRuns => self.ask_to_remove(),
            Action::ResumeShown => {
                if let Some(folder) = self.state.folder().map(Path::to_owned) {
                    self.request(Request::Resume { folder, paused: false });
                }
            }
            Action::NewSearch => self.show_form(None),
            Action::Train => self.show_form(self.state.architecture()),
            Action::CompareRun => self.compare_selected_run(),
            Action::CompareAll => self.compare_all_runs(),
            Action::Probe => self.work(WorkKind::Probe),
            Action::Evaluate => self.work(WorkKind::Evaluation),
            Action::EarlierGeneration => self.travel(-1, false),
            Action::LaterGeneration => self.travel(1, false),
            Action::EarlierPair => self.travel(-1, true),
            Action::LaterPair => self.travel(1, true),
            Action::Now => self.return_to_now(),
            Action::Replay => self.play_or_rest(),
            Action::Palette => self.overlay = Some(Overlay::palette()),
            Action::Help => self.overlay = Some(Overlay::Help { scroll: 0 }),
            Action::NextTheme => self.change_theme(),
            Action::Redraw => self.redraw = true,
            Action::Suspend => self.suspend = true,
            Action::Back => self.back(),
            Action::Detach => self.leave(),
            Action::Stop => self.overlay = Some(Overlay::ConfirmStop),
        }
    }

    /// Does an action that was chosen in the palette. If it belongs to a single other view, that view is
    /// shown instead of acting on a selection that cannot be seen.
    pub(super) fn act_where_it_is(&mut self, action: Action) {
        let definition = action.definition();
        if definition.place.has(self.view) {
            return self.act(action);
        }
        match definition.place {
            Place::In(views) if views.len() == 1 => {
                self.show(views[0]);
                let key = self.keys.key(action).unwrap_or_default();
                self.say(format!("{}: {key} does it here", definition.help));
            }
            _ => self.warn("this belongs to the run that is shown; choose one of its views first"),
        }
    }

    /// Leaves the screen. Work in the background would end with it, so while some is under way this is
    /// confirmed first.
    fn leave(&mut self) {
        let was_asked = matches!(self.overlay, Some(Overlay::ConfirmLeave { .. }));
        match self.worked_on.clone().filter(|_| !was_asked) {
            Some((folder, kind)) => self.overlay = Some(Overlay::ConfirmLeave { folder, kind }),
            None => self.exit = Some(self.state.left()),
        }
    }

    /// Opens the form of a search or, of an architecture, a training.
    fn show_form(&mut self, architecture: Option<Architecture>) {
        let mut form = Overlay::start(&self.layers, architecture);
        self.requests.extend(form.plan());
        self.overlay = Some(form);
    }

    /// Draws in the next theme from now on, and has it remembered.
    fn change_theme(&mut self) {
        self.theme = match self.theme {
            Theme::Dark => Theme::Light,
            Theme::Light => Theme::Contrast,
            Theme::Contrast => Theme::Dark,
        };
        self.look.palette = Palette::new(self.theme, self.depth);
        self.redraw = true;
        self.request(Request::RememberTheme { theme: self.theme });
    }

    /// Marks the selected individual, or removes its mark; then selects the next one.
    fn mark(&mut self) {
        let Some(selected) = self.state.selected else {
            return self.warn("select an individual first");
        };
        if !self.state.marked.remove(&selected) {
            self.state.marked.insert(selected);
        }
        self.walk(1);
    }

    /// Lays two marked individuals side by side.
    fn compare_marked(&mut self) {
        let marked: Vec<IndividualId> = self.state.marked.iter().copied().collect();
        let [left, right] = marked[..] else {
            return self.warn("mark two individuals first; they are compared in Architecture");
        };
        self.state.selected = Some(left);
        self.places.architecture.beside = Some(Beside::Individual(right));
        self.show(View::Architecture);
    }

    fn back(&mut self) {
        if self.view == View::Runs {
            return self.forget_marks_or_filter();
        }
        if self.state.past.is_some() {
            return self.return_to_now();
        }
        if !self.state.marked.is_empty() {
            return self.state.marked.clear();
        }
        if self.state.selected.take().is_none() && self.places.architecture.beside.take().is_none() {
            self.places.curves.cursor = None;
        }
    }

    fn ask(&mut self, purpose: prompt::Purpose) {
        self.overlay = Some(Overlay::Prompt(prompt::Prompt::new(purpose, &self.state)));
    }

    fn pause_or_continue(&mut self) {
        let held = self.state.shown.as_ref().is_some_and(Shown::is_held);
        self.steer(if held { Command::Continue } else { Command::Pause });
    }

    fn toggle_pause_on_nan(&mut self) {
        let progress = self.state.shown.as_ref().and_then(|shown| shown.progress.as_ref());
        let on = !progress.is_some_and(|progress| progress.pause_on_nan);
        self.steer(Command::PauseOnNan { on });
        self.say(if on { "pauses after a loss that is not a number" } else { "no longer pauses on NaN" });
    }

    /// Goes on for one pair, generation or epoch and then pauses; in a training every unit means an epoch.
    fn step(&mut self, unit: StepUnit) {
        let unit = if self.state.is_training() { StepUnit::Epoch } else { unit };
        self.steer(Command::Step { unit, count: 1 });
    }

    /// Sends a command, and remembers it until the engine answers.
    pub(super) fn steer(&mut self, command: Command) {
        let Some(shown) = self.state.shown.as_mut().filter(|shown| shown.is_live()) else {
            return self.warn("no engine listens");
        };
        if let Some(asked) = Asked::of(&command) {
            shown.asked = Some(asked);
        }
        self.hushed = matches!(command, Command::Pause | Command::Stop);
        self.last_id += 1;
        self.pending.push((self.last_id, command.clone()));
        self.request(Request::Steer { id: self.last_id, command });
    }

    /// Puts a genotype in an individual's place.
    pub(super) fn inject(&mut self, individual: IndividualId, genotype: &Genotype) {
        match genotype.encode() {
            Ok(position) => {
                self.overlay = None;
                self.steer(Command::Inject { individual, position });
                self.say(format!("the genotype takes the place of {individual:02} before its next pair"));
            }
            Err(error) => self.fail(format!("it does not fit the searched space: {error}")),
        }
    }

    /// Lays every run of the same protocol over the curves; the next time, takes all of them away.
    fn compare_all_runs(&mut self) {
        if !self.state.compared.is_empty() {
            self.state.compared.clear();
            return self.say("no run is compared any more");
        }
        self.request(Request::CompareAll);
    }

    /// Starts work in the background on the run that is shown, or ends what is under way.
    fn work(&mut self, kind: WorkKind) {
        let Some(shown) = &mut self.state.shown else { return };
        if shown.working.is_some() {
            return self.request(Request::EndWork);
        }
        if self.worked_on.is_some() {
            return self.warn("another run is being probed or evaluated; one at a time");
        }
        self.worked_on = Some((shown.folder.clone(), kind));
        shown.working = Some(format!("the {} starts: libtorch and data are loaded", kind.name()));
        let (action, request) = match kind {
            WorkKind::Probe => (Action::Probe, Request::Probe),
            WorkKind::Evaluation => (Action::Evaluate, Request::Evaluate),
        };
        let key = self.keys.key(action).unwrap_or_default();
        self.say(format!("the {} starts; {key} ends it, and so does leaving", kind.name()));
        self.request(request);
    }
}
