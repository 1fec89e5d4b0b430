//! Operations that a person can ask for on the command line and on the screen. This module depends on
//! neither.

pub mod begin;
pub mod export;
pub mod reading;
pub mod resume;
pub mod search;
pub mod tidy;
pub mod train;
