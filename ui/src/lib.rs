//! The terminal screen of a search or a training.
//!
//! The screen is handed a receiver of [`messages::Message`]s and a sender of
//! [`messages::Request`]s. It opens no file and no socket, and never waits for an engine.
//!
//! [`run`] owns the terminal until the screen is left. What is shown is decided by an [`App`], which knows no
//! terminal: [`App::handle`] takes an [`Input`] and [`App::draw`] fills a buffer, which is all that tests
//! need.

mod actions;
mod app;
mod canvas;
mod decoder;
pub mod draw;
mod field;
mod finder;
pub mod glyphs;
mod hangup;
mod keys;
mod layout;
mod lists;
pub mod messages;
mod moves;
mod obstacle;
mod overlays;
mod pacing;
mod painter;
mod panels;
mod past;
mod scene;
mod screen;
mod shown;
mod state;
mod terminal;
pub mod theme;
mod view;
mod views;
mod wake;
mod words;

pub use actions::{Action, Definition, Need, Place, TABLE};
pub use app::{App, Input, Options};
pub use keys::{Key, KeyError, KeyMap};
pub use painter::Painter;
pub use scene::Pace;
pub use screen::run;
pub use view::View;
