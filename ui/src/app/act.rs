//! What actions do.

use relativenas_core::{
    genotype::Genotype,
    protocol::{Command, PROTOCOL, StepUnit},
    view::Phase,
};

use super::{App, Order, walk};
use crate::{
    actions::{Action, Need},
    messages::{Link, Request},
    overlays::{Overlay, prompt},
    shown::Asked,
};

/// Why an action cannot be had now; `None` if it can.
pub(super) fn obstacle(app: &App, action: Action) -> Option<&'static str> {
    let need = action.entry().need;
    if need == Need::Nothing {
        return None;
    }
    if need == Need::Listed {
        return app.selected_run().is_none().then_some("there is no run in the list");
    }
    if need == Need::ListedAndRun && app.shown.is_none() {
        return Some("open a run first; then others can be laid over its curves");
    }
    let Some(shown) = &app.shown else {
        return Some("no run is shown; choose one from the list of runs");
    };
    let engine = match shown.link {
        Link::Live(_) => None,
        Link::Connecting => Some("there is no word of an engine yet"),
        Link::WatchOnly { ref hello, .. } if hello.protocol != PROTOCOL => {
            Some("this engine can be watched, not steered: it is of another version")
        }
        Link::WatchOnly { .. } => {
            Some("this screen only looks; `relativenas attach` and the run's name steer it")
        }
        Link::NoEngine => Some("no engine runs; resume the run to go on"),
        Link::Dead { .. } => Some("the engine is gone; resume the run to go on"),
    };
    let engine = engine.or((shown.view.phase() == Phase::Finished).then_some("the run is finished"));
    let search = shown.search().is_none().then_some("this is no search");
    let probe = match (shown.search(), &shown.link) {
        (None, _) => search,
        (Some(search), _) if search.network.is_none() => {
            Some("a table says the same each time: there is nothing to probe")
        }
        _ if shown.probing.is_some() => None,
        (_, Link::Live(_) | Link::WatchOnly { .. } | Link::Connecting)
            if shown.view.phase() != Phase::Finished =>
        {
            Some("the engine is at work; a search is probed once it is finished or stopped")
        }
        _ => None,
    };
    match need {
        Need::Nothing | Need::Listed | Need::ListedAndRun | Need::Run => None,
        Need::Search => search,
        Need::Engine => engine,
        Need::SearchEngine => engine.or(search),
        Need::Probe => probe,
    }
}

impl App {
    pub(super) fn act(&mut self, action: Action) {
        if let Some(why) = obstacle(self, action) {
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
            Action::Inspect => self.overlay = self.individual().map(|_| Overlay::Inspect { scroll: 0 }),
            Action::Pause => self.pause_or_continue(),
            Action::StepPair => self.steer(Command::Step { unit: StepUnit::Pair, count: 1 }),
            Action::StepGeneration => self.steer(Command::Step { unit: StepUnit::Generation, count: 1 }),
            Action::StepMany => self.ask(prompt::Purpose::StepMany),
            Action::PauseAt => self.ask(prompt::Purpose::PauseAt),
            Action::PauseOnNan => self.toggle_pause_on_nan(),
            Action::Inject => self.ask(prompt::Purpose::Inject),
            Action::Branch => self.ask(prompt::Purpose::Branch),
            Action::Export => self.overlay = Some(Overlay::export(self)),
            Action::SortPopulation => {
                let order = &mut self.places.population.order;
                *order = if *order == Order::Loss { Order::Number } else { Order::Loss };
            }
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
            Action::ResumeRun => self.resume_selected_run(),
            Action::NewSearch => self.overlay = Some(Overlay::start(self)),
            Action::CompareRun => self.compare_selected_run(),
            Action::CompareAll => self.compare_all_runs(),
            Action::Probe => self.probe(),
            Action::Palette => self.overlay = Some(Overlay::palette()),
            Action::Help => self.overlay = Some(Overlay::Help { scroll: 0 }),
            Action::Redraw => self.redraw = true,
            Action::Suspend => self.suspend = true,
            Action::Back => self.back(),
            Action::Detach => self.leave(),
            Action::Stop => self.overlay = Some(Overlay::ConfirmStop),
        }
    }

    /// Leaves at once, but for a probe: that ends with the screen, so a person is asked first.
    fn leave(&mut self) {
        let was_asked = matches!(self.overlay, Some(Overlay::ConfirmLeave { .. }));
        match self.probed.clone().filter(|_| !was_asked) {
            Some(run) => self.overlay = Some(Overlay::ConfirmLeave { run }),
            None => self.exit = Some(self.left()),
        }
    }

    fn back(&mut self) {
        if self.selected.take().is_none() && self.places.architecture.beside.take().is_none() {
            self.places.curves.cursor = None;
        }
    }

    fn ask(&mut self, purpose: prompt::Purpose) {
        self.overlay = Some(Overlay::Prompt(prompt::Prompt::new(purpose, self)));
    }

    fn pause_or_continue(&mut self) {
        let held = self.shown.as_ref().is_some_and(crate::shown::Shown::is_held);
        self.steer(if held { Command::Continue } else { Command::Pause });
    }

    fn toggle_pause_on_nan(&mut self) {
        let progress = self.shown.as_ref().and_then(|shown| shown.progress.as_ref());
        let on = !progress.is_some_and(|progress| progress.pause_on_nan);
        self.steer(Command::PauseOnNan { on });
        self.say(if on { "pauses after a loss that is not a number" } else { "no longer pauses on NaN" });
    }

    /// Sends a command, and remembers it until the engine answers.
    pub(super) fn steer(&mut self, command: Command) {
        let Some(shown) = self.shown.as_mut().filter(|shown| shown.is_live()) else {
            return self.warn("no engine listens");
        };
        if let Some(asked) = Asked::of(&command) {
            shown.asked = Some(asked);
        }
        self.leaving |= command == Command::Stop;
        self.last_id += 1;
        self.pending.push((self.last_id, command.clone()));
        self.request(Request::Steer { id: self.last_id, command });
    }

    /// Puts a genotype in an individual's place.
    pub(super) fn inject(&mut self, individual: usize, genotype: &Genotype) {
        match genotype.encode() {
            Ok(position) => {
                self.overlay = None;
                self.steer(Command::Inject { individual, position });
                self.say(format!("the genotype takes the place of {individual:02} before its next pair"));
            }
            Err(error) => self.fail(format!("it does not fit the searched space: {error}")),
        }
    }

    pub(super) fn selected_run(&self) -> Option<&crate::messages::RunSummary> {
        self.runs.as_ref()?.0.get(self.places.run)
    }

    fn open_selected_run(&mut self) {
        if let Some(run) = self.selected_run().map(|summary| summary.run.clone()) {
            self.request(Request::Open { run });
        }
    }

    fn resume_selected_run(&mut self) {
        let Some(summary) = self.selected_run() else { return };
        if summary.alive {
            return self.warn("an engine runs it already; open it instead");
        }
        let run = summary.run.clone();
        self.request(Request::Resume { run });
    }

    fn compare_selected_run(&mut self) {
        let Some(run) = self.selected_run().map(|summary| summary.run.clone()) else { return };
        if self.run_name().as_ref() == Some(&run) {
            return self.warn("this is the run that is shown; choose another to compare it with");
        }
        let before = self.compared.len();
        self.compared.retain(|(name, _)| *name != run);
        if self.compared.len() < before {
            return self.say(format!("{run} is no longer compared"));
        }
        self.request(Request::Compare { run });
    }

    /// Every run of the same protocol is laid over the curves; asked again, none.
    fn compare_all_runs(&mut self) {
        if !self.compared.is_empty() {
            self.compared.clear();
            return self.say("no run is compared any more");
        }
        self.request(Request::CompareAll);
    }

    /// Starts a probe of the run, or ends the one that is under way.
    fn probe(&mut self) {
        let Some(shown) = &mut self.shown else { return };
        if shown.probing.is_some() {
            return self.request(Request::EndProbe);
        }
        self.probed = Some(shown.run.clone());
        shown.probing = Some("the probe starts: libtorch and data are loaded".to_owned());
        let key = self.keys.key(Action::Probe).unwrap_or_default();
        self.say(format!("the probe starts; {key} ends it, and so does leaving"));
        self.request(Request::Probe);
    }
}
