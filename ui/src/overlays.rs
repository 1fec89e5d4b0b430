//! What lies over a view until it is closed: help, palette, questions, forms.

mod confirm;
mod export;
mod help;
mod inspect;
mod palette;
pub mod prompt;
mod start;

use crossterm::event::{KeyCode, KeyEvent};
use relativenas_core::protocol::Command;

pub use inspect::lineage;

use crate::{
    actions::Action,
    app::{App, Beside},
    canvas::Canvas,
    messages::{Request, RunName},
};

/// What lies over the view.
#[derive(Clone, Debug)]
pub enum Overlay {
    Help {
        scroll: usize,
    },
    Palette(palette::Palette),
    ConfirmStop,
    /// A probe of this run ends with the screen.
    ConfirmLeave {
        run: RunName,
    },
    Export(export::Export),
    Inspect {
        scroll: usize,
    },
    Prompt(prompt::Prompt),
    Start(Box<start::Start>),
}

/// What an overlay wants after a key. All but `Stay` and `Ask` close it.
#[derive(Clone, Debug)]
pub enum Reaction {
    Stay,
    Close,
    Act(Action),
    Request(Request),
    /// Asks for something that only the other side can find wrong: the overlay stays until then.
    Ask(Request),
    Steer(Command),
    Compare(Box<Beside>),
    Find(String),
    Leave,
}

impl Overlay {
    pub fn palette() -> Self {
        Self::Palette(palette::Palette::default())
    }

    pub fn export(app: &App) -> Self {
        Self::Export(export::Export::new(app))
    }

    pub fn start(app: &App) -> Self {
        Self::Start(Box::new(start::Start::new(app)))
    }

    pub fn press(&mut self, app: &App, key: KeyEvent) -> Reaction {
        if key.code == KeyCode::Esc {
            return Reaction::Close;
        }
        match self {
            Self::Help { scroll } => help::press(scroll, key),
            Self::Palette(palette) => palette.press(app, key),
            Self::ConfirmStop => confirm::press(key, Reaction::Steer(Command::Stop)),
            Self::ConfirmLeave { .. } => confirm::press(key, Reaction::Leave),
            Self::Export(export) => export.press(key),
            Self::Inspect { scroll } => inspect::press(scroll, key),
            Self::Prompt(prompt) => prompt.press(app, key),
            Self::Start(form) => form.press(key),
        }
    }

    /// Whether it asked for something and waits for the outcome.
    pub fn is_waiting(&self) -> bool {
        match self {
            Self::Prompt(prompt) => prompt.is_waiting(),
            Self::Start(form) => form.is_waiting(),
            _ => false,
        }
    }

    /// Takes the reason why what it asked for is not to be had.
    pub fn fail(&mut self, why: String) {
        match self {
            Self::Prompt(prompt) => prompt.fail(why),
            Self::Start(form) => form.fail(why),
            _ => {}
        }
    }

    pub fn paste(&mut self, app: &App, text: &str) {
        match self {
            Self::Palette(palette) => palette.paste(text),
            Self::Prompt(prompt) => prompt.paste(app, text),
            Self::Start(form) => form.paste(text),
            Self::Help { .. }
            | Self::ConfirmStop
            | Self::ConfirmLeave { .. }
            | Self::Export(_)
            | Self::Inspect { .. } => {}
        }
    }
}

/// Draws an overlay over the whole screen's canvas.
pub fn draw(canvas: &mut Canvas<'_>, app: &App, overlay: &Overlay) {
    match overlay {
        Overlay::Help { scroll } => help::draw(canvas, app, *scroll),
        Overlay::Palette(palette) => palette.draw(canvas, app),
        Overlay::ConfirmStop => confirm::draw_stop(canvas, app),
        Overlay::ConfirmLeave { run } => confirm::draw_leave(canvas, run),
        Overlay::Export(export) => export.draw(canvas, app),
        Overlay::Inspect { scroll } => inspect::draw(canvas, app, *scroll),
        Overlay::Prompt(prompt) => prompt.draw(canvas),
        Overlay::Start(form) => form.draw(canvas),
    }
}

/// Keys of an overlay, for the footer.
pub fn hints(overlay: &Overlay) -> &'static [(&'static str, &'static str)] {
    match overlay {
        Overlay::Help { .. } | Overlay::Inspect { .. } => &[("up/down", "scroll"), ("esc", "close")],
        Overlay::Palette(_) => &[("up/down", "choose"), ("enter", "do it"), ("esc", "close")],
        Overlay::ConfirmStop => &[("y", "stop"), ("n", "go on")],
        Overlay::ConfirmLeave { .. } => &[("y", "leave"), ("n", "stay")],
        Overlay::Export(_) => {
            &[("up/down", "format"), ("left/right", "what"), ("enter", "export"), ("esc", "close")]
        }
        Overlay::Prompt(_) => &[("enter", "do it"), ("esc", "close")],
        Overlay::Start(_) => &[("up/down", "setting"), ("enter", "start"), ("esc", "close")],
    }
}

/// A part in the middle, below the title and above the footer, of at most this size.
fn window<'a>(canvas: &'a mut Canvas<'_>, width: usize, height: usize) -> Canvas<'a> {
    let (columns, rows) = (canvas.width(), canvas.height());
    let (width, height) = (width.min(columns), height.min(rows.saturating_sub(2)));
    canvas.part((columns - width) / 2, (rows - height) / 2, width, height)
}

/// Keys that scroll; gives whether the key was one.
fn scroll(place: &mut usize, key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Up | KeyCode::Char('k') => *place = place.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => *place += 1,
        KeyCode::PageUp => *place = place.saturating_sub(10),
        KeyCode::PageDown | KeyCode::Char(' ') => *place += 10,
        KeyCode::Home => *place = 0,
        _ => return false,
    }
    true
}
