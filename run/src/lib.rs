//! A run on disk, and where its engine is reached. The command and the engine both use this crate, so that
//! there is one place that knows what a run's folder holds.
//!
//! [`folder::RunFolder`] is a run as any program finds it; [`held::HeldRun`] is the same run while one engine
//! holds it. [`log`] writes and reads its events, [`sessions`] records which engines worked on it and how
//! they ended, [`lock`] tells whether an engine lives, and [`address`] where it is reached. Everything that
//! must survive a crash is written through [`disk::Disk`], which tests can make fail at any step. [`claim`]
//! decides which of several machines works on what, where locks cannot.

pub mod address;
pub mod aside;
pub mod claim;
pub mod clock;
pub mod disk;
mod edits;
mod error;
#[cfg(test)]
mod fixture;
pub mod folder;
pub mod held;
pub mod host;
pub mod limited;
pub mod lock;
pub mod log;
mod printable;
pub mod sessions;
pub mod shell;
pub mod token;

pub use error::RunError;
pub use printable::printable;
