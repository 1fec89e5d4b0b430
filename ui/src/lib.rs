//! What a person sees of a search in the terminal.
//!
//! The screen is handed a receiver of [`messages::Message`]s and a sender of
//! [`messages::Request`]s. It opens no file and no socket, and never waits for an engine.

pub mod draw;
pub mod glyphs;
pub mod messages;
pub mod theme;
