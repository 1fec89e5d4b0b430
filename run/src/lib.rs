//! What is known of a run on disk and on the wire. The command and the engine both use it, so that
//! neither has a rule of its own for what a run's folder holds.
//!
//! [`folder::RunFolder`] is a run as anybody finds it; [`held::HeldRun`] is the same run in the hands of
//! the one engine that works on it. [`log`] writes and reads its events, [`sessions`] says who was on it
//! and how they left, [`lock`] whether an engine lives, [`address`] where that one is reached. Whatever
//! must survive a crash goes through [`disk::Disk`], which tests can make fail at any step. [`claim`] says which of
//! several machines works on what, where locks cannot.

pub mod address;
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
