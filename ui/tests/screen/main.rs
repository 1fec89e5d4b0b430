//! The screen as a person sees it, without a terminal.

mod fake_run;
mod stage;
mod screens;
mod keys;
mod sizes;
mod bytes;
