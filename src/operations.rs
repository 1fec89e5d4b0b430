//! What a person can have done, whoever asks: a command or the screen. Nothing here knows either.

pub mod begin;
pub mod export;
pub mod reading;
pub mod resume;
pub mod search;
