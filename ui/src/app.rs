//! The state of the screen and everything that changes it, without a terminal.

mod act;
mod find;
mod hear;
mod past;
mod tidy;
mod walk;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::{
    buffer::Buffer,
    layout::{Rect, Size},
    widgets::Widget,
};
use relativenas_core::{
    config::{Layers, ScreenConfig, Theme},
    protocol::Command,
};

use crate::{
    actions::Action,
    canvas::{Canvas, Look},
    glyphs::{Fineness, Glyphs},
    keys::{Key, KeyError, KeyMap},
    layout::Layout,
    messages::{Exit, Message, Request, WorkKind},
    overlays::{self, Overlay, reaction::Reaction},
    panels::{
        footer,
        notice::{self, Notice},
        scrubber, status_line, title,
    },
    past::Replay,
    scene::{Pace, Scene},
    shown::{RunStatus, Shown},
    state::State,
    theme::{Depth, Palette},
    view::View,
    views::{self, Places},
};

/// What the screen is started with.
#[derive(Clone, Debug)]
pub struct Options {
    pub screen: ScreenConfig,
    /// Colours of the terminal: [`Depth::resolve`] of the setting.
    pub depth: Depth,
    /// Glyphs of the terminal: [`Fineness::resolve`] of the setting.
    pub glyphs: Fineness,
    /// The `[keys]` of the configuration: keys by action.
    pub keys: BTreeMap<String, String>,
    /// The settings from which the form of a new search or training starts.
    pub layers: Layers,
    /// The folder of the run to show; `None` shows the list of runs.
    pub first: Option<PathBuf>,
    /// Generations (in a training: epochs) a second at which the first run is replayed; `None` shows it as it
    /// is.
    pub replay: Option<f64>,
    /// How many lines of the log are kept.
    pub keep_log_lines: usize,
    /// Seconds that local time is ahead of UTC.
    pub utc_offset: i32,
}

/// Everything that can change the screen.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // Nearly all inputs are messages, so boxing them saves nothing.
pub enum Input {
    Key(KeyEvent),
    Paste(String),
    Mouse(MouseEvent),
    Message(Message),
    /// The size of the terminal has changed. Columns and rows are 0 where the terminal does not know them.
    Resize {
        width: u16,
        height: u16,
    },
    /// How fast the link to the terminal is, whenever that was measured.
    Pace(Pace),
    /// The time has come at which something that depends on the clock is drawn again, see [`App::next_tick`].
    Tick,
    /// The program was suspended and runs again.
    Resumed,
    /// The other ends of the channels are closed: no more messages will come, and requests are lost.
    Disconnected,
}

/// The screen without a terminal: it takes inputs, changes its state accordingly, and decides what is drawn.
pub struct App {
    look: Look,
    theme: Theme,
    depth: Depth,
    keys: KeyMap,
    layers: Layers,
    keep_log_lines: usize,
    view: View,
    size: Size,
    pace: Pace,
    state: State,
    places: Places,
    overlay: Option<Overlay>,
    notice: Option<Notice>,
    requests: Vec<Request>,
    /// Commands that the engine has not answered yet, by the number they were sent under.
    pending: Vec<(u64, Command)>,
    last_id: u64,
    /// The folder of the run on which work goes on in the background, shown or not.
    worked_on: Option<(PathBuf, WorkKind)>,
    /// A person asked for a run to be opened, and it is not open yet.
    opening: bool,
    /// The replay of the run that is shown, if it is under way, paused or still to begin.
    replay: Option<Replay>,
    /// The engine was asked to stop, and the screen ends when it agrees.
    leaving: bool,
    exit: Option<Exit>,
    dirty: bool,
    suspend: bool,
    redraw: bool,
    /// The pause or stop that comes next was asked for on this screen, so the bell does not ring for it.
    hushed: bool,
    bell: bool,
}

/// Seconds between two requests for the list of runs while that list is shown.
const LIST_PERIOD: u64 = 10;

impl App {
    /// An app that asks for the first run of the options, or for the list of runs if there is none.
    ///
    /// # Errors
    /// If the keys of the configuration are wrong.
    pub fn new(options: Options) -> Result<Self, KeyError> {
        let look = Look {
            palette: Palette::new(options.screen.theme, options.depth),
            glyphs: Glyphs::new(options.glyphs),
            utc_offset: options.utc_offset,
        };
        let mut app = Self {
            look,
            theme: options.screen.theme,
            depth: options.depth,
            keys: KeyMap::new(&options.keys)?,
            layers: options.layers,
            keep_log_lines: options.keep_log_lines,
            view: View::Overview,
            size: Size::new(80, 24),
            pace: Pace::default(),
            state: State::default(),
            places: Places::default(),
            overlay: None,
            notice: None,
            requests: Vec::new(),
            pending: Vec::new(),
            last_id: 0,
            worked_on: None,
            opening: false,
            replay: options.replay.map(Replay::waiting),
            leaving: false,
            exit: None,
            dirty: true,
            suspend: false,
            redraw: false,
            hushed: false,
            bell: false,
        };
        match options.first {
            Some(folder) => app.request(Request::Open { folder }),
            None => app.show(View::Runs),
        }
        Ok(app)
    }

    /// Takes an input and changes the screen accordingly.
    pub fn handle(&mut self, input: Input) {
        match input {
            Input::Key(key) => self.press(key),
            Input::Paste(text) => {
                if let Some(mut overlay) = self.overlay.take() {
                    overlay.paste(&self.state, &text);
                    self.requests.extend(overlay.plan());
                    self.overlay = Some(overlay);
                    self.dirty = true;
                }
            }
            Input::Mouse(mouse) => self.point(mouse),
            Input::Message(message) => {
                let before = self.status();
                self.hear(message);
                self.ring_if_waiting(before);
            }
            Input::Resize { width, height } => {
                // A terminal that does not know its size says 0; the last one holds until it does.
                let size = Size::new(width, height);
                if width > 0 && height > 0 && size != self.size {
                    self.size = size;
                    self.dirty = true;
                }
            }
            Input::Pace(pace) => {
                self.dirty |= pace != self.pace;
                self.pace = pace;
            }
            Input::Tick => {
                if self.view == View::Runs {
                    self.request(Request::ListRuns);
                } else if self.is_playing() {
                    self.play_on();
                }
                self.dirty = true;
            }
            Input::Resumed => self.dirty = true,
            Input::Disconnected => {
                self.warn("the link to the runs is lost; leave the screen and start it again")
            }
        }
    }

    fn press(&mut self, event: KeyEvent) {
        self.dirty |= self.notice.take().is_some();
        let key = Key::from(event);
        let action = self.keys.action(key, self.view);
        let anywhere = [Action::Detach, Action::Suspend, Action::Redraw];
        if let Some(action) = action.filter(|action| key.is_control() && anywhere.contains(action)) {
            // Keys with Ctrl have their meaning also while a text is typed.
            self.act(action);
            self.dirty = true;
        } else if let Some(mut overlay) = self.overlay.take() {
            let reaction = overlay.press(self.view, &self.state, event);
            if matches!(reaction, Reaction::Stay | Reaction::Ask(_)) {
                self.overlay = Some(overlay);
            }
            match (reaction, action) {
                (Reaction::Pass, Some(action)) => self.act(action),
                (reaction, _) => self.react(reaction),
            }
            self.dirty = true;
        } else if let Some(action) = action {
            self.act(action);
            self.dirty = true;
        }
    }

    fn react(&mut self, reaction: Reaction) {
        match reaction {
            Reaction::Stay | Reaction::Close | Reaction::Pass => {}
            Reaction::Act(action) => self.act_where_it_is(action),
            Reaction::Say(words) => self.say(words),
            Reaction::Request(request) | Reaction::Ask(request) => self.request(request),
            Reaction::Steer(Command::Stop) => {
                self.steer(Command::Stop);
                let key = self.keys.key(Action::ResumeShown).unwrap_or_default();
                self.say(format!("the run stops after a checkpoint; {key} resumes it then"));
            }
            Reaction::Steer(command) => self.steer(command),
            Reaction::StopAndLeave => {
                self.steer(Command::Stop);
                self.leaving = true;
            }
            Reaction::Compare(beside) => self.places.architecture.beside = Some(*beside),
            Reaction::Find(text) => self.find_in_log(text),
            Reaction::Filter(text) => self.filter_runs(text),
            Reaction::Leave => self.exit = Some(self.state.left()),
        }
    }

    /// Hands over the requests that have accumulated since the last call.
    pub fn take_requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }

    /// Why the screen is to be left, once it is.
    pub fn exit(&self) -> Option<&Exit> {
        self.exit.as_ref()
    }

    /// Whether something changed since [`App::drawn`].
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Records that the present state was drawn.
    pub fn drawn(&mut self) {
        self.dirty = false;
    }

    pub fn size(&self) -> Size {
        self.size
    }

    pub fn view(&self) -> View {
        self.view
    }

    /// Whether the terminal's bell is to ring, because a run has ended or paused since the last call without being
    /// asked to on this screen.
    pub fn take_bell(&mut self) -> bool {
        std::mem::take(&mut self.bell)
    }

    /// The text for the terminal's title bar: how far the run is, its state and its name.
    pub fn title(&self) -> String {
        let Some(shown) = &self.state.shown else { return "relativenas".to_owned() };
        let done = match (shown.search(), &shown.view.training) {
            (Some(search), _) => format!("{}/{} ", search.generation, search.settings.generations),
            (None, Some(training)) => format!("{}/{} ", training.history.len(), training.epochs),
            (None, None) => String::new(),
        };
        let name: String = shown.run.chars().filter(|c| !c.is_control()).collect();
        // The words do not change from batch to batch, so that the title does not flicker.
        let state = match shown.status() {
            RunStatus::Validating => "training",
            status => status.name(),
        };
        format!("{done}{state} - {name}")
    }

    fn status(&self) -> Option<RunStatus> {
        self.state.shown.as_ref().map(Shown::status)
    }

    /// Rings the bell when the run has ended or paused, unless that was asked for on this screen.
    fn ring_if_waiting(&mut self, before: Option<RunStatus>) {
        let waits = |status| {
            matches!(status, RunStatus::Paused | RunStatus::Finished | RunStatus::Stopped | RunStatus::Dead)
        };
        let (Some(before), Some(now)) = (before, self.status()) else { return };
        if waits(now) && !waits(before) {
            let began = matches!(before, RunStatus::Connecting | RunStatus::Starting);
            self.bell |= !began && !std::mem::take(&mut self.hushed);
        }
    }

    /// Treats a turn of the mouse wheel as three arrow keys, and a click on a tab as the tab's key.
    fn point(&mut self, mouse: MouseEvent) {
        let key = match mouse.kind {
            MouseEventKind::ScrollUp => KeyCode::Up,
            MouseEventKind::ScrollDown => KeyCode::Down,
            MouseEventKind::Down(MouseButton::Left) if mouse.row == 1 && self.overlay.is_none() => {
                let (width, height) = (self.size.width.into(), self.size.height.into());
                let scene = self.scene(Layout::of(width, height));
                let view = title::tab_at(&scene, self.state.shown.as_ref(), width, mouse.column.into());
                if let Some(view) = view.filter(|_| scene.layout >= Layout::Small) {
                    self.show(view);
                    self.dirty = true;
                }
                return;
            }
            _ => return,
        };
        for _ in 0..3 {
            self.press(KeyEvent::new(key, KeyModifiers::NONE));
        }
    }

    fn scene(&self, layout: Layout) -> Scene<'_> {
        Scene { keys: &self.keys, layout, view: self.view, selected: self.state.selected, pace: self.pace }
    }

    /// Whether the program was asked, since the last call, to suspend itself and return to the shell.
    pub fn take_suspend(&mut self) -> bool {
        std::mem::take(&mut self.suspend)
    }

    /// Whether, since the last call, the whole screen was asked to be drawn again.
    pub fn take_redraw(&mut self) -> bool {
        std::mem::take(&mut self.redraw)
    }

    /// When the screen must be drawn again although no input came: the next step of a replay, or the next
    /// request for the list of runs. `None` if nothing depends on the time.
    pub fn next_tick(&self) -> Option<Instant> {
        if let Some(breath) = self.next_breath() {
            return Some(breath);
        }
        let (_, told) = self.state.runs.as_ref().filter(|_| self.view == View::Runs)?;
        let periods = told.elapsed().as_secs() / LIST_PERIOD + 1;
        Some(*told + Duration::from_secs(LIST_PERIOD * periods))
    }

    /// The exit of a screen that is left now, with the run that it shows.
    pub(crate) fn left(&self) -> Exit {
        self.state.left()
    }

    /// Draws everything into an area of a buffer.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let mut canvas = Canvas::new(area, buffer, &self.look);
        if self.look.palette.background.is_some() {
            canvas.clear();
        }
        let (width, height) = (canvas.width(), canvas.height());
        let scene = self.scene(Layout::of(width, height));
        let now = self.state.shown.as_ref();
        let shown = if self.view.shows_past() { self.state.seen() } else { now };
        if scene.layout == Layout::Line {
            return status_line::draw(&mut canvas, shown);
        }
        let (top, bottom) = scene.layout.margins();
        let moment = shown.and_then(|shown| shown.moment).zip(now);
        let inside = height.saturating_sub(top + bottom + usize::from(moment.is_some()));
        let hints = self.overlay.as_ref().map(overlays::hints);
        title::draw(&mut canvas.part(0, 0, width, top), &scene, shown);
        if let Some((moment, now)) = moment {
            scrubber::draw(&mut canvas.part(0, top + inside, width, 1), &scene, now, moment);
        }
        footer::draw(&mut canvas.part(0, height - bottom, width, bottom), &scene, &self.state, hints);
        views::draw(&mut canvas.part(0, top, width, inside), &scene, &self.places, &self.state);
        if let Some(overlay) = &self.overlay {
            overlays::draw(&mut canvas, &scene, &self.state, overlay);
        }
        notice::draw(&mut canvas, self.notice.as_ref(), shown, bottom);
    }

    fn request(&mut self, request: Request) {
        self.opening |= matches!(
            request,
            Request::Open { .. } | Request::Start { .. } | Request::Resume { .. } | Request::Branch { .. }
        );
        self.requests.push(request);
    }

    fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), is_warning: false });
        self.dirty = true;
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), is_warning: true });
        self.dirty = true;
    }

    /// Reports a failure: in the overlay that waits for the outcome, if one is open, else above the footer.
    fn fail(&mut self, why: String) {
        match self.overlay.as_mut().filter(|overlay| overlay.is_waiting()) {
            Some(overlay) => overlay.fail(why),
            None => self.warn(why),
        }
    }
}

impl Widget for &App {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        self.draw(area, buffer);
    }
}
