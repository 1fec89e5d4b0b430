//! Performance estimation on libtorch, and everything that a search needs from files.

pub mod data;
