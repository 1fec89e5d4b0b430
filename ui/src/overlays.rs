//! Overlays: help, palette, questions and forms that cover the view until they are closed.

mod confirm;
mod export;
mod help;
mod inspect;
mod palette;
pub mod prompt;
pub mod reaction;
mod start;
mod study;
mod window;

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent};
use relativenas_core::config::Layers;

use self::reaction::Reaction;
use crate::{
    canvas::Canvas,
    messages::{Architecture, Plan, Request, RunName, WorkKind},
    panels::footer::OverlayHints,
    scene::Scene,
    state::State,
    view::View,
};

/// What lies over the view; a key goes to it before it goes to the view.
#[derive(Clone, Debug)]
pub enum Overlay {
    Help {
        scroll: usize,
    },
    Palette(palette::Palette),
    ConfirmStop,
    /// Asks before the screen is left while work on this run goes on in the background, because it ends then.
    ConfirmLeave {
        folder: PathBuf,
        kind: WorkKind,
    },
    /// Asks before these folders of runs are removed.
    ConfirmRemove {
        folders: Vec<PathBuf>,
        /// How many of them the list does not show, because of its filter.
        unlisted: usize,
    },
    /// Asks before the folder of a study is removed with all its runs.
    ConfirmRemoveStudy {
        folder: PathBuf,
        /// The runs that were begun.
        runs: Vec<RunName>,
    },
    Export(export::Export),
    Inspect {
        scroll: usize,
    },
    Prompt(prompt::Prompt),
    Start(Box<start::Start>),
    Study(study::StudyTable),
}

impl Overlay {
    pub fn palette() -> Self {
        Self::Palette(palette::Palette::default())
    }

    pub fn export(state: &State) -> Self {
        Self::Export(export::Export::new(state))
    }

    /// The runs of a study.
    pub fn study(name: RunName) -> Self {
        Self::Study(study::StudyTable::new(name))
    }

    /// The form of a new search, or of a training if there is an `architecture` to be trained. It starts from the
    /// settings in `layers`.
    pub fn start(layers: &Layers, architecture: Option<Architecture>) -> Self {
        Self::Start(Box::new(start::Start::new(layers, architecture)))
    }

    /// Takes a key that was pressed while `view` lies below.
    pub fn press(&mut self, view: View, state: &State, key: KeyEvent) -> Reaction {
        if key.code == KeyCode::Esc {
            return Reaction::Close;
        }
        match self {
            Self::Help { scroll } => help::press(scroll, key),
            Self::Palette(palette) => palette.press(view, key),
            Self::ConfirmStop => confirm::press_stop(key),
            Self::ConfirmLeave { .. } => confirm::press(key, Reaction::Leave),
            Self::ConfirmRemove { folders, .. } => {
                confirm::press(key, Reaction::Request(Request::Remove { folders: folders.clone() }))
            }
            Self::ConfirmRemoveStudy { folder, .. } => {
                confirm::press(key, Reaction::Request(Request::RemoveStudy { folder: folder.clone() }))
            }
            Self::Export(export) => export.press(key),
            Self::Inspect { scroll } => inspect::press(scroll, key),
            Self::Prompt(prompt) => prompt.press(state, key),
            Self::Start(form) => form.press(key),
            Self::Study(table) => table.press(state, key),
        }
    }

    /// Whether it has sent a request and waits for the outcome.
    pub fn is_waiting(&self) -> bool {
        match self {
            Self::Prompt(prompt) => prompt.is_waiting(),
            Self::Start(form) => form.is_waiting(),
            _ => false,
        }
    }

    /// Shows why the request of the overlay failed.
    pub fn fail(&mut self, why: String) {
        match self {
            Self::Prompt(prompt) => prompt.fail(why),
            Self::Start(form) => form.fail(why),
            _ => {}
        }
    }

    /// Takes the server's answer to the [`Request::Plan`] with the number `id`.
    pub fn planned(&mut self, id: u64, plan: Plan) {
        if let Self::Start(form) = self {
            form.planned(id, plan);
        }
    }

    /// The request about a form that was just opened or pasted into; `None` for other overlays.
    pub fn plan(&mut self) -> Option<Request> {
        if let Self::Start(form) = self { Some(form.plan()) } else { None }
    }

    pub fn paste(&mut self, state: &State, text: &str) {
        match self {
            Self::Palette(palette) => palette.paste(text),
            Self::Prompt(prompt) => prompt.paste(state, text),
            Self::Start(form) => form.paste(text),
            Self::Help { .. }
            | Self::ConfirmStop
            | Self::ConfirmLeave { .. }
            | Self::ConfirmRemove { .. }
            | Self::ConfirmRemoveStudy { .. }
            | Self::Export(_)
            | Self::Inspect { .. }
            | Self::Study(_) => {}
        }
    }
}

/// Draws an overlay over the whole screen's canvas.
pub fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>, state: &State, overlay: &Overlay) {
    match overlay {
        Overlay::Help { scroll } => help::draw(canvas, scene, *scroll),
        Overlay::Palette(palette) => palette.draw(canvas, scene, state),
        Overlay::ConfirmStop => confirm::draw_stop(canvas, state.run_name()),
        Overlay::ConfirmLeave { folder, kind } => confirm::draw_leave(canvas, folder, *kind),
        Overlay::ConfirmRemove { folders, unlisted } => confirm::draw_remove(canvas, folders, *unlisted),
        Overlay::ConfirmRemoveStudy { folder, runs } => confirm::draw_remove_study(canvas, folder, runs),
        Overlay::Export(export) => export.draw(canvas, state),
        Overlay::Inspect { scroll } => inspect::draw(canvas, state, *scroll),
        Overlay::Prompt(prompt) => prompt.draw(canvas),
        Overlay::Start(form) => form.draw(canvas),
        Overlay::Study(table) => table.draw(canvas, state),
    }
}

/// The keys of an overlay and what they do, for the footer.
pub fn hints(overlay: &Overlay) -> OverlayHints {
    match overlay {
        Overlay::Help { .. } | Overlay::Inspect { .. } => &[("up/down", "scroll"), ("esc", "close")],
        Overlay::Palette(_) => &[("up/down", "choose"), ("enter", "do it"), ("esc", "close")],
        Overlay::ConfirmStop => &[("y", "stop it"), ("l", "stop it and leave"), ("n", "go on")],
        Overlay::ConfirmLeave { .. } => &[("y", "leave"), ("n", "stay")],
        Overlay::ConfirmRemove { .. } | Overlay::ConfirmRemoveStudy { .. } => {
            &[("y", "remove"), ("n", "keep")]
        }
        Overlay::Export(_) => {
            &[("up/down", "format"), ("left/right", "what"), ("enter", "export"), ("esc", "close")]
        }
        Overlay::Study(_) => &[("up/down", "run"), ("enter", "show it"), ("esc", "close")],
        Overlay::Prompt(_) => &[("enter", "do it"), ("esc", "close")],
        Overlay::Start(_) => {
            &[("up/down", "line"), ("left/right", "choose"), ("enter", "next, or start"), ("esc", "close")]
        }
    }
}
